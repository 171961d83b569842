import { afterEach, describe, expect, it } from 'vitest';
import { CallControlError } from '../../gateway/calls/call-control.ts';
import { headerValue } from '../../protocol/sip/message.ts';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import { checkSvaml } from '../../protocol/svaml/svaml.ts';
import { closeAgents } from '../gateway/signaling/agents.ts';
import type { CalleePhone } from './callee-phone.ts';
import {
  appKey,
  application,
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
const streamIce = (sampleRate = 8_000) =>
  JSON.stringify({
    action: {
      name: 'connectStream',
      destination: { type: 'websocket', endpoint: 'ws://127.0.0.1:7/' },
      streamingOptions: { sampleRate },
    },
  });

async function place(body: Record<string, unknown> & { method: string }): Promise<string> {
  const { callId } = await control.world.gateway.control.callout(appKey, checkCallout(body));
  return callId;
}

const answered = (phone: CalleePhone) =>
  control.world.clock.until(() => phone.agent.events.includes('confirmed'), 10_000);

describe('customCallout', () => {
  it('calls, asks what to do when it is answered, and does that', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    callbacks.ace = () => ({
      instructions: [{ name: 'playFiles', ids: ['https://x/600'] }],
      action: { name: 'hangup' },
    });
    const callId = await place({
      method: 'customCallout',
      customCallout: {
        cli: '+4612345',
        destination: { type: 'sip', endpoint: bob.uri() },
        dtmf: '7',
        custom: 'order 4815',
      },
    });
    await answered(bob);
    expect(headerValue(bob.session.invite, 'From')).toContain('sip:+4612345@');
    await world.clock.until(() => bob.ended, 10_000);
    expect(bob.agent.ends[0]).toMatchObject({ cause: 'bye' });
    expect(callbacks.asked).toMatchObject([{ event: 'ace', callid: callId, custom: 'order 4815' }]);
    expect(callbacks.dice).toMatchObject([
      { callid: callId, result: 'ANSWERED', reason: 'MANAGERHANGUP', custom: 'order 4815', duration: 1 },
    ]);
    expect(bob.rtp.heard.some(({ header, payload }) => header.payloadType === 101 && payload[0] === 7)).toBe(
      true,
    );
  });

  it.each([
    ['busy', 486, 'BUSY', 'CALLEEHANGUP'],
    ['declined', 603, 'FAILED', 'CALLEEHANGUP'],
    ['not answered', 'never', 'NOANSWER', 'TIMEOUT'],
  ] as const)('that is %s: DICE says so, nothing is asked', async (_what, reply, result, reason) => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.reply = reply;
    const callId = await place({
      method: 'customCallout',
      customCallout: { destination: { type: 'sip', endpoint: bob.uri() } },
    });
    await world.clock.until(() => callbacks.dice.length === 1, 70_000);
    expect(callbacks.asked).toEqual([]);
    expect(callbacks.dice).toMatchObject([{ callid: callId, result, reason, duration: 0 }]);
    expect(world.gateway.control.describe(callId)).toMatchObject({ status: 'FINAL', result, reason });
  });

  it.each([
    ['fails', 'fail', 'CALLBACKERROR'],
    ['is garbage', { actions: 1 }, 'CALLBACKERROR'],
    ['leaves nothing to do', {}, 'MANAGERHANGUP'],
  ] as const)('whose ACE %s is hung up', async (_what, ace, reason) => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    callbacks.ace = () => ace;
    callbacks.delayMs = 2_000;
    await place({
      method: 'customCallout',
      customCallout: { destination: { type: 'sip', endpoint: bob.uri() } },
    });
    await world.clock.until(() => bob.ended, 20_000);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason, duration: 2 }]);
  });

  it('with an inline ice and ace: the one called is joined with another', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const [bob, carol] = [await callee(control), await callee(control, 32)];
    bob.frequencyHz = 600;
    carol.frequencyHz = 900;
    const connect = (phone: CalleePhone) =>
      JSON.stringify({ action: { name: 'connectSip', destination: { endpoint: phone.uri() } } });
    await place({ method: 'customCallout', customCallout: { ice: connect(bob), ace: connect(carol) } });
    await answered(carol);
    await world.clock.advance(2_000);
    expect(toneShare(last(bob.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    expect(toneShare(last(carol.rtp.heardPcm), 600)).toBeGreaterThan(0.9);
    bob.hangUp();
    await world.clock.until(() => carol.ended, 10_000);
    expect(callbacks.asked).toEqual([]);
    expect(callbacks.dice).toMatchObject([{ reason: 'CALLEEHANGUP' }]);
  });

  it('an ice that is a URL is asked there', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    await place({ method: 'customCallout', customCallout: { ice: 'http://127.0.0.1:9/ice' } });
    await answered(bob);
    expect(callbacks.urls[0]).toBe('http://127.0.0.1:9/ice');
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    // Nobody said what to do with it.
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'MANAGERHANGUP' }]);
  });

  it('an ice that calls nobody is refused, with the field', async () => {
    control = await openControl();
    const refused = place({
      method: 'customCallout',
      customCallout: { ice: JSON.stringify({ action: { name: 'park' } }) },
    });
    await expect(refused).rejects.toMatchObject({ code: 'invalid', field: 'customCallout.ice' });
  });

  it('an address that may not be called ends at once', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    await place({
      method: 'customCallout',
      customCallout: { destination: { type: 'sip', endpoint: 'a@198.51.100.9' } },
    });
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    expect(world.said('call ending')).toMatchObject({ reason: 'destinationRefused' });
    await place({
      method: 'customCallout',
      customCallout: { destination: { type: 'number', endpoint: '+461' } },
    });
    await place({
      method: 'customCallout',
      customCallout: { destination: { type: 'username', endpoint: 'x' } },
    });
    await world.clock.until(() => callbacks.dice.length === 3, 10_000);
    expect(callbacks.dice.slice(1)).toMatchObject([{ reason: 'GENERALERROR' }, { reason: 'USERNOTFOUND' }]);
  });

  it('of a stream alone: a leg of its own, until its server closes', async () => {
    control = await openControl({
      config: { applications: [{ key: appKey, secret: 'c2VjcmV0LXNlY3JldA==' }], routes: [] } as never,
    });
    const { world } = control;
    const callId = await place({ method: 'customCallout', customCallout: { ice: streamIce() } });
    await world.clock.until(() => world.said('call answered') !== undefined, 10_000);
    await world.clock.advance(3_000);
    expect(world.server.last.connect).toMatchObject({
      callId,
      direction: 'outbound',
      applicationKey: appKey,
    });
    expect(world.gateway.activeCalls).toBe(1);
    world.server.last.close();
    await world.clock.until(() => world.gateway.activeCalls === 0, 10_000);
    expect(world.gateway.control.describe(callId)).toMatchObject({
      result: 'ANSWERED',
      reason: 'CALLEEHANGUP',
      duration: 3,
      to: { type: 'websocket' },
    });
  });

  it('of a stream that is busy', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    world.server.connected = (stream) => {
      stream.receivedText = () => stream.send({ command: 'busy' });
    };
    await place({ method: 'customCallout', customCallout: { ice: streamIce() } });
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    expect(callbacks.dice).toMatchObject([{ result: 'BUSY', reason: 'CALLEEHANGUP' }]);
  });
});

