/** The level of one frequency in a piece of audio (Goertzel's recurrence), for tests and measurements.
 *  Levels are dBFS: a sine from -32767 to 32767 has 0. Silence has -Infinity. */

const FULL_SCALE = 32767;

/** Level of the sine of `frequencyHz` that fits `samples` samples from `pcm[pcmOffset]` best. Exact for a lone sine,
 *  whether or not the window holds whole periods. */
export function toneLevelAt(
  pcm: Int16Array,
  pcmOffset: number,
  samples: number,
  sampleRateHz: number,
  frequencyHz: number,
): number {
  return (
    20 * Math.log10(Math.sqrt(2 * tonePower(pcm, pcmOffset, samples, sampleRateHz, frequencyHz)) / FULL_SCALE)
  );
}

/** Level of `frequencyHz` over the whole of `pcm`. */
export function toneLevel(pcm: Int16Array, sampleRateHz: number, frequencyHz: number): number {
  return toneLevelAt(pcm, 0, pcm.length, sampleRateHz, frequencyHz);
}

/** Mean square of the fitted sine. */
function tonePower(
  pcm: Int16Array,
  pcmOffset: number,
  samples: number,
  sampleRateHz: number,
  frequencyHz: number,
): number {
  const angle = (2 * Math.PI * frequencyHz) / sampleRateHz;
  const coefficient = 2 * Math.cos(angle);
  let last = 0;
  let beforeLast = 0;
  for (let i = pcmOffset; i < pcmOffset + samples; i++) {
    const next = pcm[i]! + coefficient * last - beforeLast;
    beforeLast = last;
    last = next;
  }
  // Correlation with the cosine and sine that run backwards from the last sample.
  const withCos = last - Math.cos(angle) * beforeLast;
  const withSin = Math.sin(angle) * beforeLast;
  // The two are not orthogonal over a part of a period: solve for the amplitudes instead of scaling by 2 / samples.
  const ripple = Math.sin(samples * angle) / Math.sin(angle);
  const cosCos = (samples + ripple * Math.cos((samples - 1) * angle)) / 2;
  const sinSin = samples - cosCos;
  const cosSin = (ripple * Math.sin((samples - 1) * angle)) / 2;
  const determinant = cosCos * sinSin - cosSin * cosSin;
  if (!(determinant > 0)) return 0;
  const a = (withCos * sinSin - withSin * cosSin) / determinant;
  const b = (withSin * cosCos - withCos * cosSin) / determinant;
  return (a * a + b * b) / 2;
}

export interface ToneMeasure {
  /** Median level of the windows where the tone is present, dBFS; -Infinity where it is nowhere. */
  readonly levelDb: number;
  /** The tone against everything else in those windows. */
  readonly snrDb: number;
  /** Share of windows where the tone is present, 0..1. */
  readonly present: number;
  /** Longest time without it, measured from the first to the last window given. */
  readonly gapMsMax: number;
}

export interface ToneSearch {
  readonly sampleRateHz: number;
  readonly frequencyHz: number;
  /** Length of a window; windows overlap by half. 20 by default. */
  readonly windowMs?: number;
  /** How far below the tone's usual level it still counts as present. 6 by default, which makes a gap as long as the
   *  silence that caused it. */
  readonly toleranceDb?: number;
  /** Nothing below it is a tone. -50 by default. */
  readonly floorDb?: number;
}

/** Follows one tone through a recording. */
export function measureTone(pcm: Int16Array, search: ToneSearch): ToneMeasure {
  const { sampleRateHz, frequencyHz, windowMs = 20, toleranceDb = 6, floorDb = -50 } = search;
  const window = Math.round((sampleRateHz * windowMs) / 1000);
  const hop = Math.max(1, Math.round(window / 2));
  const windows: { readonly levelDb: number; readonly tone: number; readonly rest: number }[] = [];
  for (let start = 0; start + window <= pcm.length; start += hop) {
    const tone = tonePower(pcm, start, window, sampleRateHz, frequencyHz);
    let total = 0;
    for (let i = start; i < start + window; i++) total += pcm[i]! * pcm[i]!;
    const levelDb = 10 * Math.log10((2 * tone) / FULL_SCALE ** 2);
    windows.push({ levelDb, tone, rest: Math.max(0, total / window - tone) });
  }
  const usualDb = median(windows.map(({ levelDb }) => levelDb).filter((levelDb) => levelDb >= floorDb));
  const thresholdDb = Math.max(floorDb, usualDb - toleranceDb);
  const present = windows.filter(({ levelDb }) => levelDb >= thresholdDb);
  let gap = 0;
  let gapMax = 0;
  for (const { levelDb } of windows) {
    gap = levelDb >= thresholdDb ? 0 : gap + 1;
    gapMax = Math.max(gapMax, gap);
  }
  const tone = present.reduce((sum, each) => sum + each.tone, 0);
  const rest = present.reduce((sum, each) => sum + each.rest, 0);
  return {
    levelDb: median(present.map(({ levelDb }) => levelDb)),
    snrDb: present.length === 0 ? Number.NEGATIVE_INFINITY : 10 * Math.log10(tone / rest),
    present: windows.length === 0 ? 0 : present.length / windows.length,
    gapMsMax: (gapMax * hop * 1000) / sampleRateHz,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NEGATIVE_INFINITY;
}
