import { expect, it } from 'vitest';
import { DigitCollector } from '../../../gateway/calls/digit-collector.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it.each([
  { name: 'so many', maxDigits: 2, presses: ['1', '2', '3', '4'], pauseMs: 10, collected: ['12', '34'] },
  { name: 'a # closes', maxDigits: 5, presses: ['1', '2', '#', '3'], pauseMs: 10, collected: ['12', '3'] },
  { name: 'a # alone is a key', maxDigits: 5, presses: ['#', '1'], pauseMs: 10, collected: ['#1'] },
  { name: 'no further one in time', maxDigits: 5, presses: ['1', '2'], pauseMs: 600, collected: ['1', '2'] },
  { name: 'one at a time', maxDigits: 1, presses: ['*', '#'], pauseMs: 10, collected: ['*', '#'] },
])('keys belong together: $name', async ({ maxDigits, presses, pauseMs, collected }) => {
  const clock = new FakeClock();
  const found: string[] = [];
  const collector = new DigitCollector(clock, {
    maxDigits,
    timeoutMs: 500,
    collected: (keys) => found.push(keys),
  });
  for (const key of presses) {
    collector.press(key);
    await clock.advance(pauseMs);
  }
  await clock.advance(1_000);
  expect(found).toEqual(collected);
});

it('forgets what was pressed when it is cancelled', async () => {
  const clock = new FakeClock();
  const found: string[] = [];
  const collector = new DigitCollector(clock, {
    maxDigits: 3,
    timeoutMs: 500,
    collected: (keys) => found.push(keys),
  });
  collector.press('1');
  collector.cancel();
  await clock.advance(1_000);
  expect([found, clock.timers]).toEqual([[], 0]);
});
