import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toneLevel } from '../../codecs/goertzel.ts';
import { createTone } from '../../codecs/tones.ts';
import { systemClock } from '../../gateway/clock.ts';
import { defaultConfig, routeFromFlag } from '../../gateway/config.ts';
import { runConformance } from '../../gateway/conformance/conformance-run.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import { openWebSocket } from '../../gateway/media/websocket.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { type CallOptions, placeCall } from '../../gateway/phone/phone.ts';
import type { PhoneCall } from '../../gateway/phone/phone-call.ts';
import { ExampleProcess } from '../examples/example-process.ts';
import { answerHz, answerMs, type SpeechModel, startSpeechModel } from '../examples/speech-model.ts';

/** Each example as its own process, in a call over real sockets. `npm run build` first. */

const sampleRateHz = 8_000;
const processes: ExampleProcess[] = [];
const recognitions: number[] = [];
const recognizer = createServer((request, response) => {
  let sizeBytes = 0;
  request.on('data', (part: Buffer) => {
    sizeBytes += part.length;
  });
  request.on('end', () => {
    recognitions.push(sizeBytes);
    response.setHeader('content-type', 'application/json').end('{"text":"hello from the server"}');
  });
});
let models: Record<'general' | 'beta', SpeechModel>;
let examples: Record<
  'echo' | 'echo-bot' | 'ivr' | 'barge-in' | 'transcriber' | 'posting' | 'relay' | 'relay-beta',
  ExampleProcess
>;
let gateway: Gateway;

function start(file: string, env?: NodeJS.ProcessEnv, argv?: readonly string[]): ExampleProcess {
  const example = new ExampleProcess(file, env, argv);
  processes.push(example);
  return example;
}

beforeAll(async () => {
  await new Promise<void>((resolve) => recognizer.listen(0, '127.0.0.1', resolve));
  models = { general: await startSpeechModel('general'), beta: await startSpeechModel('beta') };
  const command = `"${process.execPath}" -e "let n=0;process.stdin.on('data',d=>n+=d.length).on('end',()=>console.log('a WAV of',n>16000?'speech':n))"`;
  examples = {
    echo: start('echo.mjs'),
    'echo-bot': start('echo-bot.mjs', {}, ['0']),
    ivr: start('ivr.mjs'),
    'barge-in': start('barge-in.mjs'),
    transcriber: start('transcriber.mjs', { STT_COMMAND: command }),
    posting: start('transcriber.mjs', {
      STT_URL: `http://127.0.0.1:${(recognizer.address() as AddressInfo).port}/recognize`,
    }),
    relay: start('realtime-relay.mjs', {
      REALTIME_URL: models.general.url,
      REALTIME_API_KEY: 'a key',
      GREET: '1',
    }),
    'relay-beta': start('realtime-relay.mjs', {
      REALTIME_URL: models.beta.url,
      REALTIME_BETA: '1',
      GREET: '1',
    }),
  };
  const routes = await Promise.all(
    Object.entries(examples).map(async ([name, example]) => routeFromFlag(`${name}=${await example.url()}`)),
  );
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0] },
      http: { listen: '127.0.0.1:0' },
      routes,
    }),
    {
      log: silentLog,
      createMediaPool: (settings) =>
        createInlineMediaPool({
          ...settings,
          clock: systemClock,
          network: systemNetwork,
          openStreamSocket: openWebSocket,
        }),
    },
  );
}, 30_000);

afterAll(async () => {
  await gateway?.close();
  await Promise.all(processes.map((example) => example.close()));
  await Promise.all(Object.values(models ?? {}).map((model) => model.close()));
  recognizer.closeAllConnections();
  await new Promise((resolve) => recognizer.close(resolve));
});

function call(to: keyof typeof examples, options: Partial<CallOptions> = {}): Promise<PhoneCall> {
  const target = `sip:${to}@${gateway.listening.sip[0]!.replace('udp:', '')}`;
  return placeCall({ target, address: '127.0.0.1', codecs: ['pcmu'], ...options });
}

/** Silence, a tone, silence. */
function speech(silenceMs: number, speechMs: number): NonNullable<CallOptions['play']> {
  const samples = (ms: number) => (ms * sampleRateHz) / 1_000;
  const pcm = new Int16Array(samples(silenceMs + speechMs));
  createTone(400, sampleRateHz, -12).fill(pcm, samples(silenceMs), samples(speechMs));
  return { pcm, sampleRateHz };
}

/** How long a tone was heard, in blocks of 20 ms. */
function toneMs(heard: Int16Array, frequencyHz: number, rateHz: number): number {
  const block = rateHz / 50;
  let blocks = 0;
  for (let at = 0; at + block <= heard.length; at += block)
    if (toneLevel(heard.subarray(at, at + block), rateHz, frequencyHz) > -25) blocks++;
  return blocks * 20;
}

