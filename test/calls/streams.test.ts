import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../gateway/config.ts';
import { closeAgents } from '../gateway/signaling/agents.ts';
import { CallWorld } from '../support/call-world.ts';
import type { MemoryStream } from '../support/memory-stream.ts';
import { BarePhone } from './bare-phone.ts';

/** Whole calls whose stream servers use the extensions, with SIP and RTP over a clean line. */

const everything = ['mark', 'dtmf', 'flow', 'hold', 'stats', 'control'];
let world: CallWorld | undefined;

afterEach(async () => {
  await closeAgents();
  await world?.close();
  world = undefined;
});

interface ActionChanges {
  readonly streamingOptions?: object;
  readonly authorization?: string;
}

async function open(changes: ActionChanges = {}, config: ConfigInput = {}): Promise<CallWorld> {
  const { streamingOptions, ...rest } = changes;
  const action = {
    name: 'connectStream',
    destination: { type: 'Websocket', endpoint: 'ws://bot.test/' },
    streamingOptions: { sampleRate: 8000, ...streamingOptions },
    ...rest,
  };
  world = await CallWorld.open({ config: { ...config, routes: [{ to: '*', action }] } as ConfigInput });
  world.server.connected = answers;
  return world;
}

function answers(stream: MemoryStream): void {
  stream.receivedText = (message) => {
    if (message.command === 'connect') stream.send({ command: 'answer', extensions: everything });
  };
}

function events(stream: MemoryStream) {
  return stream.messages.filter(({ event }) => event !== undefined && event !== 'stats');
}

describe('digits, hold, hang-up', () => {
  it('go both ways', async () => {
    const { server, clock } = await open();
    const phone = await BarePhone.open(world!);
    await phone.call();
    server.last.send({ command: 'dtmf', digits: '42' });
    await clock.advance(1_000);
    const eventPackets = phone.rtp.heard.filter(({ header }) => header.payloadType === 101);
    expect([...new Set(eventPackets.map(({ payload }) => payload[0]))]).toEqual([4, 2]);
    await phone.reoffer({ direction: 'sendonly' });
    await phone.reoffer({ direction: 'sendrecv' });
    await clock.advance(100);
    expect(events(server.last)).toEqual([{ event: 'hold' }, { event: 'resume' }]);
  });

  it("tells the server of the phone's digits, and ends the call where the server says so", async () => {
    const { server, clock } = await open();
    const call = await world!.call({ dtmf: '5#' });
    await clock.until(() => world!.said('call answered') !== undefined);
    await clock.until(() => events(server.last).length >= 2, 5_000);
    expect(events(server.last)).toMatchObject([
      { event: 'dtmf', digit: '5', method: 'rfc4733' },
      { event: 'dtmf', digit: '#', method: 'rfc4733' },
    ]);
    server.last.send({ command: 'hangup', reason: 'done' });
    const result = await world!.finish(call);
    expect(result.outcome).toBe('completed');
    expect(server.last.closedWith).toEqual({ code: 1000, reason: '' });
    expect(world!.said('call ending')).toMatchObject({ reason: 'streamClosed', detail: 'done' });
  });
});

describe('a transfer that the server asks for', () => {
  it('sends the phone elsewhere, and says how that went', async () => {
    const { server, clock } = await open();
    const phone = await BarePhone.open(world!);
    const targets: string[] = [];
    phone.agent.on.referred = (referral) => {
      targets.push(referral.target);
      clock.after(500, () => referral.report(200));
      return { status: 202 };
    };
    await phone.call();
    server.last.send({ command: 'transfer', to: '+46701', headers: { 'X-Why': 'sales' } });
    await clock.until(() => server.last.closedWith !== undefined, 10_000);
    expect(targets).toEqual(['sip:+46701@127.0.0.1']);
    expect(events(server.last)).toEqual([
      { event: 'transfer', status: 'accepted' },
      { event: 'transfer', status: 'completed', code: 200 },
    ]);
    expect(server.last.closedWith).toEqual({ code: 1000, reason: 'TRANSFERRED' });
  });

  it('is refused for what is no address', async () => {
    const { server, clock } = await open();
    await world!.call();
    await clock.until(() => world!.said('call answered') !== undefined);
    server.last.send({ command: 'transfer', to: 'not an address' });
    server.last.send({ command: 'transfer', to: 'sip:a@b', headers: { Via: 'x' } });
    await clock.advance(100);
    expect(events(server.last)).toMatchObject([
      { event: 'error', code: 'bad-field' },
      { event: 'error', code: 'bad-field' },
    ]);
  });
});

