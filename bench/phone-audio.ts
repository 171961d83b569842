import { codecNamed } from '../codecs/catalogue.ts';
import type { AudioDecoder, Codec, CodecName } from '../codecs/codec.ts';
import {
  createMarkerLoop,
  frameMs,
  loopFrames,
  loudLevel,
  MarkerDetector,
  silentLevel,
} from './marker-audio.ts';

/** Payload type of codecs that have no static one, as we offer them. */
export const dynamicPayloadType = 111;

/** What all phones of a run say: the payloads of the marker loop, encoded once. */
export interface PhoneVoice {
  readonly codec: Codec;
  readonly payloadType: number;
  /** RTP timestamp units of a frame. */
  readonly timestampStep: number;
  readonly payloads: readonly Uint8Array[];
}

/** Throws where this build lacks the codec. */
export function createVoice(name: CodecName): PhoneVoice {
  const codec = codecNamed(name);
  if (codec === undefined)
    throw new Error(`--codec ${name}: this build cannot encode it; its module is not installed`);
  const encoder = codec.createEncoder();
  const pcm = createMarkerLoop(encoder.sampleRateHz);
  const frameSamples = (encoder.sampleRateHz * frameMs) / 1000;
  const scratch = new Uint8Array(Math.max(codec.payloadBytesMax, 1500));
  const payloads: Uint8Array[] = [];
  // The second round is kept, so that a codec with a memory joins the loop's end to its beginning.
  for (let frame = 0; frame < 2 * loopFrames; frame++) {
    const sizeBytes = encoder.encode(pcm, (frame % loopFrames) * frameSamples, frameSamples, scratch, 0);
    if (frame >= loopFrames) payloads.push(scratch.slice(0, sizeBytes));
  }
  return {
    codec,
    payloadType: codec.payloadTypeStatic ?? dynamicPayloadType,
    timestampStep: (codec.rtpClockRateHz * frameMs) / 1000,
    payloads,
  };
}

export type Heard = 'sound' | 'silence' | 'marker';

/** One phone's hearing. `listen` is on the harness's packet path: for G.711 it looks up a byte in two. */
export interface Ear {
  readonly detector: MarkerDetector;
  /** `payload` from `offset` on is one frame. */
  listen(payload: Uint8Array, offset: number, sizeBytes: number, arrivedMs: number): Heard;
  /** Frames are missing before the next one. */
  interrupt(): void;
}

export function createEar(codec: Codec): Ear {
  const decoder = codec.createDecoder();
  return codec.name === 'pcmu' || codec.name === 'pcma'
    ? new BytewiseEar(codec, decoder)
    : new DecodingEar(decoder);
}

const scratch = new Int16Array(96 * 120);

/** G.711: a byte's loudness is a table. */
class BytewiseEar implements Ear {
  readonly detector: MarkerDetector;
  readonly #decoder: AudioDecoder;
  readonly #levels: Uint8Array;

  constructor(codec: Codec, decoder: AudioDecoder) {
    this.detector = new MarkerDetector(decoder.sampleRateHz);
    this.#decoder = decoder;
    this.#levels = levelsOf(codec, decoder);
  }

  listen(payload: Uint8Array, offset: number, sizeBytes: number, arrivedMs: number): Heard {
    const levels = this.#levels;
    const end = offset + sizeBytes;
    let level = 0;
    for (let at = offset; at < end; at += 2) level |= levels[payload[at]!]!;
    for (let at = Math.max(offset, end - 3); at < end; at += 2) level |= levels[payload[at]!]!;
    if (level & LOUD || this.detector.wanting) {
      const samples = this.#decoder.decode(payload, offset, sizeBytes, scratch, 0);
      return this.detector.push(scratch, samples, arrivedMs) ? 'marker' : 'sound';
    }
    this.detector.skip(sizeBytes);
    if (level === 0) return 'silence';
    return holdsHole(payload, offset, end, levels) ? 'silence' : 'sound';
  }

  interrupt(): void {
    this.detector.interrupt();
  }
}

const AUDIBLE = 1;
const LOUD = 2;
const levelTables = new Map<string, Uint8Array>();

function levelsOf(codec: Codec, decoder: AudioDecoder): Uint8Array {
  const known = levelTables.get(codec.name);
  if (known !== undefined) return known;
  const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const pcm = new Int16Array(256);
  decoder.decode(every, 0, 256, pcm, 0);
  const levels = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const magnitude = Math.abs(pcm[byte]!);
    levels[byte] = (magnitude >= silentLevel ? AUDIBLE : 0) | (magnitude >= loudLevel ? LOUD : 0);
  }
  levelTables.set(codec.name, levels);
  return levels;
}

/** Silence at either end of the frame: eight samples without pilot. */
function holdsHole(payload: Uint8Array, offset: number, end: number, levels: Uint8Array): boolean {
  let first = 0;
  let last = 0;
  for (let i = 0; i < 8; i++) {
    first |= levels[payload[offset + i]!]!;
    last |= levels[payload[end - 1 - i]!]!;
  }
  return first === 0 || last === 0;
}

class DecodingEar implements Ear {
  readonly detector: MarkerDetector;
  readonly #decoder: AudioDecoder;

  constructor(decoder: AudioDecoder) {
    this.detector = new MarkerDetector(decoder.sampleRateHz);
    this.#decoder = decoder;
  }

  listen(payload: Uint8Array, offset: number, sizeBytes: number, arrivedMs: number): Heard {
    const view = offset === 0 ? payload : payload.subarray(offset, offset + sizeBytes);
    const samples = this.#decoder.decode(view, 0, sizeBytes, scratch, 0);
    return listenToPcm(this.detector, scratch, samples, arrivedMs);
  }

  interrupt(): void {
    this.detector.interrupt();
  }
}

/** The same for linear PCM. */
export function listenToPcm(
  detector: MarkerDetector,
  pcm: Int16Array,
  samples: number,
  arrivedMs: number,
): Heard {
  let loudest = 0;
  for (let i = 0; i < samples; i++) {
    const magnitude = pcm[i]! < 0 ? -pcm[i]! : pcm[i]!;
    if (magnitude > loudest) loudest = magnitude;
  }
  if (loudest >= loudLevel || detector.wanting)
    return detector.push(pcm, samples, arrivedMs) ? 'marker' : 'sound';
  detector.skip(samples);
  return loudest < silentLevel ? 'silence' : 'sound';
}
