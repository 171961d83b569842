import { afterEach, describe, expect, it } from 'vitest';
import { createPhone, type Phone, type PhoneOptions } from '../../../gateway/phone/phone.ts';
import type { CallResult, PhoneCall } from '../../../gateway/phone/phone-call.ts';
import { headerValue, type SipRequest } from '../../../protocol/sip/message.ts';
import type { SessionTimerSettings } from '../../../protocol/sip/session-timer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type LinkOptions, MemoryNetwork } from '../../support/memory-network.ts';
import { createRandom } from '../../support/random.ts';
import { type Agent, closeAgents, createAgent, labelOf } from '../signaling/agents.ts';
import { RawPhone } from '../signaling/raw-phone.ts';

/** RFC 4028 as `callwire call` speaks it, on a fake clock. */

const address = '127.0.0.1';
const phones: Phone[] = [];

afterEach(async () => {
  for (const phone of phones.splice(0)) await phone.close();
  await closeAgents();
});

function open(link: LinkOptions = {}) {
  const clock = new FakeClock();
  const network = new MemoryNetwork(clock, { delayMs: 5, ...link });
  const createOne = async (options: PhoneOptions = {}): Promise<Phone> => {
    const phone = await createPhone({
      address,
      clock,
      network,
      random: createRandom(7),
      localAddressFor: async () => address,
      ...options,
    });
    phones.push(phone);
    return phone;
  };
  const finish = async (call: PhoneCall): Promise<CallResult> => {
    let result: CallResult | undefined;
    void call.ended.then((ended) => {
      result = ended;
    });
    await clock.until(() => result !== undefined, 1_000_000, 50);
    return result!;
  };
  return { clock, network, createOne, finish };
}

const sdp = (port: number) =>
  `v=0\r\no=- 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\n`;

async function createCallee(
  world: ReturnType<typeof open>,
  sessionTimer: SessionTimerSettings,
): Promise<Agent> {
  const callee = await createAgent(world, { seed: 2, sessionTimer });
  callee.on.invited = (session) => session.accept({ sdp: sdp(9) });
  return callee;
}

const told = ({ timeline }: CallResult): string[] =>
  timeline.map(({ direction, what }) => `${direction} ${what}`);

describe.each([0, 20])('a call of the phone with session timers (loss %i %%)', (lossPercent) => {
  it('asks again with what a 422 wants, and refreshes', async () => {
    const world = open({ lossPercent, seed: 3 });
    const callee = await createCallee(world, { expiresSeconds: 600, minSeSeconds: 120, refresher: 'peer' });
    const phone = await world.createOne({
      sessionTimer: { expiresSeconds: 100, minSeSeconds: 90, refresher: 'us' },
    });
    const result = await world.finish(await phone.placeCall({ target: callee.uri, durationMs: 300_000 }));
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'phone', durationMs: 300_000 });
    expect(told(result)).toContain('received 422 Session Interval Too Small');
    const { invite } = callee.sessions[0]!;
    expect([headerValue(invite, 'Session-Expires'), headerValue(invite, 'Min-SE')]).toEqual([
      '120;refresher=uac',
      '120',
    ]);
    const refreshes = callee.received.filter((message) => labelOf(message) === 'UPDATE');
    expect(new Set(refreshes.map((update) => headerValue(update, 'CSeq'))).size).toBe(4);
  });

  it('leaves the refreshing to a far side that wants to do it, and lives on', async () => {
    const world = open({ lossPercent, seed: 4 });
    const callee = await createCallee(world, { expiresSeconds: 90, minSeSeconds: 90, refresher: 'us' });
    const phone = await world.createOne();
    const result = await world.finish(await phone.placeCall({ target: callee.uri, durationMs: 200_000 }));
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'phone', durationMs: 200_000 });
    expect(told(result).filter((what) => what === 'received UPDATE').length).toBeGreaterThanOrEqual(4);
  });

  it('ends where the far side that was to refresh it is gone', async () => {
    const world = open({ lossPercent, seed: 5 });
    const callee = await createCallee(world, { expiresSeconds: 90, minSeSeconds: 90, refresher: 'us' });
    const phone = await world.createOne();
    const call = await phone.placeCall({ target: callee.uri });
    await world.clock.until(() => call.progress.state === 'talking', 60_000);
    world.network.link.filter = () => 'drop';
    const result = await world.finish(call);
    expect(result.outcome).toBe('completed');
    expect(result.durationMs).toBeLessThan(90_000);
    expect(told(result)).toContain('sent BYE');
  });
});

describe('a far side that knows no UPDATE', () => {
  it('gets a re-INVITE with the same description, and may move its audio by the answer', async () => {
    const world = open();
    const phone = await world.createOne({
      sessionTimer: { expiresSeconds: 90, minSeSeconds: 90, refresher: 'us' },
    });
    const { port } = phone.listening;
    const far = await RawPhone.open(world.network, { uri: `sip:phone@${address}:${port}`, port } as Agent);
    const heard = { first: 0, second: 0 };
    const first = await world.network.openUdp({ address, port: 0 }, () => heard.first++);
    const second = await world.network.openUdp({ address, port: 0 }, () => heard.second++);
    const call = await phone.placeCall({ target: far.uri, codecs: ['pcmu'] });
    const timed = [{ name: 'Session-Expires', value: '90;refresher=uac' }];
    await world.clock.advance(50);
    const invite = far.lastRequest('INVITE');
    expect(headerValue(invite, 'Session-Expires')).toBe('90;refresher=uac');
    far.respond(invite, 200, { sdp: sdp(first.port), headers: timed });
    await world.clock.advance(46_000);
    const again: SipRequest = far.lastRequest('INVITE');
    expect(Buffer.from(again.body).toString()).toBe(Buffer.from(invite.body).toString());
    far.respond(again, 200, { sdp: sdp(second.port), headers: timed });
    await world.clock.advance(50);
    const before = heard.first;
    await world.clock.advance(1_000);
    expect([heard.first, heard.second > 45]).toEqual([before, true]);
    call.hangUp();
    await world.clock.advance(50);
    far.respond(far.lastRequest('BYE'), 200);
    expect((await world.finish(call)).outcome).toBe('completed');
    for (const socket of [first, second]) socket.close();
    far.close();
  });
});
