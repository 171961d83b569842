import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../../protocol/sip/message.ts';
import {
  accept,
  answerSdp,
  closeAgents,
  createAgent,
  createCall,
  createPair,
  createWorld,
  expectNothingLeft,
  labelOf,
  nothing,
  offerSdp,
} from './agents.ts';
import { callFrom, RawPhone } from './raw-phone.ts';

afterEach(closeAgents);

const isA = (datagram: Uint8Array, label: string): boolean =>
  Buffer.from(datagram).toString().startsWith(label);

describe('a 200 without ACK', () => {
  it('is repeated at 0.5, 1, 2, 4, 4 … s, then BYE at 32 s', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.accept(accept);
    phone.request('INVITE', { sdp: offerSdp });
    await clock.advance(60_000);
    expect(bob.times('200')).toEqual([
      0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]);
    const answeredMs = bob.sent.find(({ message }) => labelOf(message) === '200')!.atMs;
    const byes = bob.sent
      .filter(({ message }) => labelOf(message) === 'BYE')
      .map(({ atMs }) => atMs - answeredMs);
    expect(byes).toEqual(
      [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500].map((ms) => ms + 32_000),
    );
    expect(bob.events).toEqual(['ended:noAck']);
    await expectNothingLeft(clock, bob);
  });

  it('is repeated over a link that loses the first ACK', async () => {
    let acks = 0;
    const { clock, alice, bob } = await createPair({
      filter: (datagram) => (isA(datagram, 'ACK') && acks++ === 0 ? 'drop' : 'pass'),
    });
    bob.on.invited = (session) => session.accept(accept);
    alice.call(bob);
    await clock.advance(1_000);
    expect(alice.times('ACK')).toEqual([0, 500]);
    expect(bob.events).toEqual(['confirmed']);
    expect(alice.events).toEqual(['accepted']);
    alice.sessions[0]!.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });
});

describe('CANCEL', () => {
  it('of a ringing call ends it on both sides', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => session.progress(180);
    const session = alice.call(bob);
    await clock.advance(100);
    session.end({ status: 487, headers: [{ name: 'Reason', value: 'SIP;cause=487' }] });
    await clock.advance(100);
    expect(alice.events).toEqual(['progressed:180', 'ended:local']);
    expect(bob.events).toEqual(['ended:cancel']);
    expect(bob.received.map(labelOf)).toEqual(['INVITE', 'CANCEL', 'ACK']);
    expect(alice.received.map(labelOf)).toEqual(['100', '180', '200', '487']);
    expect(bob.ends[0]).toMatchObject({ cause: 'cancel', request: { method: 'CANCEL' } });
    expect(headerValue(bob.received[1]!, 'Reason')).toBe('SIP;cause=487');
    await expectNothingLeft(clock, alice, bob);
  });

  it('waits for a provisional response', async () => {
    const { clock, network, alice, bob } = await createPair();
    network.link.filter = (datagram) => (isA(datagram, 'SIP/2.0 100') ? 'drop' : 'pass');
    const session = alice.call(bob);
    await clock.advance(100);
    session.end({ status: 487 });
    await clock.advance(300);
    expect(bob.received.map(labelOf)).toEqual(['INVITE']);
    network.link.filter = () => 'pass';
    await clock.advance(500);
    expect(bob.received.map(labelOf)).toEqual(['INVITE', 'INVITE', 'CANCEL', 'ACK']);
    expect(alice.events).toEqual(['ended:local']);
    expect(bob.events).toEqual(['ended:cancel']);
    await expectNothingLeft(clock, alice, bob);
  });

  it('is never sent where nobody answers', async () => {
    const { clock, alice, bob } = await createPair({ filter: () => 'drop' });
    alice.call(bob).end({ status: 487 });
    alice.call(bob);
    await clock.advance(100);
    alice.sessions[1]!.end({ status: 487 });
    expect(alice.events).toEqual(['ended:local', 'ended:local']);
    await expectNothingLeft(clock, alice, bob);
    expect(alice.sent.filter(({ message }) => labelOf(message) === 'CANCEL')).toEqual([]);
  });

  it('that crosses the answer is followed by ACK and BYE', async () => {
    const { clock, alice, bob } = await createPair({ delayMs: 50 });
    bob.on.invited = (session) => clock.after(100, () => session.accept(accept));
    const session = alice.call(bob);
    // The answer leaves at 150 ms and arrives at 200.
    await clock.advance(170);
    session.end({ status: 487, headers: [{ name: 'Reason', value: 'SIP;cause=487' }] });
    await clock.advance(1_000);
    expect(alice.events).toEqual(['ended:local']);
    expect(bob.events).toEqual(['confirmed', 'ended:bye']);
    expect(bob.received.map(labelOf)).toEqual(['INVITE', 'CANCEL', 'ACK', 'BYE']);
    expect(headerValue(bob.received[3]!, 'Reason')).toBe('SIP;cause=487');
    await expectNothingLeft(clock, alice, bob);
  });

  it('that crosses a refusal changes nothing', async () => {
    const { clock, alice, bob } = await createPair({ delayMs: 50 });
    bob.on.invited = (session) => clock.after(100, () => session.end({ status: 486 }));
    const session = alice.call(bob);
    await clock.advance(170);
    session.end({ status: 487 });
    await clock.advance(1_000);
    expect(alice.events).toEqual(['ended:local']);
    expect(bob.events).toEqual(['ended:local']);
    expect(alice.received.map(labelOf)).toEqual(['100', '486', '200']);
    await expectNothingLeft(clock, alice, bob);
  });

  it('that comes after the answer is answered 200 and does nothing', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.accept(accept);
    phone.request('INVITE', { branch: 'z9hG4bKc', sdp: offerSdp });
    await clock.advance(50);
    phone.request('ACK', { toTag: phone.toTag('200') });
    const toTag = phone.toTag('200');
    phone.request('CANCEL', { branch: 'z9hG4bKc' });
    await clock.advance(50);
    expect(headerValue(phone.last('200'), 'CSeq')).toBe('1 CANCEL');
    expect(phone.toTag('200')).toBe(toTag);
    expect(bob.events).toEqual(['confirmed']);
    expect(bob.sessions[0]!.state).toBe('confirmed');
  });

  it('that is never followed by a final response ends after 64 T1', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    const session = alice.call(phone);
    await clock.advance(50);
    phone.respond(phone.lastRequest('INVITE'), 180);
    await clock.advance(50);
    session.end({ status: 487 });
    await clock.advance(50);
    phone.respond(phone.lastRequest('CANCEL'), 200);
    await clock.advance(31_800);
    expect(alice.userAgent.counts()).toMatchObject({ sessions: 1, transactions: 1 });
    await clock.advance(1_000);
    expect(alice.userAgent.counts()).toEqual(nothing);
    expect(clock.timers).toBe(0);
  });

  it('that comes while the local address is looked up ends the INVITE', async () => {
    const world = createWorld();
    const asked: ((address: string) => void)[] = [];
    const bob = await createAgent(world, {
      listen: [{ protocol: 'udp', address: '0.0.0.0', port: 0 }],
      localAddressFor: () => new Promise((resolve) => asked.push(resolve)),
    });
    const phone = await RawPhone.open(world.network, bob);
    phone.request('INVITE', { branch: 'z9hG4bKe', sdp: offerSdp });
    await world.clock.advance(10);
    phone.request('CANCEL', { branch: 'z9hG4bKe' });
    await world.clock.advance(10);
    expect(phone.labels).toEqual(['100', '200', '487']);
    asked[0]!('127.0.0.1');
    await world.clock.advance(10);
    expect(bob.sessions).toEqual([]);
    // The answer is remembered: the next call begins at once.
    phone.request('INVITE', { callId: 'next', sdp: offerSdp });
    await world.clock.advance(10);
    expect(bob.sessions[0]!.local.address).toBe('127.0.0.1');
    expect(asked).toHaveLength(1);
  });
});

