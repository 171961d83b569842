/** RIFF/WAVE files as bytes. Parses what phones, studios and text-to-speech programs write, builds 16-bit PCM. */

import type { Codec } from './codec.ts';
import { pcma, pcmu } from './g711.ts';

/** A file that is not a WAVE file that this reads. The message names what was expected and what was found. */
export class WavError extends Error {
  readonly code: 'not-wav' | 'bad-format' | 'unsupported-format' | 'no-data';

  constructor(code: WavError['code'], message: string) {
    super(message);
    this.name = 'WavError';
    this.code = code;
  }
}

export interface Wav {
  readonly sampleRateHz: number;
  readonly channels: number;
  /** Frame after frame, one sample of each channel. */
  readonly pcm: Int16Array;
}

export const WAV_HEADER_BYTES = 44;

const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_ALAW = 6;
const FORMAT_MULAW = 7;
const FORMAT_EXTENSIBLE = 0xfffe;
const formatNames: ReadonlyMap<number, string> = new Map([
  [2, 'Microsoft ADPCM'],
  [0x11, 'IMA ADPCM'],
  [0x31, 'GSM 06.10'],
  [0x50, 'MPEG'],
  [0x55, 'MP3'],
]);
const LENGTH_UNKNOWN = 0xffff_ffff;

/** Header of a file with 16-bit PCM. Without `dataBytes` the length stays open, as a stream's must: players then read
 *  to the end of the file. Write the header once more over the first one when the length is known. */
export function buildWavHeader(options: {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly dataBytes?: number | undefined;
}): Uint8Array {
  const { sampleRateHz, channels, dataBytes = LENGTH_UNKNOWN } = options;
  const header = new Uint8Array(WAV_HEADER_BYTES);
  const view = new DataView(header.buffer);
  const frameBytes = 2 * channels;
  writeTag(header, 0, 'RIFF');
  view.setUint32(4, Math.min(dataBytes + WAV_HEADER_BYTES - 8, LENGTH_UNKNOWN), true);
  writeTag(header, 8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, FORMAT_PCM, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, sampleRateHz * frameBytes, true);
  view.setUint16(32, frameBytes, true);
  view.setUint16(34, 16, true);
  writeTag(header, 36, 'data');
  view.setUint32(40, Math.min(dataBytes, LENGTH_UNKNOWN), true);
  return header;
}

export function buildWav(wav: Wav): Uint8Array {
  const { sampleRateHz, channels, pcm } = wav;
  const file = new Uint8Array(WAV_HEADER_BYTES + pcm.length * 2);
  file.set(buildWavHeader({ sampleRateHz, channels, dataBytes: pcm.length * 2 }));
  const view = new DataView(file.buffer);
  for (let i = 0; i < pcm.length; i++) view.setInt16(WAV_HEADER_BYTES + 2 * i, pcm[i]!, true);
  return file;
}

/** Mean of the channels. The file's own samples where it has one. */
export function mixDown(wav: Wav): Int16Array {
  const { channels, pcm } = wav;
  if (channels === 1) return pcm;
  const mono = new Int16Array(Math.floor(pcm.length / channels));
  for (let frame = 0; frame < mono.length; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += pcm[frame * channels + channel]!;
    mono[frame] = Math.round(sum / channels);
  }
  return mono;
}

/** Reads 8, 16, 24 and 32-bit PCM, 32 and 64-bit float, A-law and µ-law, plain or in WAVE_FORMAT_EXTENSIBLE. A file
 *  whose length was never filled in, or that was cut off, gives the samples that are there. WavError otherwise. */
export function parseWav(bytes: Uint8Array): Wav {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || readTag(bytes, 0) !== 'RIFF' || readTag(bytes, 8) !== 'WAVE')
    throw new WavError('not-wav', `a WAVE file must begin with RIFF … WAVE, got ${describeStart(bytes)}`);
  let format: WavFormat | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const tag = readTag(bytes, at);
    const sizeBytes = view.getUint32(at + 4, true);
    const start = at + 8;
    if (tag === 'fmt ') format = parseWavFormat(view, start, Math.min(sizeBytes, bytes.length - start));
    if (tag === 'data') {
      if (format === undefined)
        throw new WavError('bad-format', 'the fmt chunk must come before the data chunk');
      const rest = bytes.length - start;
      // 0 with something behind it: a writer that was cut off before it could fill in the length.
      const open = sizeBytes === LENGTH_UNKNOWN || sizeBytes > rest || (sizeBytes === 0 && rest > 0);
      return readWavSamples(bytes.subarray(start, start + (open ? rest : sizeBytes)), format);
    }
    at = start + sizeBytes + (sizeBytes & 1);
  }
  throw new WavError('no-data', 'a WAVE file must have a data chunk, found none');
}

