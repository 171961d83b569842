import { SinchClient, Voice, VoiceCallbackWebhooks } from '@sinch/sdk-core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Callbacks, createCallbacks } from '../../../gateway/callbacks/callbacks.ts';
import { systemClock } from '../../../gateway/clock.ts';
import { defaultConfig } from '../../../gateway/config.ts';
import { type HttpServer, startHttpServer } from '../../../gateway/control/http-server.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createMetrics } from '../../../gateway/metrics.ts';
import { createEndpointGuard } from '../../../gateway/routing/endpoint-guard.ts';
import { checkSvaml } from '../../../protocol/svaml/svaml.ts';
import { type CallbackServer, startCallbackServer } from '../../support/callback-server.ts';
import { type FakeCallControl, fakeCallControl } from './fake-call-control.ts';

/** The SDK that is published for the Voice API v1, as it is, against this gateway. */

const application = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };

let control: FakeCallControl;
let server: HttpServer;
let sdk: SinchClient;

beforeEach(async () => {
  // It reports each refusal there.
  vi.spyOn(console, 'debug').mockImplementation(() => {});
  control = fakeCallControl();
  server = await startHttpServer({
    listen: { address: '127.0.0.1', port: 0 },
    applications: [application],
    view: { calls: async () => [], hangup: () => false, drain: () => {}, state: () => 'ready' },
    control,
    metrics: createMetrics(),
    log: silentLog,
  });
  sdk = new SinchClient({
    applicationKey: application.key,
    applicationSecret: application.secret,
    voiceHostname: server.url,
  });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await server.close();
});

const destination = { type: 'number', endpoint: '+46701234567' } as const;

