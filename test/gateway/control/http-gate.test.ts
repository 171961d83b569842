import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type HttpServer, startHttpServer } from '../../../gateway/control/http-server.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createMetrics, type Metrics } from '../../../gateway/metrics.ts';
import { askHttp, basicHeaders, signedHeaders } from '../../support/http-ask.ts';
import { type FakeCallControl, fakeCallControl } from './fake-call-control.ts';

const app = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };
const other = { key: 'other', secret: 'b3RoZXItc2VjcmV0' };
const path = '/calling/v1/callouts';
const callout = JSON.stringify({
  method: 'ttsCallout',
  ttsCallout: { destination: { type: 'number', endpoint: '+46701' }, text: 'Hej' },
});

let server: HttpServer;
let control: FakeCallControl;
let metrics: Metrics;

afterEach(() => server.close());

async function start(limits: Partial<NonNullable<Parameters<typeof startHttpServer>[0]['limits']>> = {}) {
  control = fakeCallControl();
  metrics = createMetrics();
  server = await startHttpServer({
    listen: { address: '127.0.0.1', port: 0 },
    applications: [app, other],
    view: { calls: async () => [], hangup: () => false, drain: () => {}, state: () => 'ready' },
    control,
    limits: {
      requestsPerSecond: 0,
      burst: 1,
      eventClients: 2,
      eventQueue: 10,
      eventHistory: 10,
      connectionsPerSource: 250,
      ...limits,
    },
    metrics,
    log: silentLog,
  });
}

const post = (headers: Record<string, string>, body: string | Buffer = callout, at = path) =>
  askHttp(server.url, 'POST', at, headers, body);

describe('a signed request', () => {
  test('is let in as its application', async () => {
    await start();
    expect(await post(signedHeaders(other, 'POST', path, callout))).toMatchObject({ status: 200 });
    expect(control.asked).toEqual([['callout', 'other', 'ttsCallout']]);
    const signed = signedHeaders(app, 'GET', '/calls?a=b');
    expect((await askHttp(server.url, 'GET', '/calls?a=b', signed)).status).toBe(200);
  });

  test('is let in once', async () => {
    await start();
    const headers = signedHeaders(app, 'POST', path, callout);
    expect((await post(headers)).status).toBe(200);
    const again = await post(headers);
    expect([again.status, again.json?.message]).toEqual([
      401,
      'this signature was used before; sign each request anew',
    ]);
    expect(control.callouts).toHaveLength(1);
  });

  const minuteMs = 60_000;
  const signed = () => signedHeaders(app, 'POST', path, callout);
  // biome-ignore format: a table reads as a table
  test.each<{ what: string; headers: () => Record<string, string>; body?: string; at?: string; message: string }>([
    { what: 'another body', headers: signed, body: callout.replace('Hej', 'Bye'), message: 'does not fit' },
    { what: 'no body', headers: signed, body: '', message: 'does not fit' },
    { what: 'another path', headers: signed, at: `${path}?x`, message: 'does not fit' },
    { what: 'another method', headers: () => signedHeaders(app, 'PATCH', path, callout), message: 'does not fit' },
    { what: 'another content type', headers: () => ({ ...signed(), 'content-type': 'application/json; charset=utf-8' }), message: 'does not fit' },
    { what: 'another timestamp', headers: () => ({ ...signed(), 'x-timestamp': new Date(Date.now() + 1_000).toISOString() }), message: 'does not fit' },
    { what: 'another secret', headers: () => signedHeaders({ ...app, secret: other.secret }, 'POST', path, callout), message: 'does not fit' },
    { what: 'the signature of another', headers: () => ({ ...signed(), authorization: signedHeaders(other, 'POST', path, callout).authorization!.replace('other:', 'app:') }), message: 'does not fit' },
    { what: 'an unknown key', headers: () => signedHeaders({ ...app, key: 'nobody' }, 'POST', path, callout), message: 'no application has this key' },
    { what: 'an old timestamp', headers: () => signedHeaders(app, 'POST', path, callout, Date.now() - 6 * minuteMs), message: 'x-timestamp must be ISO 8601 within 5 minutes of now' },
    { what: 'a timestamp to come', headers: () => signedHeaders(app, 'POST', path, callout, Date.now() + 6 * minuteMs), message: 'x-timestamp must be ISO 8601 within 5 minutes of now' },
    { what: 'no timestamp', headers: () => { const { 'x-timestamp': _, ...rest } = signed(); return rest; }, message: 'x-timestamp must be' },
    { what: 'half a header', headers: () => ({ ...signed(), authorization: 'Application app' }), message: 'Authorization must be Application KEY:SIGNATURE' },
    { what: 'an empty signature', headers: () => ({ ...signed(), authorization: 'Application app:' }), message: 'Authorization must be Application KEY:SIGNATURE' },
  ])('is refused with $what', async ({ headers, body, at, message }) => {
    await start();
    const reply = await post(headers(), body ?? callout, at);
    expect([reply.status, reply.json?.errorCode]).toEqual([401, 40_100]);
    expect(reply.json?.message).toContain(message);
    expect(control.asked).toEqual([]);
  });

  test('is not parsed before it is known who sent it', async () => {
    await start();
    expect((await post(signedHeaders({ ...app, secret: other.secret }, 'POST', path, '{'), '{')).status).toBe(
      401,
    );
  });
});

