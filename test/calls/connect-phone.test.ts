import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../protocol/sip/message.ts';
import { checkSvaml } from '../../protocol/svaml/svaml.ts';
import { closeAgents, labelOf } from '../gateway/signaling/agents.ts';
import { sdp } from './bare-phone.ts';
import {
  type ControlWorld,
  callee,
  caller,
  leftovers,
  nothingLeft,
  openControl,
  toneShare,
} from './control-world.ts';

let control: ControlWorld;

afterEach(async () => {
  expect(await leftovers(control)).toEqual(nothingLeft);
  await closeAgents();
  await control.world.close();
});

const last = (pcm: Int16Array) => pcm.subarray(Math.max(0, pcm.length - 4_000));

describe('connectSip', () => {
  it('joins two phones, each hears the other; DICE comes once', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.frequencyHz = 700;
    callbacks.ice = () => ({
      action: {
        name: 'connectSip',
        destination: { endpoint: bob.uri() },
        cli: '+4612345',
        callHeaders: [{ key: 'ticket', value: '4815' }],
      },
    });
    const alice = await caller(control);
    await alice.call([{ name: 'X-From', value: 'alice' }]);
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    await world.clock.advance(2_000);
    expect(toneShare(last(bob.rtp.heardPcm), 1_100)).toBeGreaterThan(0.95);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.95);
    expect(alice.agent.events).toContain('progressed:180');
    const { invite } = bob.session;
    expect(headerValue(invite, 'X-ticket')).toBe('4815');
    expect(headerValue(invite, 'From')).toContain('sip:+4612345@');
    expect(callbacks.asked.map(({ event }) => event)).toEqual(['ice', 'ace']);
    expect(callbacks.asked[0]).toMatchObject({ callHeaders: [{ key: 'X-From', value: 'alice' }] });
    alice.session.end({ status: 200 });
    await world.clock.until(() => bob.ended, 10_000);
    expect(bob.agent.ends[0]).toMatchObject({ cause: 'bye' });
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLERHANGUP', duration: 2 }]);
  });

  it('the called party hangs up: the caller is hung up', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    await alice.call();
    await world.clock.advance(1_000);
    bob.hangUp();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.ends[0]).toMatchObject({ cause: 'bye' });
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLEEHANGUP', duration: 1 }]);
  });

  it('the called party hangs up, and the caller is to stay: until the call is modified', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const [bob, carol] = [await callee(control), await callee(control, 32)];
    carol.frequencyHz = 900;
    const connect = (endpoint: string) => ({
      action: { name: 'connectSip', destination: { endpoint }, keepCaller: true },
    });
    callbacks.ice = () => connect(bob.uri());
    const alice = await caller(control);
    await alice.call();
    await world.clock.advance(500);
    bob.hangUp();
    await world.clock.advance(2_000);
    expect(world.gateway.activeCalls).toBe(1);
    const { callId } = (await world.gateway.calls())[0]!;
    await world.gateway.control.modify(callId, checkSvaml(connect(carol.uri())));
    await world.clock.advance(2_000);
    expect(toneShare(last(alice.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    alice.session.end({ status: 200 });
    await world.clock.until(() => carol.ended, 10_000);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLERHANGUP' }]);
  });

  it('suppressCallbacks: neither ACE nor DICE', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, suppressCallbacks: true } });
    const alice = await caller(control);
    await alice.call();
    alice.session.end({ status: 200 });
    await world.clock.until(() => bob.ended, 10_000);
    expect(callbacks.asked.map(({ event }) => event)).toEqual(['ice']);
    expect(callbacks.told).toEqual([]);
  });

  it.each([
    [486, 486, 'BUSY', 'CALLEEHANGUP'],
    [603, 603, 'FAILED', 'CALLEEHANGUP'],
    [404, 404, 'FAILED', 'USERNOTFOUND'],
    [480, 480, 'NOANSWER', 'TIMEOUT'],
    [503, 480, 'FAILED', 'GENERALERROR'],
  ] as const)('a called party that says %i', async (status, told, result, reason) => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.reply = status;
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.events.at(-1)).toBe(`ended:${told}`);
    expect(callbacks.dice).toMatchObject([{ result, reason, duration: 0 }]);
    expect(callbacks.asked.map(({ event }) => event)).toEqual(['ice']);
  });

  it('nobody answers within the timeout: the phone stops ringing', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.reply = 'never';
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, timeout: 5 } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(bob.agent.ends[0]).toMatchObject({ cause: 'cancel' });
    expect(alice.agent.events.at(-1)).toBe('ended:480');
    expect(callbacks.dice).toMatchObject([{ result: 'NOANSWER', reason: 'TIMEOUT' }]);
  });

  it('the caller gives up while it rings: the called phone stops ringing', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.reply = 'never';
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.events.includes('progressed:180'), 10_000);
    alice.session.end({ status: 487 });
    await world.clock.until(() => bob.ended, 10_000);
    expect(bob.agent.ends[0]).toMatchObject({ cause: 'cancel' });
    expect(callbacks.dice).toMatchObject([{ result: 'N/A', reason: 'CANCEL' }]);
  });

  it('early media of the called side is heard before the answer', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.reply = 'early';
    bob.ringMs = 3_000;
    bob.frequencyHz = 600;
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    alice.agent.on.progressed = (response) => {
      if (labelOf(response) === '183') alice.takeAnswer(Buffer.from(response.body).toString());
    };
    alice.dial();
    await world.clock.until(() => alice.agent.events.includes('progressed:183'), 10_000);
    await world.clock.advance(1_500);
    expect(alice.session.state).toBe('early');
    expect(toneShare(last(alice.rtp.heardPcm), 600)).toBeGreaterThan(0.95);
    await world.clock.until(() => alice.agent.events.includes('accepted'), 10_000);
    alice.session.end({ status: 200 });
  });

  it('a ringback of its own is heard in place of that', async () => {
    control = await openControl();
    const { world, callbacks, played } = control;
    const bob = await callee(control);
    bob.reply = 'early';
    bob.frequencyHz = 600;
    bob.ringMs = 3_000;
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, ringback: 'se' } });
    const alice = await caller(control);
    alice.agent.on.progressed = (response) => {
      if (labelOf(response) === '183') alice.takeAnswer(Buffer.from(response.body).toString());
    };
    alice.dial();
    await world.clock.until(() => alice.agent.events.includes('progressed:183'), 10_000);
    await world.clock.advance(1_500);
    expect(toneShare(last(alice.rtp.heardPcm), 500)).toBeGreaterThan(0.95);
    expect(played).toEqual([{ kind: 'tone', name: 'ringback', country: 'se' }]);
    await world.clock.advance(3_000);
    expect(toneShare(last(alice.rtp.heardPcm), 600)).toBeGreaterThan(0.95);
    alice.session.end({ status: 200 });
  });

  it('transcodes where the phones have no codec in common', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.formats = { formats: '8 101' };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    await alice.call();
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    await world.clock.advance(1_000);
    expect(bob.rtp.heard.at(-1)?.header.payloadType).toBe(8);
    expect(bob.rtp.heard.length).toBeGreaterThan(40);
    alice.session.end({ status: 200 });
  });

  it('offers the codecs that the action names, in their order', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, codecs: ['pcma', 'pcmu'] } });
    const alice = await caller(control);
    await alice.call();
    expect(/^m=audio \d+ RTP\/AVP (.*)$/m.exec(bob.session.offer!)?.[1]?.split(' ').slice(0, 2)).toEqual([
      '8',
      '0',
    ]);
    alice.session.end({ status: 200 });
    await world.clock.advance(100);
  });

  it('sessionTimeout is the Session-Expires of the called leg', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, sessionTimeout: 600 } });
    const alice = await caller(control);
    await alice.call();
    expect(headerValue(bob.session.invite, 'Session-Expires')).toMatch(/^600\b/);
    alice.session.end({ status: 200 });
    await world.clock.advance(100);
  });

  it('an address that leads back here goes round a few times and not for ever', async () => {
    control = await openControl({ config: { sip: { listen: ['udp:127.0.0.1:0'], maxCalls: 200 } } as never });
    const { world, callbacks } = control;
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: world.target } } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    await world.clock.until(() => world.gateway.activeCalls === 0, 10_000);
    expect(callbacks.dice.length).toBeGreaterThan(60);
    expect(callbacks.dice.length).toBeLessThan(75);
    expect(world.said('call ending')).toMatchObject({ reason: 'tooManyHops' });
  });

  it('maxDuration counts from the answer and ends it for both', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, maxDuration: 3 } });
    const alice = await caller(control);
    await alice.call();
    const answeredMs = world.clock.nowMs();
    await world.clock.until(() => alice.agent.ends.length === 1 && bob.ended, 10_000);
    expect(world.clock.nowMs() - answeredMs).toBeLessThan(3_100);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'TIMEOUT', duration: 3 }]);
  });

  it('states of the called leg go to callStateUrl', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({
      action: { name: 'connectSip', destination, callStateUrl: 'http://127.0.0.1:9/states' },
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.advance(2_000);
    bob.hangUp();
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    const states = callbacks.told.filter(({ message }) => message.event === 'notify');
    expect(states.map(({ message, url }) => [message.event === 'notify' && message.state, url])).toEqual([
      ['created', 'http://127.0.0.1:9/states'],
      ['ringing', 'http://127.0.0.1:9/states'],
      ['answered', 'http://127.0.0.1:9/states'],
      ['ended', 'http://127.0.0.1:9/states'],
    ]);
    expect(states.at(-1)?.message).toMatchObject({ duration: 2, result: 'ANSWERED', reason: 'CALLEEHANGUP' });
  });

  it('music is played to whom the other has put on hold', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.frequencyHz = 700;
    const destination = { endpoint: bob.uri() };
    callbacks.ice = () => ({ action: { name: 'connectSip', destination, moh: 'music1' } });
    const alice = await caller(control);
    await alice.call();
    await world.clock.advance(500);
    void bob.session.reinvite(sdp({ port: bob.rtp.port, version: 2, direction: 'sendonly' }));
    await world.clock.advance(2_000);
    expect(toneShare(last(alice.rtp.heardPcm), 500)).toBeGreaterThan(0.95);
    void bob.session.reinvite(sdp({ port: bob.rtp.port, version: 3, direction: 'sendrecv' }));
    await world.clock.advance(2_000);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.95);
    alice.session.end({ status: 200 });
  });

  it.each([
    ['that may not be called', 'sip:bob@198.51.100.7', 403, 'GENERALERROR'],
    ['that cannot be reached', 'sip:bob@127.0.0.1:1', 480, 'GENERALERROR'],
  ])('an address %s', async (_what, endpoint, status, reason) => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint } } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 70_000);
    expect(alice.agent.events.at(-1)).toBe(`ended:${status}`);
    expect(callbacks.dice).toMatchObject([{ reason }]);
  });

  it.each([
    ['hangs up', { action: { name: 'hangup' } }, 603, 'N/A', 'MANAGERHANGUP'],
    ['fails', 'fail', 500, 'FAILED', 'CALLBACKERROR'],
    ['is garbage', { action: { name: 'dance' } }, 500, 'FAILED', 'CALLBACKERROR'],
    ['is not possible there', { action: { name: 'park' } }, 500, 'FAILED', 'INVALIDSVAMLACTION'],
  ] as const)('an ACE that %s', async (_what, ace, status, result, reason) => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    callbacks.ace = () => ace;
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1 && bob.ended, 10_000);
    expect(alice.agent.events.at(-1)).toBe(`ended:${status}`);
    expect(callbacks.dice).toMatchObject([{ result, reason }]);
  });

  it('the caller is gone while a slow ACE is waited for', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => callbacks.asked.length === 1, 10_000);
    callbacks.delayMs = 4_000;
    await world.clock.until(() => callbacks.asked.length === 2, 10_000);
    alice.session.end({ status: 487 });
    await world.clock.until(() => bob.ended, 10_000);
    expect(callbacks.dice).toMatchObject([{ result: 'N/A', reason: 'CANCEL' }]);
  });
});