describe('the published SDK', () => {
  test('calls out: text to speech', async () => {
    const answer = await sdk.voice.callouts.tts({
      ttsCalloutRequestBody: {
        method: 'ttsCallout',
        ttsCallout: {
          destination,
          cli: '+46700000000',
          locale: 'sv-SE',
          text: 'Hej',
          dtmf: 'w1#',
          enableAce: true,
          enableDice: true,
          domain: 'pstn',
          custom: 'mine',
        },
      },
    });
    expect(answer).toEqual({ callId: 'call-1' });
    expect(control.callouts[0]).toMatchObject({
      method: 'ttsCallout',
      destination,
      text: 'Hej',
      locale: 'sv-SE',
      enableAce: true,
      enablePie: false,
      maxDuration: 14_400,
    });
  });

  test('calls out: into a conference, twice over two of its methods', async () => {
    const data: Voice.ConferenceCalloutRequestData = {
      conferenceCalloutRequestBody: {
        method: 'conferenceCallout',
        conferenceCallout: {
          destination: { type: 'sip', endpoint: 'bob@127.0.0.1:5070' },
          conferenceId: 'room 1',
          conferenceDtmfOptions: { mode: 'forward', maxDigits: 2, timeoutMills: 2_500 },
          greeting: 'Welcome',
          mohClass: 'music1',
          maxDuration: 60,
        },
      },
    };
    expect(await sdk.voice.callouts.conference(data)).toEqual({ callId: 'call-1' });
    expect(await sdk.voice.conferences.call(data)).toEqual({ callId: 'call-2' });
    expect(control.callouts[1]).toMatchObject({
      destination: { type: 'sip', endpoint: 'sip:bob@127.0.0.1:5070' },
      conferenceId: 'room 1',
      conferenceDtmfOptions: { mode: 'forward' },
    });
  });

  test('calls out: as its SVAML says', async () => {
    const { customCalloutHelper, iceActionHelper, aceActionHelper, pieActionHelper } = Voice;
    const stream = { destination: { type: 'Websocket', endpoint: 'ws://127.0.0.1:9000/' } };
    const answer = await sdk.voice.callouts.custom({
      customCalloutRequestBody: {
        method: 'customCallout',
        customCallout: {
          ice: customCalloutHelper.formatIceResponse(iceActionHelper.connectStream(stream)),
          ace: customCalloutHelper.formatAceResponse(aceActionHelper.connectConf({ conferenceId: 'room' })),
          pie: customCalloutHelper.formatPieResponse(pieActionHelper.hangup()),
        },
      },
    });
    expect(answer).toEqual({ callId: 'call-1' });
    expect(control.callouts[0]).toMatchObject({
      ice: { kind: 'svaml', svaml: { action: { name: 'connectStream', maxDuration: 14_400 } } },
      ace: { kind: 'svaml', svaml: { action: { name: 'connectConf', conferenceId: 'room' } } },
      pie: { kind: 'svaml', svaml: { action: { name: 'hangup' } } },
    });
  });

  test('reads and changes a call', async () => {
    await sdk.voice.callouts.custom({
      customCalloutRequestBody: { method: 'customCallout', customCallout: { destination } },
    });
    const call = await sdk.voice.calls.get({ callId: 'call-1' });
    expect(call).toMatchObject({
      callId: 'call-1',
      from: { type: 'number', endpoint: '+4670' },
      to: { type: 'sip', endpoint: 'sip:bob@127.0.0.1' },
      duration: 12,
      status: 'ONGOING',
      result: 'N/A',
    });
    expect(new Date(call.timestamp ?? '').getFullYear()).toBe(2026);

    await sdk.voice.calls.update({
      callId: 'call-1',
      updateCallRequestBody: {
        instructions: [Voice.svamlInstructionHelper.buildSay('Bye', 'en-GB')],
        action: Voice.svamlActionHelper.buildHangup(),
      },
    });
    await sdk.voice.calls.manageWithCallLeg({
      callId: 'call-1',
      callLeg: 'both',
      manageWithCallLegRequestBody: {
        instructions: [Voice.svamlInstructionHelper.buildPlayFiles(['#href[https://a.example/x.wav]'])],
        action: Voice.svamlActionHelper.buildContinue(),
      },
    });
    expect(control.asked.slice(1)).toEqual([
      ['modify', 'call-1', undefined],
      ['modify', 'call-1', 'both'],
    ]);
    expect(control.modified[0]).toEqual({
      instructions: [{ name: 'say', text: 'Bye', locale: 'en-GB' }],
      action: { name: 'hangup' },
    });
  });

  test('reads and changes a conference', async () => {
    for (const conferenceId of ['room', 'room', 'room']) {
      await sdk.voice.callouts.conference({
        conferenceCalloutRequestBody: {
          method: 'conferenceCallout',
          conferenceCallout: { destination, conferenceId },
        },
      });
    }
    const { participants = [] } = await sdk.voice.conferences.get({ conferenceId: 'room' });
    expect(participants.map(({ id }) => id)).toEqual(['call-1', 'call-2', 'call-3']);
    for (const command of ['mute', 'unmute', 'onhold', 'resume'] as const) {
      await sdk.voice.conferences.manageParticipant({
        conferenceId: 'room',
        callId: 'call-1',
        manageParticipantRequestBody: { command, ...(command === 'onhold' && { moh: 'music2' }) },
      });
    }
    await sdk.voice.conferences.kickParticipant({ conferenceId: 'room', callId: 'call-2' });
    await sdk.voice.conferences.kickAll({ conferenceId: 'room' });
    expect(control.asked.slice(3)).toEqual([
      ['command', 'room', 'call-1', 'mute', undefined],
      ['command', 'room', 'call-1', 'unmute', undefined],
      ['command', 'room', 'call-1', 'onhold', 'music2'],
      ['command', 'room', 'call-1', 'resume', undefined],
      ['kick', 'room', 'call-2'],
      ['kick', 'room', 'call-1', 'call-3'],
    ]);
    await expect(sdk.voice.conferences.get({ conferenceId: 'room' })).rejects.toMatchObject({
      statusCode: 404,
    });
  });

  test('hears what is wrong', async () => {
    const failure = await sdk.voice.callouts
      .tts({ ttsCalloutRequestBody: { method: 'ttsCallout', ttsCallout: { destination, text: '' } } })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ statusCode: 400 });
    expect(String((failure as { data?: unknown }).data ?? failure)).toContain('ttsCallout.text');
    const stranger = new SinchClient({
      applicationKey: application.key,
      applicationSecret: 'AAAAAAAAAAAAAAAA',
      voiceHostname: server.url,
    });
    await expect(stranger.voice.calls.get({ callId: 'call-1' })).rejects.toMatchObject({ statusCode: 401 });
  });
});

