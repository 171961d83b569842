import { describe, expect, test } from 'vitest';
import { Histogram } from '../../bench/histogram.ts';

describe('Histogram', () => {
  test.each([
    { name: 'of one value', values: [3], quantile: 0.99, expected: 3 },
    { name: 'p50 of 1 to 100', values: range(1, 100), quantile: 0.5, expected: 50 },
    { name: 'p99 of 1 to 100', values: range(1, 100), quantile: 0.99, expected: 99 },
    { name: 'below the resolution', values: [0.001], quantile: 0.5, expected: 0.001 },
    {
      name: 'of a long tail',
      values: [...new Array<number>(999).fill(1), 5000],
      quantile: 0.999,
      expected: 1.01,
    },
    { name: 'of nothing', values: [], quantile: 0.5, expected: 0 },
    { name: 'beyond the largest bucket', values: [1e9], quantile: 1, expected: 1e9 },
  ])('quantile $name', ({ values, quantile, expected }) => {
    const histogram = new Histogram();
    for (const value of values) histogram.record(value);
    const found = histogram.quantile(quantile);
    expect(Math.abs(found - expected)).toBeLessThanOrEqual(Math.max(0.011, expected * 0.01));
  });

  test('merges what another thread counted', () => {
    const a = new Histogram();
    const b = new Histogram();
    a.record(1);
    b.record(9);
    a.merge(structuredClone(b.data()));
    expect(a.distribution()).toMatchObject({ count: 2, min: 1, max: 9, mean: 5 });
  });

  test('counts negative values as zero and forgets on reset', () => {
    const histogram = new Histogram();
    histogram.record(-3);
    expect(histogram.distribution()).toMatchObject({ count: 1, min: 0, max: 0 });
    histogram.reset();
    expect(histogram.distribution()).toMatchObject({ count: 0, min: 0, max: 0, p99: 0, buckets: [] });
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
