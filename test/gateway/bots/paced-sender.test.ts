import { describe, expect, test } from 'vitest';
import { PacedSender } from '../../../gateway/bots/paced-sender.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function start(clock: FakeClock, frames = Number.POSITIVE_INFINITY) {
  const sentMs: number[] = [];
  const startedMs = clock.nowMs();
  const sender = new PacedSender({
    clock,
    frameMs: 20,
    leadMs: 60,
    sendFrame: () => {
      if (sentMs.length >= frames) return false;
      sentMs.push(clock.nowMs() - startedMs);
      return true;
    },
  });
  return { sentMs, sender };
}

describe('paced sender', () => {
  test('sends its lead at once, then a frame every 20 ms', async () => {
    const clock = new FakeClock();
    const { sentMs, sender } = start(clock);
    await clock.advance(100);
    expect(sentMs).toEqual([0, 0, 0, 0, 20, 40, 60, 80, 100]);
    sender.stop();
    expect(clock.timers).toBe(0);
  });

  test('ends with the last frame', async () => {
    const clock = new FakeClock();
    const { sentMs } = start(clock, 6);
    await clock.advance(200);
    expect(sentMs).toEqual([0, 0, 0, 0, 20, 40]);
    expect(clock.timers).toBe(0);
  });

  test('stopped from within sends no more', async () => {
    const clock = new FakeClock();
    let sent = 0;
    const stopping: { sender?: PacedSender } = {};
    stopping.sender = new PacedSender({
      clock,
      frameMs: 20,
      leadMs: 0,
      sendFrame: () => {
        if (++sent === 3) stopping.sender?.stop();
        return true;
      },
    });
    await clock.advance(200);
    expect(sent).toBe(3);
    expect(clock.timers).toBe(0);
  });

  test('does not catch up on a long suspension', () => {
    const due: { atMs: number; run: () => void }[] = [];
    let nowMs = 0;
    let sent = 0;
    const clock = {
      nowMs: () => nowMs,
      wallMs: () => nowMs,
      after: (delayMs: number, run: () => void) => {
        due.push({ atMs: nowMs + delayMs, run });
        return { cancel: () => {} };
      },
    };
    new PacedSender({
      clock,
      frameMs: 20,
      leadMs: 0,
      sendFrame: () => {
        sent++;
        return true;
      },
    });
    nowMs = 60_000;
    due.shift()?.run();
    expect(sent).toBe(2);
    expect(due[0]?.atMs).toBe(60_020);
  });
});
