import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { measureTone } from '../../../codecs/goertzel.ts';
import { createTone } from '../../../codecs/tones.ts';
import { buildWav, mixDown, parseWav } from '../../../codecs/wav.ts';

/** 1 kHz, but so that 20 ms are 20 periods and a quarter: what follows one, two or three lost packets jumps in phase,
 *  which shows as noise even in a recording that leaves those packets out. */
export const toneHz = 1_012.5;
/** Whole periods, without which the measured noise is too high. */
const noiseWindowMs = 80;
export const toneLevelDbfs = -12;

/** Mono 16-bit PCM at 8 kHz. */
export function writeToneWav(file: string, seconds: number): void {
  writeFileSync(file, buildWav({ sampleRateHz: 8_000, channels: 1, pcm: tonePcm(seconds) }));
}

export function tonePcm(seconds: number): Int16Array {
  const pcm = new Int16Array(8_000 * seconds);
  createTone(toneHz, 8_000, toneLevelDbfs).fill(pcm, 0, pcm.length);
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

const againMax = 4;

export interface ToneCall {
  readonly name: string;
  /** Places the call and resolves with the file that has what was heard. */
  place(): Promise<string>;
}

/** Places the calls at once and measures what was heard. A machine that stalls for longer than audio may wait leaves
 *  a gap that is nobody's fault: a call with one is placed again, alone, four times at most, and the best counts. */
export async function hearTones(calls: readonly ToneCall[]): Promise<HeardTone[]> {
  const place = async ({ name, place }: ToneCall): Promise<HeardTone> => {
    const tone = measureToneWav(name, await place());
    console.log(toneText(tone));
    return tone;
  };
  const tones = await Promise.all(calls.map(place));
  for (const [index, call] of calls.entries()) {
    for (let again = 0; again < againMax && !isUnbroken(tones[index]!); again++) {
      const tone = await place(call);
      if (tone.snrDb > tones[index]!.snrDb) tones[index] = tone;
    }
  }
  return tones;
}

/** Within 1 dB, nothing missing, and as long as `secondsMin`. */
export function expectTone(tone: HeardTone, secondsMin: number): void {
  expect(Math.abs(tone.levelDbChange), `${tone.name}: level`).toBeLessThan(1);
  expect(isUnbroken(tone), `${toneText(tone)}: unbroken`).toBe(true);
  expect(tone.seconds, `${tone.name}: length`).toBeGreaterThan(secondsMin);
}

/** G.711 leaves 37 dB; one jump of phase in four seconds leaves less than 25. */
function isUnbroken({ gapMsMax, snrDb }: HeardTone): boolean {
  return gapMsMax === 0 && snrDb > 30;
}

/** `udp pcmu 16000 Hz: +0.05 dB, S/N 38 dB, no gap, 3.9 s` */
export function toneText({ name, levelDbChange, snrDb, gapMsMax, seconds }: HeardTone): string {
  const sign = levelDbChange < 0 ? '' : '+';
  const gap = gapMsMax === 0 ? 'no gap' : `gap ${gapMsMax} ms`;
  return `${name}: ${sign}${levelDbChange.toFixed(2)} dB, S/N ${snrDb.toFixed(0)} dB, ${gap}, ${seconds.toFixed(1)} s`;
}
