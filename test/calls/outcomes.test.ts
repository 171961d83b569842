import { afterEach, describe, expect, it } from 'vitest';
import type { CallOptions } from '../../gateway/phone/phone.ts';
import { CallWorld } from '../support/call-world.ts';
import type { MemoryStreamServer } from '../support/memory-stream.ts';

/** CONTRACT §8, row by row: what the stream server does, and what the phone and the records get. */
interface Outcome {
  readonly name: string;
  readonly server: (server: MemoryStreamServer) => void;
  readonly call?: Partial<CallOptions>;
  readonly to?: string;
  readonly status: number;
  readonly reason: RegExp;
  readonly dice: readonly [result: string, reason: string];
  /** Close code and reason that the stream server saw. */
  readonly close?: readonly [code: number, reason: string];
}

function replies(command: string): (server: MemoryStreamServer) => void {
  return (server) => {
    server.connected = (stream) => {
      stream.receivedText = () => stream.send({ command });
    };
  };
}

function onConnect(run: (stream: MemoryStreamServer['last']) => void): (server: MemoryStreamServer) => void {
  return (server) => {
    server.connected = (stream) => {
      stream.receivedText = () => run(stream);
    };
  };
}

const outcomes: readonly Outcome[] = [
  {
    name: 'busy',
    server: replies('busy'),
    status: 486,
    reason: /cause=17;.*busy/,
    dice: ['BUSY', 'CALLEEHANGUP'],
    close: [1000, ''],
  },
  {
    name: 'reject',
    server: replies('reject'),
    status: 603,
    reason: /cause=21;.*rejected/,
    dice: ['FAILED', 'CALLEEHANGUP'],
    close: [1000, ''],
  },
  {
    name: 'a declined upgrade',
    server: (server) => {
      server.behave = { decline: 403 };
    },
    status: 603,
    reason: /declined the upgrade: HTTP 403/,
    dice: ['FAILED', 'CALLEEHANGUP'],
  },
  {
    name: 'a server that refuses the connection',
    server: (server) => {
      server.behave = { refuse: 'ECONNREFUSED' };
    },
    status: 480,
    reason: /unreachable: ECONNREFUSED/,
    dice: ['FAILED', 'GENERALERROR'],
  },
  {
    name: 'a server that never completes the upgrade',
    server: (server) => {
      server.behave = 'never';
    },
    status: 480,
    reason: /cause=102;.*upgrade in time/,
    dice: ['NOANSWER', 'TIMEOUT'],
  },
  {
    name: 'a server that says nothing after connect',
    server: onConnect(() => {}),
    status: 480,
    reason: /cause=19;.*answer in time/,
    dice: ['NOANSWER', 'TIMEOUT'],
    close: [4004, 'ANSWERTIMEOUT'],
  },
  {
    name: 'a server that closes before it answered',
    server: onConnect((stream) => stream.close(1000, 'no')),
    status: 480,
    reason: /closed before it answered: 1000 no/,
    dice: ['FAILED', 'CALLEEHANGUP'],
  },
  {
    name: 'a server whose socket is lost before it answered',
    server: onConnect((stream) => stream.close(1006)),
    status: 480,
    reason: /closed before it answered/,
    dice: ['FAILED', 'CALLEEHANGUP'],
  },
  {
    name: 'a server that breaks the protocol before it answered',
    server: onConnect((stream) => stream.violate(1002, 'masked frame')),
    status: 502,
    reason: /cause=111;.*masked frame/,
    dice: ['FAILED', 'GENERALERROR'],
  },
  {
    name: 'a phone that cancels',
    server: onConnect(() => {}),
    call: { cancelAfterMs: 1_000 },
    status: 487,
    reason: /cause=16;.*gave up/,
    dice: ['N/A', 'CANCEL'],
    close: [4005, 'CANCEL'],
  },
  {
    name: 'a called party nobody is configured for',
    server: () => {},
    to: 'nobody',
    status: 404,
    reason: /no route/,
    dice: ['FAILED', 'GENERALERROR'],
  },
];

