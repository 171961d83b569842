import { SinchClient, Voice, VoiceCallbackWebhooks } from '@sinch/sdk-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { toneLevel } from '../../codecs/goertzel.ts';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type CallbackServer, startCallbackServer } from '../support/callback-server.ts';

/** The published SDK against a running gateway, with real phones, a real bot and a real application. */

const application = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };

let app: CallbackServer;
let bot: Bot;
let gateway: Gateway;
let callee: Phone;
let caller: Phone;
let sdk: SinchClient;
/** Of every callback, as the SDK's own validator sees it. */
let valid: boolean[];
/** All that `/events` has sent. */
let events = '';
let following: Promise<void>;

const sipUri = (phone: Phone) => `sip:bob@127.0.0.1:${phone.listening.port}`;

beforeAll(async () => {
  vi.spyOn(console, 'debug').mockImplementation(() => {});
  valid = [];
  app = await startCallbackServer();
  bot = await startBot({ kind: 'tone', toneHz: 1_000 });
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['pcmu'] },
      http: { listen: '127.0.0.1:0' },
      media: { workers: 1 },
      applications: [{ ...application, callbackUrl: app.url }],
      routes: [{ to: '*', application: application.key }],
      stream: { endpoints: { allow: ['ws://127.0.0.1:*'] } },
    }),
    { log: silentLog },
  );
  callee = await createPhone({ address: '127.0.0.1' });
  caller = await createPhone({ address: '127.0.0.1' });
  sdk = new SinchClient({
    applicationKey: application.key,
    applicationSecret: application.secret,
    voiceHostname: `http://${gateway.listening.http}`,
  });
  const basic = Buffer.from(`${application.key}:${application.secret}`).toString('base64');
  const stream = await fetch(`http://${gateway.listening.http}/events`, {
    headers: { authorization: `Basic ${basic}` },
  });
  following = (async () => {
    for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) events += chunk;
  })();
  const webhooks = new VoiceCallbackWebhooks({
    applicationKey: application.key,
    applicationSecret: application.secret,
  });
  const { iceActionHelper } = Voice;
  app.reply = ({ headers, body, path, method }) => {
    valid.push(webhooks.validateAuthenticationHeader(headers, body, path, method));
    const event = webhooks.parseEvent(body);
    if (event.event !== 'ice') return {};
    const destination = { type: 'Websocket', endpoint: bot.url };
    return {
      body: new Voice.IceSvamletBuilder()
        .setAction(iceActionHelper.connectStream({ destination, streamingOptions: { sampleRate: 16_000 } }))
        .build(),
    };
  };
});

afterAll(async () => {
  await Promise.all([caller?.close(), callee?.close()]);
  await gateway?.close();
  await following;
  await Promise.all([bot?.close(), app?.close()]);
  vi.restoreAllMocks();
});

/** The callbacks so far of one kind about one call. */
const told = (event: string, callId: string | undefined) =>
  app.requests.filter(({ json }) => json.event === event && json.callid === callId);

/** Types of the events of one call, from what `/events` has sent so far. */
const happened = (callId: unknown) =>
  [...events.matchAll(/^event: (.*)\ndata: (.*)$/gm)]
    .filter(([, , data]) => (JSON.parse(data!) as { callId: string }).callId === callId)
    .map(([, type]) => type);

test('an answer made with its helpers is obeyed: the caller hears the bot, and a DICE tells the end', async () => {
  const call = await caller.placeCall({
    target: `sip:anybody@${gateway.listening.sip[0]!.replace('udp:', '')}`,
    codecs: ['pcmu'],
    durationMs: 400,
  });
  const result = await call.ended;
  expect(result).toMatchObject({ outcome: 'completed', status: 200 });
  expect(toneLevel(result.heard.subarray(-1_600), result.heardRateHz, 1_000)).toBeGreaterThan(-30);
  const [ice] = app.requests;
  expect(ice?.json).toMatchObject({
    event: 'ice',
    to: { endpoint: 'anybody' },
    applicationKey: 'app',
    version: 1,
  });
  await expect.poll(() => told('dice', ice?.json.callid as string).length).toBe(1);
  expect(told('dice', ice?.json.callid as string)[0]?.json).toMatchObject({
    result: 'ANSWERED',
    reason: 'CALLERHANGUP',
  });
  await expect
    .poll(() => happened(ice?.json.callid))
    .toEqual(expect.arrayContaining(['call.started', 'call.answered', 'call.ended']));
});

