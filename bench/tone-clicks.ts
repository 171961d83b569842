/** Clicks in what should be nothing but a sine. */

const windowMs = 5;
const skippedSeconds = 1;

/** The loudest deviation from a sine of nearly `frequencyHz` (±2.5 %) within any window of 5 ms, in dBFS. The first
 *  second is left out. */
export function clickDbfs(pcm: Int16Array, sampleRateHz: number, frequencyHz: number): number {
  const window = Math.round((sampleRateHz * windowMs) / 1000);
  let worst = 0;
  for (let at = skippedSeconds * sampleRateHz; at + window <= pcm.length; at += window >> 1) {
    // The energy that is left has one minimum over the frequency: narrow it down by the golden section.
    let low = frequencyHz * 0.975;
    let high = frequencyHz * 1.025;
    while (high - low > 0.2) {
      const left = low + 0.382 * (high - low);
      const right = low + 0.618 * (high - low);
      if (
        deviation(pcm, at, window, left / sampleRateHz).energy <
        deviation(pcm, at, window, right / sampleRateHz).energy
      )
        high = right;
      else low = left;
    }
    worst = Math.max(worst, deviation(pcm, at, window, (low + high) / 2 / sampleRateHz).peak);
  }
  return 20 * Math.log10(worst / 32_767);
}

/** From the sine of that many periods a sample that fits best. */
function deviation(
  pcm: Int16Array,
  from: number,
  samples: number,
  frequency: number,
): { readonly energy: number; readonly peak: number } {
  let cosCos = 0;
  let cosSin = 0;
  let withCos = 0;
  let withSin = 0;
  for (let i = 0; i < samples; i++) {
    const cos = Math.cos(2 * Math.PI * frequency * i);
    const sin = Math.sin(2 * Math.PI * frequency * i);
    cosCos += cos * cos;
    cosSin += cos * sin;
    withCos += pcm[from + i]! * cos;
    withSin += pcm[from + i]! * sin;
  }
  const sinSin = samples - cosCos;
  const determinant = cosCos * sinSin - cosSin * cosSin;
  const a = (withCos * sinSin - withSin * cosSin) / determinant;
  const b = (withSin * cosCos - withCos * cosSin) / determinant;
  let energy = 0;
  let peak = 0;
  for (let i = 0; i < samples; i++) {
    const angle = 2 * Math.PI * frequency * i;
    const rest = pcm[from + i]! - a * Math.cos(angle) - b * Math.sin(angle);
    energy += rest * rest;
    peak = Math.max(peak, Math.abs(rest));
  }
  return { energy, peak };
}