describe('hostile bodies', () => {
  const deep = (open: string, close: string) => open.repeat(33) + close.repeat(33);
  // biome-ignore format: a table reads as a table
  test.each<{ what: string; body: string | Buffer; status: number; message: string }>([
    { what: 'deep lists', body: deep('[', ']'), status: 400, message: 'nested deeper than 32' },
    { what: 'endless lists', body: '['.repeat(60_000), status: 400, message: 'nested deeper than 32' },
    { what: 'deep objects', body: deep('{"a":', '}'), status: 400, message: 'nested deeper than 32' },
    { what: 'bad UTF-8', body: Buffer.from([0x22, 0xc3, 0x28, 0x22]), status: 400, message: 'not valid UTF-8' },
    { what: 'two values', body: '{}{}', status: 400, message: 'not valid JSON (at character 2)' },
    { what: 'a lone surrogate', body: '"\\ud800"', status: 400, message: 'the body must be a mapping' },
    { what: 'a prototype', body: '{"method":"ttsCallout","ttsCallout":{"__proto__":{"x":1}}}', status: 400, message: '__proto__' },
    { what: 'a constructor', body: '{"constructor":{"prototype":{"x":1}},"method":"ttsCallout"}', status: 400, message: 'constructor is not a known field' },
    { what: '64 KiB and a byte', body: `"${'x'.repeat(65_535)}"`, status: 413, message: 'too large' },
  ])('$what', async ({ body, status, message }) => {
    await start();
    const reply = await post({ ...basicHeaders(app), 'content-type': 'application/json' }, body);
    expect(reply.status).toBe(status);
    expect(Object.keys(reply.json ?? {})).toEqual(['errorCode', 'message', 'reference']);
    expect(reply.json?.message).toContain(message);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test('with brackets in texts are not deep', async () => {
    await start();
    const text = `\\"${'['.repeat(100)}\\\\`;
    const reply = await post({ ...basicHeaders(app), 'content-type': 'application/json' }, `{"a":"${text}"}`);
    expect(reply.json?.message).toContain('method must be one of');
  });
});

describe('requests have a rate', () => {
  test('an application its own, whatever others do', async () => {
    await start({ requestsPerSecond: 0.001, burst: 3 });
    const ask = (who: typeof app) => askHttp(server.url, 'GET', '/calls', basicHeaders(who));
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask(app)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const refused = await ask(app);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json?.message).toBe('too many requests; http.limits.requestsPerSecond says how many');
    expect((await ask(other)).status).toBe(200);
    expect((await askHttp(server.url, 'GET', '/healthz')).status).toBe(200);
    expect(await metrics.text()).toContain('callwire_refused_total{reason="http-rate-limited"} 2');
  });

  test('who has no secret has one by his address, and does not use up that of an application', async () => {
    await start({ requestsPerSecond: 0.001, burst: 2 });
    const guess = () => post(signedHeaders({ ...app, secret: other.secret }, 'POST', path, callout));
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await guess()).status);
    expect(statuses).toEqual([401, 401, 429, 429]);
    expect((await post(signedHeaders(app, 'POST', path, callout))).status).toBe(200);
  });
});

test('a flood of bad requests gets 4xx, no stack, and does not hold up the probe', async () => {
  await start();
  const json = { ...basicHeaders(app), 'content-type': 'application/json' };
  const bad = [
    () => post(json, '['.repeat(60_000)),
    () => post(json, `"${'x'.repeat(70_000)}"`),
    () => post(json, Buffer.alloc(60_000, 0xff)),
    () =>
      post(
        json,
        JSON.stringify({
          method: 'ttsCallout',
          ttsCallout: Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`k${i}`, i])),
        }),
      ),
    () => post(signedHeaders({ ...app, secret: other.secret }, 'POST', path, callout)),
    () => askHttp(server.url, 'PUT', path, json, '{}'),
    () => askHttp(server.url, 'GET', `/${'x'.repeat(8_000)}`, json),
  ];
  let longestMs = 0;
  let done = false;
  const probing = (async () => {
    while (!done) {
      const startedMs = performance.now();
      expect((await askHttp(server.url, 'GET', '/healthz')).status).toBe(200);
      longestMs = Math.max(longestMs, performance.now() - startedMs);
    }
  })();
  const replies = await Promise.all(Array.from({ length: 70 }, (_, i) => bad[i % bad.length]!()));
  done = true;
  await probing;
  expect(replies.filter(({ status }) => status < 400 || status > 499)).toEqual([]);
  expect(replies.filter(({ text }) => /\.ts|\.js|node:/.test(text))).toEqual([]);
  expect(longestMs).toBeLessThan(5_000);
});

test('events have no HEAD, as it would never end', async () => {
  await start();
  expect((await askHttp(server.url, 'HEAD', '/events', basicHeaders(app))).status).toBe(405);
});

test('a client that sends its body byte by byte is cut off, and holds up nobody', async () => {
  await start();
  await server.close();
  server = await startHttpServer({
    listen: { address: '127.0.0.1', port: 0 },
    applications: [app],
    view: { calls: async () => [], hangup: () => false, drain: () => {}, state: () => 'ready' },
    metrics,
    log: silentLog,
    requestLimitMs: 300,
  });
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {}).on('data', () => {});
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${basicHeaders(app).authorization}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`,
  );
  const timer = setInterval(() => socket.write('['), 20);
  expect((await askHttp(server.url, 'GET', '/healthz')).status).toBe(200);
  await closed;
  clearInterval(timer);
});
