import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type CallSummary,
  type GatewayView,
  type HttpServer,
  startHttpServer,
} from '../../../gateway/control/http-server.ts';
import { createLog } from '../../../gateway/log.ts';
import { noTotals } from '../../../gateway/media/media-totals.ts';
import { createMetrics, type Metrics } from '../../../gateway/metrics.ts';

const call: CallSummary = {
  callId: 'gw-1-abc',
  direction: 'inbound',
  from: 'alice',
  to: 'echo',
  state: 'talking',
  codec: 'pcmu',
  startedAt: '2026-01-01T00:00:00.000Z',
  answeredAt: undefined,
  durationSeconds: 1.5,
  stream: {
    endpoint: 'wss://user:hunter2@bot.example/call?token=hunter2',
    sampleRate: 16_000,
    bufferedMs: 0,
  },
  quality: undefined,
};

const application = { key: 'test-app', secret: 'c2VjcmV0LXNlY3JldA==' };

let server: HttpServer;
let metrics: Metrics;
let state: ReturnType<GatewayView['state']>;
let hungUp: string[];
let logged: string;
let failing: boolean;

const view: GatewayView = {
  calls: async () => {
    if (failing) throw new Error('hunter2 in the works');
    return [call];
  },
  hangup: (callId) => {
    if (callId !== call.callId) return false;
    hungUp.push(callId);
    return true;
  },
  drain: () => {
    state = 'draining';
  },
  state: () => state,
};

const start = async (options: Partial<Parameters<typeof startHttpServer>[0]> = {}): Promise<void> => {
  const destination = {
    write: (line: string) => {
      logged += line;
    },
  };
  server = await startHttpServer({
    listen: { address: '127.0.0.1', port: 0 },
    applications: [],
    view,
    metrics,
    log: createLog({ level: 'debug', pretty: false, destination }),
    ...options,
  });
};

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** By hand, since `fetch` would not let a Host header be forged. */
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
  new Promise<Answer>((resolve, reject) => {
    const sent = request(server.url + path, { method, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
    sent.on('error', reject);
    sent.end(body);
  });

const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });

beforeEach(() => {
  metrics = createMetrics();
  state = 'ready';
  hungUp = [];
  logged = '';
  failing = false;
});

afterEach(() => server.close());

describe('the API', () => {
  test('lists the calls, without the secrets of their endpoints', async () => {
    await start();
    const { status, text, headers } = await ask('GET', '/calls');
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': expect.stringContaining('application/json'),
      'cache-control': 'no-store',
    });
    expect(JSON.parse(text)).toEqual({
      calls: [
        {
          callId: 'gw-1-abc',
          direction: 'inbound',
          from: 'alice',
          to: 'echo',
          state: 'talking',
          codec: 'pcmu',
          startedAt: '2026-01-01T00:00:00.000Z',
          durationSeconds: 1.5,
          stream: { endpoint: 'wss://bot.example/call', sampleRate: 16_000, bufferedMs: 0 },
        },
      ],
    });
  });

  test('hangs a call up', async () => {
    await start();
    expect(await ask('DELETE', '/calls/gw-1-abc')).toMatchObject({ status: 204, text: '' });
    expect(hungUp).toEqual(['gw-1-abc']);
    const { status, text } = await ask('DELETE', '/calls/gw-1-xyz');
    expect(status).toBe(404);
    expect(JSON.parse(text)).toEqual({
      errorCode: 40_400,
      message: 'callId: no call "gw-1-xyz"',
      reference: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('drains, and is not ready from then on', async () => {
    await start();
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 200, text: '{"state":"ready"}' });
    expect(await ask('POST', '/drain')).toMatchObject({
      status: 202,
      text: '{"state":"draining","calls":1}',
    });
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 503, text: '{"state":"draining"}' });
    expect(await ask('GET', '/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    expect(logged).toContain('"calls":1,"msg":"drain asked for over HTTP"');
  });

  test('is not ready while it starts', async () => {
    state = 'starting';
    await start();
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 503, text: '{"state":"starting"}' });
  });

  test('shows metrics, also where the workers do not answer', async () => {
    await start({
      view: {
        ...view,
        workers: () => Promise.reject(new Error('no answer')),
      },
    });
    metrics.callStarted('inbound');
    const { status, text, headers } = await ask('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('callwire_calls_active 1');
    expect(logged).toContain('media workers left out of the metrics');
  });

  test('asks the workers at each scrape', async () => {
    const workers = async () => [
      {
        endpoints: 2,
        latenessMsBounds: [1],
        latenessMsBuckets: [4, 1],
        latenessMsSum: 3,
        framesSkipped: 0,
        portsInUse: 4,
        ...noTotals(),
        rtpPacketsReceived: 5,
        rtpPacketsSent: 6,
      },
    ];
    await start({ view: { ...view, workers, callsByWorker: () => [1] } });
    const { text } = await ask('GET', '/metrics');
    expect(text).toContain('callwire_rtp_packets_total{direction="out"} 6');
    expect(text).toContain('callwire_playout_late_ms_bucket{le="1"} 4');
    expect(text).toContain('callwire_worker_calls{worker="0"} 1');
  });
});

