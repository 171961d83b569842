import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AdminOptions } from '../../../gateway/cli/admin-client.ts';
import { runCalls } from '../../../gateway/cli/calls.ts';
import { runCheckConfig } from '../../../gateway/cli/check-config.ts';
import { runDrain } from '../../../gateway/cli/drain.ts';
import { runHangup } from '../../../gateway/cli/hangup.ts';
import { type CallSummary, type HttpServer, startHttpServer } from '../../../gateway/control/http-server.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createMetrics } from '../../../gateway/metrics.ts';

const application = { key: 'test-app', secret: 'c2VjcmV0LXNlY3JldA==' };
const calls: readonly CallSummary[] = [
  {
    callId: 'gw-1-abc',
    direction: 'inbound',
    from: 'alice\u001b[2J',
    to: 'echo',
    state: 'talking',
    codec: 'pcmu',
    startedAt: '2026-01-01T00:00:00.000Z',
    answeredAt: '2026-01-01T00:00:01.000Z',
    durationSeconds: 125.7,
    stream: { endpoint: 'wss://bot.example/call', sampleRate: 16_000, bufferedMs: 0 },
    quality: { jitterMs: 1.25, rttMs: undefined, packetsLost: 1, packetsReceived: 99, packetsSent: 100 },
  },
  {
    callId: 'gw-1-b',
    direction: 'inbound',
    from: 'bob',
    to: '+4670123',
    state: 'routing',
    codec: undefined,
    startedAt: '2026-01-01T00:00:00.000Z',
    answeredAt: undefined,
    durationSeconds: 0,
    stream: undefined,
    quality: undefined,
  },
];

let directory: string;
let server: HttpServer;
let live: readonly CallSummary[];

const start = (applications: (typeof application)[] = []) =>
  startHttpServer({
    listen: { address: '127.0.0.1', port: 0 },
    applications,
    metrics: createMetrics(),
    log: silentLog,
    view: {
      calls: async () => live,
      hangup: (callId) => callId === 'gw-1-abc',
      drain: () => {},
      state: () => 'draining',
    },
  });

/** What a command says on its two outputs, and its exit status. */
const run = async (
  command: (out: { write(text: string): void }, err: { write(text: string): void }) => Promise<number>,
) => {
  const said = { out: '', err: '' };
  const status = await command(
    {
      write: (text) => {
        said.out += text;
      },
    },
    {
      write: (text) => {
        said.err += text;
      },
    },
  );
  return { status, ...said };
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-cli-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

beforeEach(async () => {
  live = calls;
  server = await start();
});

afterEach(() => server.close());

const options = (more: Partial<AdminOptions> = {}): AdminOptions => ({
  http: server.address,
  env: {},
  ...more,
});

describe('callwire calls', () => {
  test('prints a table in which nothing can play with the terminal', async () => {
    const { status, out, err } = await run((out, err) => runCalls(options(), out, err));
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toBe(
      [
        'CALL      FROM       TO        STATE    FOR   CODEC  RATE   LOST   JITTER  STREAM',
        'gw-1-abc  alice?[2J  echo      talking  2:05  pcmu   16000  1.0 %  1.3 ms  wss://bot.example/call',
        'gw-1-b    bob        +4670123  routing  0:00  -      -      -      -       -',
        '',
      ].join('\n'),
    );
  });

  test('says that there are none', async () => {
    live = [];
    expect(await run((out, err) => runCalls(options(), out, err))).toEqual({
      status: 0,
      out: 'no calls\n',
      err: '',
    });
  });

  test('prints the JSON of the API', async () => {
    const { out } = await run((out, err) => runCalls(options({ json: true }), out, err));
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify({ calls })));
  });
});

test('callwire hangup ends a call, or says that there is none', async () => {
  expect(await run((out, err) => runHangup('gw-1-abc', options(), out, err))).toEqual({
    status: 0,
    out: 'ended gw-1-abc\n',
    err: '',
  });
  expect(await run((out, err) => runHangup('a/b?', options(), out, err))).toEqual({
    status: 1,
    out: '',
    err: `${server.url} answered 404: callId: no call "a/b?"\n`,
  });
});

