import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type BotCall,
  type BotCallEnd,
  BotError,
  type BotServer,
  type BotServerOptions,
  createBotServer,
} from '../../../gateway/bots/bot-server.ts';
import { signConnect, withToken } from '../../../protocol/stream/signed-connect.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Caller } from './caller.ts';

const extensions = ['mark', 'dtmf', 'flow', 'hold', 'stats', 'control'];
const servers: BotServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A call on the line, from both sides. */
async function line(
  fields: object = {},
  options: Partial<BotServerOptions> = {},
): Promise<{ caller: Caller; call: BotCall; server: BotServer; errors: unknown[] }> {
  const errors: unknown[] = [];
  let arrived: (call: BotCall) => void = () => {};
  const arrival = new Promise<BotCall>((resolve) => {
    arrived = resolve;
  });
  const server = await createBotServer({
    port: 0,
    onError: (error) => errors.push(error),
    onCall: arrived,
    ...options,
  });
  servers.push(server);
  const caller = await new Caller(server.url).opened();
  caller.connect(16_000, { extensions, ...fields });
  return { caller, call: await arrival, server, errors };
}

const ms = (duration: number, rateHz = 16_000) => new Int16Array((duration * rateHz) / 1_000);

describe('connect', () => {
  const spellings: readonly object[] = [
    { callId: 'c1', applicationKey: 'app', callHeaders: { k: 'v' } },
    { callId: undefined, CallId: 'c1', applicationId: 'app', headers: { k: 'v' } },
    { callId: undefined, CallId: 'c1', ApplicationId: 'app', Headers: [{ key: 'k', value: 'v' }] },
  ];
  it.each(spellings)('is read in every spelling: %j', async (fields) => {
    const { call } = await line({ ...fields, sipHeaders: { 'X-A': '1' }, resumed: true });
    expect(call.info).toMatchObject({
      callId: 'c1',
      applicationKey: 'app',
      callHeaders: { k: 'v' },
      sipHeaders: { 'X-A': '1' },
      direction: 'inbound',
      streamSampleRate: 16_000,
      offered: extensions,
      resumed: true,
      channels: 1,
      tap: undefined,
    });
    expect(call).toMatchObject({ callId: 'c1', from: 'a', to: 'b', sampleRate: 16_000, state: 'ringing' });
  });

  it('an answer asks for all that is offered, or for what the bot wants of it', async () => {
    const all = await line();
    expect(all.call.answer()).toEqual(extensions);
    expect(await all.caller.command('answer')).toEqual({ command: 'answer', extensions });
    const some = await line({}, { extensions: ['mark', 'teleport'] });
    expect(some.call.answer()).toEqual(['mark']);
    expect((await some.caller.command('answer')).extensions).toEqual(['mark']);
  });

  it('an old gateway hears a plain answer', async () => {
    const { caller, call } = await line({ extensions: undefined });
    expect(call.answer()).toEqual([]);
    expect(await caller.command('answer')).toEqual({ command: 'answer' });
  });

  it.each(['busy', 'reject'] as const)('%s refuses, once', async (reply) => {
    const { caller, call } = await line();
    call[reply]();
    expect(await caller.command(reply)).toEqual({ command: reply });
    expect(() => call.answer()).toThrow(
      'a call gets one answer, busy or reject; this one is refused already',
    );
  });

  it('what onCall throws refuses the call and is told', async () => {
    for (const onCall of [
      () => {
        throw new Error('oops');
      },
      () => Promise.reject(new Error('oops')),
    ]) {
      const errors: unknown[] = [];
      const server = await createBotServer({ port: 0, onCall, onError: (error) => errors.push(error) });
      servers.push(server);
      const caller = await new Caller(server.url).opened();
      caller.connect();
      await caller.command('reject');
      expect(errors).toEqual([new Error('oops')]);
    }
  });
});

