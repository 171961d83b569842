import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ConfigError,
  type ConfigInput,
  type ConfigSources,
  configProblemText,
  defaultConfig,
  loadConfig,
  routeFromFlag,
} from '../../gateway/config.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-config-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const load = async (yaml: string | Uint8Array, sources: Partial<ConfigSources> = {}) => {
  await writeFile(join(directory, 'callwire.yaml'), yaml);
  return loadConfig({ env: {}, directory, ...sources });
};

const problemsOf = async (loading: Promise<unknown>): Promise<string[]> => {
  const error = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${String(error)}`);
  return error.problems.map(configProblemText);
};

describe('without any configuration', () => {
  test('the gateway has the embedded default', async () => {
    const config = await loadConfig({ env: {}, directory: join(directory, 'nowhere') });
    expect(config).toEqual({
      node: { id: expect.stringMatching(/^gw-[0-9a-f]{6}$/) },
      sip: {
        listen: ['udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060'],
        maxCalls: 2000,
        sessionTimer: { expires: 1_800, minSe: 90, refresher: 'peer' },
        trace: { calls: 100, messages: 60 },
        limits: { requestsPerSecond: 100, burst: 200, connectionsPerSource: 250 },
      },
      rtp: {
        address: '0.0.0.0',
        ports: [10_000, 19_999],
        symmetric: 'auto',
        timeout: 30,
        srtp: 'off',
        codecs: ['opus', 'g722', 'pcmu', 'pcma'],
        opus: { complexity: 5, bitrate: 32_000, dtx: true },
      },
      media: { workers: expect.any(Number), accelerator: 'auto' },
      http: {
        listen: '127.0.0.1:8080',
        limits: {
          requestsPerSecond: 200,
          burst: 400,
          eventClients: 50,
          eventQueue: 1_000,
          eventHistory: 1_000,
          connectionsPerSource: 250,
        },
      },
      applications: [],
      callbacks: { connections: 100, waiting: 1_000, queue: 10_000, retryFor: 600 },
      trunks: [],
      stream: {
        answerTimeoutMs: 10_000,
        connectTimeoutMs: 5_000,
        idleTimeout: 60,
        tls: [],
        bufferBytes: 5_000_000,
        pingTimeout: 25,
        messagesPerSecond: 1_000,
        endpoints: { allow: [], denyPrivate: true },
      },
      audio: {
        cacheMb: 64,
        fileMb: 32,
        maxSeconds: 3_600,
        downloads: 32,
        decoders: 64,
        timeoutMs: 10_000,
      },
      recording: { directory: join(directory, 'nowhere', 'recordings'), format: 'wav' },
      log: { level: 'info' },
    });
    expect(config.media.workers).toBeGreaterThanOrEqual(1);
    expect(config.routes).toBeUndefined();
  });

  test('parts of it may be replaced', () => {
    const config = defaultConfig({ rtp: { ports: [0, 0] }, sip: { listen: ['udp:127.0.0.1:0'] } });
    expect(config.rtp).toMatchObject({ ports: [0, 0], timeout: 30 });
    expect(config.sip).toMatchObject({ listen: ['udp:127.0.0.1:0'], maxCalls: 2000 });
    expect(() => defaultConfig({ rtp: { timeout: -1 } })).toThrow(
      'override: rtp.timeout: found -1, expected a number from 0 to 86400',
    );
  });

  test('an empty file changes nothing', async () => {
    expect((await load('# nothing yet\nsip:\n  # listen: []\nnode:\n')).sip.maxCalls).toBe(2000);
  });
});

test('every setting can be written', async () => {
  const config = await load(`
node: { id: gw-1 }
sip:
  listen: [udp:127.0.0.1:5060, tcp:127.0.0.1:5060, "udp:[::1]:0"]
  externalAddress: 203.0.113.7
  maxCalls: 20
rtp: { address: 127.0.0.1, ports: [20000, 29999], symmetric: off, timeout: 0, srtp: off, codecs: [pcma] }
media: { workers: 2 }
http: { listen: "[::1]:8081" }
applications:
  - { key: test-app, secret: c2VjcmV0LXNlY3JldA== }
routes:
  - to: 'echo'
    action: { name: connectStream, destination: { type: websocket, endpoint: 'ws://127.0.0.1:9000/' },
      streamingOptions: { sampleRate: 16000 }, maxDuration: 3600, callHeaders: [{ key: k, value: v }] }
stream:
  answerTimeoutMs: 1000
  connectTimeoutMs: 500
  idleTimeout: 6
  bufferBytes: 500000
  endpoints: { allow: ['wss://*', 'ws://127.0.0.1:*'], denyPrivate: false }
log: { level: debug }
`);
  expect(config).toMatchObject({
    node: { id: 'gw-1' },
    sip: { externalAddress: '203.0.113.7', maxCalls: 20 },
    rtp: { symmetric: 'off', timeout: 0, codecs: ['pcma'] },
    http: { listen: '[::1]:8081' },
    applications: [{ key: 'test-app' }],
    stream: { endpoints: { allow: ['wss://*', 'ws://127.0.0.1:*'], denyPrivate: false } },
  });
  expect(config.routes?.[0]).toMatchObject({
    to: 'echo',
    from: '*',
    action: { destination: { type: 'Websocket' }, maxDuration: 3600 },
  });
});

describe('the environment', () => {
  test('overrides the file, in capitals with __ between levels', async () => {
    const config = await load('sip: { maxCalls: 5 }\napplications: [{ key: a, secret: AAAAAAAAAAA= }]', {
      env: {
        CALLWIRE_SIP__MAXCALLS: '7',
        CALLWIRE_SIP__LISTEN: 'udp:[::1]:5060, tcp:127.0.0.1:5060',
        CALLWIRE_RTP__PORTS: '20000,29999',
        CALLWIRE_RTP__CODECS: '[pcma]',
        CALLWIRE_NODE__ID: '007',
        CALLWIRE_STREAM__ENDPOINTS__DENYPRIVATE: 'false',
        CALLWIRE_APPLICATIONS__0__SECRET: 'c2VjcmV0LXNlY3JldA==',
        CALLWIRE_LOG__LEVEL: '',
        OTHER_SIP__MAXCALLS: '9',
      },
    });
    expect(config).toMatchObject({
      node: { id: '007' },
      sip: { maxCalls: 7, listen: ['udp:[::1]:5060', 'tcp:127.0.0.1:5060'] },
      rtp: { ports: [20_000, 29_999], codecs: ['pcma'] },
      stream: { endpoints: { denyPrivate: false } },
      applications: [{ key: 'a', secret: 'c2VjcmV0LXNlY3JldA==' }],
      log: { level: 'info' },
    });
  });

  test('may hold what a container platform puts there for a service of our name', async () => {
    const env = {
      CALLWIRE_SERVICE_HOST: '10.0.0.1',
      CALLWIRE_PORT: 'tcp://10.0.0.1:5060',
      CALLWIRE_PORT_5060_UDP_ADDR: '10.0.0.1',
    };
    expect((await load('', { env })).sip.maxCalls).toBe(2000);
  });

  test.each<{ env: Record<string, string>; problem: string }>([
    {
      env: { CALLWIRE_HTTP__LISTN: 'x' },
      problem:
        'CALLWIRE_HTTP__LISTN: found the unknown setting `LISTN`, expected one of LISTEN, TLS, LIMITS; did you mean `CALLWIRE_HTTP__LISTEN`?',
    },
    {
      env: { CALLWIRE_LOG__LEVEL__X: 'x' },
      problem: 'CALLWIRE_LOG__LEVEL__X: found the unknown setting `X`, expected no further level; unset it',
    },
    {
      env: { CALLWIRE_HTTP__LISTEN: '8080' },
      problem:
        'CALLWIRE_HTTP__LISTEN: http.listen: found "8080", expected ADDRESS:PORT such as 127.0.0.1:8080 or "[::1]:8080"',
    },
    {
      env: { CALLWIRE_SIP__MAXCALLS: 'many' },
      problem: 'CALLWIRE_SIP__MAXCALLS: sip.maxCalls: found "many", expected a whole number from 1 to 100000',
    },
    {
      env: { CALLWIRE_RTP__PORTS: '3,2' },
      problem:
        'CALLWIRE_RTP__PORTS: rtp.ports: found [3, 2], expected the first port below the last; write [2, 3]',
    },
    {
      env: { CALLWIRE_SIP: '{' },
      problem:
        'CALLWIRE_SIP: sip: found "{", expected a mapping with listen, tls, externalAddress, maxCalls, auth, sessionTimer, allow, trace and limits',
    },
  ])('is named where it is wrong: $env', async ({ env, problem }) => {
    expect(await problemsOf(load('', { env }))).toEqual([problem]);
  });
});

describe('the command line', () => {
  const fileRoute =
    "routes:\n- { to: b, action: { name: connectStream, destination: { type: Websocket, endpoint: 'wss://b' }, maxDuration: 0 } }";

  test('overrides the environment and the file', async () => {
    const overrides: ConfigInput = { http: { listen: '127.0.0.1:1' }, log: { level: 'warn' } };
    const env = { CALLWIRE_HTTP__LISTEN: '127.0.0.1:2' };
    const config = await load('http: { listen: 127.0.0.1:3 }\nlog: { level: debug }', { env, overrides });
    expect(config).toMatchObject({ http: { listen: '127.0.0.1:1' }, log: { level: 'warn' } });
  });

  test('puts its routes before those of the file', async () => {
    const overrides = { routes: [routeFromFlag('a*=ws://127.0.0.1:9000/?x=y')] };
    const config = await load(fileRoute.replace('maxDuration: 0', 'maxDuration: 9'), { overrides });
    expect(config.routes?.map(({ to, action }) => [to, action?.destination.endpoint])).toEqual([
      ['a*', 'ws://127.0.0.1:9000/?x=y'],
      ['b', 'wss://b'],
    ]);
  });

  test('is named where it is wrong, and the file keeps its own numbering', async () => {
    const overrides = { http: { listen: 'x' }, routes: [routeFromFlag('a*=ws://127.0.0.1:9000/')] };
    expect(await problemsOf(load(fileRoute, { overrides }))).toEqual([
      '--http: http.listen: found "x", expected ADDRESS:PORT such as 127.0.0.1:8080 or "[::1]:8080"',
      'callwire.yaml:2: routes[0].action.maxDuration: found 0, expected a whole number from 1 to 14400',
    ]);
  });

  test.each(['', 'echo', '=ws://a/', 'echo=http://a/', 'a b=ws://a/'])('has no route %j', (text) => {
    expect(() => routeFromFlag(text)).toThrow(
      `--route: found ${JSON.stringify(text)}, expected PATTERN=WS_URL; for instance 'echo*=ws://127.0.0.1:9000/'`,
    );
  });
});

describe('what is worth saying is said', () => {
  const warningsOf = async (yaml: string, mode = 0o600) => {
    const warnings: string[] = [];
    await writeFile(join(directory, 'callwire.yaml'), yaml);
    await chmod(join(directory, 'callwire.yaml'), mode);
    await loadConfig({ env: {}, directory, warn: (sentence) => warnings.push(sentence) });
    return warnings;
  };
  const secret = 'applications: [{ key: a, secret: c2VjcmV0LXNlY3JldA== }]';

  test.each<{ yaml: string; mode?: number; warnings: string[] }>([
    { yaml: secret, warnings: [] },
    { yaml: secret, mode: 0o640, warnings: [] },
    {
      yaml: secret,
      mode: 0o644,
      warnings: [
        'callwire.yaml holds secrets and can be read by every user of this machine; run chmod o-r on it',
      ],
    },
    {
      yaml: "routes: [{ action: { name: connectStream, destination: { type: Websocket, endpoint: 'wss://a' }, authorization: x } }]",
      mode: 0o644,
      warnings: [expect.stringContaining('holds secrets')],
    },
    { yaml: 'log: { level: info }', mode: 0o644, warnings: [] },
    {
      yaml: 'rtp: { ports: [20000, 20099] }',
      warnings: ['rtp.ports has room for 50 calls, sip.maxCalls is 2000'],
    },
    {
      yaml: 'http: { listen: 0.0.0.0:8080 }',
      warnings: [
        'http.listen 0.0.0.0:8080 can be reached from outside, but without applications only /healthz and /readyz answer there',
      ],
    },
    {
      yaml: "routes:\n- { action: &a { name: connectStream, destination: { type: Websocket, endpoint: 'wss://a' } } }\n- { to: b, action: *a }",
      warnings: ['routes[0] matches every call, so the routes after it are never reached'],
    },
  ])('$yaml', async ({ yaml, mode, warnings }) => {
    expect(await warningsOf(yaml, mode)).toEqual(warnings);
  });
});