describe('a bot that dies in mid-call', () => {
  it('is replaced by the next endpoint where resume is on, which hears what the caller said meanwhile', async () => {
    const { server, clock } = await open({
      streamingOptions: { resumeSeconds: 5, fallbackEndpoints: ['ws://second.test/'] },
    });
    const call = await world!.call();
    await clock.until(() => (server.streams[0]?.binaries.length ?? 0) > 20);
    server.behave = ({ url }) => (url.includes('bot.test') ? { refuse: 'ECONNREFUSED' } : 'accept');
    server.last.close(1006);
    await clock.until(() => server.streams.length > 2 && server.last.binaries.length > 20);
    expect(server.last.options.url).toBe('ws://second.test/');
    expect(server.last.connect).toMatchObject({ resumed: true, callId: server.streams[0]!.connect!.callId });
    expect(world!.said('stream resumed')).toMatchObject({ endpoint: 'ws://second.test/' });
    expect(world!.gateway.activeCalls).toBe(1);
    call.hangUp();
    await world!.finish(call);
    expect(server.last.closedWith).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
    const [worker] = (await world!.gateway.mediaReport()).workers;
    expect(worker).toMatchObject({ streamResumes: 1 });
  });

  it('ends the call once the time is over', async () => {
    const { server, clock } = await open({ streamingOptions: { resumeSeconds: 2 } });
    const call = await world!.call();
    await clock.until(() => world!.said('call answered') !== undefined);
    await clock.advance(200);
    server.behave = { refuse: 'ECONNREFUSED' };
    const lostMs = clock.nowMs();
    server.last.close(1006);
    await world!.finish(call);
    expect(world!.said('call ending')).toMatchObject({ reason: 'streamLost' });
    expect(clock.nowMs() - lostMs).toBeGreaterThanOrEqual(2_000);
    expect(clock.nowMs() - lostMs).toBeLessThan(3_000);
  });

  it('ends the call within a second where resume is off', async () => {
    const { server, clock } = await open();
    const call = await world!.call();
    await clock.until(() => world!.said('call answered') !== undefined);
    await clock.advance(200);
    const lostMs = clock.nowMs();
    server.last.close(1006);
    let endedMs = 0;
    void call.ended.then(() => {
      endedMs = clock.nowMs();
    });
    await clock.until(() => endedMs > 0, 5_000, 10);
    expect(endedMs - lostMs).toBeLessThan(1_000);
  });
});

describe('the way to a server', () => {
  it('is left alone after five calls that found nobody', async () => {
    const { server, clock } = await open();
    server.behave = { refuse: 'ECONNREFUSED' };
    for (let index = 0; index < 7; index++) await world!.finish(await world!.call());
    expect(server.streams).toHaveLength(5);
    expect(world!.said('stream endpoint is left alone for a while')).toMatchObject({
      endpoint: 'ws://bot.test/',
    });
    server.behave = 'accept';
    await clock.advance(6_000);
    const call = await world!.call({ durationMs: 100 });
    expect(await world!.finish(call)).toMatchObject({ outcome: 'completed' });
    expect(world!.said('stream endpoint works again')).toBeDefined();
  });

  it('is signed where that is asked for, and the log keeps the token to itself', async () => {
    const secret = Buffer.from('secret-of-the-application').toString('base64');
    const { server } = await open(
      { streamingOptions: { signing: { in: 'query', secret: 'a secret of its own' } } },
      { applications: [{ key: 'app', secret }] } as ConfigInput,
    );
    const call = await world!.call({ durationMs: 100 });
    await world!.finish(call);
    const { url, headers } = server.last.options;
    expect(url).toMatch(/^ws:\/\/bot\.test\/\?token=[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(headers).toEqual({});
    expect(JSON.stringify(world!.log)).not.toContain('token=');
  });
});

describe('a server that only listens', () => {
  it('hears caller and bot in stereo beside the bot, and is missed by nobody when it goes', async () => {
    const { server, clock } = await open({
      streamingOptions: { tap: [{ endpoint: 'ws://listener.test/', channels: 'both' }] },
      authorization: 'Bearer for-the-bot',
    });
    const call = await world!.call();
    await clock.until(() => server.streams.length === 2);
    const [bot, listener] = server.streams as [MemoryStream, MemoryStream];
    bot.sendBinary(new Uint8Array(new Int16Array(8_000).fill(-5_000).buffer));
    await clock.advance(1_500);
    expect(listener.options).toMatchObject({ url: 'ws://listener.test/', headers: {} });
    expect(listener.connect).toMatchObject({ tap: 'both', channels: 2, sampleRate: 8000 });
    expect(new Set(listener.binaries.map((bytes) => bytes.length))).toEqual(new Set([640]));
    const { audio } = listener;
    const left = audio.filter((_sample, index) => index % 2 === 0);
    const right = audio.filter((_sample, index) => index % 2 === 1);
    expect(Math.max(...left)).toBeGreaterThan(4_000);
    expect(right.filter((sample) => sample < -4_500).length).toBeGreaterThan(7_000);
    // What it says is not heard, and it may not end the call.
    listener.sendBinary(new Uint8Array(640));
    listener.send({ command: 'hangup' });
    await clock.advance(100);
    listener.close(1000);
    await clock.advance(500);
    expect(world!.gateway.activeCalls).toBe(1);
    expect(world!.said('tap ended')).toMatchObject({ endpoint: 'ws://listener.test/' });
    call.hangUp();
    await world!.finish(call);
    expect(bot.closedWith).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
  });

  it.each(['caller', 'callee'] as const)('hears the %s alone, until the call ends', async (channels) => {
    const { server, clock } = await open({
      streamingOptions: { tap: [{ endpoint: 'ws://listener.test/', channels }] },
    });
    const call = await world!.call();
    await clock.until(() => server.streams.length === 2);
    const [bot, listener] = server.streams as [MemoryStream, MemoryStream];
    bot.sendBinary(new Uint8Array(new Int16Array(8_000).fill(-5_000).buffer));
    await clock.advance(1_200);
    const heardBot = listener.audio.filter((sample) => sample < -4_500 && sample > -5_500).length > 6_000;
    const heardCaller = Math.max(...listener.audio) > 4_000;
    expect([heardCaller, heardBot]).toEqual(channels === 'caller' ? [true, false] : [false, true]);
    call.hangUp();
    await world!.finish(call);
    expect(listener.closedWith).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
  });
});
