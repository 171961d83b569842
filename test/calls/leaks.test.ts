import { afterEach, describe, expect, it } from 'vitest';
import type { EndReason } from '../../gateway/calls/end-reason.ts';
import type { CallOptions } from '../../gateway/phone/phone.ts';
import { CallWorld } from '../support/call-world.ts';
import type { MemoryStream, MemoryStreamServer } from '../support/memory-stream.ts';
import { rounds } from '../support/rounds.ts';

const address = '127.0.0.1';
/** Ports by which sockets of the gateway's media are known. */
const rtpPortRange = { maxDuration: 3_600, config: { rtp: { address, ports: [40_000, 40_999] } } };

interface Ending {
  readonly name: string;
  readonly reason: EndReason;
  /** Of the calls that come once the endpoint is left alone, after so many failures. */
  readonly reasonThen?: EndReason;
  readonly server?: (server: MemoryStreamServer) => void;
  readonly call?: Partial<CallOptions>;
  readonly world?: Parameters<typeof CallWorld.open>[0];
  readonly prepare?: (world: CallWorld) => void;
  /** Divides the number of calls, where each of them takes long. */
  readonly fewer?: number;
}

function onConnect(run: (stream: MemoryStream) => void): (server: MemoryStreamServer) => void {
  return (server) => {
    server.connected = (stream) => {
      stream.receivedText = (message) => {
        if (message.command === 'connect') run(stream);
      };
    };
  };
}

const endings: readonly Ending[] = [
  { name: 'the phone hangs up', reason: 'callerHangup', call: { durationMs: 200 } },
  {
    name: 'the server closes',
    reason: 'streamClosed',
    server: (server) => {
      server.connected = (stream) => {
        stream.receivedText = () => stream.send({ command: 'answer' });
        stream.receivedBinary = () => {
          if (stream.binaries.length === 5) stream.close();
        };
      };
    },
  },
  { name: 'busy', reason: 'busy', server: onConnect((stream) => stream.send({ command: 'busy' })) },
  { name: 'reject', reason: 'rejected', server: onConnect((stream) => stream.send({ command: 'reject' })) },
  {
    name: 'a declined upgrade',
    reason: 'declined',
    server: (server) => {
      server.behave = { decline: 500 };
    },
  },
  {
    name: 'unreachable',
    reason: 'unreachable',
    server: (server) => {
      server.behave = { refuse: 'ENOTFOUND' };
    },
  },
  {
    name: 'no upgrade',
    reason: 'connectTimeout',
    reasonThen: 'unreachable',
    server: (server) => {
      server.behave = 'never';
    },
  },
  { name: 'no answer', reason: 'answerTimeout', server: onConnect(() => {}) },
  { name: 'a socket lost', reason: 'closedEarly', server: onConnect((stream) => stream.close(1006)) },
  { name: 'a breach', reason: 'violationEarly', server: onConnect((stream) => stream.violate(1009)) },
  { name: 'a cancel', reason: 'cancelled', server: onConnect(() => {}), call: { cancelAfterMs: 50 } },
  { name: 'no route', reason: 'noRoute', call: { target: 'nobody' } },
  { name: 'maxDuration', reason: 'maxDuration', call: {} },
  {
    name: 'a server that ignores our close',
    reason: 'callerHangup',
    server: (server) => ignoringClose(server),
    call: { durationMs: 200 },
  },
  {
    name: 'a server from which nothing comes',
    reason: 'idle',
    server: onConnect((stream) => stream.send({ command: 'answer' })),
    world: { maxDuration: 3_600, config: { stream: { idleTimeout: 1 } } },
  },
  {
    name: 'RTP that stops',
    reason: 'rtpTimeout',
    call: { trouble: { stopSendingAfterMs: 100 } },
    world: { maxDuration: 3_600, config: { rtp: { address, ports: [0, 0], timeout: 1 } } },
  },
  {
    name: 'no ACK',
    reason: 'noAck',
    server: onConnect((stream) => stream.send({ command: 'answer' })),
    call: { trouble: { stopSendingAfterMs: 0 } },
    world: {
      maxDuration: 3_600,
      config: { rtp: { address, ports: [0, 0], timeout: 0 } },
      link: {
        filter: (datagram) => (String.fromCharCode(...datagram.subarray(0, 4)) === 'ACK ' ? 'drop' : 'pass'),
      },
    },
    fewer: 10,
  },
  {
    name: 'no RTP port',
    reason: 'overload',
    world: rtpPortRange,
    prepare: ({ network }) => {
      const openUdp = network.openUdp.bind(network);
      network.openUdp = async (options, receive) => {
        if (options.port >= 40_000) throw Object.assign(new Error('too many files'), { code: 'EMFILE' });
        return openUdp(options, receive);
      };
    },
  },
  {
    name: 'media that fails in us after the answer',
    reason: 'mediaFailed',
    world: rtpPortRange,
    prepare: ({ network }) => {
      const openUdp = network.openUdp.bind(network);
      network.openUdp = async (options, receive) => {
        const socket = await openUdp(options, receive);
        if (options.port < 40_000) return socket;
        let packets = 0;
        const send: typeof socket.send = (...packet) => {
          if (++packets > 10) throw new Error('broken');
          socket.send(...packet);
        };
        return { ...socket, send };
      };
    },
  },
];

