import { describe, expect, it } from 'vitest';
import { clickDbfs } from '../../bench/tone-clicks.ts';
import { RateTrim, rateTrimDelaySamples } from '../../codecs/rate-trim.ts';
import { splice, spliceReach } from '../../codecs/splice.ts';
import { createTone } from '../../codecs/tones.ts';

/** Frames of 20 ms of `input`, each at the ratio that `ratioOf` gives it. */
function trim(input: Int16Array, ratioOf: (frame: number) => number): Int16Array {
  const subject = new RateTrim();
  const output: number[] = [];
  const frame = new Int16Array(160);
  for (let at = 0, count = 0; ; count++) {
    const ratio = ratioOf(count);
    const needed = subject.inputSamples(160, ratio);
    if (at + needed > input.length) return Int16Array.from(output);
    subject.process(input.subarray(at, at + needed), frame, 160, ratio);
    at += needed;
    output.push(...frame);
  }
}

describe('audio played a little faster or slower', () => {
  const tone = new Int16Array(80_000);
  createTone(1000, 8000, -10).fill(tone, 0, tone.length);

  it('is left as it is at a ratio of 1, but for a fixed delay', () => {
    const output = trim(tone, () => 1);
    const delayed = output.subarray(rateTrimDelaySamples);
    expect(delayed.every((sample, i) => sample === tone[i])).toBe(true);
  });

  it.each([1.005, 0.995, 1.015, 0.985])('by %d takes that much more input, without a click', (ratio) => {
    const input = tone.subarray(0, 40_000);
    const output = trim(input, () => ratio);
    expect(output.length / (input.length / ratio)).toBeGreaterThan(0.99);
    expect(output.length * ratio).toBeLessThanOrEqual(input.length);
    expect(clickDbfs(output, 8000, 1000 * ratio)).toBeLessThan(-70);
  });

  it('changes its speed without a click, and copies again soon after', () => {
    const ratios = Array.from({ length: 252 }, (_, i) => 1 + 0.01 * Math.sin(i / 40));
    const output = trim(tone, (frame) => ratios[frame] ?? 1);
    expect(clickDbfs(output, 8000, 1000)).toBeLessThan(-60);
    // At 1 again it is the input sample for sample.
    const tail = output.subarray(350 * 160, 350 * 160 + 800);
    const places = Array.from({ length: 8 }, (_, shift) =>
      tail.every((sample, i) => sample === tone[i + shift]),
    );
    expect(places).toContain(true);
  });

  it('keeps the level up to 3.4 kHz', () => {
    const high = new Int16Array(40_000);
    createTone(3400, 8000, -10).fill(high, 0, high.length);
    expect(
      clickDbfs(
        trim(high, () => 1.002),
        8000,
        3400 * 1.002,
      ),
    ).toBeLessThan(-60);
  });
});

describe('a piece cut out', () => {
  it('joins equal phases', () => {
    const pcm = new Int16Array(4000);
    createTone(300, 8000, -10).fill(pcm, 0, pcm.length);
    const cut = pcm.slice(0, spliceReach(8000, 1000));
    const { cutSamples, joinSamples } = splice(cut, 8000, 1000);
    expect(Math.abs(cutSamples - 1000)).toBeLessThanOrEqual(48);
    const joined = [...cut.subarray(0, joinSamples), ...pcm.subarray(cutSamples + joinSamples)];
    let stepMax = 0;
    for (let i = 1; i < joined.length; i++)
      stepMax = Math.max(stepMax, Math.abs(joined[i]! - joined[i - 1]!));
    // 10362 * 2 * pi * 300 / 8000 is the steepest of the sine itself.
    expect(stepMax).toBeLessThan(2700);
  });
});
