import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { createLog } from '../../gateway/log.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type CallbackServer, startCallbackServer } from '../support/callback-server.ts';
import { askHttp, basicHeaders, signedHeaders } from '../support/http-ask.ts';

/** Row 20: a gateway whose every secret bears a mark, and everything that it writes and shows at the finest level. */

const mark = 'hunter2';
const application = { key: 'app', secret: Buffer.from(`${mark}-application`).toString('base64') };
const digits = '0691375';

let app: CallbackServer;
let bot: Bot;
let gateway: Gateway;
let phone: Phone;
let nobody: string;
let logged = '';
let traced = '';
let events = '';
let following: Promise<void>;

/** Where nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  app = await startCallbackServer();
  bot = await startBot({ kind: 'echo' });
  nobody = `127.0.0.1:${await deadPort()}`;
  const query = `?token=${mark}-token&session=${mark}-odd`;
  const stream = (endpoint: string) => ({
    name: 'connectStream',
    destination: { type: 'Websocket', endpoint },
    authorization: `Bearer ${mark}-bearer`,
    callHeaders: [{ key: 'secret', value: `${mark}-header` }],
    streamingOptions: {
      tap: [{ endpoint: `ws://${nobody}/tap${query}`, authorization: `Bearer ${mark}-tap` }],
    },
  });
  gateway = await startGateway(
    defaultConfig({
      sip: {
        listen: ['udp:127.0.0.1:0'],
        auth: { users: [{ username: 'alice', password: `${mark}-password` }], required: true },
      },
      rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['pcmu'], srtp: 'optional' },
      http: { listen: '127.0.0.1:0' },
      media: { workers: 1 },
      applications: [
        {
          ...application,
          callbackUrl: `http://user:${mark}-userinfo@${new URL(app.url).host}/callback${query}`,
          fallbackUrl: `http://user:${mark}-fallback@${nobody}/callback${query}`,
        },
      ],
      trunks: [{ name: 'carrier', uri: `sip:${nobody}`, username: 'u', password: `${mark}-trunk` }],
      recording: { s3: { bucket: 'calls', accessKeyId: 'AKID', secretAccessKey: `${mark}-storage` } },
      routes: [
        { to: 'echo', action: stream(bot.url + query) },
        { to: 'nobody', action: stream(`ws://user:${mark}-inurl@${nobody}/${query}`) },
        {
          to: 'signed',
          action: {
            name: 'connectStream',
            destination: { type: 'Websocket', endpoint: bot.url },
            streamingOptions: { signing: { secret: `${mark}-signing`, in: 'query' } },
          },
        },
        { to: '*', application: application.key },
      ],
    } as never),
    {
      log: createLog({
        level: 'trace',
        pretty: false,
        destination: {
          write: (line) => {
            logged += line;
          },
        },
      }),
      traceSip: (block) => {
        traced += block;
      },
    },
  );
  phone = await createPhone({ address: '127.0.0.1' });
  const followed = await fetch(`http://${gateway.listening.http}/events`, {
    headers: basicHeaders(application),
  });
  following = (async () => {
    for await (const chunk of followed.body!.pipeThrough(new TextDecoderStream())) events += chunk;
  })();
});

afterAll(async () => {
  await phone?.close();
  await gateway?.close();
  await following;
  await Promise.all([bot?.close(), app?.close()]);
});

const ask = (
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = basicHeaders(application),
) =>
  askHttp(
    `http://${gateway.listening.http}`,
    method,
    path,
    body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body,
  );

it('no secret is written or shown anywhere', async () => {
  app.reply = ({ json }) => {
    const { event, to } = json as { event: string; to?: { endpoint: string } };
    if (event !== 'ice') return {};
    if (to?.endpoint === 'garbage') return { body: `{"action":{"name":"${mark}-garbage"` };
    const file = `http://${nobody}/${mark}-path.wav?sig=${mark}-file`;
    return {
      body: {
        instructions: [
          {
            name: 'startRecording',
            options: {
              destinationUrl: 's3://elsewhere/x.wav',
              credentials: `AKID:${mark}-recording:eu:north`,
            },
          },
          { name: 'sendDtmf', value: digits },
          { name: 'playFiles', ids: [file.replace(`/${mark}-path`, '/a')] },
        ],
        action: {
          name: 'connectStream',
          destination: { type: 'Websocket', endpoint: `ws://user:${mark}-answer@${nobody}/?key=${mark}-key` },
        },
      },
    };
  };
  const shown: string[] = [];
  const see = async (...args: Parameters<typeof ask>): Promise<void> => {
    shown.push((await ask(...args)).text);
  };
  const call = (user: string, more: object = {}) =>
    phone.placeCall({
      target: `sip:${user}@${gateway.listening.sip[0]!.replace('udp:', '')}`,
      user: 'alice',
      password: `${mark}-password`,
      codecs: ['pcmu'],
      recordSeconds: 0.1,
      durationMs: 300,
      ...more,
    });
  const talking = await call('echo', { dtmf: digits, durationMs: 2_000, srtp: 'required' });
  await expect
    .poll(async () => (await gateway.calls()).some(({ answeredAt }) => answeredAt !== undefined), {
      timeout: 10_000,
    })
    .toBe(true);
  await see('GET', '/calls');
  const outcomes = await Promise.all(
    ['nobody', 'signed', 'application', 'garbage'].map(
      async (user) => (await (await call(user)).ended).outcome,
    ),
  );
  expect(outcomes).toEqual(['refused', 'completed', 'refused', 'refused']);
  const named = await call(`signed:${mark}-called`, { from: `sip:alice:${mark}-from@127.0.0.1` });
  expect((await named.ended).outcome).toBe('completed');
  const wrong = await call('echo', { password: `${mark}-guess` });
  expect((await wrong.ended).outcome).toBe('refused');
  const { outcome, sipCallId } = await talking.ended;
  expect(outcome).toBe('completed');
  const callIds = [...new Set([...logged.matchAll(/"callId":"([^"]+)"/g)].map(([, callId]) => callId!))];
  expect(callIds.length).toBeGreaterThan(3);
  for (const callId of callIds) await see('GET', `/calls/${encodeURIComponent(callId)}/trace`);
  expect(shown.join('')).toContain(sipCallId);
  for (const path of ['/calls', '/metrics', '/', '/nothing']) await see('GET', path);
  for (const callId of callIds) await see('GET', `/calling/v1/calls/id/${encodeURIComponent(callId)}`);
  const path = '/calling/v1/callouts';
  const destination = { type: 'sip', endpoint: `sip:bob@${nobody};secret=${mark}` };
  await see(
    'POST',
    path,
    JSON.stringify({ method: 'ttsCallout', ttsCallout: { destination, secret: `${mark}-body` } }),
  );
  await see('POST', path, `{"method":"${mark}`);
  await see(
    'POST',
    path,
    JSON.stringify({ method: 'customCallout', customCallout: { ice: `{"a":"${mark}-inline` } }),
  );
  await see('GET', '/calls', undefined, { authorization: `Basic ${mark}` });
  await see('GET', '/calls', undefined, signedHeaders({ ...application, secret: 'AAAA' }, 'GET', '/calls'));
  await expect.poll(() => events, { timeout: 10_000 }).toContain('call.ended');

  // Digest responses, signatures, SRTP keys: nobody may repeat what was said.
  const said = {
    log: logged,
    'SIP trace': traced,
    events,
    'HTTP answers': shown.join('\n'),
  };
  const forbidden = [
    mark,
    Buffer.from(mark).toString('base64').slice(0, -2),
    application.secret,
    digits,
    ...digits.split('').map((digit) => `"digit":"${digit}"`),
    'Bearer ',
    'inline:P',
    'response="',
  ];
  for (const [where, text] of Object.entries(said)) {
    expect(text.length, where).toBeGreaterThan(500);
    for (const secret of forbidden) {
      const at = text.indexOf(secret);
      expect(at < 0 ? undefined : text.slice(Math.max(0, at - 300), at + 60), where).toBeUndefined();
    }
    expect(/inline:(?!\[)/.exec(text)?.[0], where).toBeUndefined();
  }
});