describe('audio', () => {
  it('comes as samples and goes as bytes, at the rate that the bot wants', async () => {
    const { caller, call } = await line({}, { sampleRate: 8_000 });
    expect(call).toMatchObject({ sampleRate: 8_000, info: { streamSampleRate: 16_000 } });
    let samples = 0;
    const heard = new Promise<void>((resolve) => {
      call.on('audio', (pcm) => {
        samples += pcm.length;
        if (samples >= 320) resolve();
      });
    });
    call.answer();
    caller.socket.send(new Uint8Array(640));
    caller.socket.send(new Uint8Array(640));
    await heard;
    expect(samples).toBe(320);
    await call.play(ms(100, 8_000));
    await caller.until(() => caller.audio.length === 1_600);
    expect(call.sentMs).toBe(100);
  });

  it('before the answer nothing can be played', async () => {
    const { call } = await line();
    expect(() => call.play(ms(20))).toThrow('play wants a call that was answered; this one is ringing');
  });

  it('an error of a listener ends the call, not the bot', async () => {
    const { caller, call, errors } = await line();
    call.on('audio', () => {
      throw new Error('deaf');
    });
    call.answer();
    caller.socket.send(new Uint8Array(640));
    expect(await caller.closed).toEqual({ code: 1011, reason: 'ERROR' });
    expect(errors).toEqual([new Error('deaf')]);
  });
});

describe('marks and clear', () => {
  it('are what the gateway reports', async () => {
    const { caller, call } = await line();
    call.answer();
    call.play(ms(40));
    const first = call.mark('m');
    const second = call.mark('m');
    await caller.until(() => caller.texts.length === 3);
    caller.say({ event: 'mark', name: 'm', status: 'played', playedMs: 40 });
    caller.say({ event: 'mark', name: 'm', status: 'cleared', playedMs: 41 });
    expect(await first).toEqual({ name: 'm', status: 'played', playedMs: 40, exact: true });
    expect(await second).toEqual({ name: 'm', status: 'cleared', playedMs: 41, exact: true });
    const cleared = call.clear();
    await caller.command('clear');
    caller.say({ event: 'cleared', playedMs: 20, droppedMs: 20 });
    expect(await cleared).toEqual({ playedMs: 20, droppedMs: 20, exact: true });
  });

  it('what was never sent counts as dropped', async () => {
    const { caller, call } = await line({}, { playAheadMs: 100, clock: new FakeClock() });
    call.answer();
    const whole = call.play(ms(1_000));
    const mark = call.mark();
    const cleared = call.clear();
    expect(await whole).toBe(false);
    expect(await mark).toMatchObject({ name: 'mark-1', status: 'cleared' });
    await caller.command('clear');
    caller.say({ event: 'cleared', playedMs: 0, droppedMs: 100 });
    expect(await cleared).toEqual({ playedMs: 0, droppedMs: 1_000, exact: true });
    expect(caller.commands.some(({ command }) => command === 'mark')).toBe(false);
  });

  it('are told by the clock where the gateway has no extensions', async () => {
    const clock = new FakeClock();
    const { caller, call } = await line({ extensions: [] }, { clock });
    call.answer();
    call.play(ms(300));
    const mark = call.mark('heard');
    await clock.advance(299);
    expect(caller.commands.some(({ command }) => command === 'mark')).toBe(false);
    await clock.advance(2);
    expect(await mark).toEqual({ name: 'heard', status: 'played', playedMs: 300, exact: false });
    call.play(ms(200));
    const dropped = call.mark();
    await clock.advance(50);
    const { playedMs, droppedMs, exact } = await call.clear();
    expect([playedMs, droppedMs, exact]).toEqual([350, 150, false]);
    expect(await dropped).toMatchObject({ status: 'cleared', exact: false });
  });

  it('a gateway that grants marks and forgets to report a clear is not waited for', async () => {
    const clock = new FakeClock();
    const { caller, call } = await line({}, { clock });
    call.answer();
    const cleared = call.clear();
    await caller.command('clear');
    await clock.advance(1_000);
    expect(await cleared).toEqual({ playedMs: 0, droppedMs: 0, exact: false });
  });

  it('end with the call', async () => {
    const { caller, call } = await line();
    call.answer();
    const [mark, clear, digits] = [call.mark('m'), call.clear(), call.readDigits()];
    const status = call.status();
    caller.socket.close(1000, 'CALLERHANGUP');
    expect(await mark).toMatchObject({ status: 'closed' });
    expect(await clear).toMatchObject({ exact: false });
    expect(await digits).toBe('');
    await expect(status).rejects.toMatchObject({ code: 'closed' });
    expect(await call.closed).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
    expect(await call.play(ms(20))).toBe(false);
    expect(await call.mark()).toMatchObject({ status: 'closed' });
    call.hangup();
    call.pause();
  });
});

