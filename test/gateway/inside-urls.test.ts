import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type CallbackServer, startCallbackServer } from '../support/callback-server.ts';
import { askHttp, basicHeaders } from '../support/http-ask.ts';

/** Row 13: a gateway as it is delivered, and every place where somebody else may name a URL. Whatever connects to the
 *  trap was let inside. */

const application = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };

let trap: Server;
let caught: string[];
let app: CallbackServer;
let gateway: Gateway;
let caller: Phone;
let callee: Phone;
/** What the application says, by the user that was dialled. */
const answers = new Map<string, unknown>();

beforeAll(async () => {
  caught = [];
  trap = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      caught.push(bytes.toString('latin1').split('\r\n')[0]!);
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
    });
    caught.push('connected');
  });
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  app = await startCallbackServer();
  app.reply = ({ json }) => {
    const { event, to } = json as { event: string; to?: { endpoint: string } };
    return event === 'ice' ? { body: answers.get(to?.endpoint ?? '') ?? {} } : {};
  };
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['pcmu'] },
      http: { listen: '127.0.0.1:0' },
      media: { workers: 1 },
      applications: [{ ...application, callbackUrl: app.url }],
      routes: [{ to: '*', application: application.key }],
    }),
    { log: silentLog },
  );
  caller = await createPhone({ address: '127.0.0.1' });
  callee = await createPhone({ address: '127.0.0.1' });
  callee.answerCalls({ durationMs: 200, recordSeconds: 0.1 });
});

afterAll(async () => {
  await Promise.all([caller?.close(), callee?.close()]);
  await gateway?.close();
  await app?.close();
  trap?.close();
});

const port = () => (trap.address() as { port: number }).port;
/** Ways to write 127.0.0.1. */
const hosts = ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '[::ffff:127.0.0.1]', 'localhost'] as const;
const web = (at: number) => `http://${hosts[at % hosts.length]}:${port()}/a.wav`;
const ws = (at: number) => `ws://${hosts[at % hosts.length]}:${port()}/`;

const bob = () => `sip:bob@127.0.0.1:${callee.listening.port}`;
const stream = (endpoint: string, options: object = {}) => ({
  action: {
    name: 'connectStream',
    destination: { type: 'Websocket', endpoint },
    streamingOptions: options,
  },
});
const hangup = { name: 'hangup' };
const played = (...ids: string[]) => ({
  instructions: [{ name: 'answer' }, { name: 'playFiles', ids }],
  action: hangup,
});
const menu = (prompts: object) => ({
  action: { name: 'runMenu', menus: [{ id: 'main', repeats: 1, timeoutMills: 100, ...prompts }] },
});
const connectSip = (more: object) => ({
  action: { name: 'connectSip', destination: { endpoint: bob() }, ...more },
});

/** What an application may say, by the field that holds the URL. */
const said: Readonly<Record<string, (at: number) => unknown>> = {
  'connectStream.destination': (at) => stream(ws(at)),
  'connectStream.destination, audiosocket': (at) =>
    stream(ws(at).replace('ws:', 'tcp:'), { dialect: 'audiosocket' }),
  'connectStream.fallbackEndpoints': (at) => stream('ws://192.0.2.1:9/', { fallbackEndpoints: [ws(at)] }),
  'connectStream.tap': (at) => stream('ws://192.0.2.1:9/', { tap: [{ endpoint: ws(at) }] }),
  playFiles: (at) => played(web(at), `#href[${web(at + 1)}]`),
  'playFiles, behind another': (at) => played(`beep;#href[${web(at)}]`),
  'park.holdPrompt': (at) => ({ action: { name: 'park', holdPrompt: `#href[${web(at)}]`, maxDuration: 1 } }),
  'connectConf.moh': (at) => ({
    action: { name: 'connectConf', conferenceId: `room-${at}`, moh: `#href[${web(at)}]` },
  }),
  'runMenu.mainPrompt': (at) => menu({ mainPrompt: `#href[${web(at)}]` }),
  'runMenu.repeatPrompt': (at) => menu({ mainPrompt: 'beep', repeatPrompt: `#href[${web(at)}]` }),
  'connectSip.ringback': (at) => connectSip({ ringback: web(at) }),
  'connectSip.callStateUrl': (at) => connectSip({ callStateUrl: web(at) }),
};

