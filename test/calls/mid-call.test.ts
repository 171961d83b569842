import { afterEach, describe, expect, it } from 'vitest';
import type { Call } from '../../gateway/calls/call.ts';
import type { LegDigit } from '../../gateway/calls/sip-leg-options.ts';
import { headerValue } from '../../protocol/sip/message.ts';
import { closeAgents, labelOf } from '../gateway/signaling/agents.ts';
import { CallWorld } from '../support/call-world.ts';
import { RtpPeer } from '../support/rtp-peer.ts';
import { BarePhone } from './bare-phone.ts';

/** Whole calls through the gateway that change while they go on, SIP and RTP over a link that loses a fifth. */

const link = { lossPercent: 20, delayMs: 10, seed: 41 };
let world: CallWorld | undefined;

afterEach(async () => {
  await closeAgents();
  await world?.close();
  world = undefined;
});

async function open(options: Parameters<typeof CallWorld.open>[0] = {}): Promise<CallWorld> {
  world = await CallWorld.open({ link: { ...link }, sampleRate: 8_000, ...options });
  return world;
}

/** Audio that reached the stream server in so much time, in messages of 20 ms. */
async function uplink({ clock, server }: CallWorld, forMs: number): Promise<number> {
  const from = server.last.binaries.length;
  await clock.advance(forMs);
  return server.last.binaries.length - from;
}

function directionOf(answer: string): string | undefined {
  return /^a=(sendrecv|sendonly|recvonly|inactive)/m.exec(answer)?.[1];
}

function answerOf(outcome: { readonly answer: string } | { readonly status: number }): string {
  if ('status' in outcome) throw new Error(`refused with ${outcome.status}`);
  return outcome.answer;
}

describe('hold', () => {
  it.each([
    { name: 'sendonly', hold: { direction: 'sendonly' }, answered: 'recvonly' },
    { name: 'inactive', hold: { direction: 'inactive' }, answered: 'inactive' },
    { name: 'c=0.0.0.0', hold: { address: '0.0.0.0' }, answered: 'recvonly' },
    {
      name: 'sendonly by UPDATE',
      hold: { direction: 'sendonly' },
      answered: 'recvonly',
      by: 'update' as const,
    },
  ])('$name: no audio to the phone, no RTP timeout, and audio again after it', async (row) => {
    const { hold, answered, by = 'reinvite' } = row;
    const held: boolean[] = [];
    const gateway = await open({ watching: { held: (_call, on) => held.push(on) } });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    phone.rtp.sayTone();
    expect((await phone.listen(1_000)).length).toBeGreaterThan(30);

    expect(directionOf(answerOf(await phone.reoffer(hold, by)))).toBe(answered);
    phone.rtp.stop();
    await gateway.clock.advance(200);
    // Longer than rtp.timeout: whoever holds may play nothing at all.
    expect(await phone.listen(45_000)).toEqual([]);
    expect(gateway.gateway.activeCalls).toBe(1);

    expect(directionOf(answerOf(await phone.reoffer({}, by)))).toBe('sendrecv');
    phone.rtp.sayTone();
    expect(await uplink(gateway, 1_000)).toBeGreaterThan(40);
    expect((await phone.listen(1_000)).length).toBeGreaterThan(30);
    expect(held).toEqual([true, false]);
    phone.rtp.close();
    phone.session.end({ status: 200 });
  });

  it('of the phone by us: sendonly, and back', async () => {
    let call: Call | undefined;
    const gateway = await open({
      watching: {
        answered(answered) {
          call = answered;
        },
      },
    });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    const offers: string[] = [];
    phone.agent.on.offered = (offer) => {
      offers.push(offer!);
      return { answer: phone.offer({ direction: offers.length === 1 ? 'recvonly' : 'sendrecv' }) };
    };
    const done: boolean[] = [];
    void call!.hold(true).then((ok) => done.push(ok));
    await gateway.clock.until(() => done.length === 1, 60_000);
    phone.rtp.sayTone();
    expect(await uplink(gateway, 500)).toBe(0);
    void call!.hold(false).then((ok) => done.push(ok));
    await gateway.clock.until(() => done.length === 2, 60_000);
    expect(await uplink(gateway, 1_000)).toBeGreaterThan(40);
    expect([done, offers.map(directionOf)]).toEqual([
      [true, true],
      ['sendonly', 'sendrecv'],
    ]);
    phone.rtp.close();
  });
});

