/** A WAVE file read while it arrives, and the header of one that grows. */

import { parseWavFormat, readWavSamples, type Wav, WavError, type WavFormat } from './wav.ts';

/** Chunks before the audio may be a picture; what is skipped costs nothing, but a header must end some day. */
const headerBytesMax = 16 * 1024 * 1024;
const LENGTH_UNKNOWN = 0xffff_ffff;

/** Reads all that `parseWav` does, and RF64, piece by piece. */
export class WavReader {
  #held: Uint8Array = new Uint8Array(0);
  #state: 'start' | 'chunks' | 'audio' | 'end' = 'start';
  #format: WavFormat | undefined;
  #skipBytes = 0;
  #headerBytes = 0;
  /** Of the data chunk; without end where the file does not say. */
  #audioBytesLeft = Number.POSITIVE_INFINITY;
  #dataBytes64: number | undefined;

  /** What came with this piece, undefined where it was no whole frame. WavError for what is no WAVE file. */
  push(bytes: Uint8Array): Wav | undefined {
    this.#held = this.#held.length === 0 ? bytes : joined(this.#held, bytes);
    while (this.#state === 'start' || this.#state === 'chunks') {
      if (!this.#readHeader()) return undefined;
    }
    return this.#state === 'audio' ? this.#readAudio() : undefined;
  }

  /** WavError where the file ended before its audio began. */
  finish(): void {
    if (this.#state === 'start')
      throw new WavError(
        'not-wav',
        `a WAVE file must begin with RIFF … WAVE, got ${this.#held.length} bytes`,
      );
    if (this.#state === 'chunks')
      throw new WavError('no-data', 'a WAVE file must have a data chunk, found none');
  }

  /** False where more bytes are wanted. */
  #readHeader(): boolean {
    if (this.#skipBytes > 0) {
      const skipped = Math.min(this.#skipBytes, this.#held.length);
      this.#take(skipped);
      this.#skipBytes -= skipped;
      if (this.#skipBytes > 0) return false;
    }
    if (this.#headerBytes > headerBytesMax)
      throw new WavError('no-data', 'a WAVE file must have a data chunk, found none in 16 MB');
    const wantedBytes = this.#state === 'start' ? 12 : 8;
    if (this.#held.length < wantedBytes) return false;
    const held = this.#held;
    const view = new DataView(held.buffer, held.byteOffset, held.byteLength);
    if (this.#state === 'start') {
      const kind = tag(held, 0);
      if ((kind !== 'RIFF' && kind !== 'RF64') || tag(held, 8) !== 'WAVE')
        throw new WavError('not-wav', 'a WAVE file must begin with RIFF … WAVE');
      this.#state = 'chunks';
      this.#take(12);
      return true;
    }
    return this.#readChunk(tag(held, 0), view.getUint32(4, true), view);
  }

  #readChunk(name: string, sizeBytes: number, view: DataView): boolean {
    if (name === 'data') {
      if (this.#format === undefined)
        throw new WavError('bad-format', 'the fmt chunk must come before the data chunk');
      // 0: a writer that was cut off before it could fill in the length, or nothing at all.
      if (sizeBytes !== LENGTH_UNKNOWN && sizeBytes !== 0) this.#audioBytesLeft = sizeBytes;
      else if (this.#dataBytes64 !== undefined) this.#audioBytesLeft = this.#dataBytes64;
      this.#state = 'audio';
      this.#take(8);
      return true;
    }
    const read = name === 'fmt ' ? Math.min(sizeBytes, 40) : name === 'ds64' ? Math.min(sizeBytes, 24) : 0;
    if (this.#held.length < 8 + read) return false;
    if (name === 'fmt ') this.#format = parseWavFormat(view, 8, read);
    if (name === 'ds64' && read >= 16) this.#dataBytes64 = Number(view.getBigUint64(16, true)) || undefined;
    this.#take(8);
    this.#skipBytes = sizeBytes + (sizeBytes & 1);
    this.#headerBytes += sizeBytes;
    return true;
  }

  #readAudio(): Wav | undefined {
    const format = this.#format!;
    const frameBytes = format.channels * format.sampleBytes;
    const usable = Math.min(this.#held.length, this.#audioBytesLeft);
    const bytes = usable - (usable % frameBytes);
    if (bytes === 0) {
      if (this.#audioBytesLeft < frameBytes) this.#state = 'end';
      return undefined;
    }
    const wav = readWavSamples(this.#held.subarray(0, bytes), format);
    this.#take(bytes);
    this.#audioBytesLeft -= bytes;
    return wav;
  }

  #take(bytes: number): void {
    this.#held = this.#held.subarray(bytes);
  }
}

/** `buildGrowingWavHeader` makes so many. */
export const GROWING_WAV_HEADER_BYTES = 80;
const ds64Bytes = 28;

/** Header of 16-bit PCM with room for the long form: below 4 GB a plain WAVE file with a chunk that players skip,
 *  beyond it RF64 (EBU Tech 3306). Write it over the old one as the file grows. */
export function buildGrowingWavHeader({
  sampleRateHz,
  channels,
  dataBytes,
}: {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly dataBytes: number;
}): Uint8Array {
  const header = new Uint8Array(GROWING_WAV_HEADER_BYTES);
  const view = new DataView(header.buffer);
  const riffBytes = dataBytes + GROWING_WAV_HEADER_BYTES - 8;
  const long = riffBytes >= LENGTH_UNKNOWN;
  const frameBytes = 2 * channels;
  writeTag(header, 0, long ? 'RF64' : 'RIFF');
  view.setUint32(4, long ? LENGTH_UNKNOWN : riffBytes, true);
  writeTag(header, 8, 'WAVE');
  writeTag(header, 12, long ? 'ds64' : 'JUNK');
  view.setUint32(16, ds64Bytes, true);
  if (long) {
    view.setBigUint64(20, BigInt(riffBytes), true);
    view.setBigUint64(28, BigInt(dataBytes), true);
    view.setBigUint64(36, BigInt(dataBytes / frameBytes), true);
  }
  writeTag(header, 48, 'fmt ');
  view.setUint32(52, 16, true);
  view.setUint16(56, 1, true);
  view.setUint16(58, channels, true);
  view.setUint32(60, sampleRateHz, true);
  view.setUint32(64, sampleRateHz * frameBytes, true);
  view.setUint16(68, frameBytes, true);
  view.setUint16(70, 16, true);
  writeTag(header, 72, 'data');
  view.setUint32(76, long ? LENGTH_UNKNOWN : dataBytes, true);
  return header;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function tag(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
}

function writeTag(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}
