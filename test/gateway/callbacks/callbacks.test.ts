import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createCertificate } from '../../../bench/certificate.ts';
import type { DiceMessage, IceMessage } from '../../../gateway/callbacks/callback-messages.ts';
import { type Callbacks, createCallbacks } from '../../../gateway/callbacks/callbacks.ts';
import type { PostAnswer, PostRequest } from '../../../gateway/callbacks/json-post.ts';
import { systemClock } from '../../../gateway/clock.ts';
import { type ConfigInput, defaultConfig } from '../../../gateway/config.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createEndpointGuard, type EndpointGuard } from '../../../gateway/routing/endpoint-guard.ts';
import { checkSignature, parseAuthorization } from '../../../protocol/signing.ts';
import { type CallbackServer, startCallbackServer } from '../../support/callback-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const secret = 'c2VjcmV0LXNlY3JldA==';
const hangup = { action: { name: 'hangup' } };
const ice: IceMessage = {
  event: 'ice',
  callid: 'call-1',
  timestamp: '2026-01-02T03:04:05.678Z',
  version: 1,
  applicationKey: 'app',
  cli: 'alice',
  to: { type: 'sip', endpoint: 'bob' },
  domain: 'sip',
  originationType: 'sip',
};
const dice: DiceMessage = {
  event: 'dice',
  callid: 'call-1',
  timestamp: '2026-01-02T03:04:05.678Z',
  version: 1,
  applicationKey: 'app',
  result: 'ANSWERED',
  reason: 'CALLERHANGUP',
  duration: 12,
};

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function server(port?: number): Promise<CallbackServer> {
  const started = await startCallbackServer(port);
  open.push(started);
  return started;
}

interface Given {
  readonly application?: { callbackUrl?: string; fallbackUrl?: string; callbackTimeoutMs?: number };
  readonly limits?: NonNullable<ConfigInput['callbacks']>;
  readonly allow?: string[];
  readonly guard?: EndpointGuard;
}

function callbacksOf({ application = {}, limits = {}, allow = [], guard }: Given) {
  const config = defaultConfig({ applications: [{ key: 'app', secret, ...application }], callbacks: limits });
  const counted: string[] = [];
  const callbacks: Callbacks = createCallbacks({
    applications: config.applications,
    limits: config.callbacks,
    clock: systemClock,
    log: silentLog,
    guard: guard ?? createEndpointGuard({ allow, denyPrivate: true, kind: 'web' }),
    counted: (code) => counted.push(code),
    closeMs: 150,
  });
  open.push(callbacks);
  return { callbacks, counted };
}

