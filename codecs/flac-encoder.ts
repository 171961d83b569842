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
  const { order, residual } = bestPrediction(samples);
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

/** Room for one block, used by each in turn. */
const scratch = Array.from({ length: PREDICTOR_ORDER_MAX + 1 }, () => new Int32Array(FLAC_BLOCK_SAMPLES));
const foldedResidual = new Float64Array(FLAC_BLOCK_SAMPLES);
const partitionSums = new Float64Array(2 ** PARTITION_ORDER_MAX);

/** The predictor with the smallest residual in all; each is the difference of the one before. */
function bestPrediction(samples: Int32Array): { readonly order: number; readonly residual: Int32Array } {
  const limit = Math.min(PREDICTOR_ORDER_MAX, samples.length - 1);
  let best = 0;
  let bestSum = Number.POSITIVE_INFINITY;
  let values = samples;
  for (let order = 0; order <= limit; order++) {
    const length = samples.length - order;
    if (order > 0) {
      const next = scratch[order]!;
      for (let i = 0; i < length; i++) next[i] = values[i + 1]! - values[i]!;
      values = next;
    }
    let sum = 0;
    for (let i = 0; i < length; i++) sum += Math.abs(values[i]!);
    if (sum < bestSum) {
      best = order;
      bestSum = sum;
    }
  }
  const residual = best === 0 ? samples : scratch[best]!.subarray(0, samples.length - best);
  return { order: best, residual };
}

interface ResidualPlan {
  readonly partitionOrder: number;
  readonly parameters: readonly number[];
  /** Of the residual, about. */
  readonly bits: number;
}

/** The finest partitions are added up once; all coarser ones are sums of two of them. */
function planResidual(residual: Int32Array, blockSamples: number, order: number): ResidualPlan {
  for (let i = 0; i < residual.length; i++) foldedResidual[i] = folded(residual[i]!);
  let partitionOrder = 0;
  while (
    partitionOrder < PARTITION_ORDER_MAX &&
    blockSamples % 2 ** (partitionOrder + 1) === 0 &&
    blockSamples / 2 ** (partitionOrder + 1) > order
  )
    partitionOrder++;
  const finest = blockSamples / 2 ** partitionOrder;
  for (let partition = 0, i = 0; partition < 2 ** partitionOrder; partition++) {
    let sum = 0;
    for (const end = (partition + 1) * finest - order; i < end; i++) sum += foldedResidual[i]!;
    partitionSums[partition] = sum;
  }
  let best = planPartitions(partitionOrder, blockSamples, order);
  while (partitionOrder > 0) {
    partitionOrder--;
    for (let i = 0; i < 2 ** partitionOrder; i++)
      partitionSums[i] = partitionSums[2 * i]! + partitionSums[2 * i + 1]!;
    const plan = planPartitions(partitionOrder, blockSamples, order);
    if (plan.bits <= best.bits) best = plan;
  }
  return best;
}

function planPartitions(partitionOrder: number, blockSamples: number, order: number): ResidualPlan {
  const parameters: number[] = [];
  const partitionSamples = blockSamples / 2 ** partitionOrder;
  let bits = 6;
  for (let partition = 0; partition < 2 ** partitionOrder; partition++) {
    const count = partition === 0 ? partitionSamples - order : partitionSamples;
    const sum = partitionSums[partition]!;
    const parameter = Math.max(0, Math.min(RICE_PARAMETER_MAX, Math.floor(Math.log2(sum / count + 1e-9))));
    parameters.push(parameter);
    bits += 4 + count * (1 + parameter) + sum / 2 ** parameter;
  }
  return { partitionOrder, parameters, bits };
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
    const mask = 2 ** parameter - 1;
    for (const end = (partition + 1) * partitionSamples - order; at < end; at++) {
      // Below 2^21: each of four differences takes one bit more than the 16 of a sample.
      const value = folded(residual[at]!);
      bits.writeUnary(value >>> parameter);
      if (parameter > 0) bits.write(value & mask, parameter);
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
