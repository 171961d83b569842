import { describe, expect, it, test } from 'vitest';
import { mosOf, QualityMeter, type QualitySample, rating } from '../../../protocol/rtp/quality.ts';

describe('the E-model', () => {
  test.each([
    { name: 'a faultless line, G.107 table 2', codec: 'pcmu', delayMs: 0, loss: 0, r: 93.2, mos: 4.41 },
    { name: '1 % lost', codec: 'pcma', delayMs: 0, loss: 0.01, r: 89.56, mos: 4.34 },
    { name: '5 % lost', codec: 'pcmu', delayMs: 0, loss: 0.05, r: 77.42, mos: 3.94 },
    { name: '5 % lost in bursts', codec: 'pcmu', delayMs: 0, loss: 0.05, burstRatio: 2, r: 75.99, mos: 3.88 },
    { name: 'a quarter of a second', codec: 'pcmu', delayMs: 250, loss: 0, r: 79.2, mos: 4.0 },
    { name: 'all lost', codec: 'pcmu', delayMs: 0, loss: 1, r: 17.26, mos: 1.17 },
    { name: 'a codec nobody knows', codec: 'gsm', delayMs: 0, loss: 0, r: 82.2, mos: 4.1 },
    { name: 'shares out of range', codec: 'pcmu', delayMs: -5, loss: 7, r: 17.26, mos: 1.17 },
  ])('$name', ({ name: _, r, mos, ...given }) => {
    expect(rating(given)).toBeCloseTo(r, 1);
    expect(mosOf(rating(given))).toBeCloseTo(mos, 1);
  });

  it('gives 1 to 4.5, and more for a better rating', () => {
    let before = 1;
    for (let r = -10; r <= 110; r++) {
      const mos = mosOf(r);
      expect(mos).toBeGreaterThanOrEqual(before);
      expect(mos).toBeLessThanOrEqual(4.5);
      before = mos;
    }
  });
});

describe('the meter of a leg', () => {
  const calm: QualitySample = {
    codec: 'pcmu',
    packetsExpected: 0,
    packetsLost: 0,
    packetsLate: 0,
    jitterMs: 2,
    rttMs: 40,
    lossOut: 0,
    lossOutWhole: 0,
    ptimeMs: 20,
  };

  it('forgets what was lost five seconds ago, and keeps it for the whole', () => {
    const meter = new QualityMeter();
    expect(meter.recent).toBeUndefined();
    for (let second = 1; second <= 20; second++) {
      const packetsLost = Math.min(second, 5) * 5;
      meter.add({ ...calm, packetsExpected: second * 50, packetsLost });
      if (second === 5) expect(meter.recent?.lossIn).toBeCloseTo(0.1, 5);
    }
    expect(meter.recent).toMatchObject({ lossIn: 0, lossOut: 0, rttMs: 40, jitterMs: 2, codec: 'pcmu' });
    expect(meter.recent!.mos).toBeGreaterThan(4.3);
    expect(meter.whole!.lossIn).toBeCloseTo(0.025, 5);
    expect(meter.whole!.mos).toBeLessThan(meter.recent!.mos);
  });

  it('takes late packets for lost ones, and the worse direction for the score', () => {
    const [late, out, fine] = [new QualityMeter(), new QualityMeter(), new QualityMeter()];
    late.add({ ...calm, packetsExpected: 50, packetsLate: 5 });
    out.add({ ...calm, packetsExpected: 50, lossOut: 0.1, lossOutWhole: 0.05 });
    fine.add({ ...calm, packetsExpected: 50 });
    expect(late.recent).toMatchObject({ lossIn: 0.1, lossOut: 0 });
    expect(out.recent).toMatchObject({ lossIn: 0, lossOut: 0.1 });
    expect(out.whole).toMatchObject({ lossOut: 0.05 });
    expect(late.recent!.mos).toBeCloseTo(out.recent!.mos, 5);
    expect(fine.recent!.mos).toBeGreaterThan(late.recent!.mos + 0.5);
  });

  it('has no loss where nothing should come, and none below nothing where packets were repeated', () => {
    const meter = new QualityMeter();
    meter.add(calm);
    meter.add({ ...calm, packetsExpected: 50, packetsLost: -3 });
    expect(meter.recent).toMatchObject({ lossIn: 0 });
  });
});