describe('a question', () => {
  test('is a signed POST, and its answer is SVAML with every default', async () => {
    const app = await server();
    app.reply = () => ({ body: { instructions: [{ name: 'answer' }], ...hangup } });
    const { callbacks, counted } = callbacksOf({ application: { callbackUrl: `${app.url}?a=b` } });
    expect(await callbacks.ask('app', ice)).toEqual({
      kind: 'svaml',
      svaml: { instructions: [{ name: 'answer' }], action: { name: 'hangup' } },
      trusted: false,
    });
    const { method, path, headers, body, json } = app.requests[0]!;
    expect([method, path, json]).toEqual(['POST', '/callback?a=b', ice]);
    const { key, signature } = parseAuthorization(headers.authorization!)!;
    expect(key).toBe('app');
    checkSignature(
      {
        method,
        path,
        contentType: headers['content-type']!,
        body: Buffer.from(body),
        timestamp: headers['x-timestamp'] as string,
      },
      signature,
      secret,
      Date.now(),
    );
    expect(counted).toEqual([]);
  });

  test('goes over connections that are kept', async () => {
    const app = await server();
    app.reply = () => ({ body: hangup });
    const { callbacks } = callbacksOf({ application: { callbackUrl: app.url } });
    for (let i = 0; i < 5; i++) await callbacks.ask('app', ice);
    expect([app.requests.length, app.connections]).toEqual([5, 1]);
  });

  test('is asked again where the server closed the kept connection meanwhile', async () => {
    const app = await server();
    app.reply = ({ connection }) => {
      if (connection === 1 && app.requests.length > 1) return (response) => void response.socket?.destroy();
      return { body: hangup };
    };
    const { callbacks, counted } = callbacksOf({ application: { callbackUrl: app.url } });
    await callbacks.ask('app', ice);
    expect(await callbacks.ask('app', ice)).toMatchObject({ kind: 'svaml' });
    expect([app.connections, counted]).toEqual([2, []]);
  });

  const answers: { what: string; reply: CallbackServer['reply']; code: string; detail: string }[] = [
    { what: 'HTTP 500', reply: () => ({ status: 500 }), code: 'callback-failed', detail: 'HTTP 500' },
    {
      what: 'a redirect',
      reply: () => ({ status: 302, headers: { Location: '/x' } }),
      code: 'callback-failed',
      detail: 'HTTP 302',
    },
    {
      what: 'nothing',
      reply: () => ({ body: '' }),
      code: 'callback-invalid',
      detail: 'action is missing in the answer to an ICE',
    },
    {
      what: 'garbage',
      reply: () => ({ body: '<html>' }),
      code: 'callback-invalid',
      detail: 'the answer is no JSON (6 bytes)',
    },
    {
      what: 'bad UTF-8',
      reply: () => ({ body: Buffer.from([0x7b, 0xff, 0x7d]) }),
      code: 'callback-invalid',
      detail: 'the answer is no JSON',
    },
    {
      what: 'an unknown action',
      reply: () => ({ body: { action: { name: 'connectSipp' } } }),
      code: 'callback-invalid',
      detail: 'action.name must be one of',
    },
    {
      what: 'a bad field',
      reply: () => ({ body: { action: { name: 'park', maxDuration: 0 } } }),
      code: 'callback-invalid',
      detail: 'action.maxDuration must be a whole number from 1 to 14400, got 0',
    },
    {
      what: '1 MB',
      reply: () => ({ body: 'x'.repeat(1_000_000) }),
      code: 'callback-too-large',
      detail: 'an answer of more than 65536 bytes',
    },
    {
      what: 'a reset',
      reply: () => (response) => void response.socket?.destroy(),
      code: 'callback-failed',
      detail: 'socket hang up',
    },
    {
      what: 'silence',
      reply: () => () => {},
      code: 'callback-timeout',
      detail: 'no whole answer within 150 ms',
    },
    {
      what: 'an answer that trickles',
      reply: () => (response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
      code: 'callback-timeout',
      detail: 'no whole answer within 150 ms',
    },
  ];

  test.each(answers)('answered with $what goes to the fallback URL', async ({ reply, code, detail }) => {
    const [app, fallback] = [await server(), await server()];
    app.reply = reply;
    fallback.reply = () => ({ body: hangup });
    const urls = { callbackUrl: app.url, callbackTimeoutMs: 150 };
    const both = callbacksOf({ application: { ...urls, fallbackUrl: fallback.url } });
    expect(await both.callbacks.ask('app', ice)).toMatchObject({ kind: 'svaml' });
    expect(both.counted).toEqual([code]);
    const one = callbacksOf({ application: urls });
    expect(await one.callbacks.ask('app', ice)).toEqual({
      kind: 'failed',
      detail: expect.stringContaining(`${app.url}: ${detail}`),
    });
  });

  test('that nobody can be asked has failed', async () => {
    const { callbacks } = callbacksOf({});
    expect(await callbacks.ask('app', ice)).toEqual({
      kind: 'failed',
      detail: 'the application has no callbackUrl',
    });
    expect(await callbacks.ask('b', ice)).toEqual({ kind: 'failed', detail: 'there is no application "b"' });
  });

  test('an ACE may be answered with nothing', async () => {
    const app = await server();
    app.reply = () => ({ status: 204, body: '' });
    const { callbacks } = callbacksOf({ application: { callbackUrl: app.url } });
    const { callid, timestamp, version, applicationKey } = ice;
    expect(
      await callbacks.ask('app', { event: 'ace', callid, timestamp, version, applicationKey }),
    ).toMatchObject({
      svaml: { instructions: [], action: undefined },
    });
  });

  test('to a URL of the API passes the guard, and only then the trusted fallback is asked', async () => {
    const [inside, fallback] = [await server(), await server()];
    fallback.reply = () => ({ body: hangup });
    const { callbacks, counted } = callbacksOf({
      application: { callbackUrl: inside.url, fallbackUrl: fallback.url },
    });
    expect(await callbacks.ask('app', ice, inside.url)).toMatchObject({ kind: 'svaml' });
    expect([inside.requests.length, fallback.requests.length, counted]).toEqual([0, 1, ['callback-refused']]);

    const allowing = callbacksOf({ allow: ['http://127.0.0.1:*'] });
    inside.reply = () => ({ body: hangup });
    expect(await allowing.callbacks.ask('app', ice, inside.url)).toMatchObject({ kind: 'svaml' });
  });

  test('goes to the address that was checked, whatever the name means by then', async () => {
    const app = await server();
    app.reply = () => ({ body: hangup });
    // Nobody else knows this name: asked again, there would be no answer.
    const guard = {
      approve: async () => ({ approved: true, address: '127.0.0.1' }) as const,
    };
    const { callbacks } = callbacksOf({ guard });
    const url = app.url.replace('127.0.0.1', 'rebinding.invalid');
    expect(await callbacks.ask('app', ice, url)).toMatchObject({ kind: 'svaml' });
    expect(app.requests[0]!.headers.host).toBe(new URL(url).host);
  });

  test('waits for a connection, but not in a line without end and not for ever', async () => {
    const app = await server();
    app.reply = () => () => {};
    const { callbacks, counted } = callbacksOf({
      application: { callbackUrl: app.url, callbackTimeoutMs: 200 },
      limits: { connections: 2, waiting: 3 },
    });
    const answers = await Promise.all(Array.from({ length: 7 }, () => callbacks.ask('app', ice)));
    expect(answers.every(({ kind }) => kind === 'failed')).toBe(true);
    expect(app.connections).toBeLessThanOrEqual(5);
    const counts = (code: string) => counted.filter((each) => each === code).length;
    expect([counts('callback-overload'), counts('callback-timeout')]).toEqual([2, 5]);
  });
});

test('a thousand calls a minute whose application takes two seconds: all are answered, few at a time', async () => {
  const clock = new FakeClock();
  const config = defaultConfig({
    applications: [{ key: 'app', secret, callbackUrl: 'http://127.0.0.1:1/' }],
  });
  let [atOnce, atOnceMax] = [0, 0];
  const times: number[] = [];
  const callbacks = createCallbacks({
    applications: config.applications,
    limits: config.callbacks,
    clock,
    log: silentLog,
    guard: createEndpointGuard({ allow: [], denyPrivate: true, kind: 'web' }),
    counted: (code) => expect(code).toBe('never'),
    tried: (event, outcome, seconds) => {
      expect([event, outcome]).toEqual(['ice', 'taken']);
      times.push(seconds);
    },
    post: (_request: PostRequest) => {
      atOnceMax = Math.max(atOnceMax, ++atOnce);
      return new Promise<PostAnswer>((done) => {
        clock.after(2_000, () => {
          atOnce--;
          done({ status: 200, body: Buffer.from(JSON.stringify(hangup)) });
        });
      });
    },
  });
  const kinds: Promise<string>[] = [];
  for (let i = 0; i < 1_000; i++) {
    clock.after(i * 60, () => kinds.push(callbacks.ask('app', ice).then(({ kind }) => kind)));
  }
  await clock.advance(63_000);
  expect(new Set(await Promise.all(kinds))).toEqual(new Set(['svaml']));
  expect([kinds.length, atOnceMax, Math.max(...times)]).toEqual([1_000, 34, 2]);
});

test('a server whose certificate nobody vouches for is not believed', async () => {
  const { cert, key } = createCertificate(Date.now());
  const app = createServer({ cert, key }, (_request, response) => response.end(JSON.stringify(hangup)));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => app.close(() => resolve())) });
  const { port } = app.address() as AddressInfo;
  const { callbacks, counted } = callbacksOf({ application: { callbackUrl: `https://127.0.0.1:${port}/` } });
  expect(await callbacks.ask('app', ice)).toMatchObject({
    kind: 'failed',
    detail: expect.stringContaining('self-signed certificate'),
  });
  expect(counted).toEqual(['callback-failed']);
});