describe('what the phone sees of the stream server', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each(outcomes)('$name', async ({ server, call: options, to, status, reason, dice, close }) => {
    world = await CallWorld.open({ routeTo: 'bot' });
    server(world.server);
    const target = world.target.replace('bot@', `${to ?? 'bot'}@`);
    const call = await world.call({ ...options, target });
    const result = await world.finish(call);

    expect(result.status).toBe(status);
    expect(result.reasonHeader).toMatch(reason);
    const ended = world.said('call ended');
    expect([ended?.result, ended?.reason]).toEqual(dice);
    expect(ended?.durationSeconds).toBe(0);
    if (close !== undefined) {
      expect(world.server.last.closedWith).toEqual({ code: close[0], reason: close[1] });
    }
    expect(world.log.filter((line) => line.msg === 'call ended')).toHaveLength(1);
    expect(world.server.openStreams).toBe(0);
  });

  it('nothing fits: 488 with a Warning, and the stream server never hears of it', async () => {
    world = await CallWorld.open({
      config: { rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['pcma'] } },
    });
    const result = await world.finish(await world.call({ codecs: ['pcmu'] }));
    expect(result.status).toBe(488);
    expect(world.server.streams).toHaveLength(0);
  });

  it('full: 503 with Retry-After for the call too many, the other goes on', async () => {
    world = await CallWorld.open({ config: { sip: { maxCalls: 1 } } });
    const first = await world.call({ durationMs: 2_000 });
    await world.clock.until(() => world?.server.streams.length === 1);
    const second = await world.call();
    const refused = await new Promise<Awaited<typeof second.ended>>((resolve, reject) => {
      second.ended.then(resolve, reject);
      void world?.clock.advance(500);
    });
    expect(refused.status).toBe(503);
    expect(refused.reasonHeader).toMatch(/too many calls/);
    const retryAfter = refused.responseHeaders.find(({ name }) => name === 'Retry-After');
    expect(Number(retryAfter?.value)).toBeGreaterThan(0);
    expect((await world.finish(first)).outcome).toBe('completed');
  });

  it.each([
    { name: 'no RTP port is left: 503', ports: [40_000, 40_001], status: 503, reason: /all 1 RTP ports/ },
    { name: 'others hold the RTP ports: 503', ports: [40_000, 40_019], status: 503, reason: /others hold/ },
    { name: 'no RTP port can be bound: 500', ports: [40_000, 40_019], status: 500, reason: /EACCES/ },
  ] as const)('$name, at once', async ({ ports, status, reason }) => {
    world = await CallWorld.open({ config: { rtp: { address: '127.0.0.1', ports } } });
    const { network } = world;
    const first = reason.test('all 1 RTP ports') ? await world.call({ durationMs: 2_000 }) : undefined;
    await world.clock.advance(200);
    if (first === undefined) {
      const openUdp = network.openUdp.bind(network);
      const code = status === 500 ? 'EACCES' : 'EADDRINUSE';
      network.openUdp = async (options, receive) => {
        if (options.port >= 40_000) throw Object.assign(new Error(`bind ${code}`), { code });
        return openUdp(options, receive);
      };
    }
    const second = await world.call();
    const refused = await new Promise<Awaited<typeof second.ended>>((resolve, reject) => {
      second.ended.then(resolve, reject);
      void world?.clock.advance(500);
    });
    expect(refused.status).toBe(status);
    expect(refused.reasonHeader).toMatch(reason);
    if (first !== undefined) expect((await world.finish(first)).outcome).toBe('completed');
  });

  it('an answered call: 100, 180, 200, and connect as the first message', async () => {
    world = await CallWorld.open();
    const result = await world.finish(
      await world.call({ durationMs: 1_000, headers: [{ name: 'X-Ticket', value: 'INC-4815' }] }),
    );
    expect(result.outcome).toBe('completed');
    expect(
      result.timeline.filter(({ direction }) => direction === 'received').map(({ what }) => what.slice(0, 3)),
    ).toEqual(expect.arrayContaining(['100', '180', '200']));
    const { last } = world.server;
    expect(last.connect).toMatchObject({
      command: 'connect',
      version: 1,
      codec: 'PCM',
      sampleRate: 16_000,
      callHeaders: { ticket: '4815' },
      sipHeaders: { 'X-Ticket': 'INC-4815' },
      from: 'phone',
      to: 'bot',
      direction: 'inbound',
    });
    expect(last.closedWith).toEqual({ code: 1000, reason: 'CALLERHANGUP' });
    expect(last.binaries.every((bytes) => bytes.length === 640)).toBe(true);
    expect(last.binaries.length).toBeGreaterThanOrEqual(48);
  });

  it('tells the story of a call in about ten lines', async () => {
    world = await CallWorld.open();
    await world.finish(await world.call({ durationMs: 1_000 }));
    expect(world.log.filter((line) => line.callId !== undefined).map((line) => line.msg)).toEqual([
      'call received',
      'call routed',
      'stream connected, phone rings',
      'call answered',
      'caller audio started',
      'call ending',
      'call ended',
    ]);
  });
});
