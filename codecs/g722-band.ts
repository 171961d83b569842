/** The two ADPCM sub-bands of ITU-T G.722 (§3 and §4), in the recommendation's 16-bit arithmetic. Its block names
 *  are given where a block is. */

function saturate(value: number): number {
  if (value === (value << 16) >> 16) return value;
  return value < 0 ? -32768 : 32767;
}

/** Range of what a band hands to the synthesis filter (LIMIT). */
export function limit(value: number): number {
  return Math.max(-16384, Math.min(16383, value));
}

const B_LEAK = 32640;
const A1_LEAK = 32640;
const A2_LEAK = 32512;
const A2_LIMIT = 12288;
const A1_REACH = 15360;
const ZEROS = 6;

/** Two poles and six zeros, adapted by the signs of what came before (block 4 of both bands). */
class Predictor {
  /** The prediction of the next sample. */
  signal = 0;
  #zeroSection = 0;
  #a1 = 0;
  #a2 = 0;
  /** Twice the last reconstructed signal, and the last two partial reconstructions. */
  #r1 = 0;
  #p1 = 0;
  #p2 = 0;
  /** Twice the last six quantized differences, newest first, and their coefficients. */
  readonly #differences = new Int32Array(ZEROS);
  readonly #b = new Int32Array(ZEROS);