describe('ttsCallout', () => {
  it('speaks and hangs up', async () => {
    control = await openControl();
    const { world, callbacks, played } = control;
    const bob = await callee(control);
    await place({
      method: 'ttsCallout',
      ttsCallout: { destination: { type: 'sip', endpoint: bob.uri() }, text: 'Your code', locale: 'sv-SE' },
    });
    await world.clock.until(() => bob.ended, 20_000);
    expect(played).toEqual([{ kind: 'speech', text: 'Your code', locale: 'sv-SE' }]);
    expect([callbacks.asked, callbacks.dice]).toEqual([[], []]);
    expect(world.said('call ending')).toMatchObject({ reason: 'programmeOver' });
  });

  it('plays prompts, several of them, and tells where it shall', async () => {
    control = await openControl();
    const { world, callbacks, played } = control;
    const bob = await callee(control);
    await place({
      method: 'ttsCallout',
      ttsCallout: {
        destination: { type: 'sip', endpoint: bob.uri() },
        prompts: '#tts[One; two];#href[https://x/600]',
        enableDice: true,
      },
    });
    await world.clock.until(() => bob.ended, 20_000);
    expect(played).toMatchObject([
      { kind: 'speech', text: 'One; two' },
      { kind: 'url', url: 'https://x/600' },
    ]);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', duration: 2 }]);
  });
});