describe('BYE', () => {
  it('in the early dialog ends the INVITE with 487', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.progress(180);
    phone.request('INVITE', { sdp: offerSdp });
    await clock.advance(50);
    phone.request('BYE', { toTag: phone.toTag('180'), cseq: 2 });
    await clock.advance(50);
    expect(phone.labels).toEqual(['100', '180', '200', '487']);
    expect(bob.events).toEqual(['ended:bye']);
    await expectNothingLeft(clock, bob);
  });

  it('of ours waits for the ACK', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => {
      session.accept(accept);
      session.end({ status: 200 });
    };
    phone.request('INVITE', { sdp: offerSdp });
    await clock.advance(2_000);
    expect(bob.events).toEqual(['ended:local']);
    expect(phone.labels).toEqual(['100', '200', '200', '200']);
    phone.request('ACK', { toTag: phone.toTag('200') });
    await clock.advance(50);
    expect(phone.labels.at(-1)).toBe('BYE');
    phone.respond(phone.lastRequest('BYE'), 200);
    await expectNothingLeft(clock, bob);
    expect(bob.events).toEqual(['ended:local']);
  });

  it('of theirs before the ACK ends the call', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.accept(accept);
    phone.request('INVITE', { sdp: offerSdp });
    await clock.advance(50);
    phone.request('BYE', { toTag: phone.toTag('200'), cseq: 2 });
    await clock.advance(5_000);
    expect(phone.labels).toEqual(['100', '200', '200']);
    expect(bob.events).toEqual(['ended:bye']);
    await expectNothingLeft(clock, bob);
  });

  it('that crosses a BYE is answered 200 on both sides', async () => {
    const { clock, alice, bob, caller, callee } = await createCall({ delayMs: 50 });
    caller.end({ status: 200 });
    callee.end({ status: 200 });
    await clock.advance(1_000);
    expect(alice.events).toEqual(['accepted', 'ended:local']);
    expect(bob.events).toEqual(['confirmed', 'ended:local']);
    for (const agent of [alice, bob]) expect(agent.received.slice(-2).map(labelOf)).toEqual(['BYE', '200']);
    await expectNothingLeft(clock, alice, bob);
  });

  it('is repeated at 0.5, 1, 2, 4, 4 … s and given up', async () => {
    const { clock, network, alice, caller } = await createCall();
    network.link.filter = () => 'drop';
    caller.end({ status: 200 });
    await clock.advance(31_900);
    expect(alice.times('BYE')).toEqual([
      0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]);
    await clock.advance(200);
    expect(alice.userAgent.counts()).toEqual(nothing);
  });

  it('that comes late is answered 481', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    phone.request('BYE', { toTag, cseq: 2 });
    await clock.advance(50);
    phone.request('BYE', { toTag, cseq: 3 });
    await clock.advance(50);
    expect(phone.labels.slice(-2)).toEqual(['200', '481']);
  });
});