describe('without applications the API answers', () => {
  test.each([
    { host: '127.0.0.1', status: 200 },
    { host: '127.0.0.1:8080', status: 200 },
    { host: 'localhost:1', status: 200 },
    { host: 'LocalHost', status: 200 },
    { host: '[::1]:8080', status: 200 },
    { host: 'bot.example', status: 403 },
    { host: '127.0.0.1.evil.example', status: 403 },
    { host: 'localhost.evil.example:8080', status: 403 },
    { host: '192.168.1.5', status: 403 },
  ])('$status to a Host header of "$host"', async ({ host, status }) => {
    await start();
    expect((await ask('GET', '/calls', { host })).status).toBe(status);
  });

  test('not on a listener that others can reach, but to probes', async () => {
    await start({ listen: { address: '0.0.0.0', port: 0 } });
    const refused = await ask('GET', '/calls', { host: 'localhost' });
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text)).toMatchObject({
      errorCode: 40_300,
      message: expect.stringContaining('set applications'),
    });
    for (const path of ['/metrics', '/calls/x']) expect((await ask('GET', path)).status).not.toBe(200);
    expect((await ask('GET', '/healthz', { host: '10.0.0.7' })).status).toBe(200);
    expect((await ask('GET', '/readyz', { host: '10.0.0.7' })).status).toBe(200);
    expect(await metrics.text()).toContain('callwire_refused_total{reason="http-forbidden"}');
  });

  test('not to a web page that the operator has open', async () => {
    await start();
    const from = (origin: string) => ask('POST', '/drain', { origin });
    expect((await from('https://evil.example')).status).toBe(403);
    expect((await from('null')).status).toBe(403);
    expect((await from('http://localhost:1')).status).toBe(403);
    expect(state).toBe('ready');
    expect((await from(server.url)).status).toBe(202);
  });
});

describe('with applications the API wants key and secret', () => {
  test.each([
    { name: 'nothing', headers: {}, status: 401 },
    { name: 'key and secret', headers: basic(`${application.key}:${application.secret}`), status: 200 },
    { name: 'another secret', headers: basic(`${application.key}:c2VjcmV0LXNlY3JldB==`), status: 401 },
    { name: 'another key', headers: basic(`nobody:${application.secret}`), status: 401 },
    { name: 'no base64', headers: { authorization: 'Basic %' }, status: 401 },
    { name: 'a bearer', headers: { authorization: 'Bearer x' }, status: 401 },
    {
      name: 'any Host',
      headers: { ...basic('test-app:c2VjcmV0LXNlY3JldA=='), host: 'gw.example' },
      status: 200,
    },
  ])('$status with $name', async ({ headers, status }) => {
    await start({ applications: [{ key: 'other', secret: 'AAAAAAAAAAA=' }, application] });
    const answer = await ask('GET', '/calls', headers as Record<string, string>);
    expect(answer.status).toBe(status);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Basic realm="callwire"' : undefined);
    expect((await ask('GET', '/healthz')).status).toBe(200);
  });
});

