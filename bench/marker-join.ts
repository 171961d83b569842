import { Histogram } from './histogram.ts';
import type { MarkerRows } from './load-messages.ts';
import { markerTones } from './marker-audio.ts';

/** Delays from where markers were sent to where they were heard, for those sent from `fromMs` to `untilMs`. */
export interface MarkerDelays {
  /** First sample to first sample: with the delay of resamplers and codecs. */
  readonly audio: Histogram;
  /** The packet or message that holds the first sample, to the one that it came out in. */
  readonly transit: Histogram;
  readonly sent: number;
  /** Markers that never came; those sent less than a second before `untilMs` are not waited for. */
  readonly lost: number;
}

const COLUMNS = 4;
/** A marker of the same tone comes again after eight seconds. */
const AMBIGUOUS_MS = 7500;
const GRACE_MS = 1000;

export function joinMarkers(
  sent: MarkerRows,
  heard: MarkerRows,
  fromMs: number,
  untilMs: number,
): MarkerDelays {
  const audio = new Histogram();
  const transit = new Histogram();
  const heardByKey = groupRows(heard);
  let count = 0;
  let lost = 0;
  for (const [key, sentRows] of groupRows(sent)) {
    const heardRows = heardByKey.get(key) ?? [];
    let next = 0;
    for (const sentRow of sentRows) {
      const onsetMs = sent[sentRow + 2]!;
      while (next < heardRows.length && heard[heardRows[next]! + 2]! < onsetMs) next++;
      if (onsetMs < fromMs || onsetMs > untilMs) continue;
      const heardRow = heardRows[next];
      const delayMs = heardRow === undefined ? Number.POSITIVE_INFINITY : heard[heardRow + 2]! - onsetMs;
      if (delayMs > AMBIGUOUS_MS) {
        if (onsetMs > untilMs - GRACE_MS) continue;
        count++;
        lost++;
        continue;
      }
      count++;
      audio.record(delayMs);
      transit.record(heard[heardRow! + 3]! - sent[sentRow + 3]!);
    }
  }
  return { audio, transit, sent: count, lost };
}

/** Offsets of the rows of each call and tone, in the order in which they were noted. */
function groupRows(rows: MarkerRows): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (let row = 0; row + COLUMNS <= rows.length; row += COLUMNS) {
    const key = rows[row]! * markerTones + rows[row + 1]!;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}

/** From each `[call, ms]` of `causes` to the first of `effects` of the same call within `limitMs`. */
export function joinMoments(causes: Float64Array, effects: Float64Array, limitMs: number): Histogram {
  const delays = new Histogram();
  const byCall = new Map<number, number[]>();
  for (let row = 0; row + 2 <= effects.length; row += 2) {
    const moments = byCall.get(effects[row]!);
    if (moments === undefined) byCall.set(effects[row]!, [effects[row + 1]!]);
    else moments.push(effects[row + 1]!);
  }
  for (let row = 0; row + 2 <= causes.length; row += 2) {
    const causeMs = causes[row + 1]!;
    const effectMs = byCall.get(causes[row]!)?.find((moment) => moment >= causeMs);
    if (effectMs !== undefined && effectMs - causeMs <= limitMs) delays.record(effectMs - causeMs);
  }
  return delays;
}
