import { afterEach, describe, expect, it } from 'vitest';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import { closeAgents } from '../gateway/signaling/agents.ts';
import type { MemoryStream } from '../support/memory-stream.ts';
import type { CalleePhone } from './callee-phone.ts';
import {
  appKey,
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

const conferenceId = 'room-1';
const last = (pcm: Int16Array) => pcm.subarray(Math.max(0, pcm.length - 4_000));
const room = () => control.world.gateway.control.conference(appKey, conferenceId)?.participants ?? [];
const loudness = (pcm: Int16Array) => Math.max(0, ...pcm.map((sample) => Math.abs(sample)));

async function invite(phone: CalleePhone, more: object = {}): Promise<string> {
  const { callId } = await control.world.gateway.control.callout(
    appKey,
    checkCallout({
      method: 'conferenceCallout',
      conferenceCallout: { conferenceId, destination: { type: 'sip', endpoint: phone.uri() }, ...more },
    }),
  );
  return callId;
}

/** Phones that speak these tones, in the room. */
async function gather(tones: readonly number[], more: object = {}): Promise<[CalleePhone[], string[]]> {
  control = await openControl();
  const phones: CalleePhone[] = [];
  const callIds: string[] = [];
  for (const [at, frequencyHz] of tones.entries()) {
    const phone = await callee(control, 31 + at);
    phone.frequencyHz = frequencyHz;
    phones.push(phone);
    callIds.push(await invite(phone, more));
    await control.world.clock.until(() => room().length === at + 1, 10_000);
  }
  return [phones, callIds];
}

function heard(phone: CalleePhone): (frequencyHz: number) => number {
  const pcm = last(phone.rtp.heardPcm);
  return (frequencyHz) => toneShare(pcm, frequencyHz);
}

describe('conferenceCallout', () => {
  it('brings phones into one room: each hears the others and not itself', async () => {
    const [phones] = await gather([500, 700, 900], { enableDice: true });
    await control.world.clock.advance(2_000);
    for (const [at, own] of [500, 700, 900].entries()) {
      const share = heard(phones[at]!);
      expect(share(own)).toBeLessThan(0.02);
      for (const other of [500, 700, 900]) if (other !== own) expect(share(other)).toBeGreaterThan(0.3);
    }
    for (const phone of phones) phone.hangUp();
    await control.world.clock.until(() => control.callbacks.dice.length === 3, 10_000);
    expect(control.callbacks.dice).toMatchObject([
      { result: 'ANSWERED', reason: 'CALLEEHANGUP' },
      { result: 'ANSWERED', reason: 'CALLEEHANGUP' },
      { result: 'ANSWERED', reason: 'CALLEEHANGUP' },
    ]);
    expect(control.world.gateway.control.conference(appKey, conferenceId)).toBeUndefined();
  });

  it('whom it does not reach is not in the room', async () => {
    control = await openControl();
    const bob = await callee(control);
    bob.reply = 486;
    await invite(bob, { enableDice: true });
    await control.world.clock.until(() => control.callbacks.dice.length === 1, 10_000);
    expect(control.callbacks.dice).toMatchObject([{ result: 'BUSY', reason: 'CALLEEHANGUP' }]);
    expect(room()).toEqual([]);
  });

  it('a greeting comes first, and music while nobody else is there', async () => {
    control = await openControl();
    const [bob, carol] = [await callee(control), await callee(control, 32)];
    carol.frequencyHz = 900;
    await invite(bob, { greeting: 'Hello', mohClass: 'music1' });
    await control.world.clock.until(() => room().length === 1, 10_000);
    expect(control.played[0]).toMatchObject({ kind: 'speech', text: 'Hello' });
    await control.world.clock.advance(2_000);
    expect(heard(bob)(500)).toBeGreaterThan(0.9);
    await invite(carol);
    await control.world.clock.until(() => room().length === 2, 10_000);
    await control.world.clock.advance(2_000);
    expect(heard(bob)(900)).toBeGreaterThan(0.9);
    carol.hangUp();
    await control.world.clock.advance(2_000);
    expect(heard(bob)(500)).toBeGreaterThan(0.9);
    bob.hangUp();
  });
});

describe('a member', () => {
  it('that is muted hears the others and is not heard', async () => {
    const [[bob, carol], [callId]] = (await gather([500, 700])) as [CalleePhone[], string[]] as never as [
      [CalleePhone, CalleePhone],
      [string],
    ];
    const { control: calls } = control.world.gateway;
    const member = { applicationKey: appKey, conferenceId, callId };
    calls.commandMember(member, 'mute');
    await control.world.clock.advance(2_000);
    expect(loudness(last(carol.rtp.heardPcm))).toBeLessThan(50);
    expect(heard(bob)(700)).toBeGreaterThan(0.9);
    expect(room()).toMatchObject([{ muted: true, onhold: false }, { muted: false }]);
    calls.commandMember(member, 'unmute');
    await control.world.clock.advance(2_000);
    expect(heard(carol)(500)).toBeGreaterThan(0.9);
    for (const phone of [bob, carol]) phone.hangUp();
  });

  it('on hold hears music, and nobody hears it', async () => {
    const [[bob, carol], [callId]] = (await gather([600, 700])) as never as [
      [CalleePhone, CalleePhone],
      [string],
    ];
    const { control: calls } = control.world.gateway;
    const member = { applicationKey: appKey, conferenceId, callId };
    calls.commandMember(member, 'onhold', 'music2');
    await control.world.clock.advance(2_000);
    expect(heard(bob)(500)).toBeGreaterThan(0.9);
    expect(loudness(last(carol.rtp.heardPcm))).toBeLessThan(50);
    calls.commandMember(member, 'resume');
    await control.world.clock.advance(2_000);
    expect(heard(bob)(700)).toBeGreaterThan(0.9);
    expect(heard(carol)(600)).toBeGreaterThan(0.9);
    for (const phone of [bob, carol]) phone.hangUp();
  });

  it('that is put out hears so, the others go on; then all of them', async () => {
    const [[bob, carol, dave], [callId]] = (await gather([500, 700, 900], { enableDice: true })) as never as [
      [CalleePhone, CalleePhone, CalleePhone],
      [string],
    ];
    const { control: calls } = control.world.gateway;
    expect(calls.kick(appKey, conferenceId, 'nobody')).toBe(0);
    expect(calls.kick('another application', conferenceId)).toBe(0);
    expect(calls.kick(appKey, conferenceId, callId)).toBe(1);
    await control.world.clock.until(() => bob.ended, 10_000);
    expect(room()).toHaveLength(2);
    await control.world.clock.advance(1_000);
    expect(heard(carol)(900)).toBeGreaterThan(0.9);
    expect(calls.kick(appKey, conferenceId)).toBe(2);
    await control.world.clock.until(() => carol.ended && dave.ended, 10_000);
    expect(control.callbacks.dice.map(({ reason }) => reason)).toEqual([
      'MANAGERHANGUP',
      'MANAGERHANGUP',
      'MANAGERHANGUP',
    ]);
    expect(() => calls.commandMember({ applicationKey: appKey, conferenceId, callId }, 'mute')).toThrow(
      /not in/,
    );
  });

  it.each([
    ['ignore', []],
    ['forward', [3]],
  ])('keys with mode %s', async (mode, expected) => {
    const [[bob, carol]] = (await gather([0, 0], { conferenceDtmfOptions: { mode } })) as never as [
      [CalleePhone, CalleePhone],
    ];
    void bob.session.request('INFO', {
      headers: [{ name: 'Content-Type', value: 'application/dtmf-relay' }],
      body: Buffer.from('Signal=3\r\nDuration=160\r\n'),
    });
    await control.world.clock.advance(1_000);
    const keys = carol.rtp.heard.filter(({ header }) => header.payloadType === 101);
    expect([...new Set(keys.map(({ payload }) => payload[0]))]).toEqual(expected);
    for (const phone of [bob, carol]) phone.hangUp();
  });

  it('keys that are detected go to the application, which may say to go on', async () => {
    const options = { mode: 'detect', maxDigits: 2, timeoutMills: 1_000 };
    const [[bob]] = (await gather([0], { conferenceDtmfOptions: options, enablePie: true })) as never as [
      [CalleePhone],
    ];
    control.callbacks.pie = () => ({ action: { name: 'continue' } });
    const press = (key: string) =>
      void bob.session.request('INFO', {
        headers: [{ name: 'Content-Type', value: 'application/dtmf-relay' }],
        body: Buffer.from(`Signal=${key}\r\nDuration=160\r\n`),
      });
    press('1');
    await control.world.clock.advance(300);
    press('2');
    await control.world.clock.advance(300);
    press('3');
    await control.world.clock.advance(2_000);
    const pies = control.callbacks.asked.filter((message) => message.event === 'pie');
    expect(pies.map(({ menuResult }) => menuResult)).toMatchObject([
      { menuId: conferenceId, type: 'sequence', value: '12', inputMethod: 'dtmf' },
      { value: '3' },
    ]);
    expect(room()).toHaveLength(1);
    bob.hangUp();
  });
});

describe('connectConf', () => {
  it('answers the caller and puts it into the room with a stream that was called', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    let bot: MemoryStream | undefined;
    world.server.connected = (stream) => {
      bot = stream;
      stream.receivedText = () => stream.send({ command: 'answer' });
    };
    const action = { name: 'connectConf', conferenceId };
    await world.gateway.control.callout(
      appKey,
      checkCallout({
        method: 'customCallout',
        customCallout: {
          ice: JSON.stringify({
            action: {
              name: 'connectStream',
              destination: { type: 'websocket', endpoint: 'ws://127.0.0.1:7/' },
              streamingOptions: { sampleRate: 16_000 },
            },
          }),
          ace: JSON.stringify({ action }),
        },
      }),
    );
    callbacks.ice = () => ({ action });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => room().length === 2, 10_000);
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    let said = 0;
    const speak = () => {
      if (bot!.end !== undefined) return;
      const samples = Int16Array.from({ length: 320 }, () =>
        Math.round(8_000 * Math.sin((2 * Math.PI * 600 * said++) / 16_000)),
      );
      bot!.sendBinary(new Uint8Array(samples.buffer));
      world.clock.after(20, speak);
    };
    speak();
    await world.clock.advance(2_000);
    expect(toneShare(last(alice.rtp.heardPcm), 600)).toBeGreaterThan(0.9);
    expect(toneShare(last(bot!.audio), 1_100, 16_000)).toBeGreaterThan(0.9);
    alice.session.end({ status: 200 });
    await world.clock.until(() => room().length === 1, 10_000);
    bot!.close();
    await world.clock.until(() => callbacks.dice.length === 2, 10_000);
    expect(callbacks.dice).toMatchObject([
      { reason: 'CALLERHANGUP', result: 'ANSWERED' },
      { reason: 'CALLEEHANGUP', result: 'ANSWERED' },
    ]);
  });

  it('whoever waits in a menu can be put into the room, and out of it to another phone', async () => {
    const [[bob], [callId]] = (await gather([500])) as never as [[CalleePhone], [string]];
    const carol = await callee(control, 40);
    carol.frequencyHz = 900;
    const { checkSvaml } = await import('../../protocol/svaml/svaml.ts');
    await control.world.gateway.control.modify(
      callId,
      checkSvaml({ action: { name: 'connectSip', destination: { endpoint: carol.uri() } } }),
    );
    await control.world.clock.advance(3_000);
    expect(room()).toEqual([]);
    expect(heard(bob)(900)).toBeGreaterThan(0.9);
    bob.hangUp();
    await control.world.clock.until(() => carol.ended, 10_000);
  });
});

