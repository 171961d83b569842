import { afterEach, describe, expect, it } from 'vitest';
import type { Call } from '../../gateway/calls/call.ts';
import type { ReferOutcome } from '../../gateway/signaling/session.ts';
import { headerValue, headerValues } from '../../protocol/sip/message.ts';
import { closeAgents, labelOf } from '../gateway/signaling/agents.ts';
import { CallWorld } from '../support/call-world.ts';
import { BarePhone } from './bare-phone.ts';

/** Transfers, take-overs, early media, session timers and headers of whole calls, over a link that loses a fifth. */

const link = { lossPercent: 20, delayMs: 10, seed: 43 };
let world: CallWorld | undefined;
let calls: Call[] = [];

afterEach(async () => {
  await closeAgents();
  await world?.close();
  world = undefined;
});

async function open(options: Parameters<typeof CallWorld.open>[0] = {}): Promise<CallWorld> {
  calls = [];
  world = await CallWorld.open({
    link: { ...link },
    sampleRate: 8_000,
    ...options,
    watching: { ...options.watching, started: (call) => calls.push(call) },
  });
  return world;
}

async function waitFor<T>(promise: Promise<T>): Promise<T> {
  const settled: T[] = [];
  void promise.then((value) => settled.push(value));
  await world!.clock.until(() => settled.length === 1, 200_000, 50);
  return settled[0]!;
}

describe('a transfer by us', () => {
  it('that gets through ends the call as TRANSFERRED', async () => {
    const { clock, server, gateway, said } = Object.assign(await open(), { said: world!.said.bind(world) });
    const phone = await BarePhone.open(world!);
    phone.agent.on.referred = (referral) => {
      clock.after(1_000, () => referral.report(180));
      clock.after(3_000, () => referral.report(200));
      return { status: 202 };
    };
    await phone.call();
    const outcome = await waitFor(calls[0]!.transfer('sip:carol@example.com'));
    expect(outcome).toMatchObject({ outcome: 'succeeded', status: 200 });
    await clock.until(() => gateway.activeCalls === 0 && phone.agent.ends.length === 1, 60_000);
    expect(server.last.closedWith).toEqual({ code: 1000, reason: 'TRANSFERRED' });
    expect(said('call ending')).toMatchObject({ reason: 'transferred' });
    phone.rtp.close();
  });

  it('after which the phone hangs up by itself ends as TRANSFERRED, too', async () => {
    const { clock, server, gateway } = await open();
    const phone = await BarePhone.open(world!);
    phone.agent.on.referred = () => ({ status: 202 });
    await phone.call();
    const outcome = calls[0]!.transfer('sip:carol@example.com');
    await clock.advance(8_000);
    phone.session.end({ status: 200 });
    expect(await waitFor(outcome)).toEqual({ outcome: 'unknown', why: 'hungUp' });
    await clock.until(() => gateway.activeCalls === 0, 60_000);
    expect(server.last.closedWith).toEqual({ code: 1000, reason: 'TRANSFERRED' });
    phone.rtp.close();
  });

  it.each([
    ['that is declined', 603, undefined],
    ['to somebody who is busy', 202, 486],
  ])('%s leaves the call as it was', async (_what, status, reported) => {
    const { clock, gateway } = await open();
    const phone = await BarePhone.open(world!);
    phone.agent.on.referred = (referral) => {
      if (reported !== undefined) clock.after(500, () => referral.report(reported));
      return { status };
    };
    await phone.call();
    const outcome = await waitFor(calls[0]!.transfer('sip:carol@example.com'));
    expect(outcome).toMatchObject({ outcome: 'failed', status: reported ?? status });
    await clock.advance(5_000);
    expect(gateway.activeCalls).toBe(1);
    phone.session.end({ status: 200 });
    await clock.until(() => gateway.activeCalls === 0, 60_000);
    expect(world!.said('call ending')).toMatchObject({ reason: 'callerHangup' });
    phone.rtp.close();
  });

  it('before the answer, or to nowhere, does not begin', async () => {
    const { clock } = await open();
    const phone = await BarePhone.open(world!);
    world!.server.connected = () => {};
    phone.dial();
    await clock.until(() => calls[0]?.state === 'ringing', 60_000);
    expect(await calls[0]!.transfer('sip:carol@example.com')).toMatchObject({
      outcome: 'failed',
      status: 481,
    });
    phone.session.end({ status: 487 });
    await clock.advance(1_000);
    phone.rtp.close();
  });
});

