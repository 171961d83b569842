import { describe, expect, it } from 'vitest';
import { MessageRate } from '../../../gateway/media/message-rate.ts';

/** How many of so many at this time are within the rate. */
const taken = (rate: MessageRate, count: number, nowMs: number) =>
  Array.from({ length: count }, () => rate.take(nowMs)).filter(Boolean).length;

describe('a rate of ten messages a second', () => {
  it.each([
    { name: 'takes twenty at once', at: [[1_000, 30]], taken: [20] },
    {
      name: 'takes ten more each second',
      at: [
        [1_000, 20],
        [2_000, 20],
        [2_500, 20],
      ],
      taken: [20, 10, 5],
    },
    {
      name: 'saves up no more than twenty',
      at: [
        [0, 20],
        [60_000, 100],
      ],
      taken: [20, 20],
    },
    {
      name: 'goes on where the clock stands still',
      at: [
        [5, 10],
        [5, 10],
        [5, 10],
      ],
      taken: [10, 10, 0],
    },
  ])('$name', ({ at, taken: expected }) => {
    const rate = new MessageRate(10);
    expect(at.map(([nowMs, count]) => taken(rate, count!, nowMs!))).toEqual(expected);
  });
});