test('two phones are called into a room, seen there, muted, and put out', async () => {
  callee.answerCalls({ codecs: ['pcmu'], durationMs: 30_000 });
  const callIn = async () => {
    const { callId } = await sdk.voice.callouts.conference({
      conferenceCalloutRequestBody: {
        method: 'conferenceCallout',
        conferenceCallout: {
          destination: { type: 'sip', endpoint: sipUri(callee) },
          conferenceId: 'room',
          enableDice: true,
        },
      },
    });
    return callId!;
  };
  const first = await callIn();
  const second = await callIn();
  const members = async () => {
    const { participants = [] } = await sdk.voice.conferences.get({ conferenceId: 'room' });
    return participants.map(({ id, muted, onhold }) => ({ id, muted, onhold }));
  };
  await expect.poll(() => members().catch(() => [])).toHaveLength(2);
  const command = (callId: string, name: string) =>
    sdk.voice.conferences.manageParticipant({
      conferenceId: 'room',
      callId,
      manageParticipantRequestBody: { command: name },
    });
  await command(first, 'mute');
  await command(second, 'onhold');
  expect(await members()).toEqual([
    { id: first, muted: true, onhold: false },
    { id: second, muted: false, onhold: true },
  ]);
  await command(first, 'unmute');
  await command(second, 'resume');
  expect((await members()).every(({ muted, onhold }) => !muted && !onhold)).toBe(true);

  expect(await sdk.voice.calls.get({ callId: first })).toMatchObject({ callId: first, status: 'ONGOING' });
  await sdk.voice.conferences.kickParticipant({ conferenceId: 'room', callId: first });
  await expect.poll(members).toHaveLength(1);
  await sdk.voice.conferences.kickAll({ conferenceId: 'room' });
  for (const callId of [first, second]) {
    await expect.poll(() => told('dice', callId).length).toBe(1);
    await expect.poll(async () => (await sdk.voice.calls.get({ callId })).status).toBe('FINAL');
  }
});

test('a phone is called as inline SVAML says, goes on with other SVAML, and is hung up', async () => {
  callee.answerCalls({ codecs: ['pcmu'], durationMs: 30_000 });
  const { callId = '' } = await sdk.voice.callouts.custom({
    customCalloutRequestBody: {
      method: 'customCallout',
      customCallout: {
        destination: { type: 'sip', endpoint: sipUri(callee) },
        custom: 'mine',
        ace: Voice.customCalloutHelper.formatAceResponse(
          Voice.aceActionHelper.connectConf({ conferenceId: 'lobby' }),
        ),
      },
    },
  });
  const lobby = () => sdk.voice.conferences.get({ conferenceId: 'lobby' }).catch(() => undefined);
  await expect.poll(async () => (await lobby())?.participants?.length).toBe(1);
  await sdk.voice.calls.update({
    callId,
    updateCallRequestBody: { action: Voice.svamlActionHelper.buildPark({ maxDuration: 60 }) },
  });
  await expect.poll(lobby).toBeUndefined();
  await sdk.voice.calls.manageWithCallLeg({
    callId,
    callLeg: 'caller',
    manageWithCallLegRequestBody: { action: Voice.svamlActionHelper.buildHangup() },
  });
  await expect.poll(() => told('dice', callId).length).toBe(1);
  expect(told('dice', callId)[0]?.json).toMatchObject({ custom: 'mine', result: 'ANSWERED' });
  expect(await sdk.voice.calls.get({ callId })).toMatchObject({ status: 'FINAL', result: 'ANSWERED' });
});

test('a phone is called and told something; without a voice that ends in a DICE', async () => {
  callee.answerCalls({ codecs: ['pcmu'], durationMs: 30_000 });
  const { callId = '' } = await sdk.voice.callouts.tts({
    ttsCalloutRequestBody: {
      method: 'ttsCallout',
      ttsCallout: { destination: { type: 'sip', endpoint: sipUri(callee) }, text: 'Hello', enableDice: true },
    },
  });
  await expect.poll(() => told('dice', callId).length).toBe(1);
});

test('every callback was signed as its validator wants it', () => {
  expect(valid.length).toBeGreaterThan(5);
  expect(valid.every((each) => each)).toBe(true);
});