describe('a transfer by the phone', () => {
  it.each([
    ['is declined where nobody owns the call', undefined, { outcome: 'failed', status: 603 }],
    ['is accepted by the owner and reported', 200, { outcome: 'succeeded', status: 200 }],
    ['fails as the owner says', 404, { outcome: 'failed', status: 404 }],
  ] as const)('%s', async (_what, report, expected) => {
    const { clock } = await open(
      report === undefined
        ? {}
        : {
            watching: {
              referred(_call, referral) {
                clock.after(2_000, () => referral.report(report));
                return { status: 202 };
              },
            },
          },
    );
    const phone = await BarePhone.open(world!);
    await phone.call();
    const outcome: ReferOutcome = await waitFor(phone.session.refer('sip:carol@example.com'));
    expect(outcome).toMatchObject(expected);
    phone.rtp.close();
  });
});

describe('INVITE with Replaces', () => {
  it('puts another phone into the place of the first; the stream server hears it and notices nothing else', async () => {
    const { clock, server, gateway } = await open();
    const first = await BarePhone.open(world!);
    const second = await BarePhone.open(world!, { seed: 6 });
    await first.call();
    first.rtp.sayTone();
    await clock.advance(1_000);
    await second.call([{ name: 'Replaces', value: first.session.replacesValue! }]);
    await clock.until(() => first.agent.ends.length === 1, 60_000);
    expect(first.agent.ends[0]).toMatchObject({ cause: 'bye' });
    first.rtp.close();

    second.rtp.ssrc = 0x77;
    second.rtp.sayTone();
    const from = server.last.binaries.length;
    const heard = (await second.listen(1_000)).length;
    expect(server.last.binaries.length - from).toBeGreaterThan(35);
    expect(heard).toBeGreaterThan(30);
    expect([server.streams.length, gateway.activeCalls]).toEqual([1, 1]);
    expect(await gateway.calls()).toMatchObject([{ codec: 'pcmu', state: 'answered' }]);

    second.session.end({ status: 200 });
    await clock.until(() => gateway.activeCalls === 0, 60_000);
    expect(server.last.closedWith).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
    second.rtp.close();
  });

  it('that cannot be served leaves the call as it was', async () => {
    const { clock, gateway } = await open();
    const first = await BarePhone.open(world!);
    const second = await BarePhone.open(world!, { seed: 6 });
    await first.call();
    second.offer = () =>
      'v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 9 RTP/AVP 3\r\n';
    second.dial([{ name: 'Replaces', value: first.session.replacesValue! }]);
    await clock.until(() => second.agent.ends.length === 1, 60_000);
    expect(second.agent.events).toEqual(['ended:488']);
    expect([first.session.state, gateway.activeCalls]).toEqual(['confirmed', 1]);
    first.rtp.close();
    second.rtp.close();
  });
});

describe('early media', () => {
  it('is a 183 with our answer, and RTP of silence until the stream server answers', async () => {
    const { clock, server } = await open({ earlyMedia: true });
    let answer = (): void => {};
    server.connected = (stream) => {
      stream.receivedText = () => {
        // Before its answer nothing of it is heard.
        stream.sendBinary(new Uint8Array(320).fill(0x40));
        answer = () => stream.send({ command: 'answer' });
      };
      stream.receivedBinary = (bytes) => stream.sendBinary(bytes);
    };
    const phone = await BarePhone.open(world!);
    const early: string[] = [];
    phone.agent.on.progressed = (response) => {
      early.push(`${response.status}${headerValue(response, 'RSeq') === undefined ? '' : ' reliable'}`);
      phone.takeAnswer(Buffer.from(response.body).toString());
    };
    phone.dial();
    await clock.until(() => early.length > 0, 60_000);
    phone.rtp.sayTone();
    const before = (await phone.listen(2_000)).length;
    expect(before).toBeGreaterThan(60);
    expect(phone.rtp.heardPcm.every((sample) => Math.abs(sample) <= 8)).toBe(true);
    expect([early, phone.session.state, server.last.binaries.length]).toEqual([['183 reliable'], 'early', 0]);
    answer();
    await clock.until(() => phone.agent.events.includes('accepted'), 60_000);
    await clock.advance(1_000);
    expect(Math.max(...phone.rtp.heardPcm)).toBeGreaterThan(4_000);
    expect(world!.said('call ending')).toBeUndefined();
    phone.rtp.close();
  });
});

