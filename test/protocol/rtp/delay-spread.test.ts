import { describe, expect, it } from 'vitest';
import { DelaySpread } from '../../../protocol/rtp/delay-spread.ts';
import { createRandom } from '../../support/random.ts';

/** The spread after packets of 20 ms at 8 kHz whose delays are these, arriving in the order of their arrival. */
function spreadOf(delaysMs: readonly number[], timestampFirst = 0, driftPerPacketMs = 0): number | undefined {
  const spread = new DelaySpread(8000);
  const packets = delaysMs.map((delayMs, i) => ({
    timestamp: (timestampFirst + i * 160) >>> 0,
    atMs: 5000 + i * (20 + driftPerPacketMs) + delayMs,
  }));
  packets.sort((a, b) => a.atMs - b.atMs);
  for (const { timestamp, atMs } of packets) spread.measure(timestamp, atMs);
  return spread.spreadMs;
}

const random = createRandom(3);
const even = (count: number, spreadMs: number) => Array.from({ length: count }, () => spreadMs * random());

describe('how far delays lie apart', () => {
  it('is not known before 25 packets', () => {
    expect(spreadOf(even(24, 10))).toBeUndefined();
    expect(spreadOf(even(25, 10))).toBeDefined();
  });

  it.each([
    ['none', Array<number>(500).fill(40), 0, 0],
    ['±2 ms', even(500, 4), 0, 5],
    ['±20 ms', even(500, 40), 35, 45],
    ['±40 ms', even(500, 80), 70, 85],
    ['±40 ms, reordered', even(2000, 80), 70, 85],
    ['beyond all bounds', even(500, 900), 190, 205],
  ])('%s', (_name, delaysMs, min, max) => {
    const spreadMs = spreadOf(delaysMs)!;
    expect(spreadMs).toBeGreaterThanOrEqual(min);
    expect(spreadMs).toBeLessThanOrEqual(max);
  });

  it('one late packet in a hundred does not count', () => {
    const delaysMs = Array.from({ length: 600 }, (_, i) => (i % 100 === 50 ? 90 : 0));
    expect(spreadOf(delaysMs)).toBe(0);
  });

  it('a clock that drifts by 0.05 % is no jitter', () => {
    expect(spreadOf(Array<number>(3000).fill(0), 0, 0.01)).toBeLessThanOrEqual(5);
    expect(spreadOf(Array<number>(3000).fill(0), 0, -0.01)).toBeLessThanOrEqual(5);
  });

  it('calms down after a storm', () => {
    const storm = even(300, 100);
    expect(spreadOf([...storm, ...Array<number>(1500).fill(0)])).toBeLessThanOrEqual(10);
  });

  it('goes on across the wrap, and over a timestamp that is set anew', () => {
    expect(spreadOf(Array<number>(500).fill(0), 0xffff_0000)).toBe(0);
    const spread = new DelaySpread(8000);
    for (let i = 0; i < 200; i++) spread.measure((i < 100 ? i * 160 : 3_000_000_000 + i * 160) >>> 0, i * 20);
    expect(spread.spreadMs).toBe(0);
  });
});
