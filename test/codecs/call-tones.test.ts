import { describe, expect, it } from 'vitest';
import { type CallTone, callToneCountries, createBeep, createCallTone } from '../../codecs/call-tones.ts';
import { toneLevelAt } from '../../codecs/goertzel.ts';
import type { Tone } from '../../codecs/tones.ts';

function render(tone: Tone, seconds: number, rateHz: number, chunk = rateHz / 50): Int16Array {
  const pcm = new Int16Array(seconds * rateHz);
  for (let at = 0; at < pcm.length; at += chunk) tone.fill(pcm, at, Math.min(chunk, pcm.length - at));
  return pcm;
}

function same(a: Int16Array, b: Int16Array): boolean {
  return a.length === b.length && a.every((sample, i) => sample === b[i]);
}

/** Lengths of sound and silence in ms, in turn, by windows of 5 ms. */
function cadenceOf(pcm: Int16Array, rateHz: number): number[] {
  const window = rateHz / 200;
  const runs: number[] = [];
  let sounding = true;
  for (let at = 0; at + window <= pcm.length; at += window) {
    const loud = pcm.subarray(at, at + window).some((sample) => Math.abs(sample) > 300);
    if (runs.length === 0 || loud !== sounding) runs.push(0);
    sounding = loud;
    runs[runs.length - 1]! += 5;
  }
  return runs;
}

describe('call progress tones', () => {
  it.each<[string, CallTone, number[], number[]]>([
    ['us', 'ringback', [2000, 4000, 2000], [440, 480]],
    ['us', 'busy', [500, 500, 500], [480, 620]],
    ['us', 'congestion', [250, 250, 250], [480, 620]],
    ['gb', 'ringback', [400, 200, 400, 2000, 400], [400, 450]],
    ['gb', 'congestion', [400, 350, 225, 525, 400], [400]],
    ['de', 'ringback', [1000, 4000, 1000], [425]],
    ['de', 'busy', [480, 480, 480], [425]],
    ['se', 'congestion', [250, 750, 250], [425]],
    ['fr', 'ringback', [1500, 3500, 1500], [440]],
    ['jp', 'busy', [500, 500, 500], [400]],
    ['it', 'dial', [200, 200, 600, 1000, 200], [425]],
  ])('%s %s', (country, tone, cadenceMs, frequenciesHz) => {
    const pcm = render(createCallTone(tone, { country, sampleRateHz: 8000 }), 9, 8000);
    const runs = cadenceOf(pcm, 8000).slice(0, cadenceMs.length);
    for (const [place, expected] of cadenceMs.entries())
      expect(Math.abs(runs[place]! - expected)).toBeLessThanOrEqual(15);
    for (const hz of frequenciesHz)
      expect(Math.abs(toneLevelAt(pcm, 80, 1200, 8000, hz) + 16)).toBeLessThan(1.5);
  });

  it.each(callToneCountries)('of %s exist at every rate, the same in one piece and in frames', (country) => {
    for (const sampleRateHz of [8000, 44_100]) {
      for (const kind of ['dial', 'ringback', 'busy', 'congestion'] as const) {
        const options = { country, sampleRateHz };
        const whole = render(createCallTone(kind, options), 2, sampleRateHz, 2 * sampleRateHz);
        expect(same(render(createCallTone(kind, options), 2, sampleRateHz), whole)).toBe(true);
        expect(whole.some((sample) => sample > 3000)).toBe(true);
      }
    }
  });

  it('of an unknown country are those of the US', () => {
    const options = { sampleRateHz: 8000 };
    const us = render(createCallTone('busy', options), 1, 8000);
    expect(same(render(createCallTone('busy', { ...options, country: 'xx' }), 1, 8000), us)).toBe(true);
    expect(same(render(createCallTone('busy', { ...options, country: 'US' }), 1, 8000), us)).toBe(true);
  });

  it('begin again after reset', () => {
    const tone = createCallTone('ringback', { country: 'gb', sampleRateHz: 8000 });
    const first = render(tone, 1, 8000);
    tone.reset();
    expect(same(render(tone, 1, 8000), first)).toBe(true);
  });

  it('rise and fall without a step', () => {
    const pcm = render(createCallTone('busy', { sampleRateHz: 8000 }), 3, 8000);
    let stepMax = 0;
    for (let i = 1; i < pcm.length; i++) stepMax = Math.max(stepMax, Math.abs(pcm[i]! - pcm[i - 1]!));
    // The steepest of the two sines together is 5193 * 2 * pi * (480 + 620) / 8000.
    expect(stepMax).toBeLessThan(4600);
    expect(Math.abs(pcm[3999]!)).toBeLessThan(150);
  });

  it('a beep sounds once', () => {
    const pcm = render(createBeep({ sampleRateHz: 16_000 }), 3, 16_000);
    expect(cadenceOf(pcm, 16_000)).toEqual([200, 2800]);
  });
});
