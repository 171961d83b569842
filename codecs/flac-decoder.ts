/** FLAC, RFC 9639, read while it arrives: 4 to 24 bits, 1 to 8 channels, which come out as one, their mean. */

import { BitReader, OutOfBits } from './bit-reader.ts';
import { flacCrc8, flacCrc16 } from './flac-encoder.ts';

/** A file that begins like FLAC and is none, or one of a kind that this does not read. */
export class FlacError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FlacError';
  }
}

/** Longer than any frame of 8 channels of 24 bits that a program writes. */
const frameBytesMax = 2 * 1024 * 1024;
const metadataBytesMax = 32 * 1024 * 1024;
const frameHeaderBytesMax = 16;

interface FrameHeader {
  readonly samples: number;
  readonly channels: number;
  /** 8: left and side, 9: side and right, 10: mid and side, §9.1.3. */
  readonly stereo: number;
  readonly bits: number;
  readonly headerBytes: number;
}

export class FlacReader {
  /** 0 until the header is read. */
  sampleRateHz = 0;
  #channels = 0;
  #bits = 0;
  #held: Uint8Array = new Uint8Array(0);
  #state: 'start' | 'metadata' | 'frames' = 'start';
  #skipBytes = 0;
  #skippedBytes = 0;
  /** Below so many bytes it is not worth trying again. */
  #wantedBytes = 0;

