import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { measureTone } from '../../../codecs/goertzel.ts';
import { createTone } from '../../../codecs/tones.ts';
import { buildWav, mixDown, parseWav } from '../../../codecs/wav.ts';
import { StallMeter } from './stall-meter.ts';

/** 1 kHz, but so that 20 ms are 20 periods and a quarter: what follows one, two or three lost packets jumps in phase,
 *  which shows as noise even in a recording that leaves those packets out. */
export const toneHz = 1_012.5;
/** Whole periods, without which the measured noise is too high. */
const noiseWindowMs = 80;
export const toneLevelDbfs = -12;

/** 16-bit PCM, mono at 8 kHz unless told otherwise; every channel carries the same. */
export function writeToneWav(
  file: string,
  seconds: number,
  { sampleRateHz = 8_000, channels = 1 }: { readonly sampleRateHz?: number; readonly channels?: number } = {},
): void {
  const mono = tonePcm(seconds, sampleRateHz);
  const pcm = new Int16Array(mono.length * channels).map((_, index) => mono[Math.floor(index / channels)]!);
  writeFileSync(file, buildWav({ sampleRateHz, channels, pcm }));
}

export function tonePcm(seconds: number, sampleRateHz = 8_000): Int16Array {
  const pcm = new Int16Array(sampleRateHz * seconds);
  createTone(toneHz, sampleRateHz, toneLevelDbfs).fill(pcm, 0, pcm.length);
  return pcm;
}

export interface HeardTone {
  readonly name: string;
  readonly seconds: number;
  /** Heard minus sent. */
  readonly levelDbChange: number;
  readonly snrDb: number;
  readonly gapMsMax: number;
}

/** The first and the last of a call, when it is being set up and cut. */
const callEdgesMs = { first: 300, last: 200 };

/** `edgesMs` are left out of what is measured, but not of `seconds`. */
export function measureToneWav(name: string, file: string, edgesMs = callEdgesMs): HeardTone {
  const wav = parseWav(readFileSync(file));
  const { sampleRateHz } = wav;
  const pcm = mixDown(wav);
  const from = Math.round((edgesMs.first * sampleRateHz) / 1_000);
  const to = pcm.length - Math.round((edgesMs.last * sampleRateHz) / 1_000);
  const middle = pcm.subarray(from, Math.max(from, to));
  const search = { sampleRateHz, frequencyHz: toneHz };
  const { levelDb, gapMsMax } = measureTone(middle, search);
  const { snrDb } = measureTone(middle, { ...search, windowMs: noiseWindowMs });
  return {
    name,
    seconds: pcm.length / sampleRateHz,
    levelDbChange: levelDb - toneLevelDbfs,
    snrDb,
    gapMsMax,
  };
}

const againMax = 2;
/** Less than what the gateway lets audio wait for, so that a gap is no surprise beyond it. */
const stalledMsMax = 8;

export interface ToneCall {
  readonly name: string;
  /** Places the call and resolves with the file that has what was heard. */
  place(): Promise<string>;
  /** What the codec leaves of a tone, less a margin. Default 30: G.711 leaves 37 dB. */
  readonly snrDbMin?: number;
  /** Left out of what is measured. Default 300 ms at the start and 200 at the end. */
  readonly edgesMs?: typeof callEdgesMs;
  /** By how much a peer that is known for it is louder. Default 0. */
  readonly offDb?: number;
}

/** A tone that went out and came back. */
export interface ReturnedTone extends HeardTone {
  /** For how long the machine let its processes wait meanwhile. */
  readonly stalledMs: number;
  readonly snrDbMin: number;
  readonly offDb: number;
}

/** Places the calls at once and measures what was heard. A machine that stalls for longer than audio may wait leaves
 *  a gap that is nobody's fault: a call with one is placed again, alone, twice at most, and the best counts. */
export async function hearTones(calls: readonly ToneCall[]): Promise<ReturnedTone[]> {
  const tones = await placeAtOnce(calls);
  for (const [index, call] of calls.entries()) {
    for (let again = 0; again < againMax && !isUnbroken(tones[index]!); again++) {
      const [tone] = await placeAtOnce([call]);
      if (isUnbroken(tone!) || tone!.stalledMs < tones[index]!.stalledMs) tones[index] = tone!;
    }
  }
  return tones;
}

async function placeAtOnce(calls: readonly ToneCall[]): Promise<ReturnedTone[]> {
  const meter = await StallMeter.start();
  let files: string[];
  let stalledMs = 0;
  try {
    files = await Promise.all(calls.map(({ place }) => place()));
  } finally {
    stalledMs = await meter.stop();
  }
  const stalled = stalledMs > stalledMsMax ? `, machine stalled for ${stalledMs.toFixed(0)} ms` : '';
  return calls.map(({ name, snrDbMin = snrDbMinDefault, edgesMs, offDb = 0 }, index) => {
    const tone = measureToneWav(name, files[index]!, edgesMs);
    console.log(toneText(tone) + stalled);
    return { ...tone, stalledMs, snrDbMin, offDb };
  });
}

/** Within 1 dB, as long as `secondsMin`, and nothing missing. The last is not judged where the machine stalled during
 *  the call and every repetition of it. */
export function expectReturned(tone: ReturnedTone, secondsMin: number): void {
  expect(Math.abs(tone.levelDbChange - tone.offDb), `${tone.name}: level`).toBeLessThan(1);
  expect(tone.seconds, `${tone.name}: length`).toBeGreaterThan(secondsMin);
  if (!isUnbroken(tone) && tone.stalledMs > stalledMsMax) {
    console.warn(
      `${tone.name}: not judged for gaps, the machine stalled for ${tone.stalledMs.toFixed(0)} ms`,
    );
    return;
  }
  expect(isUnbroken(tone), `${toneText(tone)}: unbroken`).toBe(true);
}

/** One jump of phase in four seconds leaves less than 25 dB. */
const snrDbMinDefault = 30;

function isUnbroken({ gapMsMax, snrDb, snrDbMin }: ReturnedTone): boolean {
  return gapMsMax === 0 && snrDb > snrDbMin;
}

/** `udp pcmu 16000 Hz: +0.05 dB, S/N 38 dB, no gap, 3.9 s` */
export function toneText({ name, levelDbChange, snrDb, gapMsMax, seconds }: HeardTone): string {
  const sign = levelDbChange < 0 ? '' : '+';
  const gap = gapMsMax === 0 ? 'no gap' : `gap ${gapMsMax} ms`;
  return `${name}: ${sign}${levelDbChange.toFixed(2)} dB, S/N ${snrDb.toFixed(0)} dB, ${gap}, ${seconds.toFixed(1)} s`;
}
