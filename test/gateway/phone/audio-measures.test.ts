import { describe, expect, test } from 'vitest';
import { findEcho, levelDbfs } from '../../../gateway/phone/audio-measures.ts';
import { createRandom } from '../../support/random.ts';

/** Noise through a slow low-pass: as unlike itself at another moment as speech is. */
function createVoice(samples: number, seed: number): Int16Array {
  const random = createRandom(seed);
  let state = 0;
  return Int16Array.from({ length: samples }, () => {
    state = 0.8 * state + 0.2 * (random() - 0.5) * 40_000;
    return state;
  });
}

describe('level', () => {
  test.each([
    { name: 'a sine of full scale', pcm: [0, 32_767, 0, -32_767], dbfs: 0 },
    { name: 'half of it', pcm: [0, 16_384, 0, -16_384], dbfs: -6.02 },
    { name: 'a square wave of full scale', pcm: [32_767, -32_767], dbfs: 3.01 },
    { name: 'silence', pcm: [0, 0], dbfs: Number.NEGATIVE_INFINITY },
    { name: 'nothing', pcm: [], dbfs: Number.NEGATIVE_INFINITY },
  ])('$name', ({ pcm, dbfs }) => {
    expect(levelDbfs(Int16Array.from(pcm))).toBeCloseTo(dbfs, 2);
  });
});

describe('finding an echo', () => {
  const spoken = createVoice(8_000, 1);

  test.each([0, 1, 17, 160, 1_003, 4_000])('%i samples late, quieter and with noise', (delaySamples) => {
    const noise = createVoice(16_000, 2);
    const heard = noise.map((sample, i) => sample / 10 + (spoken[i - delaySamples] ?? 0) / 2);
    const match = findEcho(spoken, heard, 8_000);
    expect(match?.delaySamples).toBe(delaySamples);
    expect(match?.correlation).toBeGreaterThan(0.9);
  });

  test('other audio correlates badly', () => {
    expect(findEcho(spoken, createVoice(16_000, 3), 4_000)?.correlation ?? 0).toBeLessThan(0.3);
  });

  test('silence has no echo', () => {
    expect(findEcho(spoken, new Int16Array(16_000), 4_000)).toBeUndefined();
    expect(findEcho(spoken, new Int16Array(0), 4_000)).toBeUndefined();
  });
});
