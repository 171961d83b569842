import { describe, expect, test } from 'vitest';
import { defaultConfig, routeFromFlag } from '../../../gateway/config.ts';
import { createEndpointGuard } from '../../../gateway/routing/endpoint-guard.ts';
import { approveEndpoints, createRouter } from '../../../gateway/routing/router.ts';

const connectStream = (endpoint: string, fallbackEndpoints: string[] = []) => ({
  name: 'connectStream',
  destination: { type: 'Websocket', endpoint },
  streamingOptions: { fallbackEndpoints },
});

describe('routes of the configuration', () => {
  const router = createRouter(
    defaultConfig({
      routes: [
        { to: 'echo', action: connectStream('ws://127.0.0.1:1/') },
        { to: '+46*', from: '+1*', action: connectStream('ws://127.0.0.1:2/') },
        { to: '+46*', action: connectStream('ws://127.0.0.1:3/', ['ws://127.0.0.1:4/']) },
        { to: '???', action: connectStream('ws://127.0.0.1:5/') },
      ],
    }),
  );

  test.each([
    { to: 'echo', from: 'a', port: 1 },
    { to: '+4670', from: '+1555', port: 2 },
    { to: '+4670', from: '+49', port: 3 },
    { to: '100', from: '+1', port: 5 },
    { to: 'Echo', from: 'a', port: undefined },
    { to: '', from: '', port: undefined },
  ])('the first that fits $to from $from is taken', async ({ to, from, port }) => {
    const decision = await router.route({ to, from });
    if (port === undefined) expect(decision).toEqual({ kind: 'none' });
    else expect(decision).toMatchObject({ action: { destination: { endpoint: `ws://127.0.0.1:${port}/` } } });
  });

  test('are trusted: their hosts are resolved when they are connected to', async () => {
    expect(await router.route({ to: '+46', from: '' })).toMatchObject({
      kind: 'action',
      action: { streamingOptions: { fallbackEndpoints: ['ws://127.0.0.1:4/'] } },
      earlyMedia: false,
    });
  });
});

test('without routes nobody is called', async () => {
  expect(await createRouter(defaultConfig()).route({ to: 'echo', from: 'a' })).toEqual({ kind: 'none' });
});

test('a route of the command line fits its pattern from anybody', async () => {
  const router = createRouter({ routes: [routeFromFlag('sales-*=wss://bot.example/sales?x=1')] });
  expect(await router.route({ to: 'sales-1', from: 'x' })).toMatchObject({
    action: {
      destination: { endpoint: 'wss://bot.example/sales?x=1' },
      streamingOptions: { sampleRate: 8000 },
    },
  });
  expect(await router.route({ to: 'sales', from: 'x' })).toEqual({ kind: 'none' });
});

describe('an action that came from outside', () => {
  const guard = createEndpointGuard({
    allow: [],
    denyPrivate: true,
    resolve: async (host) => [host === 'bot.example' ? '93.184.215.14' : '10.0.0.1'],
  });
  const decide = (...endpoints: string[]) => approveEndpoints(endpoints, guard);

  test('goes to the addresses that the guard approved', async () => {
    expect(await decide('wss://bot.example/', 'wss://93.184.215.15/')).toMatchObject({
      approved: true,
      addresses: ['93.184.215.14', '93.184.215.15'],
    });
  });

  test('is refused where one of its endpoints leads inside', async () => {
    expect(await decide('wss://bot.example/', 'ws://inside.example/')).toEqual({
      approved: false,
      code: 'endpoint-private',
      message: 'endpoint ws://inside.example/ leads to 10.0.0.1, which is not a public address',
    });
  });
});