describe('another session in mid-call', () => {
  it.each(['reinvite', 'update'] as const)('changes the codec (%s)', async (by) => {
    const gateway = await open();
    const phone = await BarePhone.open(gateway);
    await phone.call();
    phone.rtp.sayTone();
    await gateway.clock.advance(500);
    const answer = answerOf(await phone.reoffer({ formats: '8 101' }, by));
    expect(answer).toContain('RTP/AVP 8 101');
    expect(new Set((await phone.listen(1_000)).map(({ header }) => header.payloadType))).toEqual(
      new Set([8]),
    );
    phone.rtp.payloadType = 8;
    expect(await uplink(gateway, 1_000)).toBeGreaterThan(40);
    phone.rtp.close();
  });

  it('moves the phone: its audio is taken from there, and goes there', async () => {
    const gateway = await open();
    const phone = await BarePhone.open(gateway);
    await phone.call();
    phone.rtp.sayTone();
    await gateway.clock.advance(500);
    const moved = await RtpPeer.open(gateway.clock, gateway.network);
    phone.takeAnswer(answerOf(await phone.reoffer({ port: moved.port })));
    moved.to = phone.rtp.to;
    moved.ssrc = 0x4321;
    phone.rtp.stop();
    moved.sayTone();
    expect(await uplink(gateway, 1_000)).toBeGreaterThan(40);
    expect(await phone.listen(500)).toEqual([]);
    expect(moved.heard.length).toBeGreaterThan(50);
    moved.close();
    phone.rtp.close();
  });

  it.each([
    ['no codec of ours', { formats: '3', rtpmaps: [] }, 488],
    ['broken', { address: 'x y' }, 400],
  ])('that is refused (%s) leaves the old one untouched', async (_what, parts, status) => {
    const gateway = await open();
    const phone = await BarePhone.open(gateway);
    await phone.call();
    phone.rtp.sayTone();
    await gateway.clock.advance(200);
    expect(await phone.reoffer(parts)).toEqual({ status });
    expect(await uplink(gateway, 1_000)).toBeGreaterThan(40);
    expect((await phone.listen(1_000)).length).toBeGreaterThan(30);
    phone.rtp.close();
  });

  it('that crosses one of ours gets 491 and comes through later', async () => {
    let call: Call | undefined;
    const gateway = await open({
      link: { delayMs: 10 },
      watching: {
        answered(answered) {
          call = answered;
        },
      },
    });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    // The ACK: before it no other INVITE may be sent.
    await gateway.clock.advance(100);
    phone.agent.on.offered = () => ({ answer: phone.offer({ direction: 'recvonly' }) });
    const held = call!.hold(true);
    const done: boolean[] = [];
    void held.then((ok) => done.push(ok));
    expect(directionOf(answerOf(await phone.reoffer()))).toBe('sendonly');
    await gateway.clock.until(() => done.length === 1, 60_000);
    expect(done).toEqual([true]);
    const refusals = phone.agent.received.concat(phone.agent.sent.map(({ message }) => message));
    expect(refusals.map(labelOf)).toContain('491');
    phone.rtp.close();
  });

  it('is offered by us where the phone asks for an offer, in its numbers', async () => {
    const gateway = await open({ link: { delayMs: 10 } });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    phone.rtp.sayTone();
    void phone.session.reinvite('');
    await gateway.clock.advance(200);
    const answer = phone.agent.received.findLast((message) => labelOf(message) === '200')!;
    const text = Buffer.from(answer.body).toString();
    expect(text.match(/^m=.*$/gm)).toHaveLength(1);
    expect(text).toContain('a=rtpmap:101 telephone-event/8000');
    expect(Number(/^o=\S+ \d+ (\d+)/m.exec(text)![1])).toBe(2);
    // The ACK brings no answer: the session goes on as it was.
    expect(await uplink(gateway, 1_000)).toBeGreaterThan(40);
    phone.rtp.close();
  });
});

describe('digits by INFO', () => {
  it.each([
    ['application/dtmf-relay', 'Signal=5\r\nDuration=200\r\n', '5', 200],
    ['application/dtmf-relay', 'Signal= 11\r\n', '#', 160],
    ['application/dtmf', '*', '*', 160],
  ])('%s %j', async (type, body, digit, durationMs) => {
    const digits: LegDigit[] = [];
    const gateway = await open({ watching: { digit: (_call, pressed) => digits.push(pressed) } });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    let status = 0;
    void phone.session
      .request('INFO', { headers: [{ name: 'Content-Type', value: type }], body: Buffer.from(body) })
      .then((response) => {
        status = response.status;
      });
    await gateway.clock.until(() => status !== 0, 60_000);
    expect([status, digits]).toEqual([200, [{ digit, durationMs, method: 'info' }]]);
    // Never in the log.
    expect(JSON.stringify(gateway.log)).not.toMatch(/"digit"/);
    phone.rtp.close();
  });

  it('of a phone that also sends them as RFC 4733 are reported once', async () => {
    const digits: LegDigit[] = [];
    const gateway = await open({ watching: { digit: (_call, pressed) => digits.push(pressed) } });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    phone.rtp.sayTone();
    await gateway.clock.advance(100);
    phone.rtp.stop();
    phone.rtp.payloadType = 101;
    for (let packet = 0; packet < 8; packet++) {
      const ended = packet > 4;
      phone.rtp.sayPayload(Uint8Array.of(5, ended ? 0x8a : 0x0a, 0x03, 0x20), 0, packet === 0);
      await gateway.clock.advance(20);
    }
    void phone.session.request('INFO', {
      headers: [{ name: 'Content-Type', value: 'application/dtmf-relay' }],
      body: Buffer.from('Signal=5\r\nDuration=100\r\n'),
    });
    await gateway.clock.advance(3_000);
    expect(digits.map(({ digit }) => digit)).toEqual(['5']);
    phone.rtp.close();
  });

  it('any other body is handed up, or refused', async () => {
    const seen: string[] = [];
    const gateway = await open({
      watching: {
        requested(_call, request) {
          seen.push(`${request.method} ${headerValue(request, 'Content-Type')}`);
          return request.method === 'MESSAGE' ? { status: 200 } : undefined;
        },
      },
    });
    const phone = await BarePhone.open(gateway);
    await phone.call();
    const statuses: number[] = [];
    for (const [method, type, body] of [
      ['INFO', 'application/media_control+xml', '<x/>'],
      ['INFO', 'text/plain', ''],
      ['MESSAGE', 'text/plain', 'hello'],
    ] as const) {
      const before = statuses.length;
      const headers = body === '' ? [] : [{ name: 'Content-Type', value: type }];
      void phone.session
        .request(method, { headers, body: Buffer.from(body) })
        .then(({ status }) => statuses.push(status));
      await gateway.clock.until(() => statuses.length > before, 60_000);
    }
    expect(statuses).toEqual([415, 200, 200]);
    expect(seen).toContain('MESSAGE text/plain');
    phone.rtp.close();
  });
});
