import { afterEach, expect, it } from 'vitest';
import { runTrace } from '../../gateway/cli/trace.ts';
import { CallWorld } from '../support/call-world.ts';

let world: CallWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function trace(callId: string, options: { messages?: boolean; json?: boolean } = {}) {
  const said = { out: '', err: '' };
  const status = await runTrace(
    callId,
    { http: world!.gateway.listening.http!, ...options },
    { write: (text) => (said.out += text) },
    { write: (text) => (said.err += text) },
  );
  return { status, ...said };
}

it('the ladder of a call is there while it lasts and after it', async () => {
  world = await CallWorld.open();
  const call = await world.call({ durationMs: 1_000 });
  await world.clock.until(() => world!.gateway.activeCalls === 1, 5_000);
  const callId = (await world.gateway.calls())[0]!.callId;
  const early = await trace(callId);
  expect([early.status, early.out]).toEqual([0, expect.stringContaining(' INVITE SDP ')]);
  await world.finish(call);
  const { out } = await trace(callId);
  const lines = out.split('\n').filter((line) => /[▶◀]/.test(line));
  expect(
    lines.map((line) => `${/▶/.test(line) ? '>' : '<'} ${line.replace(/^\s*\S+ s|[│─▶◀]/g, '').trim()}`),
  ).toEqual([
    '> INVITE SDP',
    '< 100 Trying (INVITE)',
    '< 180 Ringing (INVITE)',
    '< 200 OK (INVITE) SDP',
    '> ACK',
    '> BYE',
    '< 200 OK (BYE)',
  ]);
  expect(out).toMatch(/^ {12}udp:127\.0\.0\.1:\d+ +gateway$/m);
  const whole = await trace(callId, { messages: true });
  expect(whole.out).toContain(`    Call-ID: ${call.session!.sipCallId}\n`);
  expect(JSON.parse((await trace(callId, { json: true })).out)).toMatchObject({
    callId,
    dropped: 0,
    messages: { length: 7 },
  });
});

it('over a bad line it shows what came again, and no password', async () => {
  const auth = { realm: 'callwire', users: [{ username: 'alice', password: 'secret' }] };
  const link = { delayMs: 20, lossPercent: 20, seed: 2 };
  world = await CallWorld.open({ link, config: { sip: { auth } } });
  let all = '';
  for (let round = 0; round < 4; round++) {
    const call = await world.call({ durationMs: 1_000, user: 'alice', password: 'secret' });
    await world.clock.until(() => world!.gateway.activeCalls === 1, 30_000);
    const callId = (await world.gateway.calls())[0]!.callId;
    await world.finish(call);
    await world.clock.advance(40_000);
    const { out } = await trace(callId, { messages: true });
    for (const label of ['INVITE', '401', '200 OK', 'ACK', 'BYE']) expect(out).toContain(label);
    all += out;
  }
  expect(all).toContain('again');
  expect(all).toMatch(/^ +Authorization: \[hidden\]$/m);
  expect(all).not.toMatch(/response="?[0-9a-f]{32}/);
});

it('a call that is not known is said to be so', async () => {
  world = await CallWorld.open();
  const { status, err } = await trace('gw-1-nobody');
  expect(status).toBe(1);
  expect(err).toContain('no messages of call "gw-1-nobody" are kept; sip.trace.calls says');
});