  /** Mono audio of each whole frame. FlacError for what is no FLAC. */
  *push(bytes: Uint8Array): Generator<Int16Array> {
    const held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    this.#held = held;
    while (this.#state !== 'frames') if (!this.#readMetadata()) return;
    if (this.#held.length >= this.#wantedBytes) yield* this.#readFrames(false);
  }

  /** What waited for more. */
  *finish(): Generator<Int16Array> {
    if (this.#state !== 'frames')
      throw new FlacError('a FLAC file must have a STREAMINFO block, found its end');
    yield* this.#readFrames(true);
  }

  /** Of an Ogg packet, which is one frame. */
  packet(bytes: Uint8Array): Int16Array | undefined {
    const header = this.#readHeader(bytes);
    if (typeof header !== 'object') return undefined;
    try {
      return readSubframes(bytes, header)?.pcm;
    } catch (error) {
      if (error instanceof OutOfBits || error instanceof FlacError) return undefined;
      throw error;
    }
  }

  /** The STREAMINFO block, §8.2. */
  readStreamInfo(bytes: Uint8Array): void {
    const bits = new BitReader(bytes.subarray(10));
    this.sampleRateHz = bits.read(20);
    this.#channels = bits.read(3) + 1;
    this.#bits = bits.read(5) + 1;
    if (this.sampleRateHz < 1000 || this.sampleRateHz > 384_000)
      throw new FlacError(`the sample rate must be 1000 to 384000 Hz, got ${this.sampleRateHz}`);
  }

  #readMetadata(): boolean {
    if (this.#skipBytes > 0) {
      const skipped = Math.min(this.#skipBytes, this.#held.length);
      this.#held = this.#held.subarray(skipped);
      this.#skipBytes -= skipped;
      if (this.#skipBytes > 0) return false;
    }
    if (this.#held.length < 4) return false;
    const [first, second, third, fourth] = this.#held as unknown as [number, number, number, number];
    if (this.#state === 'start') {
      if (first !== 0x66 || second !== 0x4c || third !== 0x61 || fourth !== 0x43)
        throw new FlacError('a FLAC file must begin with fLaC');
      this.#state = 'metadata';
      this.#held = this.#held.subarray(4);
      return true;
    }
    const sizeBytes = (second << 16) | (third << 8) | fourth;
    if ((first & 127) === 0) {
      if (this.#held.length < 4 + 34) return false;
      this.readStreamInfo(this.#held.subarray(4));
    }
    this.#skippedBytes += sizeBytes;
    if (this.#skippedBytes > metadataBytesMax)
      throw new FlacError('a FLAC file has more metadata than 32 MB');
    this.#held = this.#held.subarray(4);
    this.#skipBytes = sizeBytes;
    if ((first & 128) === 0) return true;
    if (this.sampleRateHz === 0) throw new FlacError('a FLAC file must have a STREAMINFO block, found none');
    if (this.#held.length < sizeBytes) {
      // Frames begin behind this block; what is left of it is skipped as a frame that is none would be.
      this.#state = 'frames';
      return true;
    }
    this.#held = this.#held.subarray(sizeBytes);
    this.#skipBytes = 0;
    this.#state = 'frames';
    return true;
  }

  *#readFrames(last: boolean): Generator<Int16Array> {
    let at = Math.min(this.#skipBytes, this.#held.length);
    this.#skipBytes -= at;
    for (;;) {
      at = nextSync(this.#held, at);
      const rest = this.#held.subarray(at);
      if (rest.length < 2) break;
      const header = this.#readHeader(rest);
      if (header === 'more' && !last) break;
      let frame: { readonly pcm: Int16Array; readonly bytes: number } | undefined;
      if (typeof header === 'object') {
        try {
          frame = readSubframes(rest, header);
        } catch (error) {
          if (error instanceof OutOfBits && !last && rest.length < frameBytesMax) break;
          if (!(error instanceof OutOfBits || error instanceof FlacError)) throw error;
        }
      }
      if (frame === undefined) at++;
      else {
        at += frame.bytes;
        yield frame.pcm;
      }
    }
    this.#held = this.#held.subarray(at);
    // A frame is tried from its beginning each time: not for every few bytes that arrive.
    this.#wantedBytes = this.#held.length + Math.min(this.#held.length, 16_384);
  }

  #readHeader(bytes: Uint8Array): FrameHeader | 'more' | undefined {
    if (bytes[0] !== 0xff || (bytes[1] ?? 0) >> 1 !== 0x7c) return undefined;
    if (bytes.length < frameHeaderBytesMax) {
      const found = this.#parseHeader(bytes);
      return found ?? 'more';
    }
    return this.#parseHeader(bytes);
  }

  /** §9.1. */
  #parseHeader(bytes: Uint8Array): FrameHeader | undefined {
    const third = bytes[2] ?? 0;
    const fourth = bytes[3] ?? 0;
    const sizeCode = third >> 4;
    const rateCode = third & 15;
    const channelCode = fourth >> 4;
    const bits = [this.#bits, 8, 12, 0, 16, 20, 24, 0][(fourth >> 1) & 7]!;
    if (sizeCode === 0 || rateCode === 15 || channelCode > 10 || bits < 4 || bits > 24) return undefined;
    let at = 4 + codedNumberBytes(bytes[4] ?? 0);
    let samples = 0;
    if (sizeCode === 1) samples = 192;
    else if (sizeCode <= 5) samples = 144 << sizeCode;
    else if (sizeCode === 6) samples = (bytes[at++] ?? 0) + 1;
    else if (sizeCode === 7) {
      samples = (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)) + 1;
      at += 2;
    } else samples = 1 << sizeCode;
    if (rateCode === 12) at += 1;
    else if (rateCode > 12) at += 2;
    if (at >= bytes.length || flacCrc8(bytes.subarray(0, at)) !== bytes[at]) return undefined;
    const channels = channelCode < 8 ? channelCode + 1 : 2;
    if (channels !== this.#channels) return undefined;
    return { samples, channels, stereo: channelCode, bits, headerBytes: at + 1 };
  }
}

function codedNumberBytes(first: number): number {
  if (first < 0x80) return 1;
  return Math.max(1, Math.clz32(~(first << 24)));
}

function nextSync(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const second = bytes[at + 1];
    if (second === undefined || second >> 1 === 0x7c) return at;
  }
  return bytes.length;
}

/** @throws OutOfBits where the frame is not whole yet. Undefined where its checksum is wrong. */
function readSubframes(
  frame: Uint8Array,
  header: FrameHeader,
): { readonly pcm: Int16Array; readonly bytes: number } | undefined {
  const reader = new BitReader(frame.subarray(header.headerBytes));
  const { samples, channels, stereo, bits } = header;
  const subframes: Int32Array[] = [];
  for (let channel = 0; channel < channels; channel++) {
    const side = stereo === 9 ? channel === 0 : stereo > 7 && channel === 1;
    subframes.push(readSubframe(reader, samples, side ? bits + 1 : bits));
  }
  const end = header.headerBytes + reader.alignedBytes();
  if (end + 2 > frame.length) throw new OutOfBits();
  if (flacCrc16(frame.subarray(0, end)) !== ((frame[end]! << 8) | frame[end + 1]!)) return undefined;
  return { pcm: mixed(subframes, header), bytes: end + 2 };
}

/** The mean of the channels, as 16 bits. */
function mixed(
  subframes: readonly Int32Array[],
  { stereo, bits, samples, channels }: FrameHeader,
): Int16Array {
  const scale = 2 ** (16 - bits);
  const pcm = new Int16Array(samples);
  const [first, second] = subframes;
  for (let i = 0; i < samples; i++) {
    let mean: number;
    if (stereo === 8) mean = first![i]! - second![i]! / 2;
    else if (stereo === 9) mean = first![i]! / 2 + second![i]!;
    else if (stereo === 10) mean = first![i]! + (second![i]! & 1) / 2;
    else {
      let sum = 0;
      for (const subframe of subframes) sum += subframe[i]!;
      mean = sum / channels;
    }
    const sample = Math.round(mean * scale);
    pcm[i] = sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample;
  }
  return pcm;
}

/** §9.2. */
function readSubframe(reader: BitReader, samples: number, bits: number): Int32Array {
  if (reader.read(1) !== 0) throw new FlacError('a subframe must begin with 0');
  const kind = reader.read(6);
  const wasted = reader.read(1) === 0 ? 0 : reader.readUnary() + 1;
  const width = bits - wasted;
  if (width < 1) throw new FlacError('a subframe must have at least one bit a sample');
  const values = new Int32Array(samples);
  if (kind === 0) values.fill(reader.readSigned(width));
  else if (kind === 1) for (let i = 0; i < samples; i++) values[i] = reader.readSigned(width);
  else if (kind >= 8 && kind <= 12) readFixed(reader, values, kind - 8, width);
  else if (kind >= 32) readLinear(reader, values, kind - 31, width);
  else throw new FlacError(`a subframe must be of a known kind, got ${kind}`);
  if (wasted > 0) for (let i = 0; i < samples; i++) values[i] = values[i]! << wasted;
  return values;
}

const fixedCoefficients = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]] as const;

function readFixed(reader: BitReader, values: Int32Array, order: number, width: number): void {
  readWarmUp(reader, values, order, width);
  readResidual(reader, values, order);
  predict(values, fixedCoefficients[order]!, 0);
}

function readLinear(reader: BitReader, values: Int32Array, order: number, width: number): void {
  readWarmUp(reader, values, order, width);
  const precision = reader.read(4) + 1;
  if (precision === 16) throw new FlacError('a predictor must have coefficients of at most 15 bits');
  const shift = reader.readSigned(5);
  if (shift < 0) throw new FlacError('a predictor must not shift to the left');
  const coefficients = Array.from({ length: order }, () => reader.readSigned(precision));
  readResidual(reader, values, order);
  predict(values, coefficients, shift);
}

function readWarmUp(reader: BitReader, values: Int32Array, order: number, width: number): void {
  if (order > values.length) throw new FlacError('a predictor must not be longer than its block');
  for (let i = 0; i < order; i++) values[i] = reader.readSigned(width);
}

/** Sums reach 45 bits, which a double holds and a 32-bit integer does not. */
function predict(values: Int32Array, coefficients: readonly number[], shift: number): void {
  const order = coefficients.length;
  const scale = 2 ** -shift;
  for (let i = order; i < values.length; i++) {
    let sum = 0;
    for (let tap = 0; tap < order; tap++) sum += coefficients[tap]! * values[i - 1 - tap]!;
    values[i] = values[i]! + Math.floor(sum * scale);
  }
}

/** §9.2.7, into `values` behind the warm-up samples. */
function readResidual(reader: BitReader, values: Int32Array, order: number): void {
  const method = reader.read(2);
  if (method > 1) throw new FlacError(`a residual must be coded in one of two ways, got ${method}`);
  const parameterBits = method === 0 ? 4 : 5;
  const escapeCode = method === 0 ? 15 : 31;
  const partitionOrder = reader.read(4);
  const partitionSamples = values.length >> partitionOrder;
  if (partitionSamples << partitionOrder !== values.length || partitionSamples < order)
    throw new FlacError('the partitions of a residual must divide its block');
  let at = order;
  for (let partition = 0; partition < 1 << partitionOrder; partition++) {
    const end = (partition + 1) * partitionSamples;
    const parameter = reader.read(parameterBits);
    if (parameter === escapeCode) {
      const width = reader.read(5);
      for (; at < end; at++) values[at] = width === 0 ? 0 : reader.readSigned(width);
    } else {
      for (; at < end; at++) values[at] = reader.readRice(parameter);
    }
  }
}
