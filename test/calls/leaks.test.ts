import { afterEach, describe, expect, it } from 'vitest';
import type { CallOptions } from '../../gateway/phone/phone.ts';
import { CallWorld } from '../support/call-world.ts';
import type { MemoryStream, MemoryStreamServer } from '../support/memory-stream.ts';

interface Ending {
  readonly name: string;
  readonly server?: (server: MemoryStreamServer) => void;
  readonly call?: Partial<CallOptions>;
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
  { name: 'the phone hangs up', call: { durationMs: 200 } },
  {
    name: 'the server closes',
    server: (server) => {
      server.connected = (stream) => {
        stream.receivedText = () => stream.send({ command: 'answer' });
        stream.receivedBinary = () => {
          if (stream.binaries.length === 5) stream.close();
        };
      };
    },
  },
  { name: 'busy', server: onConnect((stream) => stream.send({ command: 'busy' })) },
  { name: 'reject', server: onConnect((stream) => stream.send({ command: 'reject' })) },
  {
    name: 'a declined upgrade',
    server: (server) => {
      server.behave = { decline: 500 };
    },
  },
  {
    name: 'unreachable',
    server: (server) => {
      server.behave = { refuse: 'ENOTFOUND' };
    },
  },
  {
    name: 'no upgrade',
    server: (server) => {
      server.behave = 'never';
    },
  },
  { name: 'no answer', server: onConnect(() => {}) },
  { name: 'a socket lost', server: onConnect((stream) => stream.close(1006)) },
  { name: 'a breach', server: onConnect((stream) => stream.violate(1009)) },
  { name: 'a cancel', server: onConnect(() => {}), call: { cancelAfterMs: 50 } },
  { name: 'no route', call: { target: 'nobody' } },
  { name: 'maxDuration', call: {} },
  {
    name: 'a server that ignores our close',
    server: (server) => ignoringClose(server),
    call: { durationMs: 200 },
  },
];

function ignoringClose(server: MemoryStreamServer): void {
  server.connected = (stream) => {
    stream.ignoresClose = true;
    stream.receivedText = () => stream.send({ command: 'answer' });
  };
}

/** `npm run test:soak` makes it 500. */
const callsEach = Number(process.env.CALLWIRE_LEAK_CALLS ?? 40);

describe('nothing is left behind', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each(endings)('after many calls that end by: $name', async ({ server, call }) => {
    world = await CallWorld.open({ maxDuration: 1, routeTo: 'bot' });
    const { clock, network, gateway, phone } = world;
    const before = { sockets: network.openSockets, timers: clock.timers };
    server?.(world.server);
    const target =
      call?.target === undefined ? world.target : world.target.replace('bot@', `${call.target}@`);
    for (let round = 0; round < callsEach / 20; round++) {
      const calls = await Promise.all(Array.from({ length: 20 }, () => world!.call({ ...call, target })));
      let ended = 0;
      for (const placed of calls) placed.ended.then(() => ended++);
      await clock.until(() => ended === calls.length, 60_000, 50);
    }
    await clock.advance(40_000);
    expect(world.log.filter((line) => line.msg === 'call ended')).toHaveLength(callsEach);
    expect(gateway.counts()).toEqual({ calls: 0, sessions: 0, transactions: 0, dialogs: 0, connections: 0 });
    expect(phone.counts()).toEqual({ sessions: 0, transactions: 0, dialogs: 0, connections: 0 });
    expect(world.server.openStreams).toBe(0);
    const report = await gateway.mediaReport();
    expect(report.workers.map(({ endpoints, portsInUse }) => ({ endpoints, portsInUse }))).toEqual([
      { endpoints: 0, portsInUse: 0 },
    ]);
    expect({ sockets: network.openSockets, timers: clock.timers }).toEqual(before);
  });
});
