import { expect, it } from 'vitest';
import { DeadlineTimer } from '../../../gateway/signaling/deadline-timer.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function create() {
  const clock = new FakeClock();
  const startMs = clock.nowMs();
  const fired: number[] = [];
  const timer = new DeadlineTimer(clock, () => fired.push(clock.nowMs() - startMs));
  return { clock, fired, timer, arm: (afterMs: number) => timer.arm(startMs + afterMs) };
}

it('fires once at its deadline', async () => {
  const { clock, fired, arm } = create();
  arm(100);
  arm(100);
  await clock.advance(1_000);
  expect(fired).toEqual([100]);
});

it.each([
  ['later', 200],
  ['earlier', 50],
])('fires at a deadline that was moved %s', async (_what, movedMs) => {
  const { clock, fired, arm } = create();
  arm(100);
  arm(movedMs);
  await clock.advance(1_000);
  expect(fired).toEqual([movedMs]);
});

it('fires at once where the deadline has passed', async () => {
  const { clock, fired, arm } = create();
  await clock.advance(500);
  arm(100);
  await clock.advance(0);
  expect(fired).toEqual([500]);
});

it('leaves no timer when it is disarmed', () => {
  const { clock, arm, timer } = create();
  arm(100);
  timer.cancel();
  expect(clock.timers).toBe(0);
});

it('waits on where a clock fires early', () => {
  let nowMs = 0;
  const runs: (() => void)[] = [];
  const clock = {
    nowMs: () => nowMs,
    wallMs: () => 0,
    after: (_delayMs: number, run: () => void) => {
      runs.push(run);
      return { cancel() {} };
    },
  };
  let fired = 0;
  const timer = new DeadlineTimer(clock, () => fired++);
  timer.arm(10);
  nowMs = 9.6;
  runs[0]!();
  expect([fired, runs.length]).toEqual([0, 2]);
  nowMs = 10.1;
  runs[1]!();
  expect(fired).toBe(1);
});
