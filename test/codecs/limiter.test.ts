import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Limiter } from '../../codecs/limiter.ts';

const frame = 160;

function run(
  sum: (index: number) => number,
  frames: number,
): { readonly pcm: Int16Array; readonly gains: number[] } {
  const limiter = new Limiter();
  const input = new Int32Array(frame);
  const output = new Int16Array(frame);
  const pcm = new Int16Array(frame * frames);
  const gains: number[] = [];
  for (let at = 0; at < pcm.length; at += frame) {
    for (let i = 0; i < frame; i++) input[i] = sum(at + i);
    limiter.process(input, output, frame);
    pcm.set(output, at);
    gains.push(limiter.gain);
  }
  return { pcm, gains };
}

describe('the limiter', () => {
  it('passes on what fits bit by bit, to the last value', () => {
    const values = [0, 1, -1, 32_767, -32_768, 12_345];
    const { pcm } = run((index) => values[index % values.length]!, 3);
    expect([...pcm.subarray(0, 6)]).toEqual(values);
  });

  it('turns a loud moment down as a whole and comes up again within two seconds, at most 0.43 dB a frame', () => {
    const sine = (index: number) => Math.sin((2 * Math.PI * 400 * index) / 8000);
    const loud = (index: number) =>
      Math.round(sine(index) * (index >= 1600 && index < 3200 ? 320_000 : 20_000));
    const { pcm, gains } = run(loud, 130);
    const peak = Math.max(...pcm.subarray(1600, 3200).map(Math.abs));
    expect(peak).toBeGreaterThan(32_700);
    gains.slice(1).forEach((gain, index) => {
      if (index >= 20) expect(gain / gains[index]!).toBeLessThan(1.0501);
    });
    expect(gains.slice(0, 10)).toEqual(new Array(10).fill(1));
    expect(gains.slice(90)).toEqual(new Array(40).fill(1));
    expect(pcm.subarray(90 * frame).some((sample, i) => sample !== loud(90 * frame + i))).toBe(false);
  });

  it('never wraps and never changes a sign, whatever comes', () => {
    const blocks = fc.array(
      fc.array(fc.integer({ min: -3_300_000, max: 3_300_000 }), { minLength: 1, maxLength: 40 }),
      {
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(blocks, (sums) => {
        const limiter = new Limiter();
        for (const sum of sums) {
          const before = limiter.gain;
          const pcm = new Int16Array(sum.length);
          limiter.process(Int32Array.from(sum), pcm, sum.length);
          expect(limiter.gain).toBeGreaterThan(0);
          expect(limiter.gain).toBeLessThanOrEqual(Math.min(1, before * 1.05 + 1e-12));
          sum.forEach((value, index) => {
            // Wrapped, it would have the other sign or be far too small.
            expect(pcm[index]! * value).toBeGreaterThanOrEqual(0);
            const least = Math.abs(value) * Math.min(before, limiter.gain);
            expect(Math.abs(pcm[index]!)).toBeGreaterThanOrEqual(Math.floor(Math.min(least, 32_767)) - 1);
          });
        }
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});
