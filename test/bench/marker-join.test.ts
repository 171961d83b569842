import { describe, expect, test } from 'vitest';
import { joinMarkers, joinMoments } from '../../bench/marker-join.ts';
import { joinRows, Rows } from '../../bench/rows.ts';

/** `[call, tone, onsetMs, frameMs]` */
function rows(list: readonly (readonly [number, number, number, number])[]): Float64Array {
  return Float64Array.from(list.flat());
}

describe('joinMarkers', () => {
  test('pairs markers of the same call and tone', () => {
    const joined = joinMarkers(
      rows([
        [1, 0, 1000, 1000],
        [2, 0, 1005, 1005],
        [1, 1, 2000, 2000],
      ]),
      rows([
        [2, 0, 1020, 1016],
        [1, 0, 1010, 1002],
        [1, 1, 2030, 2024],
      ]),
      0,
      3000,
    );
    expect(joined).toMatchObject({ sent: 3, lost: 0 });
    expect(joined.audio.distribution()).toMatchObject({ count: 3, min: 10, max: 30 });
    expect(joined.transit.distribution()).toMatchObject({ count: 3, min: 2, max: 24 });
  });

  test.each([
    { name: 'one that never came', sentMs: 1000, heardMs: [], sent: 1, lost: 1 },
    { name: 'one of the next round', sentMs: 1000, heardMs: [9010], sent: 1, lost: 1 },
    { name: 'one that may still be on its way', sentMs: 9500, heardMs: [], sent: 0, lost: 0 },
    { name: 'one from before the steady part', sentMs: 400, heardMs: [410], sent: 0, lost: 0 },
    { name: 'one that was heard before', sentMs: 1000, heardMs: [900, 1040], sent: 1, lost: 0 },
  ])('counts $name', ({ sentMs, heardMs, sent, lost }) => {
    const heard = rows(heardMs.map((ms) => [1, 0, ms, ms] as const));
    expect(joinMarkers(rows([[1, 0, sentMs, sentMs]]), heard, 500, 10_000)).toMatchObject({ sent, lost });
  });
});

test('joinMoments takes the first effect of the same call within the limit', () => {
  const causes = Float64Array.from([1, 100, 2, 100, 3, 100]);
  const effects = Float64Array.from([1, 90, 1, 112, 1, 130, 2, 5000]);
  expect(joinMoments(causes, effects, 1000).distribution()).toMatchObject({ count: 1, max: 12 });
});

test('rows grow, are handed over once, and join', () => {
  const list = new Rows(2);
  for (let i = 0; i < 1000; i++) list.add(i, -i);
  const first = list.take();
  list.add(7, 8);
  const joined = joinRows([first, list.take(), list.take()]);
  expect(joined).toHaveLength(2002);
  expect([...joined.slice(1998)]).toEqual([999, -999, 7, 8]);
});