describe('commands', () => {
  const sent: readonly { name: string; run: (call: BotCall) => unknown; message: object }[] = [
    { name: 'pause', run: (call) => call.pause(), message: { command: 'pause' } },
    { name: 'continue', run: (call) => call.continue(), message: { command: 'continue' } },
    { name: 'dtmf', run: (call) => call.sendDtmf('12w#'), message: { command: 'dtmf', digits: '12w#' } },
    { name: 'hangup', run: (call) => call.hangup('done'), message: { command: 'hangup', reason: 'done' } },
    {
      name: 'transfer',
      run: (call) => call.transfer('sip:a@b', { 'X-A': '1' }),
      message: { command: 'transfer', to: 'sip:a@b', headers: { 'X-A': '1' } },
    },
    { name: 'status', run: (call) => call.status(), message: { command: 'status' } },
  ];
  it.each(sent)('$name', async ({ name, run, message }) => {
    const { caller, call } = await line();
    call.answer();
    run(call);
    expect(await caller.command(name)).toEqual(message);
  });

  it.each(sent.filter(({ name }) => name !== 'hangup'))(
    '$name wants a gateway that has it',
    async ({ run }) => {
      const { call } = await line({ extensions: ['mark'] });
      call.answer();
      expect(() => run(call)).toThrow(
        /wants the extension '.*', which this gateway does not offer \(it offers mark\)/,
      );
    },
  );

  it('hangup closes where the gateway knows no better, or does not obey', async () => {
    const old = await line({ extensions: [] });
    old.call.answer();
    old.call.hangup('bye');
    expect(await old.caller.closed).toEqual({ code: 1000, reason: 'bye' });
    const clock = new FakeClock();
    const deaf = await line({}, { clock });
    deaf.call.answer();
    deaf.call.hangup('bye');
    await deaf.caller.command('hangup');
    await clock.advance(2_000);
    expect(await deaf.caller.closed).toEqual({ code: 1000, reason: 'bye' });
  });

  const wrong: readonly { name: string; run: (call: BotCall) => unknown; message: string }[] = [
    {
      name: 'digits',
      run: (call) => call.sendDtmf('12x'),
      message: "digits are 0-9 * # A-D and w for a pause, got '12x'",
    },
    {
      name: 'a mark without a name',
      run: (call) => call.mark(''),
      message: 'the name of a mark has 1 to 256 characters, got 0',
    },
    {
      name: 'a long reason',
      run: (call) => call.hangup('é'.repeat(62)),
      message: 'a reason has at most 123 bytes, got 124',
    },
    {
      name: 'no target',
      run: (call) => call.transfer(''),
      message: 'transfer wants a SIP URI or a number, got nothing',
    },
  ];
  it.each(wrong)('$name: refused', async ({ run, message }) => {
    const { call } = await line();
    call.answer();
    expect(() => run(call)).toThrow(message);
    expect(() => run(call)).toThrow(BotError);
  });

  it('a silent call gets heartbeats, a talking one none', async () => {
    const clock = new FakeClock();
    const { caller, call } = await line({}, { clock, heartbeatMs: 1_000 });
    call.answer();
    for (let i = 0; i < 5; i++) {
      await clock.advance(500);
      call.play(ms(20));
    }
    await call.play(ms(20));
    await caller.until(() => caller.binary.length === 6);
    expect(caller.commands.some(({ command }) => command === 'heartbeat')).toBe(false);
    await clock.advance(1_000);
    await caller.command('heartbeat');
  });
});