describe('callbacks, as the published SDK sees them', () => {
  let app: CallbackServer;
  let callbacks: Callbacks;

  beforeEach(async () => {
    app = await startCallbackServer();
    const config = defaultConfig({ applications: [{ ...application, callbackUrl: app.url }] });
    callbacks = createCallbacks({
      applications: config.applications,
      limits: config.callbacks,
      clock: systemClock,
      log: silentLog,
      guard: createEndpointGuard({ allow: [], denyPrivate: true, kind: 'web' }),
      counted: () => {},
    });
  });

  afterEach(async () => {
    await callbacks.close();
    await app.close();
  });

  test('are signed, understood, and answered by its helpers', async () => {
    const { iceActionHelper, iceInstructionHelper } = Voice;
    const webhooks = new VoiceCallbackWebhooks({
      applicationKey: application.key,
      applicationSecret: application.secret,
    });
    const valid: boolean[] = [];
    const events: unknown[] = [];
    app.reply = ({ headers, body, path, method }) => {
      valid.push(webhooks.validateAuthenticationHeader(headers, body, path, method));
      valid.push(!webhooks.validateAuthenticationHeader(headers, `${body} `, path, method));
      events.push(webhooks.parseEvent(body));
      const svaml = new Voice.IceSvamletBuilder()
        .addInstruction(iceInstructionHelper.answer())
        .addInstruction(iceInstructionHelper.setCookie('visit', '1'))
        .setAction(iceActionHelper.connectConf({ conferenceId: 'room', moh: 'ring' }))
        .build();
      return { body: svaml };
    };
    const about = {
      callid: 'call-1',
      timestamp: '2026-01-02T03:04:05.678Z',
      version: 1,
      applicationKey: 'app',
    } as const;
    const answer = await callbacks.ask('app', {
      event: 'ice',
      ...about,
      cli: '+4670',
      to: { type: 'number', endpoint: '+4671' },
      domain: 'sip',
      originationType: 'sip',
    });
    expect(answer).toMatchObject({
      kind: 'svaml',
      svaml: {
        instructions: [{ name: 'answer' }, { name: 'setCookie', key: 'visit', value: '1' }],
        action: {
          name: 'connectConf',
          conferenceId: 'room',
          moh: 'ring',
          conferenceDtmfOptions: { mode: 'ignore' },
        },
      },
    });
    callbacks.tell('app', {
      event: 'dice',
      ...about,
      result: 'ANSWERED',
      reason: 'CALLERHANGUP',
      duration: 3,
    });
    await app.received(2);
    expect(valid).toEqual([true, true, true, true]);
    expect(events).toMatchObject([
      { event: 'ice', callid: 'call-1', timestamp: new Date(about.timestamp) },
      { event: 'dice', reason: 'CALLERHANGUP' },
    ]);
  });

  test.each(allHelpers())('%s, made by its helper, is understood', (name, part, made) => {
    const svaml = checkSvaml(part === 'action' ? { action: made } : { instructions: [made] });
    expect(part === 'action' ? svaml.action?.name : svaml.instructions[0]?.name).toBe(name);
  });
});

/** An action and an instruction of each kind that it can make, but for `connectMxp`, which needs its own clients. */
function allHelpers(): [string, 'action' | 'instruction', object][] {
  const { svamlActionHelper: action, svamlInstructionHelper: instruction } = Voice;
  const callHeaders = [{ key: 'ticket', value: '4815' }];
  return [
    ['connectConf', 'action', action.buildConnectConf({ conferenceId: 'room', moh: 'music3' })],
    [
      'connectPstn',
      'action',
      action.buildConnectPstn({
        number: '+46701234567',
        locale: 'en-US',
        maxDuration: 3_600,
        dialTimeout: 30,
        cli: '+46700000000',
        suppressCallbacks: true,
        dtmf: 'ww1234#w#',
        indications: 'se',
        amd: { enabled: false },
      }),
    ],
    [
      'connectSip',
      'action',
      action.buildConnectSip({
        destination: { type: 'sip', endpoint: 'sip:bob@example.com' },
        maxDuration: 60,
        cli: 'private',
        transport: 'TLS',
        suppressCallbacks: false,
        callHeaders,
        moh: 'ring',
      }),
    ],
    [
      'connectStream',
      'action',
      action.buildConnectStream({
        destination: { type: 'websocket', endpoint: 'wss://bot.example/' },
        streamingOptions: { version: 1, sampleRate: 44_100 },
        maxDuration: 60,
        callHeaders,
      }),
    ],
    ['continue', 'action', action.buildContinue()],
    ['hangup', 'action', action.buildHangup()],
    [
      'park',
      'action',
      action.buildPark({
        locale: 'en-US',
        introPrompt: '#tts[Wait]',
        holdPrompt: '#tts[Still]',
        maxDuration: 60,
      }),
    ],
    [
      'runMenu',
      'action',
      action.buildRunMenu({
        barge: true,
        locale: 'en-US',
        mainMenu: 'main',
        enableVoice: false,
        menus: [
          {
            id: 'main',
            mainPrompt: '#tts[Press 1 or 2]',
            repeatPrompt: '#tts[Again]',
            repeats: 3,
            maxDigits: 1,
            timeoutMills: 5_000,
            options: [
              { dtmf: '1', action: 'menu(sub)' },
              { dtmf: '2', action: 'return(cancel)' },
            ],
          },
          { id: 'sub', mainPrompt: '#tts[Four digits]', maxDigits: 4 },
        ],
      }),
    ],
    ['answer', 'instruction', instruction.buildAnswer()],
    [
      'playFiles',
      'instruction',
      instruction.buildPlayFiles(['#tts[Hello]', '#href[https://a.example/x.mp3]'], 'en-US'),
    ],
    ['say', 'instruction', instruction.buildSay('Hello', 'Emma')],
    ['sendDtmf', 'instruction', instruction.buildSendDtmf('ww1234#w#')],
    ['setCookie', 'instruction', instruction.buildSetCookie('a', 'b')],
    [
      'startRecording',
      'instruction',
      instruction.buildStartRecording({
        destinationUrl: 's3://bucket/calls/',
        credentials: 'AKIA:secret:eu-north-1',
        format: 'wav',
        notificationEvents: true,
        transcriptionOptions: { enabled: false },
      }),
    ],
    ['stopRecording', 'instruction', instruction.buildStopRecording()],
  ];
}