describe('with several media workers', () => {
  it('calls on their way to a new room are placed together', async () => {
    control = await openControl({ workers: 3 });
    const phones = [await callee(control), await callee(control, 32), await callee(control, 33)];
    for (const [at, phone] of phones.entries()) {
      phone.frequencyHz = [500, 700, 900][at]!;
      await invite(phone);
    }
    await control.world.clock.until(() => room().length === 3, 10_000);
    await control.world.clock.advance(2_000);
    expect(heard(phones[0]!)(700)).toBeGreaterThan(0.3);
    expect(heard(phones[2]!)(500)).toBeGreaterThan(0.3);
    for (const phone of phones) phone.hangUp();
  });

  it('a caller who comes from a menu on another worker is moved there, and hears nothing of that', async () => {
    control = await openControl({ workers: 2 });
    const { world, callbacks } = control;
    const bob = await callee(control);
    bob.frequencyHz = 700;
    await invite(bob);
    await world.clock.until(() => room().length === 1, 10_000);
    const alices = [await caller(control), await caller(control, 6)];
    callbacks.ice = () => ({ action: { name: 'park' } });
    const { checkSvaml } = await import('../../protocol/svaml/svaml.ts');
    for (const alice of alices) {
      alice.agent.on.offered = (offer) => {
        alice.takeAnswer(offer!);
        return { answer: alice.offer() };
      };
      await alice.call();
      alice.rtp.sayTone({ frequencyHz: 1_100 });
    }
    await world.clock.advance(500);
    for (const { callId } of (await world.gateway.calls()).filter(
      ({ direction }) => direction === 'inbound',
    )) {
      await world.gateway.control.modify(
        callId,
        checkSvaml({ action: { name: 'connectConf', conferenceId } }),
      );
    }
    await world.clock.until(() => room().length === 3, 10_000);
    await world.clock.advance(2_000);
    expect(world.log.filter(({ msg }) => msg === 'moved to another media worker')).toMatchObject([
      { moved: true },
    ]);
    for (const alice of alices) expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.3);
    expect(heard(bob)(1_100)).toBeGreaterThan(0.9);
    for (const alice of alices) {
      alice.rtp.stop();
      alice.session.end({ status: 200 });
    }
    bob.hangUp();
  });

  it('a phone that refuses to be moved ends with a reason', async () => {
    control = await openControl({ workers: 2 });
    const { world, callbacks } = control;
    const bob = await callee(control);
    await invite(bob);
    await world.clock.until(() => room().length === 1, 10_000);
    const alices = [await caller(control), await caller(control, 6)];
    callbacks.ice = () => ({ action: { name: 'park' } });
    const { checkSvaml } = await import('../../protocol/svaml/svaml.ts');
    for (const alice of alices) {
      alice.agent.on.offered = () => ({ status: 488 });
      await alice.call();
    }
    for (const { callId } of (await world.gateway.calls()).filter(
      ({ direction }) => direction === 'inbound',
    )) {
      await world.gateway.control.modify(
        callId,
        checkSvaml({ action: { name: 'connectConf', conferenceId } }),
      );
    }
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    expect(world.said('call ending')).toMatchObject({ reason: 'conferenceElsewhere' });
    expect(room()).toHaveLength(2);
    bob.hangUp();
    for (const alice of alices) alice.session.end({ status: 200 });
  });
});