describe('events', () => {
  it('come with their fields, unknown ones as messages alone', async () => {
    const { caller, call } = await line();
    const seen: unknown[] = [];
    for (const name of ['dtmf', 'hold', 'resume', 'flow', 'stats', 'transfer', 'error', 'status'] as const)
      call.on(name, (event: unknown) => void seen.push(event));
    const messages: unknown[] = [];
    call.on('message', (message) => void messages.push(message));
    call.answer();
    const events = [
      { event: 'dtmf', digit: '5', durationMs: 100, method: 'rfc4733' },
      { event: 'hold' },
      { event: 'resume' },
      { event: 'flow', state: 'xoff', bufferedMs: 9 },
      { event: 'stats', lossUp: 0, lossDown: 0, jitterMs: 0, bufferedMs: 0, codec: 'pcmu' },
      { event: 'transfer', status: 'failed', code: 486 },
      { event: 'error', code: 'bad-field', message: 'm' },
    ];
    for (const event of events) caller.say(event);
    for (const odd of ['{"event":"x-future"}', '{{', '[]', 'null', '{"event":"constructor"}'])
      caller.socket.send(odd);
    const status = call.status();
    caller.say({ event: 'status', state: 'idle', bufferedMs: 0, playedMs: 0, marks: 0 });
    expect(await status).toMatchObject({ state: 'idle' });
    expect(seen).toEqual([...events, expect.objectContaining({ event: 'status' })]);
    expect(messages).toHaveLength(events.length + 3);
  });

  it.each([
    { wish: {}, press: '12', digits: '1' },
    { wish: { max: 3 }, press: '1234', digits: '123' },
    { wish: { max: 9, until: '#*' }, press: '12#4', digits: '12' },
  ])('digits are read: $wish', async ({ wish, press, digits }) => {
    const { caller, call } = await line();
    call.answer();
    const read = call.readDigits(wish);
    for (const digit of press) caller.say({ event: 'dtmf', digit, durationMs: 100, method: 'info' });
    expect(await read).toBe(digits);
  });

  it('digits that do not come are not waited for', async () => {
    const clock = new FakeClock();
    const { caller, call } = await line({}, { clock });
    call.answer();
    const pressed = new Promise<void>((resolve) => call.on('dtmf', () => resolve()));
    const read = call.readDigits({ max: 4, timeoutMs: 3_000 });
    await clock.advance(2_000);
    caller.say({ event: 'dtmf', digit: '7', durationMs: 100, method: 'rfc4733' });
    await pressed;
    await clock.advance(2_999);
    await clock.advance(1);
    expect(await read).toBe('7');
  });
});

