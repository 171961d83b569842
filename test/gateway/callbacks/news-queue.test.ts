import { describe, expect, test } from 'vitest';
import { NewsQueue, type TryOutcome } from '../../../gateway/callbacks/news-queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function rig({ limit = 10, parallel = 4, retryForMs = 60_000 } = {}) {
  const clock = new FakeClock();
  const tries: { readonly item: string; readonly atMs: number }[] = [];
  const lost: string[] = [];
  const beganMs = clock.nowMs();
  const state = { outcome: (_item: string): TryOutcome => 'taken', takesMs: 0 };
  const queue = new NewsQueue<string>({
    clock,
    limit,
    parallel,
    retryForMs,
    attempt: (item) => {
      tries.push({ item, atMs: clock.nowMs() - beganMs });
      if (state.takesMs === 0) return Promise.resolve(state.outcome(item));
      return new Promise((resolve) => clock.after(state.takesMs, () => resolve(state.outcome(item))));
    },
    dropped: (item, why) => lost.push(`${item} ${why}`),
  });
  return { clock, queue, tries, lost, state };
}

describe('news', () => {
  test('are told once each, in order, so many at a time', async () => {
    const { clock, queue, tries, state } = rig({ parallel: 2 });
    state.takesMs = 100;
    for (const item of ['a', 'b', 'c', 'd', 'e']) queue.push(item);
    await clock.advance(1_000);
    expect(tries).toEqual([
      { item: 'a', atMs: 0 },
      { item: 'b', atMs: 0 },
      { item: 'c', atMs: 100 },
      { item: 'd', atMs: 100 },
      { item: 'e', atMs: 200 },
    ]);
    expect([queue.size, clock.timers]).toEqual([0, 0]);
  });

  test('wait for a server that is down, which is asked with one of them ever less often', async () => {
    const { clock, queue, tries, lost, state } = rig();
    state.outcome = () => 'down';
    queue.push('a');
    await clock.advance(0);
    queue.push('b');
    queue.push('c');
    await clock.advance(20_000);
    expect(tries.map(({ atMs }) => atMs)).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500]);
    state.outcome = () => 'taken';
    await clock.advance(60_000);
    expect(
      tries
        .slice(6)
        .map(({ item }) => item)
        .sort(),
    ).toEqual(['a', 'b', 'c']);
    expect([queue.size, lost, clock.timers]).toEqual([0, [], 0]);
  });

  test('one that is refused again and again does not hold up the others', async () => {
    const { clock, queue, tries, lost, state } = rig({ parallel: 1, retryForMs: 5_000 });
    state.outcome = (item) => (item === 'bad' ? 'refused' : 'taken');
    for (const item of ['bad', 'b', 'c']) queue.push(item);
    await clock.advance(100);
    expect(tries.map(({ item }) => item)).toEqual(['bad', 'b', 'c']);
    await clock.advance(60_000);
    expect(tries.map(({ atMs }) => atMs)).toEqual([0, 0, 0, 500, 1_500, 3_500, 7_500]);
    expect([lost, queue.size, clock.timers]).toEqual([['bad expired'], 0, 0]);
  });

  test('beyond the limit the oldest goes', async () => {
    const { clock, queue, lost, state } = rig({ limit: 3, parallel: 1 });
    state.outcome = () => 'down';
    queue.push('first');
    await clock.advance(0);
    for (let i = 0; i < 1_000; i++) queue.push(`${i}`);
    expect(queue.size).toBe(3);
    expect(lost.slice(0, 2)).toEqual(['first full', '0 full']);
    expect(lost).toHaveLength(998);
  });

  test('get a last try at the end, whatever their pause', async () => {
    const { clock, queue, tries, state } = rig();
    state.outcome = () => 'down';
    queue.push('a');
    await clock.advance(1_000);
    state.outcome = () => 'taken';
    queue.push('b');
    const left = queue.close(1_000);
    await clock.advance(0);
    expect(await left).toBe(0);
    expect(
      tries
        .slice(-2)
        .map(({ item }) => item)
        .sort(),
    ).toEqual(['a', 'b']);
  });

  test('are not waited for at the end where the server is gone or silent', async () => {
    const gone = rig();
    gone.state.outcome = () => 'down';
    for (const item of ['a', 'b']) gone.queue.push(item);
    const leftBehind = gone.queue.close(1_000);
    await gone.clock.advance(0);
    expect(await leftBehind).toBe(0);
    expect(gone.lost).toEqual(['a expired', 'b expired']);

    const silent = rig();
    silent.state.takesMs = 60_000;
    silent.queue.push('a');
    const left = silent.queue.close(1_000);
    await silent.clock.advance(1_000);
    expect(await left).toBe(1);
  });
});
