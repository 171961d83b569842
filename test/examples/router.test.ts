import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Callbacks, createCallbacks } from '../../gateway/callbacks/callbacks.ts';
import { systemClock } from '../../gateway/clock.ts';
import { type Config, loadConfig } from '../../gateway/config.ts';
import { silentLog } from '../../gateway/log.ts';
import { createEndpointGuard } from '../../gateway/routing/endpoint-guard.ts';
import { ExampleProcess } from './example-process.ts';

/** The router of the README, as its own process, asked as a gateway with its configuration asks. */

let router: ExampleProcess;
let config: Config;
let callbackUrl: string;
const open: Callbacks[] = [];

function callbacksOf(secret: string): Callbacks {
  const callbacks = createCallbacks({
    applications: [{ ...config.applications[0]!, callbackUrl, secret }],
    limits: config.callbacks,
    clock: systemClock,
    log: silentLog,
    guard: createEndpointGuard({ allow: [], denyPrivate: true, kind: 'web' }),
    counted: () => {},
  });
  open.push(callbacks);
  return callbacks;
}

beforeAll(async () => {
  router = new ExampleProcess('router.mjs');
  config = await loadConfig({ env: {}, file: 'examples/router.yaml' });
  [callbackUrl] = (await router.line(/^http:\/\/\S+$/)) as unknown as [string];
});

afterAll(async () => {
  await router.close();
  await Promise.all(open.map((callbacks) => callbacks.close()));
});

const about = {
  callid: 'c-1',
  timestamp: '2026-01-02T03:04:05Z',
  version: 1,
  applicationKey: 'test-app',
} as const;
const ice = (endpoint: string) =>
  ({
    event: 'ice',
    ...about,
    cli: 'alice',
    to: { type: 'sip', endpoint },
    domain: 'sip',
    originationType: 'sip',
  }) as const;

test('says where each call goes, and hears of its end', async () => {
  const callbacks = callbacksOf(config.applications[0]!.secret);
  expect(await callbacks.ask('test-app', ice('bot'))).toMatchObject({
    svaml: { action: { name: 'connectStream', destination: { endpoint: 'ws://127.0.0.1:9000/' } } },
  });
  expect(await callbacks.ask('test-app', ice('room1'))).toMatchObject({
    svaml: { action: { name: 'connectConf', conferenceId: 'room1', moh: 'ring' } },
  });
  callbacks.tell('test-app', {
    event: 'dice',
    ...about,
    result: 'ANSWERED',
    reason: 'CALLERHANGUP',
    duration: 7,
  });
  await router.line(/^c-1 is over: ANSWERED CALLERHANGUP, 7 s$/);
  expect(config.routes).toMatchObject([{ to: '*', application: 'test-app' }]);
});

test('believes nobody else', async () => {
  expect(await callbacksOf('b3RoZXItc2VjcmV0').ask('test-app', ice('bot'))).toMatchObject({
    kind: 'failed',
    detail: expect.stringContaining('HTTP 401'),
  });
});
