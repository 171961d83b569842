import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ComfortNoise } from '../../codecs/comfort-noise.ts';

function rmsDb(pcm: Int16Array): number {
  const power = pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length;
  return 10 * Math.log10(power / 32_768 ** 2 + 1e-12);
}

function noiseOf(payload: readonly number[], samples = 80_000): Int16Array {
  const noise = new ComfortNoise(7);
  noise.update(Uint8Array.from([0xff, ...payload]), 1, payload.length);
  const settle = new Int16Array(8_000);
  noise.fill(settle, 0, settle.length);
  const pcm = new Int16Array(samples);
  noise.fill(pcm, 0, samples);
  return pcm;
}

/** Of neighbours: 0 for white noise, towards 1 for low and -1 for high frequencies. */
function correlation(pcm: Int16Array): number {
  let [product, power] = [0, 0];
  for (let i = 1; i < pcm.length; i++) {
    product += pcm[i]! * pcm[i - 1]!;
    power += pcm[i]! * pcm[i]!;
  }
  return product / power;
}

describe('comfort noise', () => {
  test.each([30, 40, 50, 60, 70])('has the level that the packet says: -%i dBov', (level) => {
    expect(Math.abs(rmsDb(noiseOf([level])) + level)).toBeLessThan(1);
    expect(Math.abs(correlation(noiseOf([level])))).toBeLessThan(0.05);
  });

  it('keeps its level with a spectrum, and the spectrum its shape', () => {
    for (const reflections of [
      [60],
      [190],
      [30, 160],
      [127, 127, 127],
      [90, 200, 110, 140, 127, 100, 130, 127, 120, 150],
    ]) {
      expect(Math.abs(rmsDb(noiseOf([40, ...reflections])) + 40)).toBeLessThan(1);
    }
    expect(Math.abs(correlation(noiseOf([40, 60])))).toBeGreaterThan(0.4);
    expect(Math.sign(correlation(noiseOf([40, 60])))).toBe(-Math.sign(correlation(noiseOf([40, 194]))));
  });

  it('is no louder than -20 dBov, and silent below -90', () => {
    expect(rmsDb(noiseOf([0]))).toBeLessThan(-19);
    expect(noiseOf([110]).every((sample) => sample === 0)).toBe(true);
  });

  it('begins and changes without a click', () => {
    const noise = new ComfortNoise();
    const pcm = new Int16Array(40);
    noise.update(Uint8Array.of(25), 0, 1);
    noise.fill(pcm, 0, 40);
    expect(Math.abs(pcm[0]!)).toBeLessThan(400);
    noise.reset();
    noise.fill(pcm, 0, 40);
    expect(pcm.every((sample) => sample === 0)).toBe(true);
  });

  it('takes any payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
        const noise = new ComfortNoise();
        noise.update(payload, 0, payload.length);
        const pcm = new Int16Array(800);
        noise.fill(pcm, 0, 800);
        noise.update(Uint8Array.of(30), 0, 1);
        noise.fill(pcm, 0, 800);
        expect(rmsDb(pcm.subarray(400))).toBeGreaterThan(-40);
      }),
      { seed: 3389, numRuns: 300 },
    );
  });
});
