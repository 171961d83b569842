import { afterEach, describe, expect, it } from 'vitest';
import { closeAgents, labelOf } from '../gateway/signaling/agents.ts';
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
const hangup = { name: 'hangup' };

describe('answer', () => {
  it('answers before anything else happens', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({ instructions: [{ name: 'answer' }], action: { name: 'park', maxDuration: 2 } });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'TIMEOUT', duration: 2 }]);
  });
});

describe('playFiles', () => {
  it('before the answer is early media, in order, and then the action comes', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      instructions: [{ name: 'playFiles', ids: ['#href[https://x/600]', 'https://x/900'] }],
      action: hangup,
    });
    const alice = await caller(control);
    alice.agent.on.progressed = (response) => {
      if (labelOf(response) === '183') alice.takeAnswer(Buffer.from(response.body).toString());
    };
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.events.at(-1)).toBe('ended:603');
    const heard = alice.rtp.heardPcm;
    const loud = heard.findIndex((sample) => Math.abs(sample) > 1_000);
    expect(toneShare(heard.subarray(loud + 800, loud + 7_200), 600)).toBeGreaterThan(0.95);
    expect(toneShare(heard.subarray(loud + 8_800, loud + 15_200), 900)).toBeGreaterThan(0.95);
    expect(callbacks.dice).toMatchObject([{ result: 'N/A', reason: 'MANAGERHANGUP', duration: 0 }]);
  });

  it('skips what cannot be played, and says so in the log', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      instructions: [
        { name: 'answer' },
        { name: 'playFiles', ids: ['https://x/none', '#href[https://x/900]'] },
      ],
      action: hangup,
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(world.said('prompt could not be played')).toMatchObject({ code: 'audio-unreachable' });
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'MANAGERHANGUP', duration: 1 }]);
  });

  it('ends with the caller', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      instructions: [{ name: 'answer' }, { name: 'playFiles', ids: ['music1'] }],
      action: hangup,
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.advance(5_000);
    alice.session.end({ status: 200 });
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLERHANGUP', duration: 5 }]);
  });
});

describe('say', () => {
  it('speaks to the caller; what comes next waits for its end', async () => {
    control = await openControl();
    const { world, callbacks, played } = control;
    callbacks.ice = () => ({
      instructions: [{ name: 'answer' }, { name: 'say', text: 'Welcome', locale: 'en-GB' }],
      action: hangup,
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(played).toEqual([{ kind: 'speech', text: 'Welcome', locale: 'en-GB' }]);
    expect(callbacks.dice).toMatchObject([{ duration: 1 }]);
  });
});

describe('sendDtmf', () => {
  it('presses keys that the caller hears', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      instructions: [{ name: 'answer' }, { name: 'sendDtmf', value: '12' }],
      action: { name: 'park', maxDuration: 2 },
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    const events = alice.rtp.heard.filter(({ header }) => header.payloadType === 101);
    expect([...new Set(events.map(({ payload }) => payload[0]))]).toEqual([1, 2]);
  });
});

describe('setCookie', () => {
  it('is told in every callback that follows', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      instructions: [
        { name: 'setCookie', key: 'queue', value: 'red' },
        { name: 'setCookie', key: '__proto__', value: 'x' },
      ],
      action: hangup,
    });
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    expect(callbacks.asked[0]?.cookies).toBeUndefined();
    expect(Object.entries(callbacks.dice[0]?.cookies ?? {})).toContainEqual(['queue', 'red']);
  });
});