describe('session timers', () => {
  const timer = { expiresSeconds: 90, minSeSeconds: 90, refresher: 'peer' as const };

  it.each([
    ['by the phone', 'peer'],
    ['by us', 'us'],
  ])('keep a call alive that is refreshed %s, and end it when the phone is gone', async (_who, refresher) => {
    const { clock, gateway, network } = await open({
      config: {
        rtp: { address: '127.0.0.1', ports: [0, 0], timeout: 0 },
        stream: { idleTimeout: 86_400 },
        sip: { sessionTimer: { expires: 90, refresher } },
      } as never,
    });
    const phone = await BarePhone.open(world!, { sessionTimer: timer });
    await phone.call();
    await clock.advance(400_000);
    expect([phone.session.state, gateway.activeCalls]).toEqual(['confirmed', 1]);
    network.link.filter = () => 'drop';
    await clock.until(() => gateway.activeCalls === 0, 150_000, 100);
    expect(world!.said('call ending')).toMatchObject({ reason: 'legLost', fault: 'network' });
    phone.rtp.close();
    await clock.advance(40_000);
    network.link.filter = () => 'pass';
  });
});

describe('headers', () => {
  it('of the INVITE are read, those of ours sent on 200 and BYE, and why the phone hung up is logged', async () => {
    const { clock, gateway } = await open({});
    const phone = await BarePhone.open(world!);
    const facts = [
      { name: 'P-Asserted-Identity', value: '"Alice" <sip:+46700@carrier.example>' },
      { name: 'P-Asserted-Identity', value: '<tel:+46700>' },
      { name: 'Diversion', value: '<sip:+46800@carrier.example>;reason=no-answer;counter=1' },
      { name: 'User-to-User', value: '00FACE;encoding=hex' },
      { name: 'Privacy', value: 'id' },
      { name: 'X-Ticket', value: 'INC-4815' },
    ];
    world!.server.connected = (stream) => {
      stream.receivedText = () => {
        calls[0]!.addHeaders('answer', [{ name: 'X-Agent', value: 'bot-7' }]);
        calls[0]!.addHeaders('end', [{ name: 'User-to-User', value: '04FF;encoding=hex' }]);
        stream.send({ command: 'answer' });
      };
    };
    await phone.call(facts);
    expect(calls[0]!.party).toMatchObject({
      sipHeaders: { 'X-Ticket': 'INC-4815' },
      facts: {
        assertedIdentities: ['sip:+46700@carrier.example', 'tel:+46700'],
        diversions: [{ uri: 'sip:+46800@carrier.example', reason: 'no-answer' }],
        userToUser: [{ data: '00FACE', encoding: 'hex' }],
        private: true,
      },
    });
    const answer = phone.agent.received.find((message) => labelOf(message) === '200')!;
    expect(headerValue(answer, 'X-Agent')).toBe('bot-7');
    expect(() => calls[0]!.addHeaders('end', [{ name: 'Via', value: 'x' }])).toThrow(TypeError);
    expect(() => calls[0]!.addHeaders('end', [{ name: 'X-A', value: 'a\r\nVia: x' }])).toThrow(TypeError);

    gateway.hangup(calls[0]!.callId);
    await clock.until(() => phone.agent.ends.length === 1, 60_000);
    const [end] = phone.agent.ends;
    expect(end?.cause === 'bye' && headerValues(end.request, 'User-to-User')).toEqual(['04FF;encoding=hex']);

    const again = await BarePhone.open(world!, { seed: 9 });
    world!.server.echo();
    await again.call();
    again.session.end({
      status: 200,
      headers: [{ name: 'Reason', value: 'Q.850;cause=31;text="battery"' }],
    });
    await clock.until(() => gateway.activeCalls === 0, 60_000);
    expect(world!.log.findLast((line) => line.msg === 'call ending')).toMatchObject({
      reason: 'callerHangup',
      detail: 'Q.850 31 "battery"',
    });
    phone.rtp.close();
    again.rtp.close();
  });
});