describe('the server', () => {
  it('serves its path of a server that others use too, and leaves it running', async () => {
    const http = createServer((_request, response) => response.end('hello'));
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const server = await createBotServer({ server: http, path: '/calls', onCall: (call) => call.busy() });
    expect(server.url).toBe(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/calls`);
    const caller = await new Caller(`${server.url}?token=1`).opened();
    caller.connect();
    await caller.command('busy');
    expect((await new Caller(server.url.replace('calls', 'others')).closed).code).toBe(1006);
    await server.close();
    expect(http.listening).toBe(true);
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });

  it('declines whom accept does not want', async () => {
    const server = await createBotServer({
      port: 0,
      accept: (request) => request.url === '/?token=right',
      onCall: (call) => call.busy(),
    });
    servers.push(server);
    expect((await new Caller(`${server.url}?token=wrong`).closed).code).toBe(1006);
    const caller = await new Caller(`${server.url}?token=right`).opened();
    caller.connect();
    await caller.command('busy');
  });

  const claims = { callId: 'c1', applicationKey: 'app', url: 'ws://127.0.0.1/' };
  const signed: readonly { name: string; secret: string; callId: string; ageMs: number; code: number }[] = [
    { name: 'signed with the secret', secret: 'right', callId: 'c1', ageMs: 0, code: 1001 },
    { name: 'signed with another', secret: 'wrong', callId: 'c1', ageMs: 0, code: 1006 },
    { name: 'signed long ago', secret: 'right', callId: 'c1', ageMs: 200_000, code: 1006 },
    { name: 'signed in the future', secret: 'right', callId: 'c1', ageMs: -200_000, code: 1006 },
    { name: 'signed for another call', secret: 'right', callId: 'c2', ageMs: 0, code: 1002 },
  ];
  it.each(signed)('where connects are signed: one $name', async ({ secret, callId, ageMs, code }) => {
    const clock = new FakeClock();
    const server = await createBotServer({
      port: 0,
      secret: 'right',
      clock,
      onCall: (call) => call.answer(),
      onError: () => {},
    });
    servers.push(server);
    const token = signConnect({ ...claims, callId, nowMs: clock.wallMs() - ageMs }, Buffer.from(secret));
    const caller = new Caller(withToken(server.url, token));
    if (code !== 1006) {
      await caller.opened();
      caller.connect();
      if (code === 1001) await caller.command('answer').then(() => server.close());
    }
    expect((await caller.closed).code).toBe(code);
  });

  it.each(['', '?token=', '?token=a.b.c', '?token=e30.e30.', '?token=%00'])(
    'where connects are signed: 401 to %j',
    async (query) => {
      const server = await createBotServer({ port: 0, secret: 'right', onCall: (call) => call.answer() });
      servers.push(server);
      expect((await new Caller(`${server.url}${query}`).closed).code).toBe(1006);
    },
  );

  it('where connects are signed, the token names the call of a dialect that does not', async () => {
    let arrived: (call: BotCall) => void = () => {};
    const arrival = new Promise<BotCall>((resolve) => {
      arrived = resolve;
    });
    const server = await createBotServer({ port: 0, dialect: 'twilio', secret: 'right', onCall: arrived });
    servers.push(server);
    const token = signConnect({ ...claims, nowMs: Date.now() }, Buffer.from('right'));
    const caller = await new Caller(withToken(server.url, token)).opened();
    caller.say({ event: 'connected', protocol: 'Call', version: '1.0.0' });
    caller.say({ event: 'start', streamSid: 'MZ1', start: { callSid: 'CA1', customParameters: { k: 'v' } } });
    expect((await arrival).info).toMatchObject({
      callId: 'c1',
      callHeaders: { k: 'v' },
      streamSampleRate: 8_000,
    });
  });

  it('knows its calls and ends them with 1001', async () => {
    const { server, call, caller } = await line();
    expect([...server.calls]).toEqual([call]);
    const ended = new Promise<BotCallEnd>((resolve) => call.on('close', resolve));
    await server.close();
    expect((await caller.closed).code).toBe(1001);
    expect(await ended).toMatchObject({ code: 1001 });
    expect(server.calls.size).toBe(0);
  });

  it.each([
    { options: { onCall: undefined as never, port: 0 }, message: 'onCall must be a function, got undefined' },
    { options: {}, message: 'give either port or server' },
    { options: { port: 0, path: 'calls' }, message: "path must begin with /, got 'calls'" },
    { options: { port: 0, secret: '' }, message: 'secret is empty' },
    { options: { port: 0, sampleRate: 11_025 }, message: 'sampleRate must be one of 8000' },
    { options: { port: 0, dialect: 'sip' as never }, message: 'dialect must be one of sinch, twilio, ' },
    {
      options: { port: 0, dialect: 'audiosocket' as const, secret: 's' },
      message: 'secret makes no sense with dialect audiosocket',
    },
    {
      options: { port: 0, dialect: 'audiosocket' as const, sampleRateAssumed: 11_025 },
      message: 'sampleRateAssumed must be one of 8000',
    },
  ])('refuses options: $message', async ({ options, message }) => {
    await expect(createBotServer({ onCall: () => {}, ...options })).rejects.toThrow(message);
  });
});