function ignoringClose(server: MemoryStreamServer): void {
  server.connected = (stream) => {
    stream.ignoresClose = true;
    stream.receivedText = () => stream.send({ command: 'answer' });
  };
}

const callsEach = rounds(40, 500);

describe('nothing is left behind', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each(endings)(
    'after many calls that end by: $name',
    async ({ reason, reasonThen = reason, server, call, world: options, prepare, fewer = 1 }) => {
      world = await CallWorld.open({ maxDuration: 1, routeTo: 'bot', ...options });
      const { clock, network, gateway, phone } = world;
      const before = { sockets: network.openSockets, timers: clock.timers };
      server?.(world.server);
      prepare?.(world);
      const callsAtOnce = 20 / fewer;
      const batches = callsEach / 20;
      const target =
        call?.target === undefined ? world.target : world.target.replace('bot@', `${call.target}@`);
      for (let round = 0; round < batches; round++) {
        const calls = await Promise.all(
          Array.from({ length: callsAtOnce }, () => world!.call({ ...call, target })),
        );
        let ended = 0;
        for (const placed of calls) placed.ended.then(() => ended++);
        await clock.until(() => ended === calls.length, 60_000, 50);
      }
      await clock.advance(40_000);
      expect(world.log.filter((line) => line.msg === 'call ended')).toHaveLength(batches * callsAtOnce);
      const reasons = world.log.filter((line) => line.msg === 'call ending').map((line) => line.reason);
      expect(reasons[0]).toBe(reason);
      expect(reasons.filter((found) => found !== reason && found !== reasonThen)).toEqual([]);
      expect(gateway.counts()).toEqual({
        calls: 0,
        sessions: 0,
        transactions: 0,
        dialogs: 0,
        connections: 0,
      });
      expect(phone.counts()).toEqual({ sessions: 0, transactions: 0, dialogs: 0, connections: 0 });
      expect(world.server.openStreams).toBe(0);
      const report = await gateway.mediaReport();
      expect(report.workers.map(({ endpoints, portsInUse }) => ({ endpoints, portsInUse }))).toEqual([
        { endpoints: 0, portsInUse: 0 },
      ]);
      expect({ sockets: network.openSockets, timers: clock.timers }).toEqual(before);
    },
  );

  it('after a shutdown while phones ring', async () => {
    world = await CallWorld.open();
    const { clock, network, gateway, phone, server } = world;
    onConnect(() => {})(server);
    const timersOfPhone = clock.timers;
    const calls = await Promise.all(Array.from({ length: 20 }, () => world!.call()));
    await clock.until(() => server.streams.length === 20);
    await clock.advance(100);
    const closed = gateway.close();
    await clock.advance(5_000);
    await closed;
    const results = await Promise.all(calls.map(({ ended }) => ended));
    for (const result of results) expect(result).toMatchObject({ outcome: 'refused', status: 503 });
    await clock.advance(40_000);
    expect(gateway.counts()).toEqual({ calls: 0, sessions: 0, transactions: 0, dialogs: 0, connections: 0 });
    expect(phone.counts()).toMatchObject({ sessions: 0, transactions: 0, dialogs: 0 });
    expect(server.openStreams).toBe(0);
    expect({ sockets: network.openSockets, timers: clock.timers }).toEqual({
      sockets: 1,
      timers: timersOfPhone,
    });
  });
});
