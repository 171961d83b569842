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
  it.each<[string, Second[], (readonly [number, boolean])[]]>([
    ['in time', [[0], [0], [0], [0], [5], [5], [5]], []],
    ['late for three seconds', [[0], [6], [6], [6], [6]], [[4, true]]],
    ['late for two, and again for two', [[6], [6], [0], [6], [6], [0]], []],
    ['stalled once for 200 ms', [[0], [100], [0], [0], [0]], []],
    [
      'in time again',
      [[6], [6], [6], [6], [0], [0], [0]],
      [
        [3, true],
        [6, false],
      ],
    ],
    ['a little late still', [[6], [6], [6], [3], [3], [3], [3]], [[3, true]]],
    [
      'late with a handful of legs',
      [
        [500, 9],
        [500, 9],
        [500, 9],
        [500, 9],
      ],
      [],
    ],
    [
      'late until most of its legs are gone',
      [[6], [6], [6], [6, 9], [6, 9]],
      [
        [3, true],
        [5, false],
      ],
    ],
  ])('%s', (_name, seconds, said) => {
    expect(run(seconds)).toEqual(said);
  });
});
