/** Design of the resampler's low-pass filters: a sinc, cut at half of the lower rate and windowed after Kaiser.
 *
 *  The cut lies at -6 dB on the Nyquist frequency of the lower rate. What leaks on one side of it when going up is
 *  what is missing on the other when coming down, so speech that goes 8 k → 16 k → 8 k keeps 70 dB of SNR
 *  through PCMU and back, and returns with a whole number of samples of delay. */

/** Half of the filter's length, in samples of the lower rate: 4 ms at 8 kHz. Together with the stop band it sets the
 *  transition: from 0.456 to 0.544 of the lower rate (3.65 to 4.35 kHz at 8 kHz). */
export const HALF_LENGTH = 32;

const STOP_BAND_DB = 86;
/** Kaiser's empirical formula for the shape of the window, for stop bands beyond 50 dB. */
const KAISER_BETA = 0.1102 * (STOP_BAND_DB - 8.7);

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / 2 / k) ** 2;
    sum += term;
  }
  return sum;
}

/** Impulse response at `position` samples of the lower rate off its middle. */
function impulse(position: number): number {
  const distance = Math.abs(position) / HALF_LENGTH;
  if (distance >= 1) return 0;
  const window = besselI0(KAISER_BETA * Math.sqrt(1 - distance * distance)) / besselI0(KAISER_BETA);
  const angle = Math.PI * position;
  return window * (angle === 0 ? 1 : Math.sin(angle) / angle);
}

/** One side of the half-band filter of a 2:1 ratio: `HALF_LENGTH` coefficients, innermost first. The other side
 *  mirrors it, the middle is `gain`, and every second coefficient is 0. */
export function designHalfband(gain: number): Float32Array {
  const side = Array.from({ length: HALF_LENGTH }, (_, pair) => impulse(pair + 0.5));
  const scale = gain / (2 * side.reduce((sum, coefficient) => sum + coefficient, 0));
  return Float32Array.from(side, (coefficient) => coefficient * scale);
}

export interface PolyphaseFilter {
  /** `phases` rows of `taps` coefficients each, oldest sample first. */
  readonly coefficients: Float32Array;
  readonly phases: number;
  /** A multiple of sixteen, as the kernel has it. */
  readonly taps: number;
  /** From the newest sample of a window back to the middle of phase 0, in samples of the input. */
  readonly delaySamples: number;
}

/** Filter for `up` output samples to every `down` input samples. Row `p` interpolates `p / up` of an input sample
 *  after the place of row 0. Each row sums to 1, so that silence with an offset stays silence. */
export function designPolyphase(up: number, down: number): PolyphaseFilter {
  const bandwidth = Math.min(1, up / down);
  const delaySamples = HALF_LENGTH / bandwidth;
  const taps = Math.ceil((2 * delaySamples) / 16) * 16;
  const coefficients = new Float32Array(up * taps);
  for (let phase = 0; phase < up; phase++) {
    const row = Array.from({ length: taps }, (_, tap) =>
      impulse((taps - 1 - tap - delaySamples + phase / up) * bandwidth),
    );
    const sum = row.reduce((total, coefficient) => total + coefficient, 0);
    for (let tap = 0; tap < taps; tap++) coefficients[phase * taps + tap] = row[tap]! / sum;
  }
  return { coefficients, phases: up, taps, delaySamples };
}