describe('startRecording', () => {
  const recorded = { name: 'startRecording', options: { destinationUrl: 'a.wav' } };

  it('keeps what was said from both sides until the call ends, and tells so', async () => {
    control = await openControl();
    const { world, callbacks, recordings } = control;
    const bob = await callee(control);
    bob.frequencyHz = 700;
    callbacks.ice = () => ({
      instructions: [{ name: 'answer' }, recorded],
      action: { name: 'connectSip', destination: { endpoint: bob.uri() } },
    });
    const alice = await caller(control);
    await alice.call();
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    await world.clock.advance(4_000);
    alice.session.end({ status: 200 });
    await world.clock.until(() => recordings[0]?.finished === true, 10_000);
    const [{ options, samples }] = recordings as [(typeof recordings)[0]];
    expect(options).toMatchObject({ destination: 'a.wav', format: 'wav', channels: 2, sampleRateHz: 8_000 });
    expect(Math.abs(samples.length / 2 / 8_000 - 4)).toBeLessThan(0.3);
    const side = (channel: number) =>
      last(Int16Array.from(samples.filter((_sample, at) => at % 2 === channel)));
    expect(toneShare(side(0), 1_100)).toBeGreaterThan(0.9);
    expect(toneShare(side(1), 700)).toBeGreaterThan(0.9);
    expect(callbacks.notices).toMatchObject([
      { type: 'recording_finished', destination: '/recordings/x.wav' },
    ]);
  });

  it('stopRecording ends it in mid-call; a second one is another', async () => {
    control = await openControl();
    const { world, callbacks, recordings } = control;
    callbacks.ice = () => ({
      instructions: [
        { name: 'answer' },
        recorded,
        { name: 'playFiles', ids: ['https://x/600'] },
        { name: 'stopRecording' },
        { name: 'playFiles', ids: ['https://x/700'] },
        { name: 'startRecording', options: { channels: 'mixed', notificationEvents: false } },
        { name: 'pauseRecording' },
        { name: 'playFiles', ids: ['https://x/800'] },
        { name: 'resumeRecording' },
        { name: 'playFiles', ids: ['https://x/900'] },
      ],
      action: hangup,
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => recordings.length === 2 && recordings[1]!.finished, 20_000);
    expect(recordings.map(({ options }) => options.channels)).toEqual([2, 1]);
    expect(recordings[0]!.samples.length / 2 / 8_000).toBeCloseTo(1, 1);
    // Of the second what was played while it did not pause.
    expect(recordings[1]!.samples.length / 8_000).toBeCloseTo(1, 0);
    expect(callbacks.notices).toHaveLength(1);
  });

  it('a destination that cannot be: told, and the call goes on', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      instructions: [{ name: 'startRecording', options: { destinationUrl: 'bad' } }],
      action: { name: 'park', maxDuration: 1 },
    });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(callbacks.notices).toMatchObject([
      { type: 'recording_failed', errorMsg: 'destinationUrl is bad' },
    ]);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'TIMEOUT' }]);
  });
});

describe('an ICE', () => {
  it.each([
    ['that fails', 'fail', 500, 'FAILED', 'CALLBACKERROR'],
    ['that is garbage', { action: { name: 'connectSip' } }, 500, 'FAILED', 'CALLBACKERROR'],
    ['that hangs up', { action: hangup }, 603, 'N/A', 'MANAGERHANGUP'],
    ['that has nothing to go on with', { action: { name: 'continue' } }, 500, 'FAILED', 'INVALIDSVAMLACTION'],
    [
      'that names a stream inside',
      { action: { name: 'connectStream', destination: { type: 'websocket', endpoint: 'ws://10.0.0.1/' } } },
      403,
      'FAILED',
      'GENERALERROR',
    ],
  ] as const)('%s', async (_what, ice, status, result, reason) => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ice;
    callbacks.delayMs = 3_000;
    const alice = await caller(control);
    alice.dial();
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(alice.agent.events.at(-1)).toBe(`ended:${status}`);
    expect(callbacks.dice).toMatchObject([{ result, reason, duration: 0 }]);
  });

  it('is told all there is to know; the caller gives up meanwhile', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.delayMs = 5_000;
    callbacks.ice = () => ({ action: { name: 'park' } });
    const alice = await caller(control);
    alice.dial([{ name: 'Diversion', value: '<sip:+46800@carrier.example>;reason=no-answer' }]);
    await world.clock.until(() => callbacks.asked.length === 1, 10_000);
    await world.clock.advance(1_000);
    alice.session.end({ status: 487 });
    await world.clock.until(() => callbacks.dice.length === 1, 10_000);
    expect(callbacks.asked[0]).toMatchObject({
      event: 'ice',
      version: 1,
      applicationKey: 'test-app',
      to: { type: 'sip', endpoint: 'bot' },
      domain: 'sip',
      originationType: 'sip',
      rdnis: '+46800',
    });
    expect(callbacks.dice).toMatchObject([{ result: 'N/A', reason: 'CANCEL' }]);
  });

  it('with connectStream: the stream server decides, as with a route', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    const destination = { type: 'websocket', endpoint: 'ws://127.0.0.1:7/' };
    callbacks.ice = () => ({
      action: { name: 'connectStream', destination, streamingOptions: { sampleRate: 8000 }, maxDuration: 3 },
    });
    const alice = await caller(control);
    await alice.call();
    expect(world.server.last.connect).toMatchObject({ applicationKey: 'test-app', to: 'bot' });
    alice.rtp.sayTone({ frequencyHz: 1_100 });
    await world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(toneShare(last(alice.rtp.heardPcm), 1_100)).toBeGreaterThan(0.9);
    expect(world.server.last.closedWith).toEqual({ code: 4001, reason: 'MAXDURATION' });
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'TIMEOUT', duration: 3 }]);
  });
});
