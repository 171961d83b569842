/** Noise that stands in for silence that was not sent, RFC 3389: a level, and optionally the shape of its spectrum as
 *  reflection coefficients of an all-pole filter. */

const coefficientsMax = 16;
/** Quieter than this nobody hears; louder than this it is no comfort. */
const levelDbovMin = -90;
const levelDbovMax = -20;
/** A new description takes effect over so many samples, so that it does not click. */
const gainStep = 1 / 160;

export class ComfortNoise {
  /** RMS of the noise, of full scale 1. */
  #gain = 0;
  #gainNow = 0;
  readonly #reflections = new Float64Array(coefficientsMax);
  readonly #state = new Float64Array(coefficientsMax + 1);
  #order = 0;
  #excitation = 0;
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed >>> 0;
  }

  /** Takes the payload of a comfort noise packet; one without a level changes nothing. */
  update(payload: Uint8Array, offset: number, sizeBytes: number): void {
    if (sizeBytes < 1) return;
    // -0 to -127 dBov, the upper bit is reserved. 0 dBov is the level of a square of full scale.
    const levelDbov = Math.min(levelDbovMax, -(payload[offset]! & 0x7f));
    this.#gain = levelDbov < levelDbovMin ? 0 : 10 ** (levelDbov / 20);
    const order = Math.min(coefficientsMax, sizeBytes - 1);
    if (order !== this.#order) this.#state.fill(0);
    this.#order = order;
    let power = 1;
    for (let i = 0; i < order; i++) {
      // RFC 3389 §3.2: 127 is 0. With ±1 the filter would ring for ever.
      const quantized = ((payload[offset + 1 + i]! - 127) * 258) / 32_768;
      const reflection = Math.max(-0.98, Math.min(0.98, quantized));
      this.#reflections[i] = reflection;
      power *= 1 - reflection * reflection;
    }
    // The filter makes noise louder by the inverse of this.
    this.#excitation = Math.sqrt(power);
  }

  /** Silent again, as before the first packet. */
  reset(): void {
    this.#gain = 0;
    this.#gainNow = 0;
    this.#order = 0;
    this.#state.fill(0);
  }

  fill(pcm: Int16Array, offset: number, samples: number): void {
    for (let i = offset; i < offset + samples; i++) {
      this.#gainNow += Math.max(-gainStep, Math.min(gainStep, this.#gain - this.#gainNow));
      // √3: of even distribution between -1 and 1, to an RMS of 1.
      const white = this.#random() * 1.732_050_807_6;
      const shaped = this.#order === 0 ? white : this.#filter(white * this.#excitation);
      const value = shaped * this.#gainNow * 32_768;
      pcm[i] = Math.max(-32_768, Math.min(32_767, value));
    }
  }

  /** All-pole lattice. */
  #filter(input: number): number {
    const state = this.#state;
    let forward = input;
    for (let i = this.#order - 1; i >= 0; i--) {
      const reflection = this.#reflections[i]!;
      forward -= reflection * state[i]!;
      state[i + 1] = state[i]! + reflection * forward;
    }
    state[0] = forward;
    return forward;
  }

  /** xorshift32, -1 to 1. */
  #random(): number {
    let seed = this.#seed || 1;
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    this.#seed = seed >>> 0;
    return (seed | 0) / 2_147_483_648;
  }
}