test('callwire drain says how many calls go on', async () => {
  expect((await run((out, err) => runDrain(options(), out, err))).out).toBe(
    'draining: no new calls, 2 calls go on\n',
  );
  expect((await run((out, err) => runDrain(options({ json: true }), out, err))).out).toBe(
    '{"state":"draining","calls":2}\n',
  );
});

describe('the gateway is found', () => {
  test('by the configuration, with the credentials of its first application', async () => {
    await server.close();
    server = await start([application]);
    const file = join(directory, 'found.yaml');
    await writeFile(
      file,
      `http: { listen: ${server.address} }\napplications: [${JSON.stringify(application)}]\n`,
    );
    const found = { config: file, env: {} };
    expect((await run((out, err) => runCalls(found, out, err))).status).toBe(0);
    const elsewhere = { ...found, http: server.address };
    expect((await run((out, err) => runCalls(elsewhere, out, err))).status).toBe(0);
    const wrong = { ...found, key: 'test-app', secret: 'wrong' };
    expect(await run((out, err) => runCalls(wrong, out, err))).toMatchObject({
      status: 1,
      err: `${server.url} answered 401: no application has this key and secret\n`,
    });
  });

  test('or not: nobody listens', async () => {
    await server.close();
    expect(await run((out, err) => runCalls(options(), out, err))).toEqual({
      status: 3,
      out: '',
      err: `no gateway answers at ${server.url}: ECONNREFUSED; is it running, and is --http right?\n`,
    });
  });

  test.each([
    {
      name: 'the address is none',
      more: { http: 'a b' },
      status: 64,
      err: '--http: found "a b", expected HOST:PORT or a URL',
    },
    {
      name: 'the configuration is bad',
      more: { http: undefined, env: { CALLWIRE_HTTP__LISTEN: 'x' } },
      status: 78,
      err: 'CALLWIRE_HTTP__LISTEN: http.listen: found "x"',
    },
  ])('or not: $name', async ({ more, status, err }) => {
    const said = await run((out, errors) => runCalls(options(more as Partial<AdminOptions>), out, errors));
    expect(said).toMatchObject({ status, out: '' });
    expect(said.err).toContain(err);
  });
});

describe('callwire check-config', () => {
  const check = async (yaml: string, env = {}) => {
    const file = join(directory, 'checked.yaml');
    await writeFile(file, yaml);
    const said = await run((out) => runCheckConfig(file, out, { env }));
    return { ...said, out: said.out.replaceAll(directory, '') };
  };

  test('prints every problem and exits with 78', async () => {
    const said = await check('sip: { maxCals: 5 }\nrtp:\n  timeout: -1\n', { CALLWIRE_LOG__LEVEL: 'x' });
    // Settings come and go.
    const out = said.out.replace(/(expected one of listen, )[^;]+/, '$1…');
    expect({ ...said, out }).toMatchObject({
      status: 78,
      out: [
        'CALLWIRE_LOG__LEVEL: log.level: found "x", expected trace, debug, info, warn, error, fatal or silent',
        '/checked.yaml:1: sip.maxCals: found the unknown key `maxCals`, expected one of listen, …; did you mean `maxCalls`?',
        '/checked.yaml:3: rtp.timeout: found -1, expected a number from 0 to 86400',
        '3 problems',
        '',
      ].join('\n'),
    });
  });

  test('says that there is none, and what is worth a thought', async () => {
    expect(await check('rtp: { ports: [20000, 20001] }')).toMatchObject({
      status: 0,
      out: '/checked.yaml: warning: rtp.ports has room for 1 calls, sip.maxCalls is 2000\n/checked.yaml: no problems\n',
    });
  });

  test('says that there is no such file', async () => {
    const said = await run((out) => runCheckConfig(join(directory, 'none.yaml'), out, { env: {} }));
    expect(said).toMatchObject({ status: 78, out: expect.stringContaining('none.yaml: found no such file') });
  });
});
