import { afterEach, describe, expect, it } from 'vitest';
import { headerValue, type SipHeader } from '../../../protocol/sip/message.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import {
  accept,
  answerSdp,
  closeAgents,
  createPair,
  expectNothingLeft,
  labelOf,
  offerSdp,
} from './agents.ts';
import { RawPhone } from './raw-phone.ts';

/** What happens between INVITE and 2xx: PRACK, requests in early dialogs, forks, and the limit on ringing. */

afterEach(closeAgents);

const lossy = { delayMs: 20, lossPercent: 20, seed: 23 };
const supported: SipHeader = { name: 'Supported', value: '100rel' };
const required: SipHeader = { name: 'Require', value: '100rel' };

describe('a provisional response with a session description', () => {
  it('gets through a bad link, however often it is lost, before the 200', async () => {
    const { clock, alice, bob } = await createPair(lossy);
    bob.on.invited = (session) => {
      session.progress(183, { sdp: answerSdp });
      session.accept(accept);
    };
    const calls = Array.from({ length: 40 }, () => alice.call(bob));
    await clock.advance(60_000);
    expect(calls.every(({ state }) => state === 'confirmed')).toBe(true);
    const progressed = alice.events.filter((event) => event === 'progressed:183');
    expect(progressed).toHaveLength(40);
    expect(alice.sent.filter(({ message }) => labelOf(message) === 'PRACK').length).toBeGreaterThanOrEqual(
      40,
    );
    for (const session of calls) session.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('makes the 200 wait for its PRACK', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => {
      session.progress(183, { sdp: answerSdp });
      session.accept(accept);
    };
    phone.request('INVITE', { sdp: offerSdp, headers: [supported] });
    await clock.advance(1_000);
    expect(phone.labels).toEqual(['100', '183', '183']);
    const rseq = headerValue(phone.last('183'), 'RSeq');
    const toTag = phone.toTag('183');
    phone.request('PRACK', { toTag, cseq: 2, headers: [{ name: 'RAck', value: `${rseq} 1 INVITE` }] });
    await clock.advance(50);
    expect(phone.labels.slice(3)).toEqual(['200', '200']);
    phone.request('ACK', { toTag });
    await clock.advance(50);
    bob.sessions[0]!.end({ status: 200 });
    await clock.advance(50);
    phone.respond(phone.lastRequest('BYE'), 200);
    await expectNothingLeft(clock, bob);
  });

  it.each([
    ['neither', [], ['100', '180', '183']],
    ['supported: only what carries one', [supported], ['100', '180', '183', '183']],
    ['required: all of them, one after the other', [required], ['100', '180', '180']],
  ])('is reliable by what the INVITE says: %s', async (_what, headers, labels) => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => {
      session.progress(180);
      session.progress(183, { sdp: answerSdp });
    };
    phone.request('INVITE', { sdp: offerSdp, headers });
    await clock.advance(600);
    expect(phone.labels).toEqual(labels);
  });

  it('whose PRACK never comes ends the call: 504 after 32 s', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.invited = (session) => session.progress(183, { sdp: answerSdp });
    const invite = phone.request('INVITE', { sdp: offerSdp, headers: [required] });
    await clock.advance(33_000);
    expect(bob.times('183')).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    expect(headerValue(phone.last('504'), 'Reason')).toContain('no PRACK');
    phone.request('ACK', {
      branch: /branch=([^;]+)/.exec(headerValue(invite, 'Via')!)![1]!,
      toTag: phone.toTag('504'),
    });
    expect(bob.events).toEqual(['ended:noAck']);
    await expectNothingLeft(clock, bob);
  });

  it('may be followed by offers of both sides before the answer', async () => {
    const { clock, alice, bob } = await createPair(lossy);
    const outcomes: unknown[] = [];
    bob.on.invited = (session) => session.progress(183, { sdp: answerSdp });
    const caller = alice.call(bob);
    await clock.until(() => alice.events.includes('progressed:183'), 60_000);
    await clock.advance(10_000);
    void caller.update(offerSdp).then((outcome) => outcomes.push(outcome));
    await clock.until(() => outcomes.length === 1, 60_000);
    void bob.sessions[0]!.update(offerSdp).then((outcome) => outcomes.push(outcome));
    await clock.until(() => outcomes.length === 2, 60_000);
    expect(outcomes).toEqual([{ answer: answerSdp }, { answer: answerSdp }]);
    expect([alice.events, bob.events]).toEqual([['progressed:183', 'offered'], ['offered']]);
    bob.sessions[0]!.accept(accept);
    await clock.until(() => bob.events.includes('confirmed'), 60_000);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });
});