describe('bad requests', () => {
  // biome-ignore format: a table reads as a table
  test.each<{ name: string; method: string; path: string; headers?: Record<string, string>; body?: string; status: number; message: string }>([
    { name: 'an unknown path', method: 'GET', path: '/nothing', status: 404, message: 'no such path' },
    { name: 'a wrong method', method: 'PUT', path: '/calls', status: 405, message: 'expected GET, got PUT' },
    { name: 'a wrong method on a call', method: 'POST', path: '/calls/x', status: 405, message: 'expected DELETE, got POST' },
    { name: 'a body that is too large', method: 'POST', path: '/drain', headers: { 'content-type': 'application/json' }, body: `"${'x'.repeat(70_000)}"`, status: 413, message: 'Request body is too large' },
    { name: 'broken JSON', method: 'POST', path: '/drain', headers: { 'content-type': 'application/json' }, body: '{', status: 400, message: 'not valid JSON' },
    { name: 'a prototype in JSON', method: 'POST', path: '/drain', headers: { 'content-type': 'application/json' }, body: '{"__proto__":{"a":1}}', status: 400, message: '__proto__' },
    { name: 'another type', method: 'POST', path: '/drain', headers: { 'content-type': 'text/xml' }, body: '<a/>', status: 415, message: 'Unsupported Media Type' },
    { name: 'a broken path', method: 'DELETE', path: '/calls/%zz', status: 400, message: '%zz' },
    { name: 'an endless callId', method: 'DELETE', path: `/calls/${'x'.repeat(300)}`, status: 414, message: '' },
  ])('$name', async ({ method, path, headers, body, status, message }) => {
    await start();
    const answer = await ask(method, path, headers, body);
    expect(answer.status).toBe(status);
    const error = JSON.parse(answer.text) as Record<string, unknown>;
    expect(Object.keys(error)).toEqual(['errorCode', 'message', 'reference']);
    expect(error.errorCode).toBe(status * 100);
    expect(error.message).toContain(message);
    expect(state).toBe('ready');
  });

  test('what fails inside is told to the log, not to the client', async () => {
    await start();
    failing = true;
    const { status, text } = await ask('GET', '/calls');
    expect(status).toBe(500);
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain('at ');
    const { reference } = JSON.parse(text) as { reference: string };
    expect(logged).toContain(reference);
    expect(logged).toContain('in the works');
  });

  /** Sends bytes and gives everything that comes until the connection is closed. */
  const raw = async (bytes: string): Promise<string> => {
    const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.write(bytes);
    await once(socket, 'close');
    return text;
  };

  test('what is no HTTP gets 400 and is cut off', async () => {
    await start();
    expect(await raw('INVITE sip:echo@127.0.0.1 SIP/2.0\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*"errorCode":40000,"message":"malformed HTTP"/,
    );
  });

  test('a request without Host is not answered', async () => {
    await start();
    expect(await raw('GET /calls HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('a request that trickles in is cut off', async () => {
    await start({ requestLimitMs: 100 });
    expect(await raw('GET /calls HTTP/1.1\r\nHost: localhost\r\nX-')).toMatch(/^HTTP\/1\.1 408 /);
    expect(
      await raw(
        'POST /drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{',
      ),
    ).toMatch(/^HTTP\/1\.1 408 /);
    expect(state).toBe('ready');
  });

  test('headers without end get 431', async () => {
    await start();
    const { status, text } = await ask('GET', '/calls', { 'x-long': 'x'.repeat(20_000) });
    expect(status).toBe(431);
    expect(JSON.parse(text)).toMatchObject({ message: 'headers too large' });
  });
});

test('a port in use is named', async () => {
  await start();
  const port = Number(server.address.split(':')[1]);
  await expect(
    startHttpServer({
      listen: { address: '127.0.0.1', port },
      applications: [],
      view,
      metrics,
      log: createLog({ level: 'silent' }),
    }),
  ).rejects.toMatchObject({
    name: 'GatewayError',
    code: 'EADDRINUSE',
    message: `http.listen 127.0.0.1:${port}: the port is used by another program`,
  });
});

test('closing does not wait for a client that says nothing', async () => {
  await start();
  const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
  await once(socket, 'connect');
  const closed = once(socket.resume(), 'close');
  await server.close();
  await closed;
});
