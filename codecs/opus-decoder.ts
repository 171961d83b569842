import type { AudioDecoder } from './codec.ts';
import {
  decoderPool,
  type NativeOpus,
  nativeRateHz,
  type OpusLibrary,
  opusLibrary,
  PACKET_MS_MAX,
  RESET_STATE,
} from './opus-native.ts';
import { opusFrameMs, opusHasFec, opusPacketMs } from './opus-packet.ts';

/** Concealment is left at libopus' own level for so long, and then goes down to silence. */
const CONCEAL_STEADY_MS = 60;
const CONCEAL_SILENT_MS = 120;

/** One decoder of libopus, however it is reached. */
interface Engine {
  /** Valid until the next call; undefined for what cannot be decoded. With `lostSamples` what the packet says of the
   *  one before it. */
  decode(
    payload: Uint8Array,
    offset: number,
    sizeBytes: number,
    lostSamples?: number,
  ): Int16Array | undefined;
  readonly decodesFec: boolean;
  reset(): void;
  close(): void;
}

/** By way of the module, which knows no FEC. */
class ModuleEngine implements Engine {
  readonly decodesFec = false;
  readonly #sampleRateHz: number;
  readonly #native: NativeOpus;

  constructor(sampleRateHz: number) {
    this.#sampleRateHz = sampleRateHz;
    this.#native = decoderPool.take(sampleRateHz);
    this.reset();
  }

  decode(payload: Uint8Array, offset: number, sizeBytes: number): Int16Array | undefined {
    try {
      const decoded = this.#native.decode(
        Buffer.from(payload.buffer, payload.byteOffset + offset, sizeBytes),
      );
      return new Int16Array(decoded.buffer, decoded.byteOffset, decoded.length >> 1);
    } catch {
      return undefined;
    }
  }

  reset(): void {
    this.#native.applyDecoderCTL(RESET_STATE, 0);
  }

  close(): void {
    decoderPool.give(this.#sampleRateHz, this.#native);
  }
}

/** The library's own functions. */
class LibraryEngine implements Engine {
  readonly decodesFec = true;
  readonly #library: OpusLibrary;
  readonly #sampleRateHz: number;
  readonly #state: ReturnType<OpusLibrary['createState']>;

  constructor(library: OpusLibrary, sampleRateHz: number) {
    this.#library = library;
    this.#sampleRateHz = sampleRateHz;
    this.#state = library.createState(sampleRateHz);
  }

  decode(
    payload: Uint8Array,
    offset: number,
    sizeBytes: number,
    lostSamples?: number,
  ): Int16Array | undefined {
    return this.#library.decode(this.#state.address, payload, offset, sizeBytes, lostSamples);
  }

  reset(): void {
    this.#library.initState(this.#state.address, this.#sampleRateHz);
  }

  close(): void {}
}

/** By way of the library where there is one. Throws where Opus is not available. */
export class OpusDecoder implements AudioDecoder {
  readonly sampleRateHz: number;
  #engine: Engine | undefined;
  /** First byte of the last packet, which tells concealment the mode and length to go on with. */
  #toc: number | undefined;
  #concealedMs = 0;
  /** Concealed samples beyond what was asked for, where frames are longer than that. */
  readonly #spare: Int16Array;
  #spareAt = 0;
  #spareEnd = 0;

  constructor(wishedHz: number | undefined, by: OpusLibrary | 'module' = opusLibrary ?? 'module') {
    this.sampleRateHz = nativeRateHz(wishedHz);
    this.#spare = new Int16Array((this.sampleRateHz * PACKET_MS_MAX) / 1000);
    this.#engine =
      by === 'module' ? new ModuleEngine(this.sampleRateHz) : new LibraryEngine(by, this.sampleRateHz);
  }

  decode(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
  ): number {
    // An empty packet would be taken for a loss of 120 ms; a malformed one would cost an exception.
    if (opusPacketMs(payload, payloadOffset, sizeBytes) === undefined) return 0;
    const decoded = this.#engine?.decode(payload, payloadOffset, sizeBytes);
    if (decoded === undefined) return 0;
    this.#toc = payload[payloadOffset]!;
    this.#heard();
    return copy(decoded, pcm, pcmOffset);
  }

  recover(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
  ): number {
    const engine = this.#engine;
    if (engine?.decodesFec !== true || !opusHasFec(payload, payloadOffset, sizeBytes)) return 0;
    // The library fills up what the packet does not tell, in steps of 2.5 ms.
    if (samples < 1 || (samples * 400) % this.sampleRateHz !== 0) return 0;
    if (samples > pcm.length - pcmOffset || samples > this.#spare.length) return 0;
    const decoded = engine.decode(payload, payloadOffset, sizeBytes, samples);
    if (decoded === undefined) return 0;
    this.#heard();
    return copy(decoded, pcm, pcmOffset);
  }

  #heard(): void {
    this.#concealedMs = 0;
    this.#spareAt = this.#spareEnd = 0;
  }

  conceal(pcm: Int16Array, pcmOffset: number, samples: number): number {
    const count = Math.max(0, Math.min(samples, pcm.length - pcmOffset));
    const end = pcmOffset + count;
    for (let at = pcmOffset; at < end; ) {
      if (this.#spareAt === this.#spareEnd && !this.#extrapolate()) {
        pcm.fill(0, at, end);
        break;
      }
      pcm[at++] = this.#spare[this.#spareAt++]!;
    }
    return count;
  }

  /** Refills `#spare` with one more frame; false when it is time for silence. */
  #extrapolate(): boolean {
    if (this.#toc === undefined || this.#concealedMs >= CONCEAL_SILENT_MS) return false;
    // A packet that consists of its first byte, with code 0, is one lost frame to libopus.
    const decoded = this.#engine?.decode(Uint8Array.of(this.#toc & 0xfc), 0, 1);
    if (decoded === undefined || decoded.length === 0) return false;
    const frameMs = opusFrameMs(this.#toc);
    for (let i = 0; i < decoded.length; i++) {
      const atMs = this.#concealedMs + (frameMs * i) / decoded.length;
      const gain = (CONCEAL_SILENT_MS - atMs) / (CONCEAL_SILENT_MS - CONCEAL_STEADY_MS);
      this.#spare[i] = Math.round(decoded[i]! * Math.min(1, Math.max(0, gain)));
    }
    this.#concealedMs += frameMs;
    this.#spareAt = 0;
    this.#spareEnd = decoded.length;
    return true;
  }

  reset(): void {
    this.#engine?.reset();
    this.#toc = undefined;
    this.#heard();
  }

  close(): void {
    this.#engine?.close();
    this.#engine = undefined;
  }
}

/** As much as there is room for. */
function copy(decoded: Int16Array, pcm: Int16Array, pcmOffset: number): number {
  const count = Math.max(0, Math.min(decoded.length, pcm.length - pcmOffset));
  for (let i = 0; i < count; i++) pcm[pcmOffset + i] = decoded[i]!;
  return count;
}