/** The fmt chunk. */
export interface WavFormat {
  readonly kind: 'pcm' | 'float' | 'pcma' | 'pcmu';
  readonly channels: number;
  readonly sampleRateHz: number;
  readonly sampleBytes: number;
}

/** The fmt chunk of `sizeBytes` from `at`. WavError for what this does not read. */
export function parseWavFormat(view: DataView, at: number, sizeBytes: number): WavFormat {
  if (sizeBytes < 16) throw new WavError('bad-format', `the fmt chunk must have 16 bytes, got ${sizeBytes}`);
  let tag = view.getUint16(at, true);
  // The extensible form hides the old tag in the first two bytes of its GUID.
  if (tag === FORMAT_EXTENSIBLE && sizeBytes >= 26) tag = view.getUint16(at + 24, true);
  const channels = view.getUint16(at + 2, true);
  const sampleRateHz = view.getUint32(at + 4, true);
  const bits = view.getUint16(at + 14, true);
  if (channels < 1 || channels > 8)
    throw new WavError('unsupported-format', `a WAVE file must have 1 to 8 channels, got ${channels}`);
  if (sampleRateHz < 1000 || sampleRateHz > 384_000)
    throw new WavError(
      'unsupported-format',
      `the sample rate must be 1000 to 384000 Hz, got ${sampleRateHz}`,
    );
  const kind = sampleKind(tag, bits);
  if (kind === undefined)
    throw new WavError(
      'unsupported-format',
      `samples must be PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law or µ-law, got ${
        formatNames.get(tag) ?? `format ${tag}`
      } of ${bits} bits; convert the file to 16-bit PCM`,
    );
  return { kind, channels, sampleRateHz, sampleBytes: bits / 8 };
}

function sampleKind(tag: number, bits: number): WavFormat['kind'] | undefined {
  if (tag === FORMAT_PCM && [8, 16, 24, 32].includes(bits)) return 'pcm';
  if (tag === FORMAT_FLOAT && [32, 64].includes(bits)) return 'float';
  if (tag === FORMAT_ALAW && bits === 8) return 'pcma';
  if (tag === FORMAT_MULAW && bits === 8) return 'pcmu';
  return undefined;
}

/** Whole frames from the beginning of a data chunk, or of a part of it. */
export function readWavSamples(data: Uint8Array, format: WavFormat): Wav {
  const { kind, channels, sampleRateHz, sampleBytes } = format;
  const samples = Math.floor(data.length / sampleBytes / channels) * channels;
  const pcm = new Int16Array(samples);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (kind === 'pcma' || kind === 'pcmu') {
    const law: Codec = kind === 'pcma' ? pcma : pcmu;
    law.createDecoder().decode(data, 0, samples, pcm, 0);
  } else if (kind === 'float') {
    for (let i = 0; i < samples; i++) {
      const sample = sampleBytes === 4 ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true);
      pcm[i] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    }
  } else {
    for (let i = 0; i < samples; i++) pcm[i] = readInteger(view, i * sampleBytes, sampleBytes);
  }
  return { sampleRateHz, channels, pcm };
}

/** The upper 16 bits, rounded. 8-bit samples are unsigned, all others signed. */
function readInteger(view: DataView, at: number, sampleBytes: number): number {
  if (sampleBytes === 2) return view.getInt16(at, true);
  if (sampleBytes === 1) return (view.getUint8(at) - 128) << 8;
  const upper = view.getInt16(at + sampleBytes - 2, true);
  const next = view.getUint8(at + sampleBytes - 3);
  return Math.min(32767, upper + (next >> 7));
}

function readTag(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
}

function writeTag(bytes: Uint8Array, at: number, tag: string): void {
  for (let i = 0; i < tag.length; i++) bytes[at + i] = tag.charCodeAt(i);
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const start = [...bytes.subarray(0, 12)].map((byte) =>
    byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.',
  );
  return `'${start.join('')}'`;
}