describe('requests in an early dialog', () => {
  it('pass both ways', async () => {
    const { clock, alice, bob } = await createPair(lossy);
    bob.on.invited = (session) => session.progress(180);
    const caller = alice.call(bob);
    await clock.until(() => alice.events.includes('progressed:180'), 120_000);
    const statuses: number[] = [];
    void caller.request('INFO').then(({ status }) => statuses.push(status));
    void bob.sessions[0]!.request('INFO').then(({ status }) => statuses.push(status));
    await clock.until(() => statuses.length === 2, 60_000);
    expect(statuses).toEqual([200, 200]);
    caller.end({ status: 487 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('with an offer wait until the first one is answered for good', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => session.progress(180);
    const caller = alice.call(bob);
    await clock.advance(50);
    expect(await caller.update(offerSdp)).toEqual({ status: 481 });
    caller.end({ status: 487 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('that hang up are refused: a callee must not before it answered', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    const session = alice.call(phone);
    await clock.advance(50);
    const invite = phone.lastRequest('INVITE');
    phone.respond(invite, 180);
    await clock.advance(50);
    const fromTag = 'raw';
    const toTag = /tag=([^;]+)/.exec(headerValue(invite, 'From')!)![1]!;
    phone.request('BYE', { fromTag, toTag, callId: headerValue(invite, 'Call-ID')! });
    await clock.advance(50);
    expect(phone.labels.at(-1)).toBe('481');
    expect(session.state).toBe('early');
  });
});

describe('a forked INVITE', () => {
  it('has a dialog for each phone that rings; the first to answer has the call', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    const session = alice.call(phone);
    await clock.advance(50);
    const invite = phone.lastRequest('INVITE');
    const rel = (rseq: number) => [required, { name: 'RSeq', value: String(rseq) }];
    phone.respond(invite, 183, { toTag: 'one', headers: rel(1), sdp: answerSdp });
    phone.respond(invite, 183, { toTag: 'two', headers: rel(1), sdp: answerSdp });
    phone.respond(invite, 183, { toTag: 'one', headers: rel(1), sdp: answerSdp });
    await clock.advance(50);
    const pracks = phone.received.filter((message) => labelOf(message) === 'PRACK');
    expect(pracks.map((prack) => /tag=(\w+)/.exec(headerValue(prack, 'To')!)![1])).toEqual(['one', 'two']);
    expect(alice.events).toEqual(['progressed:183', 'progressed:183']);
    for (const prack of pracks) if (prack.kind === 'request') phone.send(createResponse(prack, 200));
    phone.respond(invite, 200, { toTag: 'two' });
    await clock.advance(50);
    // The description of its 183 counts, as the 200 brought none.
    expect(alice.events.at(-1)).toBe('accepted');
    phone.respond(invite, 200, { toTag: 'one', sdp: answerSdp });
    await clock.advance(50);
    const bye = phone.lastRequest('BYE');
    expect(headerValue(bye, 'To')).toContain('tag=one');
    // Above the PRACK of that dialog.
    expect(headerValue(bye, 'CSeq')).toBe('3 BYE');
    phone.send(createResponse(bye, 200));
    session.end({ status: 200 });
    await clock.advance(50);
    expect(headerValue(phone.lastRequest('BYE'), 'To')).toContain('tag=two');
    phone.send(createResponse(phone.lastRequest('BYE'), 200));
    await expectNothingLeft(clock, alice);
  });

  it('takes the route of the 200 where it differs', async () => {
    const { clock, network, alice } = await createPair();
    const phone = await RawPhone.open(network, alice);
    const proxy = await RawPhone.open(network, alice);
    const session = alice.call(phone);
    await clock.advance(50);
    const invite = phone.lastRequest('INVITE');
    phone.respond(invite, 180, { toTag: 'one' });
    await clock.advance(50);
    const route = { name: 'Record-Route', value: `<sip:127.0.0.1:${proxy.port};lr>` };
    const answer = createResponse(invite, 200, {
      toTag: 'one',
      headers: [
        route,
        { name: 'Contact', value: `<${phone.uri}>` },
        { name: 'Content-Type', value: 'application/sdp' },
      ],
      body: Buffer.from(answerSdp),
    });
    phone.send(answer);
    await clock.advance(50);
    expect(proxy.labels).toEqual(['ACK']);
    session.end({ status: 200 });
    await clock.advance(50);
    expect(proxy.labels).toEqual(['ACK', 'BYE']);
  });
});

describe('a call that may ring only so long', () => {
  it.each([true, false])('is cancelled then (ringing %s)', async (rings) => {
    const { clock, alice, bob } = await createPair(lossy);
    bob.on.invited = (session) => {
      if (rings) session.progress(180);
    };
    const session = alice.call(bob, { ringLimitMs: 20_000 });
    await clock.advance(19_900);
    expect(session.state).toBe('early');
    await clock.advance(20_000);
    expect(alice.events.at(-1)).toBe('ended:unanswered');
    expect(bob.events).toEqual(['ended:cancel']);
    const cancel = alice.sent.find(({ message }) => labelOf(message) === 'CANCEL')!;
    expect(headerValue(cancel.message, 'Reason')).toContain('no answer in time');
    await expectNothingLeft(clock, alice, bob);
  });

  it('and is answered goes on', async () => {
    const { clock, alice, bob } = await createPair(lossy);
    bob.on.invited = (session) => clock.after(5_000, () => session.accept(accept));
    const session = alice.call(bob, { ringLimitMs: 20_000 });
    await clock.advance(60_000);
    expect(session.state).toBe('confirmed');
    session.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });
});
