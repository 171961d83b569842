import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { ApplicationServer } from '../../bench/application-server.ts';
import type { ApplicationPlan } from '../../bench/load-messages.ts';
import { authorizationOf } from '../../protocol/signing.ts';

const plan: ApplicationPlan = {
  delayMs: 0,
  key: 'bench',
  secret: 'c2VjcmV0',
  streamUrl: 'ws://127.0.0.1:9/',
  sampleRateHz: 16_000,
};
const contentType = 'application/json; charset=utf-8';

let server: ApplicationServer | undefined;
afterEach(() => server?.close());

async function open(changes: Partial<ApplicationPlan> = {}): Promise<string> {
  server = new ApplicationServer({ ...plan, ...changes });
  return `http://127.0.0.1:${await server.listen()}/callback`;
}

interface Sending {
  readonly secret?: string;
  readonly signal?: AbortSignal;
}

function post(
  url: string,
  message: object,
  { secret = plan.secret, signal }: Sending = {},
): Promise<Response> {
  const body = Buffer.from(JSON.stringify(message));
  const timestamp = new Date().toISOString();
  const signed = { method: 'POST', path: '/callback', contentType, body, timestamp };
  return fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': contentType,
      'x-timestamp': timestamp,
      Authorization: authorizationOf(signed, { key: plan.key, secret }),
    },
    body,
    ...(signal !== undefined && { signal }),
  });
}

/** Until the server has counted what lies behind an answer that came already. */
async function counted(expected: object): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (Object.entries(expected).every(([name, value]) => Reflect.get(server!.report(), name) === value))
      return;
    await nextTurn();
  }
  expect(server!.report()).toMatchObject(expected);
}

test('connects every call to the stream servers and counts its end once', async () => {
  const url = await open();
  const answer = await post(url, { event: 'ice', callid: 'a' });
  expect(await answer.json()).toEqual({
    action: {
      name: 'connectStream',
      destination: { type: 'Websocket', endpoint: plan.streamUrl },
      streamingOptions: { version: 1, sampleRate: 16_000 },
    },
  });
  for (const callid of ['a', 'a', 'b']) expect((await post(url, { event: 'dice', callid })).status).toBe(200);
  await counted({
    asked: 1,
    answered: 1,
    broken: 0,
    waiting: 0,
    ended: 1,
    endedAgain: 1,
    unknown: 1,
    unsigned: 0,
  });
});

test('a gateway that does not wait for the answer is counted', async () => {
  const url = await open({ delayMs: 30_000 });
  const impatience = new AbortController();
  const answer = post(url, { event: 'ice', callid: 'a' }, { signal: impatience.signal });
  await counted({ asked: 1, waiting: 1 });
  impatience.abort();
  await expect(answer).rejects.toThrow();
  await counted({ asked: 1, answered: 0, broken: 1, waiting: 0 });
});

test('requests that are not signed with the secret are refused', async () => {
  const url = await open();
  expect((await post(url, { event: 'ice', callid: 'a' }, { secret: 'b3RoZXI=' })).status).toBe(401);
  expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401);
  await counted({ asked: 0, unsigned: 2 });
});
