import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CallControlError } from '../../../gateway/calls/call-control.ts';
import { type CallSummary, type HttpServer, startHttpServer } from '../../../gateway/control/http-server.ts';
import { silentLog } from '../../../gateway/log.ts';
import { createMetrics } from '../../../gateway/metrics.ts';
import { askHttp, basicHeaders } from '../../support/http-ask.ts';
import { describeCall, type FakeCallControl, fakeCallControl } from './fake-call-control.ts';

const app = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };
const other = { key: 'other', secret: 'b3RoZXItc2VjcmV0' };

let server: HttpServer;
let control: FakeCallControl;
let hungUp: string[];

const listed = (callId: string) => ({ callId, stream: undefined }) as CallSummary;

beforeEach(async () => {
  control = fakeCallControl();
  hungUp = [];
  control.calls.set('mine', describeCall({ callId: 'mine' }));
  control.calls.set('over', describeCall({ callId: 'over', status: 'FINAL', result: 'ANSWERED' }));
  control.calls.set('theirs', describeCall({ callId: 'theirs', applicationKey: 'other' }));
  control.rooms.set('app room', new Set(['mine']));
  control.rooms.set('other theirs', new Set(['theirs']));
  server = await startHttpServer({
    listen: { address: '127.0.0.1', port: 0 },
    applications: [app, other],
    view: {
      calls: async () => ['mine', 'theirs'].map(listed),
      hangup: (callId) => hungUp.push(callId) > 0,
      drain: () => {},
      state: () => 'ready',
    },
    control,
    metrics: createMetrics(),
    log: silentLog,
  });
});

afterEach(() => server.close());

