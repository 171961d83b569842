import { afterEach, describe, expect, it } from 'vitest';
import { CallWorld } from '../support/call-world.ts';

describe('the quality of a whole call', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it('is in /calls while it lasts, in the log at its end, and known to the phone', async () => {
    world = await CallWorld.open({ link: { delayMs: 40, jitterMs: 8, lossPercent: 3, seed: 11 } });
    const call = await world.call({ codecs: ['pcmu'], durationMs: 20_000 });
    await world.clock.advance(15_000);
    const [summary] = await world.gateway.calls();
    expect(summary!.quality).toMatchObject({ codec: 'pcmu' });
    const { lossIn, lossOut, mos, rttMs, jitterMs } = summary!.quality!;
    expect(lossIn).toBeLessThan(0.1);
    expect(lossOut).toBeLessThan(0.15);
    expect(mos).toBeGreaterThan(3);
    expect(mos).toBeLessThan(4.4);
    expect(rttMs).toBeGreaterThan(79);
    expect(rttMs).toBeLessThan(110);
    expect(jitterMs).toBeGreaterThan(0.5);
    const result = await world.finish(call);
    expect(result.mosRemote).toBeGreaterThan(3);
    expect(result.mosRemote).toBeLessThanOrEqual(4.4);
    const ended = world.said('call ended')!;
    for (const loss of [Number(ended.lossIn), Number(ended.lossOut)]) {
      expect(loss).toBeGreaterThan(0.005);
      expect(loss).toBeLessThan(0.07);
    }
    expect(ended.mos).toBeLessThan(4.4);
    expect(ended.mos).toBeGreaterThan(3);
  });

  it('is as good as can be on a good line', async () => {
    world = await CallWorld.open({ link: { delayMs: 2 } });
    const result = await world.finish(await world.call({ codecs: ['pcmu'], durationMs: 12_000 }));
    expect(world.said('call ended')).toMatchObject({ lossIn: 0, lossOut: 0 });
    expect(Number(world.said('call ended')!.mos)).toBeGreaterThan(4.35);
    expect(result.mosRemote).toBeGreaterThan(4.3);
  });

  it('tells in the log where the caller stops to send and goes on', async () => {
    world = await CallWorld.open();
    const call = await world.call({ trouble: { stopSendingAfterMs: 1_000 }, durationMs: 12_000 });
    await world.finish(call);
    expect(Number(world.said('caller audio stopped')?.silentMs)).toBeLessThan(7_000);
    expect(world.said('caller audio resumed')).toBeUndefined();
  });
});
