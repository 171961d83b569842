import { describe, expect, it } from 'vitest';
import { warmUp } from '../../../gateway/media/warm-up.ts';

/** A clock that goes on by `stepMs` each time it is looked at. */
function steppingClock(stepMs: number) {
  let reads = 0;
  return {
    nowMs: () => reads++ * stepMs,
    wallMs: () => 0,
    after: () => ({ cancel: () => {} }),
    get reads() {
      return reads;
    },
  };
}

describe('warming up', () => {
  it('ends when its time is over, however little it has done', async () => {
    const clock = steppingClock(50);
    await warmUp(clock, 150);
    expect(clock.reads).toBeLessThan(6);
  });

  it('does nothing where it may take no time', async () => {
    const clock = steppingClock(1);
    await warmUp(clock, 0);
    expect(clock.reads).toBe(0);
  });
});