describe('news', () => {
  test('are told once', async () => {
    const app = await server();
    const { callbacks } = callbacksOf({ application: { callbackUrl: app.url } });
    callbacks.tell('app', dice);
    await app.received(1);
    await callbacks.close();
    expect(app.requests.map(({ json }) => json)).toEqual([dice]);
    expect(callbacks.waiting).toBe(0);
  });

  test('survive a crash of the server, and come once', async () => {
    const first = await startCallbackServer();
    const port = Number(new URL(first.url).port);
    const { callbacks, counted } = callbacksOf({ application: { callbackUrl: first.url } });
    await first.close();
    for (let i = 0; i < 20; i++) callbacks.tell('app', { ...dice, callid: `call-${i}` });
    await expect.poll(() => counted.length).toBeGreaterThan(0);
    const again = await server(port);
    await again.received(20);
    await callbacks.close();
    expect(again.requests.map(({ json }) => json.callid).sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `call-${i}`).sort(),
    );
  });

  test('are taken whatever the answer says beside its status', async () => {
    const app = await server();
    app.reply = () => ({ body: 'x'.repeat(200_000) });
    const { callbacks, counted } = callbacksOf({ application: { callbackUrl: app.url } });
    callbacks.tell('app', dice);
    await expect.poll(() => callbacks.waiting).toBe(0);
    expect([app.requests.length, counted]).toEqual([1, []]);
  });

  test('beyond the limit the oldest are dropped, and counted', async () => {
    const app = await server();
    app.reply = () => () => {};
    const { callbacks, counted } = callbacksOf({
      application: { callbackUrl: app.url },
      limits: { queue: 5, connections: 1 },
    });
    for (let i = 0; i < 10; i++) callbacks.tell('app', dice);
    expect(counted).toEqual(Array(4).fill('callback-dropped'));
    expect(callbacks.waiting).toBe(6);
  });

  test('that nobody has taken within retryFor are given up, and counted', async () => {
    const app = await server();
    app.reply = () => ({ status: 400 });
    const { callbacks, counted } = callbacksOf({
      application: { callbackUrl: app.url },
      limits: { retryFor: 0 },
    });
    callbacks.tell('app', dice);
    await expect.poll(() => counted).toEqual(['callback-failed', 'callback-expired']);
    expect(callbacks.waiting).toBe(0);
  });

  test('left over at the end are counted', async () => {
    const app = await server();
    app.reply = () => () => {};
    const { callbacks, counted } = callbacksOf({ application: { callbackUrl: app.url } });
    callbacks.tell('app', dice);
    await app.received(1);
    await callbacks.close();
    callbacks.tell('app', dice);
    expect(counted.filter((code) => code === 'callback-undelivered')).toHaveLength(2);
  });
});
