/** Plays audio a little faster or slower, by up to a few percent, without a seam: a band-limited interpolation whose
 *  ratio may change with every frame. At a ratio of 1 it copies. */

/** Taps of the interpolation; half of them are its delay. -60 dB up to 0.9 of the Nyquist frequency. */
const taps = 48;
const phases = 256;
const kaiserBeta = 6;
/** Ratio by which the last part of a sample is evened out. */
const settleMax = 0.001;
export const rateTrimDelaySamples = taps / 2 + 1;

/** Row `p` interpolates at `p / phases` of a sample after the middle. One more row than phases, to interpolate
 *  between rows. */
const table = createTable();

function createTable(): Float32Array {
  const rows = new Float32Array((phases + 1) * taps);
  for (let phase = 0; phase <= phases; phase++) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const at = tap - (taps / 2 - 1) - phase / phases;
      const sinc = at === 0 ? 1 : Math.sin(Math.PI * at) / (Math.PI * at);
      const x = Math.min(1, Math.abs(at) / (taps / 2));
      const value = (sinc * bessel(kaiserBeta * Math.sqrt(1 - x * x))) / bessel(kaiserBeta);
      rows[phase * taps + tap] = value;
      sum += value;
    }
    for (let tap = 0; tap < taps; tap++) rows[phase * taps + tap]! /= sum;
  }
  return rows;
}

/** Modified Bessel function of order 0. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

export class RateTrim {
  /** The last `taps` samples of input, and room for a frame behind them. */
  #line = new Float32Array(taps + 1024);
  /** Where between two samples of input the next sample of output lies, 0..1. */
  #fraction = 0;

  /** Input that `process` will take for `outputSamples` at this ratio (input per output). */
  inputSamples(outputSamples: number, ratio: number): number {
    return Math.floor(this.#fraction + outputSamples * this.#settled(outputSamples, ratio));
  }

  /** Writes `outputSamples` samples to `output[0…]` from the `inputSamples(outputSamples, ratio)` at `input[0…]`. */
  process(input: Int16Array, output: Int16Array, outputSamples: number, ratio: number): void {
    const exact = this.#settled(outputSamples, ratio);
    const consumed = this.inputSamples(outputSamples, ratio);
    if (exact === 1 && this.#fraction === 0 && outputSamples >= taps)
      return this.#copy(input, output, outputSamples);
    if (this.#line.length < taps + consumed) this.#grow(consumed);
    const line = this.#line;
    for (let i = 0; i < consumed; i++) line[taps + i] = input[i]!;
    this.#interpolate(output, outputSamples, exact);
    line.copyWithin(0, consumed, consumed + taps);
    this.#fraction += outputSamples * exact - consumed;
  }

  /** At a ratio of 1: the same delay, and hardly any work. */
  #copy(input: Int16Array, output: Int16Array, samples: number): void {
    const line = this.#line;
    const kept = taps / 2 + 1;
    for (let i = 0; i < kept; i++) output[i] = line[taps - kept + i]!;
    for (let i = kept; i < samples; i++) output[i] = input[i - kept]!;
    for (let i = 0; i < taps; i++) line[i] = input[samples - taps + i]!;
  }

  /** Where nothing is to be corrected any more, what is left of a sample is evened out within some frames, so that
   *  copying is enough again. */
  #settled(outputSamples: number, ratio: number): number {
    if (ratio !== 1) return ratio;
    // A whole sample is not to be lost to rounding: at 1 the next frame takes one more.
    if (Math.abs(this.#fraction - Math.round(this.#fraction)) < 1e-6)
      this.#fraction = Math.round(this.#fraction);
    if (this.#fraction === 0 || this.#fraction === 1) return 1;
    const missing = (this.#fraction < 0.5 ? 0 : 1) - this.#fraction;
    return 1 + Math.max(-settleMax, Math.min(settleMax, missing / outputSamples));
  }

  reset(): void {
    this.#line.fill(0);
    this.#fraction = 0;
  }

  #grow(consumed: number): void {
    const line = new Float32Array(taps + 2 * consumed);
    line.set(this.#line.subarray(0, taps));
    this.#line = line;
  }

  #interpolate(output: Int16Array, outputSamples: number, ratio: number): void {
    const line = this.#line;
    let position = this.#fraction;
    for (let i = 0; i < outputSamples; i++) {
      const first = Math.floor(position);
      const place = (position - first) * phases;
      const row = Math.floor(place);
      const share = place - row;
      let at = row * taps;
      let lower = 0;
      let upper = 0;
      for (let tap = 0; tap < taps; tap++, at++) {
        const sample = line[first + tap]!;
        lower += table[at]! * sample;
        upper += table[at + taps]! * sample;
      }
      const value = Math.round(lower + share * (upper - lower));
      output[i] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
      position += ratio;
    }
  }
}