/** What may come over the API. */
const asked: Readonly<Record<string, (at: number) => Record<string, unknown> & { method: string }>> = {
  'customCallout.ice': (at) => ({ method: 'customCallout', customCallout: { ice: web(at) } }),
  'customCallout.ace': (at) => ({
    method: 'customCallout',
    customCallout: { destination: { type: 'sip', endpoint: bob() }, ace: web(at) },
  }),
  'customCallout.pie': (at) => ({
    method: 'customCallout',
    customCallout: {
      destination: { type: 'sip', endpoint: bob() },
      pie: web(at),
      ace: JSON.stringify({
        action: { name: 'runMenu', menus: [{ id: 'main', repeats: 0, timeoutMills: 100 }] },
      }),
    },
  }),
  'conferenceCallout.mohClass': (at) => ({
    method: 'conferenceCallout',
    conferenceCallout: {
      destination: { type: 'sip', endpoint: bob() },
      conferenceId: 'waiting',
      mohClass: `#href[${web(at)}]`,
    },
  }),
  'ttsCallout.prompts': (at) => ({
    method: 'ttsCallout',
    ttsCallout: { destination: { type: 'sip', endpoint: bob() }, prompts: `#href[${web(at)}]` },
  }),
};

async function refusals(): Promise<string> {
  const { text } = await askHttp(
    `http://${gateway.listening.http}`,
    'GET',
    '/metrics',
    basicHeaders(application),
  );
  return text
    .split('\n')
    .filter((line) => /^callwire_refused_total/.test(line))
    .join('\n');
}

describe('an address inside that somebody else names is not connected to', () => {
  it('whatever an application answers', async () => {
    const calls = Object.entries(said).flatMap(([field, make]) =>
      hosts.map((_, at) => {
        const user = `u${answers.size}`;
        answers.set(user, make(at));
        return { field, user };
      }),
    );
    const outcomes = await Promise.all(
      calls.map(async ({ field, user }) => {
        const placed = await caller.placeCall({
          target: `sip:${user}@${gateway.listening.sip[0]!.replace('udp:', '')}`,
          codecs: ['pcmu'],
          durationMs: 300,
          recordSeconds: 0.1,
        });
        const { outcome } = await placed.ended;
        return `${field}: ${outcome}`;
      }),
    );
    // Refused before any server was tried, or played to nobody.
    const streams = outcomes.filter((text) => text.startsWith('connectStream'));
    expect(new Set(streams.map((text) => text.split(': ')[1]))).toEqual(new Set(['refused']));
    expect(outcomes.filter((text) => !/refused|completed/.test(text))).toEqual([]);
    expect(caught).toEqual([]);
    const text = await refusals();
    for (const code of ['audio-forbidden', 'callback-refused', 'endpoint-refused'])
      expect(text).toContain(code);
  });

  it('whatever is asked over the API', async () => {
    const ended: string[] = [];
    callee.answerCalls({ durationMs: 300, recordSeconds: 0.1, ended: ({ outcome }) => ended.push(outcome) });
    const statuses = await Promise.all(
      Object.values(asked).flatMap((make) =>
        hosts.map(async (_, at) => {
          const body = JSON.stringify(make(at));
          const headers = { ...basicHeaders(application), 'content-type': 'application/json' };
          const base = `http://${gateway.listening.http}`;
          return (await askHttp(base, 'POST', '/calling/v1/callouts', headers, body)).status;
        }),
      ),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    while (gateway.activeCalls > 0) await new Promise((resume) => setTimeout(resume, 20));
    expect(ended.length).toBeGreaterThan(0);
    expect(caught).toEqual([]);
  });

  it('nor by a call that is changed', async () => {
    answers.set('parked', { action: { name: 'park', holdPrompt: 'silence', maxDuration: 20 } });
    const { callId, placed } = await talking('parked');
    const base = `http://${gateway.listening.http}`;
    const headers = { ...basicHeaders(application), 'content-type': 'application/json' };
    for (const [at, svaml] of [played(web(0)), played(web(4)), stream(ws(1)), stream(ws(3))].entries()) {
      const body = JSON.stringify(at < 2 ? { ...svaml, action: { name: 'continue' } } : svaml);
      const { status } = await askHttp(base, 'PATCH', `/calling/v1/calls/id/${callId}`, headers, body);
      expect([204, 404, 409]).toContain(status);
      await new Promise((resume) => setTimeout(resume, 50));
    }
    placed.hangUp();
    await placed.ended;
    expect(caught).toEqual([]);
  });
});

async function talking(user: string) {
  const placed = await caller.placeCall({
    target: `sip:${user}@${gateway.listening.sip[0]!.replace('udp:', '')}`,
    codecs: ['pcmu'],
    recordSeconds: 0.1,
  });
  let found: string | undefined;
  while (found === undefined) {
    await new Promise((resume) => setTimeout(resume, 20));
    found = (await gateway.calls()).find(({ answeredAt }) => answeredAt !== undefined)?.callId;
  }
  return { callId: found, placed };
}