const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  askHttp(
    server.url,
    method,
    path,
    { ...basicHeaders(app), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    body === undefined ? undefined : JSON.stringify(body),
  );

const calls = '/calling/v1/calls/id';
const rooms = '/calling/v1/conferences/id';
const hangup = { action: { name: 'hangup' } };
const callout = {
  method: 'ttsCallout',
  ttsCallout: { destination: { type: 'number', endpoint: '+46701' }, text: 'Hej' },
};

describe('the calling API', () => {
  // biome-ignore format: a table reads as a table
  test.each<{ method: string; path: string; body?: unknown; status: number; message?: string }>([
    { method: 'POST', path: '/calling/v1/callouts', body: callout, status: 200 },
    { method: 'POST', path: '/calling/v1/callouts', status: 400, message: 'the body must be a mapping with method, got nothing' },
    { method: 'POST', path: '/calling/v1/callouts', body: { ...callout, x: 1 }, status: 400, message: 'x is not a known field' },
    { method: 'GET', path: '/calling/v1/callouts', status: 405, message: 'expected POST, got GET' },
    // Calls
    { method: 'GET', path: `${calls}/mine`, status: 200 },
    { method: 'GET', path: `${calls}/nobody`, status: 404, message: 'callId: no call "nobody"' },
    { method: 'GET', path: `${calls}/theirs`, status: 404, message: 'callId: no call "theirs"' },
    { method: 'PATCH', path: `${calls}/mine`, body: hangup, status: 204 },
    { method: 'PATCH', path: `${calls}/mine`, body: {}, status: 400, message: 'action or instructions must be there' },
    { method: 'PATCH', path: `${calls}/mine`, status: 400, message: 'SVAML must be a mapping' },
    { method: 'PATCH', path: `${calls}/mine`, body: { action: { name: 'connectSip' } }, status: 400, message: 'action.destination must be a mapping' },
    { method: 'PATCH', path: `${calls}/theirs`, body: hangup, status: 404, message: 'no call "theirs"' },
    { method: 'PATCH', path: `${calls}/over`, body: hangup, status: 409, message: 'callId: the call is over' },
    { method: 'PATCH', path: `${calls}/mine/leg/callee`, body: { instructions: [{ name: 'say', text: 'Hej' }] }, status: 204 },
    { method: 'PATCH', path: `${calls}/mine/leg/nobody`, body: hangup, status: 400, message: 'the leg in the path must be caller, callee or both, got "nobody"' },
    { method: 'PATCH', path: `${calls}/mine/leg/both`, body: { instructions: [{ name: 'answer' }] }, status: 400, message: 'instructions[0].name must be playFiles or say for one leg, got "answer"' },
    { method: 'PATCH', path: `${calls}/mine/leg/both`, body: { action: { name: 'park' } }, status: 400, message: 'action.name must be continue or hangup for one leg, got "park"' },
    { method: 'PATCH', path: `${calls}/theirs/leg/both`, body: hangup, status: 404, message: 'no call "theirs"' },
    // Conferences
    { method: 'GET', path: `${rooms}/room`, status: 200 },
    { method: 'GET', path: `${rooms}/theirs`, status: 404, message: 'conferenceId: nobody is in a room "theirs"' },
    { method: 'DELETE', path: `${rooms}/room`, status: 204 },
    { method: 'DELETE', path: `${rooms}/theirs`, status: 404, message: 'nobody is in a room' },
    { method: 'PATCH', path: `${rooms}/room/mine`, body: { command: 'mute' }, status: 204 },
    { method: 'PATCH', path: `${rooms}/room/mine`, body: { command: 'shout' }, status: 400, message: 'command must be one of mute, unmute, onhold, resume, got "shout"' },
    { method: 'PATCH', path: `${rooms}/room/mine`, body: { command: 'onhold', moh: 5 }, status: 400, message: 'moh must be' },
    { method: 'PATCH', path: `${rooms}/room/mine`, body: { command: 'mute', x: 5 }, status: 400, message: '"x" is not a known field' },
    { method: 'PATCH', path: `${rooms}/room/mine`, status: 400, message: 'the body must be a mapping with command' },
    { method: 'PATCH', path: `${rooms}/theirs/theirs`, body: { command: 'mute' }, status: 404, message: 'no call theirs in the room' },
    { method: 'DELETE', path: `${rooms}/room/mine`, status: 204 },
    { method: 'DELETE', path: `${rooms}/room/theirs`, status: 404, message: 'callId: no call "theirs" in the room "room"' },
    { method: 'DELETE', path: `${rooms}/theirs/theirs`, status: 404, message: 'no call "theirs"' },
    // The gateway's own
    { method: 'DELETE', path: '/calls/theirs', status: 404, message: 'no call "theirs"' },
    { method: 'DELETE', path: '/calls/mine', status: 204 },
  ])('$method $path: $status $message', async ({ method, path, body, status, message }) => {
    const reply = await ask(method, path, body);
    expect([reply.status, reply.text]).toEqual([status, expect.any(String)]);
    if (status === 204) expect(reply.text).toBe('');
    if (message !== undefined) {
      expect(reply.json).toEqual({
        errorCode: status * 100,
        message: expect.stringContaining(message),
        reference: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(control.asked).toEqual([]);
    }
  });

  test('shows a call in the published fields', async () => {
    expect((await ask('GET', `${calls}/mine`)).json).toEqual({
      callId: 'mine',
      from: { type: 'number', endpoint: '+4670' },
      to: { type: 'sip', endpoint: 'sip:bob@127.0.0.1' },
      domain: 'sip',
      duration: 12,
      status: 'ONGOING',
      result: 'N/A',
      reason: 'N/A',
      timestamp: '2026-01-02T03:04:05.678Z',
      userRate: { currencyId: 'USD', amount: 0 },
      debit: { currencyId: 'USD', amount: 0 },
    });
  });

  test('shows each application its own calls only', async () => {
    expect((await ask('GET', '/calls')).json).toEqual({ calls: [{ callId: 'mine' }] });
    await ask('DELETE', '/calls/theirs');
    expect(hungUp).toEqual([]);
  });

  test.each([
    { code: 'not-found', status: 404 },
    { code: 'conflict', status: 409 },
    { code: 'invalid', status: 400 },
    { code: 'unavailable', status: 503 },
    { code: 'forbidden', status: 403 },
  ] as const)('answers $status where calls are $code', async ({ code, status }) => {
    control.failing = new CallControlError(code, 'no such luck', 'destination.endpoint');
    const reply = await ask('POST', '/calling/v1/callouts', callout);
    expect(reply.status).toBe(status);
    expect(reply.json?.message).toBe('destination.endpoint: no such luck');
    expect(reply.headers['retry-after']).toBe(status === 503 ? '5' : undefined);
  });

  test('says nothing of what went wrong inside', async () => {
    control.failing = new Error('hunter2');
    const reply = await ask('POST', '/calling/v1/callouts', callout);
    expect([reply.status, reply.text.includes('hunter2')]).toEqual([500, false]);
  });
});

describe('a callout with an Idempotency-Key', () => {
  const path = '/calling/v1/callouts';
  const place = (key: string, body: unknown = callout) => ask('POST', path, body, { 'idempotency-key': key });

  test('is placed once, however often and at the same time it is sent', async () => {
    const replies = await Promise.all([place('a'), place('a'), place('a')]);
    const again = await place('a');
    expect([...replies, again].map(({ json }) => json)).toEqual(Array(4).fill({ callId: 'call-1' }));
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(control.callouts).toHaveLength(1);
    expect((await place('b')).json).toEqual({ callId: 'call-2' });
  });

  test('is another one of another application', async () => {
    await place('a');
    await askHttp(
      server.url,
      'POST',
      path,
      { ...basicHeaders(other), 'content-type': 'application/json', 'idempotency-key': 'a' },
      JSON.stringify(callout),
    );
    expect(control.callouts).toHaveLength(2);
  });

  test('is refused with another body, and with a key that is none', async () => {
    await place('a');
    const changed = await place('a', { ...callout, ttsCallout: { ...callout.ttsCallout, text: 'Bye' } });
    expect([changed.status, changed.json?.message]).toEqual([
      422,
      'Idempotency-Key came with another body before; take a new one',
    ]);
    expect((await place('x'.repeat(256))).status).toBe(400);
    expect((await place('a b')).status).toBe(400);
  });

  test('that failed may be tried again', async () => {
    control.failing = new CallControlError('unavailable', 'too many calls');
    expect((await place('a')).status).toBe(503);
    expect((await place('a')).status).toBe(200);
  });
});