describe('a forked call', () => {
  it('keeps the first answer and hangs up the others', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    alice.call(phone);
    await clock.advance(50);
    const invite = phone.lastRequest('INVITE');
    phone.respond(invite, 180, { toTag: 'one' });
    phone.respond(invite, 180, { toTag: 'two' });
    phone.respond(invite, 200, { toTag: 'one', sdp: answerSdp });
    await clock.advance(50);
    phone.respond(invite, 200, { toTag: 'two', sdp: answerSdp });
    await clock.advance(50);
    expect(alice.events).toEqual(['progressed:180', 'progressed:180', 'accepted']);
    expect(phone.labels).toEqual(['INVITE', 'ACK', 'ACK', 'BYE']);
    expect(phone.toTag('BYE')).toBe('two');
    phone.respond(phone.lastRequest('BYE'), 200);
    // Their 200s again: one more ACK each, no second BYE.
    phone.respond(invite, 200, { toTag: 'one', sdp: answerSdp });
    phone.respond(invite, 200, { toTag: 'two', sdp: answerSdp });
    await clock.advance(50);
    expect(
      phone.received.slice(4).map((message) => `${labelOf(message)} ${headerValue(message, 'To')}`),
    ).toEqual([`ACK <${phone.uri}>;tag=one`, `ACK <${phone.uri}>;tag=two`]);
    alice.sessions[0]!.end({ status: 200 });
    await clock.advance(50);
    phone.respond(phone.lastRequest('BYE'), 200, { toTag: 'one' });
    await expectNothingLeft(clock, alice);
  });

  it('takes the description of a provisional response where the answer has none', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    let answer: string | undefined;
    alice.on.accepted = (_response, sdp) => {
      answer = sdp;
    };
    alice.call(phone);
    await clock.advance(50);
    phone.respond(phone.lastRequest('INVITE'), 183, { sdp: answerSdp });
    phone.respond(phone.lastRequest('INVITE'), 200);
    await clock.advance(50);
    expect(answer).toBe(answerSdp);
  });
});

describe('a call that must authenticate', () => {
  const challenge = [{ name: 'WWW-Authenticate', value: 'Digest realm="r", nonce="n", qop="auth"' }];
  const credentials = { username: 'u', password: 'p' };

  it('comes again with credentials, as does its BYE', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    const session = alice.call(phone, { credentials });
    await clock.advance(50);
    const firstInvite = phone.lastRequest('INVITE');
    phone.respond(firstInvite, 401, { headers: challenge });
    await clock.advance(50);
    const invite = phone.lastRequest('INVITE');
    expect(phone.labels).toEqual(['INVITE', 'ACK', 'INVITE']);
    expect(headerValue(invite, 'CSeq')).toBe('2 INVITE');
    expect(headerValue(invite, 'Call-ID')).toBe(headerValue(firstInvite, 'Call-ID'));
    expect(headerValue(invite, 'Authorization')).toMatch(
      /^Digest username="u", realm="r", nonce="n", uri="sip:raw@/,
    );
    phone.respond(invite, 200, { sdp: answerSdp });
    await clock.advance(50);
    expect(headerValue(phone.last('ACK'), 'CSeq')).toBe('2 ACK');
    session.end({ status: 200 });
    await clock.advance(50);
    phone.respond(phone.lastRequest('BYE'), 401, { headers: challenge });
    await clock.advance(50);
    expect(headerValue(phone.last('BYE'), 'Authorization')).toContain('nc=0000000');
    phone.respond(phone.lastRequest('BYE'), 200);
    await expectNothingLeft(clock, alice);
    expect(alice.events).toEqual(['accepted', 'ended:local']);
  });

  it.each([
    ['has none', undefined, 1],
    ['has the wrong ones', credentials, 2],
  ])('is refused where it %s', async (_what, given, invites) => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    alice.call(phone, given && { credentials: given });
    await clock.advance(50);
    for (let round = 0; round < invites; round++) {
      phone.respond(phone.lastRequest('INVITE'), 401, { headers: challenge });
      await clock.advance(50);
    }
    expect(alice.events).toEqual(['ended:401']);
    expect(phone.labels.filter((label) => label === 'INVITE')).toHaveLength(invites);
    await expectNothingLeft(clock, alice);
  });
});
