import { afterEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues } from '../../../protocol/sip/message.ts';
import {
  accept,
  answerSdp,
  closeAgents,
  createCall,
  createPair,
  expectNothingLeft,
  labelOf,
  offerSdp,
} from './agents.ts';
import { callFrom, RawPhone } from './raw-phone.ts';

afterEach(closeAgents);

describe('re-INVITE', () => {
  it('is offered and answered, in both directions', async () => {
    const { clock, alice, bob, caller, callee } = await createCall();
    const fromCaller = caller.reinvite(offerSdp);
    await clock.advance(100);
    expect(await fromCaller).toEqual({ answer: answerSdp });
    const fromCallee = callee.reinvite(offerSdp);
    await clock.advance(100);
    expect(await fromCallee).toEqual({ answer: answerSdp });
    expect(bob.events).toEqual(['confirmed', 'offered']);
    expect(alice.events).toEqual(['accepted', 'offered']);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('that is refused leaves the call as it was', async () => {
    const { clock, alice, bob, caller } = await createCall();
    bob.on.offered = () => ({ status: 488, headers: [{ name: 'Warning', value: '305 x "no"' }] });
    const outcome = caller.reinvite(offerSdp);
    await clock.advance(100);
    expect(await outcome).toEqual({ status: 488 });
    expect(headerValue(alice.received.at(-1)!, 'Warning')).toBe('305 x "no"');
    expect(caller.state).toBe('confirmed');
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('that meets one gets 491 and comes again: the callee first, within 2 s, the caller after 2.1 to 4 s', async () => {
    const { clock, alice, bob, caller, callee } = await createCall({ delayMs: 50 });
    const outcomes = Promise.all([caller.reinvite(offerSdp), callee.reinvite(offerSdp)]);
    const startMs = clock.nowMs();
    await clock.advance(5_000);
    expect(await outcomes).toEqual([{ answer: answerSdp }, { answer: answerSdp }]);
    const times = (agent: typeof alice) =>
      agent.sent
        .filter(({ message, atMs }) => labelOf(message) === 'INVITE' && atMs > startMs + 80)
        .map(({ atMs }) => atMs - startMs - 100);
    expect(times(bob)).toHaveLength(1);
    expect(times(bob)[0]).toBeLessThanOrEqual(2_000);
    expect(times(alice)).toHaveLength(1);
    expect(times(alice)[0]).toBeGreaterThanOrEqual(2_100);
    expect(times(alice)[0]).toBeLessThanOrEqual(4_000);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('is one at a time', async () => {
    const { clock, caller } = await createCall();
    const first = caller.reinvite(offerSdp);
    expect(await caller.reinvite(offerSdp)).toEqual({ status: 491 });
    await clock.advance(100);
    expect(await first).toEqual({ answer: answerSdp });
  });

  it('whose 200 is not acknowledged ends the call', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    phone.request('INVITE', { toTag, cseq: 2, sdp: offerSdp });
    await clock.advance(33_000);
    expect(bob.events).toEqual(['confirmed', 'offered', 'ended:noAck']);
    expect(phone.labels.at(-1)).toBe('BYE');
    await expectNothingLeft(clock, bob);
  });

  it('while the first INVITE is open gets 500 with Retry-After', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.progress(180);
    phone.request('INVITE', { sdp: offerSdp });
    await clock.advance(50);
    const toTag = phone.toTag('180');
    phone.request('INVITE', { toTag, cseq: 2, sdp: offerSdp });
    phone.request('UPDATE', { toTag, cseq: 3, sdp: offerSdp });
    await clock.advance(50);
    expect(phone.labels).toEqual(['100', '180', '100', '500', '500']);
    expect(Number(headerValue(phone.last('500'), 'Retry-After'))).toBeLessThanOrEqual(10);
    phone.request('UPDATE', { toTag, cseq: 4 });
    await clock.advance(50);
    expect(phone.labels.at(-1)).toBe('200');
    expect(bob.events).toEqual([]);
  });

  it('moves the target of our requests', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const moved = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    const reinvite = phone.build('INVITE', { toTag, cseq: 2, sdp: offerSdp });
    const contact = { name: 'Contact', value: `<${moved.uri}>` };
    phone.send({
      ...reinvite,
      headers: [...reinvite.headers.filter(({ name }) => name !== 'Contact'), contact],
    });
    await clock.advance(50);
    phone.request('ACK', { toTag, cseq: 2 });
    await clock.advance(50);
    bob.sessions[0]!.end({ status: 200 });
    await clock.advance(50);
    expect(moved.labels).toEqual(['BYE']);
  });

  it.each([
    ['481 says that the dialog is lost', 481],
    ['408 does too', 408],
  ])('answered with %s', async (_what, status) => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    await callFrom(phone, clock, bob);
    const outcome = bob.sessions[0]!.reinvite(offerSdp);
    await clock.advance(50);
    phone.respond(phone.lastRequest('INVITE'), status);
    await clock.advance(50);
    expect(await outcome).toEqual({ status });
    expect(bob.events).toEqual(['confirmed', 'ended:unreachable']);
    phone.respond(phone.lastRequest('BYE'), 481);
    await expectNothingLeft(clock, bob);
  });

  it('that nobody answers ends the call with 408', async () => {
    const { clock, network, bob, caller, alice } = await createCall();
    network.link.filter = () => 'drop';
    const outcome = caller.reinvite(offerSdp);
    await clock.advance(33_000);
    expect(await outcome).toEqual({ status: 408 });
    expect(alice.events).toEqual(['accepted', 'ended:unreachable']);
    network.link.filter = () => 'pass';
    await clock.advance(60_000);
    expect(bob.events).toEqual(['confirmed', 'ended:bye']);
  });

  it('under way when the call ends is settled, and its answer still acknowledged', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    const session = alice.call(phone);
    await clock.advance(50);
    phone.respond(phone.lastRequest('INVITE'), 200, { sdp: answerSdp });
    await clock.advance(50);
    const outcome = session.reinvite(offerSdp);
    await clock.advance(50);
    const reinvite = phone.lastRequest('INVITE');
    session.end({ status: 200 });
    await clock.advance(50);
    phone.respond(phone.lastRequest('BYE'), 200);
    phone.respond(reinvite, 200, { sdp: answerSdp });
    await clock.advance(50);
    expect(phone.labels).toEqual(['INVITE', 'ACK', 'INVITE', 'BYE', 'ACK']);
    expect(await outcome).toEqual({ answer: answerSdp });
    await expectNothingLeft(clock, alice);
  });
});

describe('UPDATE', () => {
  it('with an offer is offered', async () => {
    const { clock, bob, caller } = await createCall();
    const outcome = caller.request('UPDATE', {
      headers: [{ name: 'Content-Type', value: 'application/sdp' }],
      body: Buffer.from(offerSdp),
    });
    await clock.advance(100);
    const response = await outcome;
    expect(response.status).toBe(200);
    expect(Buffer.from(response.body).toString()).toBe(answerSdp);
    expect(bob.events).toEqual(['confirmed', 'offered']);
  });

  it('that meets an offer of ours gets 491', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    void bob.sessions[0]!.reinvite(offerSdp);
    phone.request('UPDATE', { toTag, cseq: 2, sdp: offerSdp });
    phone.request('INVITE', { toTag, cseq: 3, sdp: offerSdp });
    await clock.advance(50);
    expect(phone.labels.filter((label) => label === '491')).toHaveLength(2);
  });
});

