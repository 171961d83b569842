/** Zero crossings of the sinc on either side. With the window below: flat to 0.85 of the lower Nyquist frequency,
 *  what lies above is 80 dB down. */
const zeroCrossings = 32;
const cutoff = 0.92;
const kaiserBeta = 8;
const phasesMax = 4_096;

/** A whole recording at another rate, without delay: `ceil(n * toHz / fromHz)` samples. Any two rates whose ratio is
 *  a fraction of small numbers, such as 22050 and 8000; the resampler of the media path knows its six rates only and
 *  works on streams. Anything else is a RangeError. */
export function convertRate(pcm: Int16Array, fromHz: number, toHz: number): Int16Array {
  if (fromHz === toHz) return pcm;
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const phases = toHz / divisor;
  const step = fromHz / divisor;
  if (!(phases <= phasesMax))
    throw new RangeError(`cannot convert ${fromHz} Hz to ${toHz} Hz: convert the file to ${toHz} Hz first`);
  // Below 1 when the rate falls: the filter then cuts at the new Nyquist frequency, and is longer.
  const band = cutoff * Math.min(1, toHz / fromHz);
  const reach = Math.ceil(zeroCrossings / band);
  const filters = Array.from({ length: phases }, (_, phase) => designPhase(phase / phases, reach, band));
  const output = new Int16Array(Math.ceil((pcm.length * toHz) / fromHz));
  for (let i = 0; i < output.length; i++) {
    const at = i * step;
    const centre = Math.floor(at / phases);
    output[i] = clip(convolve(pcm, centre - reach + 1, filters[at % phases]!));
  }
  return output;
}

function convolve(pcm: Int16Array, from: number, filter: Float64Array): number {
  let sum = 0;
  const first = Math.max(0, -from);
  const end = Math.min(filter.length, pcm.length - from);
  for (let tap = first; tap < end; tap++) sum += pcm[from + tap]! * filter[tap]!;
  return sum;
}

/** Taps for an output `fraction` of a sample behind its centre, with a gain of exactly 1 for a constant. */
function designPhase(fraction: number, reach: number, band: number): Float64Array {
  const taps = new Float64Array(2 * reach);
  let sum = 0;
  for (let tap = 0; tap < taps.length; tap++) {
    const distance = tap - reach + 1 - fraction;
    const inside = 1 - (distance / reach) ** 2;
    const window = inside <= 0 ? 0 : besselI0(kaiserBeta * Math.sqrt(inside)) / besselI0(kaiserBeta);
    const angle = Math.PI * band * distance;
    taps[tap] = window * (angle === 0 ? 1 : Math.sin(angle) / angle);
    sum += taps[tap]!;
  }
  return taps.map((tap) => tap / sum);
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function clip(sample: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(sample)));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
