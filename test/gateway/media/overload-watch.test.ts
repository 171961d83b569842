import { describe, expect, it } from 'vitest';
import { OverloadWatch } from '../../../gateway/media/overload-watch.ts';
import { latenessMsBounds } from '../../../gateway/media/timing-wheel.ts';

/** One second of 500 ticks: how many of them were more than 10 ms late, and how many legs there were. */
type Second = readonly [late: number, members?: number];

/** After which seconds, counted from 1, it said what. */
function run(seconds: readonly Second[]): (readonly [second: number, overloaded: boolean])[] {
  const said: (readonly [number, boolean])[] = [];
  const buckets = new Array<number>(latenessMsBounds.length + 1).fill(0);
  let second = 0;
  const watch = new OverloadWatch(0, (overloaded) => said.push([second, overloaded]));
  for (const [late, members = 300] of seconds) {
    second++;
    buckets[latenessMsBounds.indexOf(10)]! += 500 - late;
    buckets[latenessMsBounds.indexOf(20)]! += late;
    for (let ms = 2; ms <= 1000; ms += 2) watch.check((second - 1) * 1000 + ms, buckets, members);
  }
  return said;
}

describe('a worker that runs late', () => {
  const warm: Second[] = [[0], [0], [0], [0], [0]];

  it.each<[string, Second[], (readonly [number, boolean])[]]>([
    ['in time', [...warm, [0], [5], [5], [5], [5], [5], [5], [5]], []],
    ['late for six seconds', [...warm, [6], [6], [6], [6], [6], [6], [6]], [[11, true]]],
    ['far too late for three', [...warm, [101], [101], [101]], [[8, true]]],
    [
      'late for five, and again for five',
      [...warm, [6], [6], [6], [6], [6], [0], [6], [6], [6], [6], [6]],
      [],
    ],
    ['stalled twice for 200 ms', [...warm, [100], [0], [0], [100], [0]], []],
    [
      'cold: late in its first five seconds with calls',
      [[200], [200], [200], [100], [100], [6], [0], [0]],
      [],
    ],
    [
      'cold after it stood idle',
      [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [200], [200], [200], [0]],
      [],
    ],
    [
      'in time again',
      [...warm, [101], [101], [101], [6], [0], [0], [0]],
      [
        [8, true],
        [11, false],
      ],
    ],
    ['a little late still', [...warm, [101], [101], [101], [3], [3], [3], [3]], [[8, true]]],
    [
      'late with a handful of legs',
      [...warm, [500, 9], [500, 9], [500, 9], [500, 9], [500, 9], [500, 9]],
      [],
    ],
    [
      'late until most of its legs are gone',
      [...warm, [101], [101], [101], [6, 9], [6, 9]],
      [
        [8, true],
        [10, false],
      ],
    ],
  ])('%s', (_name, seconds, said) => {
    expect(run(seconds)).toEqual(said);
  });
});