  /** Takes the quantized difference of a sample from its prediction. */
  adapt(difference: number): void {
    const r0 = saturate(2 * saturate(this.signal + difference));
    this.#adaptPoles(saturate(this.#zeroSection + difference));
    const poleSection = saturate(((this.#a1 * r0) >> 15) + ((this.#a2 * this.#r1) >> 15));
    this.#r1 = r0;
    this.#zeroSection = this.#adaptZeros(difference);
    this.signal = saturate(poleSection + this.#zeroSection);
  }

  /** UPPOL2 and UPPOL1. */
  #adaptPoles(p0: number): void {
    const negative = p0 < 0;
    const likeLast = negative === this.#p1 < 0;
    const quadrupled = saturate(this.#a1 * 4);
    const drift = (likeLast ? saturate(-quadrupled) : quadrupled) >> 7;
    const kick = negative === this.#p2 < 0 ? 128 : -128;
    const a2 = saturate(drift + kick + ((this.#a2 * A2_LEAK) >> 15));
    this.#a2 = Math.max(-A2_LIMIT, Math.min(A2_LIMIT, a2));
    const a1 = saturate((likeLast ? 192 : -192) + ((this.#a1 * A1_LEAK) >> 15));
    const a1Limit = A1_REACH - this.#a2;
    this.#a1 = Math.max(-a1Limit, Math.min(a1Limit, a1));
    this.#p2 = this.#p1;
    this.#p1 = p0;
  }

  /** UPZERO, DELAYA and FILTEZ in one go, oldest first as FILTEZ has it. */
  #adaptZeros(difference: number): number {
    const differences = this.#differences;
    const b = this.#b;
    const kick = difference === 0 ? 0 : 128;
    let sum = 0;
    for (let i = ZEROS - 1; i >= 0; i--) {
      // The signs agree where the exclusive or of both is not negative.
      const push = (differences[i]! ^ difference) < 0 ? -kick : kick;
      const coefficient = saturate(push + ((b[i]! * B_LEAK) >> 15));
      const next = i > 0 ? differences[i - 1]! : saturate(2 * difference);
      b[i] = coefficient;
      differences[i] = next;
      sum = saturate(sum + ((coefficient * next) >> 15));
    }
    return sum;
  }

  reset(): void {
    this.signal = this.#zeroSection = this.#a1 = this.#a2 = this.#r1 = this.#p1 = this.#p2 = 0;
    this.#differences.fill(0);
    this.#b.fill(0);
  }
}

/** 2^(i / 32) in units of 1 / 2048 (table ILB). */
const ANTILOG = Int32Array.from({ length: 32 }, (_, i) => Math.round(2048 * 2 ** (i / 32)));

/** Quantizer step from its logarithm (SCALEL, SCALEH). */
function stepOf(logarithm: number, shift: number): number {
  const mantissa = ANTILOG[(logarithm >> 6) & 31]!;
  const places = shift - (logarithm >> 11);
  return (places < 0 ? mantissa << -places : mantissa >> places) << 2;
}

/** Decision levels of the 6-bit quantizer (table Q6), and the codes on both sides of them: of `k` levels passed,
 *  a positive difference has the code `POSITIVE - k`. */
const LOWER_LEVELS = Int32Array.of(
  35,
  72,
  110,
  150,
  190,
  233,
  276,
  323,
  370,
  422,
  473,
  530,
  587,
  650,
  714,
  786,
  858,
  940,
  1023,
  1121,
  1219,
  1339,
  1458,
  1612,
  1765,
  1980,
  2195,
  2557,
  2919,
);
/** Quantized differences by 6-bit code in units of the step / 32768 (table QM6), and by its upper four bits (QM4). */
const LOWER_MAGNITUDES = [
  24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
  4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728,
];
const LOWER_INVERSE = Int32Array.of(
  ...[-136, -136, -136, -136],
  ...LOWER_MAGNITUDES.map((magnitude) => -magnitude),
  ...LOWER_MAGNITUDES,
  ...[432, 136, -432, -136],
);
const LOWER_COARSE_MAGNITUDES = [20456, 12896, 8968, 6288, 4240, 2584, 1200];
const LOWER_COARSE_INVERSE = Int32Array.of(
  0,
  ...LOWER_COARSE_MAGNITUDES.map((magnitude) => -magnitude),
  ...LOWER_COARSE_MAGNITUDES,
  0,
);
/** What each of the upper four bits does to the logarithm of the step (tables WL and RL42). */
const LOWER_GROWTH = Int32Array.of(
  -60,
  3042,
  1198,
  538,
  334,
  172,
  58,
  -30,
  3042,
  1198,
  538,
  334,
  172,
  58,
  -30,
  -60,
);

/** What both bands do with the codes that cross the line: predictor and step follow them, on both ends alike. */
class Adaptation {
  readonly #predictor = new Predictor();
  readonly #inverse: Int32Array;
  readonly #growth: Int32Array;
  readonly #logarithmMax: number;
  readonly #stepShift: number;
  readonly #stepFirst: number;
  #logarithm = 0;
  step: number;

  /** `inverse` and `growth` by the code that the predictor sees. */
  constructor(tables: {
    readonly inverse: Int32Array;
    readonly growth: Int32Array;
    readonly logarithmMax: number;
    readonly stepShift: number;
    readonly stepFirst: number;
  }) {
    this.#inverse = tables.inverse;
    this.#growth = tables.growth;
    this.#logarithmMax = tables.logarithmMax;
    this.#stepShift = tables.stepShift;
    this.#stepFirst = tables.stepFirst;
    this.step = tables.stepFirst;
  }

  /** Of the sample from what was predicted. */
  difference(sample: number): number {
    return saturate(sample - this.#predictor.signal);
  }

  /** The sample that a quantized difference stands for. */
  reconstruct(inverse: number): number {
    return limit(saturate(this.#predictor.signal + ((this.step * inverse) >> 15)));
  }

  adapt(code: number): void {
    const difference = (this.step * this.#inverse[code]!) >> 15;
    const logarithm = ((this.#logarithm * 127) >> 7) + this.#growth[code]!;
    this.#logarithm = Math.max(0, Math.min(this.#logarithmMax, logarithm));
    this.step = stepOf(this.#logarithm, this.#stepShift);
    this.#predictor.adapt(difference);
  }

  reset(): void {
    this.#predictor.reset();
    this.#logarithm = 0;
    this.step = this.#stepFirst;
  }
}

/** 0 to 4 kHz, six bits a sample, of which the predictor sees four. */
export class LowerBand {
  readonly #adaptation = new Adaptation({
    inverse: LOWER_COARSE_INVERSE,
    growth: LOWER_GROWTH,
    logarithmMax: 18_432,
    stepShift: 8,
    stepFirst: 32,
  });

  encode(sample: number): number {
    const adaptation = this.#adaptation;
    const difference = adaptation.difference(sample);
    const magnitude = difference >= 0 ? difference : ~difference;
    const { step } = adaptation;
    let passed = 0;
    while (passed < LOWER_LEVELS.length && magnitude >= (LOWER_LEVELS[passed]! * step) >> 12) passed++;
    // Codes 63 and 62 are the two smallest negative differences, the rest go down from 31 and from 61.
    const code = difference >= 0 ? 61 - passed : passed < 2 ? 63 - passed : 33 - passed;
    adaptation.adapt(code >> 2);
    return code;
  }

  decode(code: number): number {
    const sample = this.#adaptation.reconstruct(LOWER_INVERSE[code]!);
    this.#adaptation.adapt(code >> 2);
    return sample;
  }

  reset(): void {
    this.#adaptation.reset();
  }
}

const HIGHER_LEVEL = 564;
/** Tables QM2 and, by the same code, WH and RH2. */
const HIGHER_INVERSE = Int32Array.of(-7408, -1616, 7408, 1616);
const HIGHER_GROWTH = Int32Array.of(798, -214, 798, -214);

/** 4 to 8 kHz, two bits a sample. */
export class HigherBand {
  readonly #adaptation = new Adaptation({
    inverse: HIGHER_INVERSE,
    growth: HIGHER_GROWTH,
    logarithmMax: 22_528,
    stepShift: 10,
    stepFirst: 8,
  });

  encode(sample: number): number {
    const adaptation = this.#adaptation;
    const difference = adaptation.difference(sample);
    const magnitude = difference >= 0 ? difference : ~difference;
    const large = magnitude >= (HIGHER_LEVEL * adaptation.step) >> 12;
    const code = (difference >= 0 ? 2 : 0) + (large ? 0 : 1);
    adaptation.adapt(code);
    return code;
  }

  decode(code: number): number {
    const sample = this.#adaptation.reconstruct(HIGHER_INVERSE[code]!);
    this.#adaptation.adapt(code);
    return sample;
  }

  reset(): void {
    this.#adaptation.reset();
  }
}
