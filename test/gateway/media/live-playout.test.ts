import { describe, expect, it } from 'vitest';
import { toneToPhone, toneToStream } from '../../../bench/line-figures.ts';
import { clickDbfs } from '../../../bench/tone-clicks.ts';
import { LivePlayout } from '../../../gateway/media/live-playout.ts';
import { createRandom } from '../../support/random.ts';
import { rounds } from '../../support/rounds.ts';

const rateHz = 8000;
const format = { sampleRateHz: rateHz, queueBytesMax: rateHz * 4 };

/** A playout of packets of 20 ms and frames of 20 ms; `dueMs` is when the packet after the last pushed comes. */
function playout(spreadMs?: number) {
  const live = { spreadMs, hurry: () => false };
  const subject = new LivePlayout({ ...format, live }, live);
  const frame = new Int16Array(160);
  const bytes = new Uint8Array(320);
  const samples = new Int16Array(bytes.buffer);
  return {
    subject,
    push(level: number, nowMs: number) {
      samples.fill(level);
      subject.noteArrival(0, nowMs);
      subject.push(bytes, 0, bytes.length);
    },
    take(nowMs: number): Int16Array | undefined {
      return subject.take(frame, 160, rateHz, nowMs) ? frame.slice() : undefined;
    },
  };
}

/** Delay at the start (from the third second) and the furthest from it in the rest of the call, in ms. */
function delays(drift: number, minutes: number): { start: number; away: number; end: number } {
  const { subject, push, take } = playout(0);
  const periodMs = 20 / (1 + drift);
  const perSecond: number[] = [];
  let sum = 0;
  let said = 0;
  for (let frame = 0; frame < minutes * 3000; frame++) {
    const nowMs = frame * 20 + 3;
    while (said * periodMs <= nowMs) push(1000, said++ * periodMs);
    take(nowMs);
    // What was said up to now, and what of it is still to be played.
    sum += subject.queuedMs + nowMs - (said - 1) * periodMs;
    if (frame % 50 === 49) {
      perSecond.push(sum / 50);
      sum = 0;
    }
  }
  const start = perSecond[2]!;
  const away = Math.max(...perSecond.slice(2).map((delayMs) => Math.abs(delayMs - start)));
  return { start, away, end: perSecond.at(-1)! };
}

describe('playout between phones', () => {
  it.each([0.005, -0.005, 0.0001, 0])(
    'a clock that is off by %d leaves the delay within 40 ms of the start for minutes',
    (drift) => {
      const { start, away, end } = delays(drift, rounds(3, 10));
      expect(start).toBeLessThan(80);
      expect(away).toBeLessThan(40);
      expect(Math.abs(end - start)).toBeLessThan(25);
    },
  );

  it.each([0.005, -0.005])('and corrects it without a click above -50 dB: %d', (drift) => {
    const { pcm, present } = toneToPhone({
      seconds: rounds(20, 60),
      random: createRandom(2),
      drift,
      codec: 'l16-8000',
    });
    expect(clickDbfs(pcm, rateHz, 1000)).toBeLessThan(-50);
    expect(present).toBe(1);
  });

  it('passes on bit by bit what needs no correction', () => {
    const { push, take } = playout(0);
    const heard: number[] = [];
    for (let frame = 0; frame < 500; frame++) {
      push(100 + frame, frame * 20);
      const played = take(frame * 20 + 3);
      if (played !== undefined && frame > 20) heard.push(...played);
    }
    const levels = [...new Set(heard)];
    expect(levels.every((level, i) => i === 0 || level === levels[i - 1]! + 1)).toBe(true);
  });

  it('catches up at once after a stall of the line', () => {
    const { subject, push, take } = playout(0);
    let said = 0;
    for (let nowMs = 3; nowMs < 20_000; nowMs += 20) {
      const stalled = nowMs > 10_000 && nowMs < 11_500;
      while (!stalled && said * 20 <= nowMs) push(1000, said++ * 20);
      take(nowMs);
      if (nowMs > 13_000) expect(subject.queuedMs).toBeLessThan(100);
    }
  });

  it('begins anew after a pause, and after clear', () => {
    const { subject, push, take } = playout(0);
    for (let frame = 0; frame < 50; frame++) {
      push(1000, frame * 20);
      take(frame * 20 + 3);
    }
    for (let frame = 50; frame < 1500; frame++) expect(take(frame * 20 + 3) && frame > 70).toBeFalsy();
    push(1000, 30_000);
    expect(take(30_003)).toBeUndefined();
    push(1000, 30_020);
    push(1000, 30_030);
    expect(take(30_043)).toBeDefined();
    subject.clear();
    expect(subject.queuedMs).toBe(0);
    expect(take(30_063)).toBeUndefined();
  });
});

describe('a tone over a bad line', () => {
  const line = { seconds: 60, burstPackets: 2.5, jitterMs: 40 };
  it.each([
    { lossPercent: 2, presentMin: 0.95 },
    { lossPercent: 5, presentMin: 0.85 },
  ])(
    'of $lossPercent % bursty loss, ±40 ms jitter and reordering is there in most of the windows of 100 ms',
    ({ lossPercent, presentMin }) => {
      const toStream = toneToStream({ ...line, lossPercent, random: createRandom(5) });
      expect(toStream.present).toBeGreaterThan(presentMin);
      expect(toStream.addedMs.p99).toBeLessThan(120);
      const toPhone = toneToPhone({ ...line, lossPercent, random: createRandom(6) });
      expect(toPhone.present).toBeGreaterThan(presentMin);
      expect(toPhone.addedMs.max).toBeLessThan(120);
    },
  );

  it('without jitter a stream waits for nothing, and 30 ms for what is lost', () => {
    const good = toneToStream({ seconds: 20, random: createRandom(7) });
    expect(good).toMatchObject({ present: 1, addedMs: { median: 0, max: 0 } });
    const lossy = toneToStream({ seconds: 20, random: createRandom(8), lossPercent: 3 });
    expect(lossy.addedMs.median).toBe(0);
    expect(lossy.addedMs.max).toBeLessThanOrEqual(60);
  });
});
