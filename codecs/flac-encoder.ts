/** FLAC, RFC 9639, the lossless part of it that is simple: fixed predictors (§9.2.5) and Rice-coded residuals
 *  (§9.2.7), channels independent, 16 bits. Speech comes out at 40 to 60 % of PCM. */

export const FLAC_BLOCK_SAMPLES = 4096;
/** `fLaC` and the one metadata block of these files. */
export const FLAC_HEADER_BYTES = 42;
const PREDICTOR_ORDER_MAX = 4;
const PARTITION_ORDER_MAX = 6;
const RICE_PARAMETER_MAX = 14;

/** What begins the file, §8.2. Write it over the old one as the file grows; without `samples` and `md5` both are
 *  unknown, which is legal. */
export function buildFlacHeader({
  sampleRateHz,
  channels,
  samples = 0,
  md5,
}: {
  readonly sampleRateHz: number;
  readonly channels: number;
  /** Of each channel. */
  readonly samples?: number;
  /** Of all samples, interleaved, 16-bit little-endian. */
  readonly md5?: Uint8Array;
}): Uint8Array {
  const header = new Uint8Array(FLAC_HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set([0x66, 0x4c, 0x61, 0x43, 0x80, 0, 0, 34]);
  view.setUint16(8, FLAC_BLOCK_SAMPLES);
  view.setUint16(10, FLAC_BLOCK_SAMPLES);
  // Least and greatest size of a frame stay 0: unknown. 20 bits of rate, 3 of channels, 5 of sample size, 36 of length.
  const rateAndFormat = (BigInt(sampleRateHz) << 44n) | (BigInt(channels - 1) << 41n) | (15n << 36n);
  view.setBigUint64(18, rateAndFormat | (BigInt(samples) & 0xf_ffff_ffffn));
  if (md5 !== undefined) header.set(md5.subarray(0, 16), 26);
  return header;
}

export class FlacEncoder {
  readonly #channels: number;
  readonly #rateCode: number;
  readonly #block: Int16Array;
  #blockAt = 0;
  #frames = 0;
  readonly #samples = new Int32Array(FLAC_BLOCK_SAMPLES);

  constructor(options: { readonly channels: 1 | 2; readonly sampleRateHz: number }) {
    this.#channels = options.channels;
    this.#rateCode = rateCodes.get(options.sampleRateHz) ?? 0;
    this.#block = new Int16Array(FLAC_BLOCK_SAMPLES * options.channels);
  }

  /** Interleaved samples in, whole frames out. */
  push(pcm: Int16Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let at = 0; at < pcm.length; ) {
      const count = Math.min(pcm.length - at, this.#block.length - this.#blockAt);
      this.#block.set(pcm.subarray(at, at + count), this.#blockAt);
      this.#blockAt += count;
      at += count;
      if (this.#blockAt === this.#block.length) frames.push(this.#encodeBlock());
    }
    return frames;
  }

  /** The last frame, shorter than the others; undefined where there is nothing left. */
  finish(): Uint8Array | undefined {
    return this.#blockAt === 0 ? undefined : this.#encodeBlock();
  }

  #encodeBlock(): Uint8Array {
    const samples = this.#blockAt / this.#channels;
    const bits = new BitWriter(64 + this.#blockAt * 3);
    writeFrameHeader(bits, {
      frame: this.#frames++,
      samples,
      channels: this.#channels,
      rateCode: this.#rateCode,
    });
    for (let channel = 0; channel < this.#channels; channel++) {
      for (let i = 0; i < samples; i++) this.#samples[i] = this.#block[i * this.#channels + channel]!;
      writeSubframe(bits, this.#samples.subarray(0, samples));
    }
    this.#blockAt = 0;
    bits.align();
    bits.write(flacCrc16(bits.bytes()), 16);
    return bits.bytes().slice();
  }
}

/** Other rates stand in the file's header alone. */
const rateCodes: ReadonlyMap<number, number> = new Map([
  [8000, 4],
  [16_000, 5],
  [22_050, 6],
  [24_000, 7],
  [32_000, 8],
  [44_100, 9],
  [48_000, 10],
  [96_000, 11],
]);

/** §9.1. */
function writeFrameHeader(
  bits: BitWriter,
  {
    frame,
    samples,
    channels,
    rateCode,
  }: { frame: number; samples: number; channels: number; rateCode: number },
): void {
  bits.write(0b1111_1111_1111_1000, 16);
  bits.write(samples === FLAC_BLOCK_SAMPLES ? 0b1100 : 0b0111, 4);
  bits.write(rateCode, 4);
  bits.write(channels - 1, 4);
  // 16 bits.
  bits.write(0b1000, 4);
  for (const byte of codedNumber(frame)) bits.write(byte, 8);
  if (samples !== FLAC_BLOCK_SAMPLES) bits.write(samples - 1, 16);
  bits.write(flacCrc8(bits.bytes()), 8);
}

/** A number in the way that UTF-8 writes one, up to 36 bits. */
function codedNumber(value: number): number[] {
  if (value < 0x80) return [value];
  let count = 2;
  while (count < 7 && value >= 2 ** (5 * count + 1)) count++;
  const bytes: number[] = [];
  let rest = value;
  for (let i = 1; i < count; i++) {
    bytes.unshift(0x80 | (rest % 64));
    rest = Math.floor(rest / 64);
  }
  return [((0xff00 >> count) & 0xff) | rest, ...bytes];
}

function writeSubframe(bits: BitWriter, samples: Int32Array): void {
  const [first = 0] = samples;
  if (samples.every((sample) => sample === first)) {
    bits.write(0, 8);
    bits.write(first & 0xffff, 16);
    return;
  }
  const order = bestOrder(samples);
  const residual = differences(samples, order);
  const plan = planResidual(residual, samples.length, order);
  if (plan.bits + 16 * order >= 16 * samples.length) {
    bits.write(0b0000_0010, 8);
    for (const sample of samples) bits.write(sample & 0xffff, 16);
    return;
  }
  bits.write((0b00_1000 | order) << 1, 8);
  for (let i = 0; i < order; i++) bits.write(samples[i]! & 0xffff, 16);
  writeResidual(bits, residual, samples.length, order, plan);
}

/** The predictor with the smallest residual in all; each is the difference of the one before. */
function bestOrder(samples: Int32Array): number {
  const limit = Math.min(PREDICTOR_ORDER_MAX, samples.length - 1);
  let best = 0;
  let bestSum = Number.POSITIVE_INFINITY;
  for (let order = 0; order <= limit; order++) {
    const sum = differences(samples, order).reduce((total, value) => total + Math.abs(value), 0);
    if (sum < bestSum) {
      best = order;
      bestSum = sum;
    }
  }
  return best;
}

function differences(samples: Int32Array, order: number): Int32Array {
  let values = samples;
  for (let i = 0; i < order; i++) {
    const next = new Int32Array(values.length - 1);
    for (let k = 0; k < next.length; k++) next[k] = values[k + 1]! - values[k]!;
    values = next;
  }
  return values;
}

interface ResidualPlan {
  readonly partitionOrder: number;
  readonly parameters: readonly number[];
  readonly bits: number;
}

function planResidual(residual: Int32Array, blockSamples: number, order: number): ResidualPlan {
  let best: ResidualPlan | undefined;
  for (let partitionOrder = 0; partitionOrder <= PARTITION_ORDER_MAX; partitionOrder++) {
    const partitionSamples = blockSamples / 2 ** partitionOrder;
    if (!Number.isInteger(partitionSamples) || partitionSamples <= order) break;
    const parameters: number[] = [];
    let bits = 6;
    for (let partition = 0; partition < 2 ** partitionOrder; partition++) {
      const start = Math.max(0, partition * partitionSamples - order);
      const chosen = riceParameter(residual, start, (partition + 1) * partitionSamples - order);
      parameters.push(chosen.parameter);
      bits += 4 + chosen.bits;
    }
    if (best === undefined || bits < best.bits) best = { partitionOrder, parameters, bits };
  }
  return best!;
}

function riceParameter(
  residual: Int32Array,
  start: number,
  end: number,
): { parameter: number; bits: number } {
  const count = end - start;
  let sum = 0;
  for (let i = start; i < end; i++) sum += folded(residual[i]!);
  const guess = Math.max(0, Math.min(RICE_PARAMETER_MAX, Math.floor(Math.log2(sum / count + 1e-9))));
  let best = { parameter: 0, bits: Number.POSITIVE_INFINITY };
  for (
    let parameter = Math.max(0, guess - 1);
    parameter <= Math.min(RICE_PARAMETER_MAX, guess + 1);
    parameter++
  ) {
    let bits = count * (1 + parameter);
    for (let i = start; i < end; i++) bits += Math.floor(folded(residual[i]!) / 2 ** parameter);
    if (bits < best.bits) best = { parameter, bits };
  }
  return best;
}

function writeResidual(
  bits: BitWriter,
  residual: Int32Array,
  blockSamples: number,
  order: number,
  plan: ResidualPlan,
): void {
  bits.write(0, 2);
  bits.write(plan.partitionOrder, 4);
  const partitionSamples = blockSamples / 2 ** plan.partitionOrder;
  let at = 0;
  plan.parameters.forEach((parameter, partition) => {
    bits.write(parameter, 4);
    for (const end = (partition + 1) * partitionSamples - order; at < end; at++) {
      const value = folded(residual[at]!);
      bits.writeUnary(Math.floor(value / 2 ** parameter));
      if (parameter > 0) bits.write(value & (2 ** parameter - 1), parameter);
    }
  });
}

/** 0, -1, 1, -2, 2 … as 0, 1, 2, 3, 4 … */
function folded(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

class BitWriter {
  #bytes: Uint8Array;
  #bit = 0;

  constructor(sizeBytes: number) {
    this.#bytes = new Uint8Array(sizeBytes);
  }

  /** The lower `count` bits of `value`, at most 24. */
  write(value: number, count: number): void {
    this.#reserve(count);
    for (let left = count; left > 0; ) {
      const room = 8 - (this.#bit & 7);
      const taken = Math.min(room, left);
      const part = (value >> (left - taken)) & (2 ** taken - 1);
      const at = this.#bit >> 3;
      this.#bytes[at] = this.#bytes[at]! | (part << (room - taken));
      this.#bit += taken;
      left -= taken;
    }
  }

  /** So many zeros and a one. */
  writeUnary(zeros: number): void {
    this.#reserve(zeros + 1);
    this.#bit += zeros;
    this.write(1, 1);
  }

  align(): void {
    this.#bit = (this.#bit + 7) & ~7;
  }

  /** The whole bytes so far. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#bit >> 3);
  }

  #reserve(bits: number): void {
    const needed = (this.#bit + bits + 15) >> 3;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * needed);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Polynomial x^8 + x^2 + x + 1, of a frame's header. */
export function flacCrc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = crc8Table[crc ^ byte]!;
  return crc;
}

/** Polynomial x^16 + x^15 + x^2 + 1, of a whole frame but for these two bytes. */
export function flacCrc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) & 0xffff) ^ crc16Table[(crc >> 8) ^ byte]!;
  return crc;
}

function crcTable(bits: number, polynomial: number): Uint16Array {
  const top = 2 ** (bits - 1);
  const mask = 2 ** bits - 1;
  return Uint16Array.from({ length: 256 }, (_, index) => {
    let crc = index << (bits - 8);
    for (let bit = 0; bit < 8; bit++) crc = (crc & top ? (crc << 1) ^ polynomial : crc << 1) & mask;
    return crc;
  });
}

const crc8Table = crcTable(8, 0x07);
const crc16Table = crcTable(16, 0x8005);