describe('connectPstn', () => {
  it('goes through the trunk, keys after the answer, and a tone of the country meanwhile', async () => {
    const trunks = [{ name: 'carrier', uri: 'sip:127.0.0.1:45060', username: 'u', password: 'p' }];
    const applications = [{ ...application, outbound: { allow: ['+46*'] } }];
    control = await openControl({ config: { trunks, applications } as never });
    const { world, callbacks, played } = control;
    const carrier = await callee(control, 31, 45_060);
    carrier.frequencyHz = 700;
    callbacks.ice = () => ({
      action: {
        name: 'connectPstn',
        number: '+46700',
        cli: 'private',
        dtmf: '5',
        indications: 'se',
        maxDuration: 3,
      },
    });
    const alice = await caller(control);
    await alice.call();
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    const { invite } = carrier.session;
    expect(invite.uri).toBe('sip:+46700@127.0.0.1:45060');
    expect(headerValue(invite, 'Privacy')).toBe('id');
    expect(headerValue(invite, 'From')).toContain('anonymous.invalid');
    expect(played).toEqual([{ kind: 'tone', name: 'ringback', country: 'se' }]);
    expect(
      carrier.rtp.heard.some(({ header, payload }) => header.payloadType === 101 && payload[0] === 5),
    ).toBe(true);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'TIMEOUT', duration: 3 }]);
  });

  it.each([
    ['is busy', 486, 486, 'BUSY', 'CALLEEHANGUP'],
    ['is not picked up', 'never', 480, 'NOANSWER', 'TIMEOUT'],
  ] as const)('a number that %s', async (_what, reply, told, result, reason) => {
    const trunks = [{ name: 'carrier', uri: 'sip:127.0.0.1:45060' }];
    const applications = [{ ...application, outbound: { allow: ['+46*'] } }];
    control = await openControl({ config: { trunks, applications } as never });
    const { world, callbacks } = control;
    const carrier = await callee(control, 31, 45_060);
    carrier.reply = reply;
    callbacks.ice = () => ({ action: { name: 'connectPstn', number: '+46700', dialTimeout: 5 } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.events.at(-1)).toBe(`ended:${told}`);
    expect(callbacks.dice).toMatchObject([{ result, reason, duration: 0 }]);
  });

  it('a number that no prefix allows is not called, trunk or not', async () => {
    const trunks = [{ name: 'carrier', uri: 'sip:127.0.0.1:45060' }];
    control = await openControl({ config: { trunks } as never });
    const { world, callbacks } = control;
    const carrier = await callee(control, 31, 45_060);
    callbacks.ice = () => ({ action: { name: 'connectPstn', number: '+46700' } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.events.at(-1)).toBe('ended:403');
    expect(callbacks.dice).toMatchObject([{ result: 'FAILED' }]);
    expect(carrier.agent.events).toEqual([]);
  });

  it('without a trunk ends with 404', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({ action: { name: 'connectPstn', number: '+46700' } });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.events.at(-1)).toBe('ended:404');
    expect(callbacks.dice).toMatchObject([{ result: 'FAILED', reason: 'GENERALERROR' }]);
  });
});

describe('a live call', () => {
  it('is hung up, and then is no more', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({ action: { name: 'park' } });
    const alice = await caller(control);
    await alice.call();
    const { control: calls } = world.gateway;
    const { callId } = (await world.gateway.calls())[0]!;
    expect(calls.hangup(callId)).toBe(true);
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'MANAGERHANGUP' }]);
    expect(calls.hangup(callId)).toBe(false);
    const again = calls.modify(callId, checkSvaml({ action: { name: 'hangup' } }));
    await expect(again).rejects.toBeInstanceOf(CallControlError);
    await expect(calls.modify('nobody', checkSvaml({}))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('one side of a bridge can be spoken to alone, and talks on after it', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.frequencyHz = 700;
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    const alice = await caller(control);
    await alice.call();
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    const { callId } = (await world.gateway.calls())[0]!;
    const say = checkSvaml({ instructions: [{ name: 'playFiles', ids: ['https://x/600'] }] });
    await world.clock.advance(1_000);
    await world.gateway.control.modify(callId, say, 'callee');
    await world.clock.advance(800);
    expect(toneShare(last(bob.rtp.heardPcm), 600)).toBeGreaterThan(0.9);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    await world.clock.advance(2_000);
    expect(toneShare(last(bob.rtp.heardPcm), 1_100)).toBeGreaterThan(0.9);
    const other = world.gateway.control.modify(callId, checkSvaml({ action: { name: 'park' } }), 'callee');
    await expect(other).rejects.toMatchObject({ code: 'invalid', field: 'action.name' });
    alice.session.end({ status: 200 });
  });
});

describe('a phone that is registered here', () => {
  async function register(phone: CalleePhone, user: string): Promise<void> {
    let status = 0;
    void phone.agent.userAgent
      .request({
        method: 'REGISTER',
        target: `sip:127.0.0.1:${control.world.gateway.listening.sip[0]!.split(':').at(-1)}`,
        from: `sip:${user}@127.0.0.1`,
        to: `sip:${user}@127.0.0.1`,
        credentials: { username: user, password: 'secret' },
        contactUser: user,
        headers: (contact) => [
          { name: 'Contact', value: contact },
          { name: 'Expires', value: '300' },
        ],
      })
      .then((response) => {
        status = response.status;
      });
    await control.world.clock.until(() => status !== 0, 10_000);
    expect(status).toBe(200);
  }

  it('is called by its name, over the API and by another phone, wherever it is', async () => {
    control = await openControl({
      config: {
        sip: {
          listen: ['udp:127.0.0.1:0'],
          auth: { realm: 'pbx.test', users: [{ username: 'bob', password: 'secret' }], required: false },
          allow: ['127.0.0.1'],
        },
      } as never,
    });
    const { world, callbacks } = control;
    const bob = await callee(control);
    await register(bob, 'bob');
    callbacks.ace = () => ({ action: { name: 'hangup' } });
    await place({
      method: 'customCallout',
      customCallout: { destination: { type: 'username', endpoint: 'bob' } },
    });
    await world.clock.until(() => bob.ended, 10_000);
    expect(callbacks.dice).toMatchObject([
      { to: { type: 'username', endpoint: 'bob' }, reason: 'MANAGERHANGUP' },
    ]);

    callbacks.ace = () => ({});
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: 'bob@pbx.test' } } });
    bob.frequencyHz = 700;
    const alice = await caller(control);
    await alice.call();
    await world.clock.advance(1_500);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    bob.hangUp();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    await world.clock.advance(400_000);
  });
});