describe.concurrent('the examples, each a process of its own in a real call', () => {
  it('echo greets, reports the greeting as heard, says back what it hears, and hangs up at 9', async () => {
    const phone = await call('echo', { playTone: { frequencyHz: 1_000, levelDbfs: -12 } });
    const greeted = await examples.echo.line(/^greeted for (\d+(?:\.\d+)?) ms$/);
    expect(Number(greeted[1])).toBe(500);
    // Half a second to hear oneself first.
    phone.sendDigits('w9');
    const { heard, heardRateHz, endedBy } = await phone.ended;
    expect(endedBy).toBe('farSide');
    expect(toneMs(heard, 1_000, heardRateHz)).toBeGreaterThan(0);
    await examples.echo.line(/^call over: /);
  });

  it('the echo without the library does the same with its bare hands', async () => {
    const phone = await call('echo-bot', {
      playTone: { frequencyHz: 1_000, levelDbfs: -12 },
      durationMs: 500,
    });
    const { heard, heardRateHz } = await phone.ended;
    expect(toneMs(heard, 1_000, heardRateHz)).toBeGreaterThan(0);
  });

  it('the menu follows digits, repeats a number and hangs up', async () => {
    const { ivr } = examples;
    const phone = await call('ivr');
    let over = false;
    phone.ended.then(() => {
      over = true;
    });
    // What is pressed before the menu listens is lost, as with any menu.
    const press = async (digits: string, until: RegExp) => {
      let seen = false;
      const found = ivr.line(until).then(() => {
        seen = true;
      });
      while (!seen && !over) {
        phone.sendDigits(digits);
        await Promise.race([found, phone.ended, new Promise((resolve) => setTimeout(resolve, 700))]);
      }
      await found;
    };
    await press('2', /^choice: 2$/);
    await press('12#', /^says (12)+$/);
    await press('9', /^choice: 9$/);
    expect(await phone.ended).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
  });

  it('the player stops when the caller speaks, knows what was heard, and goes on', async () => {
    const phone = await call('barge-in', { play: speech(700, 500) });
    const [, heardMs, droppedMs] = await examples['barge-in'].line(
      /^interrupted: (\d+) ms heard, (\d+) ms dropped$/,
    );
    expect(Number(heardMs)).toBeGreaterThan(100);
    // Not a sample was lost between what was heard and what was dropped.
    expect(Math.abs(Number(heardMs) + Number(droppedMs) - 8_000)).toBeLessThan(3);
    phone.hangUp();
    await phone.ended;
  });

  it.each([
    { to: 'transcriber' as const, said: /caller: a WAV of speech$/ },
    { to: 'posting' as const, said: /caller: hello from the server$/ },
  ])('the transcriber writes a line for each utterance: $to', async ({ to, said }) => {
    const phone = await call(to, { play: speech(300, 700) });
    await examples[to].line(said);
    phone.hangUp();
    const { heard, heardRateHz } = await phone.ended;
    expect(toneMs(heard, 400, heardRateHz)).toBe(0);
    if (to === 'posting') expect(recognitions[0]).toBeGreaterThan(16_000);
  });

  it.each([
    { to: 'relay' as const, vocabulary: 'general' as const },
    { to: 'relay-beta' as const, vocabulary: 'beta' as const },
  ])('the relay carries both sides, and cuts the model to what was heard: $vocabulary', async (row) => {
    const model = models[row.vocabulary];
    const phone = await call(row.to, { play: speech(900, 400) });
    const truncated = await model.event('conversation.item.truncate');
    expect(truncated).toMatchObject({ item_id: 'item_model', content_index: 0 });
    // The clear is done, so what the phone hears from now on is silence; two packets make sure that all has come.
    await new Promise((resolve) => setTimeout(resolve, 200));
    phone.hangUp();
    const { heard, heardRateHz } = await phone.ended;
    const audioEndMs = Number(truncated.audio_end_ms);
    expect(audioEndMs).toBeGreaterThan(100);
    expect(audioEndMs).toBeLessThan(answerMs);
    expect(Math.abs(toneMs(heard, answerHz, heardRateHz) - audioEndMs)).toBeLessThanOrEqual(60);
    expect(model.heardMs).toBeGreaterThan(500);
    const { session } = await model.event('session.update');
    if (row.vocabulary === 'beta') {
      expect(session).toMatchObject({ input_audio_format: 'pcm16', output_audio_format: 'pcm16' });
      expect(model.headers['openai-beta']).toBe('realtime=v1');
    } else {
      const format = { type: 'audio/pcm', rate: 24_000 };
      expect(session).toMatchObject({
        type: 'realtime',
        audio: { input: { format, turn_detection: { type: 'server_vad' } }, output: { format } },
      });
      expect(model.headers.authorization).toBe('Bearer a key');
    }
  });
});

describe('the examples', () => {
  it('keep every rule of the protocol', async () => {
    const timing = { talkMs: 20, settleMs: 20 };
    const judged = Object.entries(examples).map(async ([name, example]) => {
      const { results } = await runConformance({ url: await example.url(), timing });
      return [name, results.filter(({ outcome }) => outcome === 'fail')];
    });
    expect(Object.fromEntries(await Promise.all(judged))).toEqual(
      Object.fromEntries(Object.keys(examples).map((name) => [name, []])),
    );
  });
});