describe('other requests inside the call', () => {
  it('go both ways and are answered by the owner', async () => {
    const { clock, alice, bob, caller, callee } = await createCall();
    bob.on.requested = (request) => ({
      status: request.method === 'INFO' ? 200 : 202,
      headers: [{ name: 'X-Seen', value: Buffer.from(request.body).toString() }],
    });
    const body = Buffer.from('Signal=5');
    const headers = [{ name: 'Content-Type', value: 'application/dtmf-relay' }];
    const outcomes = Promise.all([
      caller.request('INFO', { headers, body }),
      caller.request('REFER', { headers: [{ name: 'Refer-To', value: '<sip:c@d>' }] }),
      callee.request('MESSAGE', { headers, body }),
    ]);
    await clock.advance(100);
    const [info, refer, message] = await outcomes;
    expect([info.status, refer.status, message.status]).toEqual([200, 202, 200]);
    expect(headerValue(info, 'X-Seen')).toBe('Signal=5');
    expect(bob.events).toEqual(['confirmed', 'requested:INFO', 'requested:REFER']);
    expect(alice.events).toEqual(['accepted', 'requested:MESSAGE']);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it.each([
    ['OPTIONS', '200'],
    ['PRACK', '481'],
    ['SUBSCRIBE', '405'],
    ['REGISTER', '405'],
    ['FOO', '501'],
  ])('%s: %s', async (method, status) => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    phone.request(method, { toTag, cseq: 2 });
    await clock.advance(50);
    expect(phone.labels.at(-1)).toBe(status);
    if (status === '405') expect(headerValues(phone.last('405'), 'Allow')).toContain('INVITE');
    expect(bob.events).toEqual(['confirmed']);
  });

  it('with an old CSeq get 500, repeated ones their answer', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    const info = phone.request('INFO', { toTag, cseq: 10 });
    await clock.advance(50);
    phone.send(info);
    phone.request('INFO', { toTag, cseq: 9 });
    await clock.advance(50);
    expect(phone.labels.slice(-3)).toEqual(['200', '200', '500']);
    expect(bob.events).toEqual(['confirmed', 'requested:INFO']);
  });

  it('with other tags get 481', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    phone.request('BYE', { toTag, fromTag: 'other', cseq: 2 });
    phone.request('BYE', { toTag, callId: 'other', cseq: 2 });
    await clock.advance(50);
    expect(phone.labels.slice(-2)).toEqual(['481', '481']);
    expect(bob.sessions[0]!.state).toBe('confirmed');
  });

  it('that nobody answers resolve with 408; INFO does not end the call', async () => {
    const { clock, network, alice, caller } = await createCall();
    network.link.filter = () => 'drop';
    const outcome = caller.request('INFO');
    await clock.advance(33_000);
    expect((await outcome).status).toBe(408);
    expect(alice.events).toEqual(['accepted']);
  });
});

describe('a long ringing', () => {
  it('repeats its provisional response every minute', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => session.progress(183, accept);
    const session = alice.call(bob);
    await clock.advance(150_000);
    expect(bob.times('183')).toEqual([0, 60_000, 120_000]);
    session.end({ status: 487 });
    await expectNothingLeft(clock, alice, bob);
  });
});
