import { afterEach, describe, expect, test } from 'vitest';
import { Histogram } from '../../bench/histogram.ts';
import type { PhoneMessage, PhonePlan, PhoneReport, PhoneResult } from '../../bench/load-messages.ts';
import { PhoneBank } from '../../bench/phone-bank.ts';
import { MirrorGateway } from './mirror-gateway.ts';

const plan = {
  target: 'sip:echo@127.0.0.1',
  host: '127.0.0.1',
  codec: 'pcmu',
  calls: 4,
  callsPerSecond: 100,
  durationMs: 900,
  warmUpMs: 50,
  churnPerSecond: 0,
  holdMs: 200,
  impairment: { lossPercent: 0, jitterMs: 0 },
  mode: 'echo',
  seed: 1,
} as const;

let gateway: MirrorGateway | undefined;
afterEach(() => gateway?.close());

async function run(changes: Partial<PhonePlan> = {}): Promise<{ last: PhoneReport; result: PhoneResult }> {
  let last: PhoneReport | undefined;
  const result = await new Promise<PhoneResult>((resolve, reject) => {
    const bank = new PhoneBank({ ...plan, port: gateway!.port, ...changes }, (message: PhoneMessage) => {
      if (message.type === 'report') last = message;
      if (message.type === 'result') resolve(message);
    });
    bank.start().catch(reject);
  });
  return { last: last!, result };
}

describe('phones', () => {
  test('place every call, hear themselves, lose nothing and hang up', async () => {
    gateway = await MirrorGateway.start();
    const { last, result } = await run({ durationMs: 1300 });
    expect(last.calls).toMatchObject({
      attempted: 4,
      answered: 4,
      active: 0,
      failed: {},
      endedEarly: 0,
      hangUpsLost: 0,
    });
    expect(gateway.byes).toBe(4);
    expect(last.packets).toMatchObject({ lost: 0, duplicate: 0, silent: 0, ignored: 0, withheld: 0 });
    expect(last.packets.sent).toBeGreaterThan(4 * 50);
    expect(last.packets.received).toBeGreaterThan(last.packets.sent - 20);
    expect(result.setup.count).toBe(4);
    expect(result.roundTrip.count).toBeGreaterThanOrEqual(4);
    expect(result.markersUnknown).toBe(0);
    expect(last.callSeconds).toBeGreaterThan(4);
  });

  test('count what a gateway drops', async () => {
    gateway = await MirrorGateway.start({ dropEvery: 20, holdMs: 0 });
    const { last } = await run();
    const share = last.packets.lost / (last.packets.lost + last.packets.received);
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.06);
  });

  test('see a gateway that sends unevenly', async () => {
    gateway = await MirrorGateway.start({ dropEvery: 0, holdMs: 12 });
    const { result } = await run({ durationMs: 600 });
    expect(Histogram.from(result.spacing).quantile(0.5)).toBeGreaterThan(8);
  });

  test('tell refusals by their status', async () => {
    gateway = await MirrorGateway.start();
    gateway.refuseWith = 503;
    const { last } = await run({ durationMs: 100 });
    expect(last.calls).toMatchObject({ attempted: 4, answered: 0, failed: { 503: 4 } });
  });

  test('place short calls beside the standing ones', async () => {
    gateway = await MirrorGateway.start();
    const { last } = await run({ calls: 1, churnPerSecond: 20, durationMs: 700 });
    expect(last.calls.attempted).toBeGreaterThan(8);
    expect(last.calls.answered).toBe(last.calls.attempted);
    expect(gateway.byes).toBe(last.calls.attempted);
    expect(last.calls.active).toBe(0);
  });

  test('keep back and delay what they are told to', async () => {
    gateway = await MirrorGateway.start();
    const { last } = await run({ impairment: { lossPercent: 20, jitterMs: 10 }, durationMs: 600 });
    const share = last.packets.withheld / (last.packets.withheld + last.packets.sent);
    expect(share).toBeGreaterThan(0.1);
    expect(share).toBeLessThan(0.3);
  });
});
