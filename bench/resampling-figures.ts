/** What a resampler does to tones, measured through its public face. */

import type { Resampler } from '../codecs/resampler.ts';

export interface ResamplingFigures {
  readonly fromHz: number;
  readonly toHz: number;
  /** 1 kHz at -6 dBFS against everything else in the output, rounding included. */
  readonly snrDb: number;
  /** Highest minus lowest level over 300-3400 Hz. */
  readonly rippleDb: number;
  /** Level at 3.4 kHz against that at 1 kHz. */
  readonly edgeDb: number;
  /** Everything but the tone that comes of a full-scale tone of up to 3.4 kHz: images, aliases, rounding. */
  readonly worstImageDb: number;
  /** What remains of tones too high for the output. -Infinity where there are none. */
  readonly worstAliasDb: number;
  readonly delayMs: number;
}

const FULL_SCALE = 32767;
const MEASURED_SECONDS = 0.1;
/** Longer than any filter. */
const SETTLING_SECONDS = 0.02;

export interface ToneFit {
  readonly levelDb: number;
  readonly residualDb: number;
  readonly phase: number;
}

/** Least-squares fit of one sine; levels are of full-scale sines (dBFS). */
export function fitTone(pcm: Int16Array, sampleRateHz: number, frequencyHz: number): ToneFit {
  const step = (2 * Math.PI * frequencyHz) / sampleRateHz;
  let cc = 0;
  let ss = 0;
  let cs = 0;
  let xc = 0;
  let xs = 0;
  for (let i = 0; i < pcm.length; i++) {
    const c = Math.cos(step * i);
    const s = Math.sin(step * i);
    cc += c * c;
    ss += s * s;
    cs += c * s;
    xc += pcm[i]! * c;
    xs += pcm[i]! * s;
  }
  const determinant = cc * ss - cs * cs;
  const a = (xc * ss - xs * cs) / determinant;
  const b = (xs * cc - xc * cs) / determinant;
  let residual = 0;
  for (let i = 0; i < pcm.length; i++)
    residual += (pcm[i]! - a * Math.cos(step * i) - b * Math.sin(step * i)) ** 2;
  return {
    levelDb: 20 * Math.log10(Math.hypot(a, b) / FULL_SCALE),
    residualDb: 10 * Math.log10((2 * residual) / pcm.length / FULL_SCALE ** 2),
    phase: Math.atan2(a, b),
  };
}

function rmsDb(pcm: Int16Array): number {
  let sum = 0;
  for (const sample of pcm) sum += sample * sample;
  return 10 * Math.log10((2 * sum) / pcm.length / FULL_SCALE ** 2);
}

/** The settled output for a tone. */
export function convertTone(resampler: Resampler, frequencyHz: number, levelDb: number): Int16Array {
  const { fromHz, toHz } = resampler;
  const amplitude = FULL_SCALE * 10 ** (levelDb / 20);
  const step = (2 * Math.PI * frequencyHz) / fromHz;
  const input = Int16Array.from({ length: fromHz * (MEASURED_SECONDS + 2 * SETTLING_SECONDS) }, (_, i) =>
    Math.round(amplitude * Math.sin(step * i)),
  );
  const output = new Int16Array(resampler.outputSamplesMax(input.length));
  resampler.reset();
  const written = resampler.process(input, 0, input.length, output, 0);
  return output.subarray(toHz * SETTLING_SECONDS, written);
}

const BAND_HZ = Array.from({ length: 32 }, (_, i) => 300 + 100 * i);
const PROBED_HZ = [300, 500, 997, 1500, 2100, 2650, 3100, 3250, 3400];

export function measureResampling(resampler: Resampler): ResamplingFigures {
  const { fromHz, toHz, delayMs } = resampler;
  const kilohertz = fitTone(convertTone(resampler, 1000, -6), toHz, 1000);
  const levelsDb = BAND_HZ.map(
    (frequencyHz) => fitTone(convertTone(resampler, frequencyHz, -6), toHz, frequencyHz).levelDb,
  );
  const images = PROBED_HZ.map((frequencyHz) => {
    const fit = fitTone(convertTone(resampler, frequencyHz, -0.1), toHz, frequencyHz);
    return fit.residualDb - fit.levelDb;
  });
  return {
    fromHz,
    toHz,
    snrDb: kilohertz.levelDb - kilohertz.residualDb,
    rippleDb: Math.max(...levelsDb) - Math.min(...levelsDb),
    edgeDb: levelsDb.at(-1)! - kilohertz.levelDb,
    worstImageDb: Math.max(...images),
    worstAliasDb: Math.max(
      Number.NEGATIVE_INFINITY,
      ...aliasProbesHz(fromHz, toHz).map((frequencyHz) => rmsDb(convertTone(resampler, frequencyHz, -0.1))),
    ),
    delayMs,
  };
}

/** Tones between the end of the transition band and the input's own limit. */
function aliasProbesHz(fromHz: number, toHz: number): readonly number[] {
  const lowestHz = toHz * 0.546;
  const highestHz = fromHz * 0.495;
  if (highestHz < lowestHz) return [];
  return Array.from({ length: 16 }, (_, i) => lowestHz + ((highestHz - lowestHz) * i) / 15);
}
