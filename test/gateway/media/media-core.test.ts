import { describe, expect, it } from 'vitest';
import { createMediaCore } from '../../../gateway/media/media-core.ts';
import type { MediaEvent } from '../../../gateway/media/media-messages.ts';
import { portShare, RtpPorts } from '../../../gateway/media/rtp-ports.ts';
import type { StreamSocketHandlers } from '../../../gateway/media/stream-socket.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { connectOf } from '../../support/media-call.ts';
import { MemoryNetwork } from '../../support/memory-network.ts';

/** A core whose stream sockets are in the hand of the test, and throw when `broken`. */
function createCore(ports: readonly [number, number] = [0, 0]) {
  const clock = new FakeClock();
  const network = new MemoryNetwork(clock);
  const events: MediaEvent[] = [];
  const failures: unknown[][] = [];
  const sockets: StreamSocketHandlers[] = [];
  const state = { broken: false };
  const core = createMediaCore({
    network,
    clock,
    openStreamSocket: (_options, handlers) => {
      sockets.push(handlers);
      return {
        sendText: () => {},
        sendBinary: () => {},
        congested: false,
        beginAudio: () => {
          if (state.broken) throw new Error('broken');
          return new Int16Array(160);
        },
        sendAudio: () => {},
        close: () => clock.after(0, () => handlers.closed({ cause: 'local' })),
      };
    },
    settings: { ports, rtpTimeoutMs: 0 },
    emit: (event) => events.push(event),
    failed: (...failure) => failures.push(failure),
  });
  return { clock, network, events, failures, sockets, state, core };
}

type TestCore = ReturnType<typeof createCore>;

async function startCall(
  { core, events, sockets }: TestCore,
  id: string,
  remotePort: number,
): Promise<number> {
  core.handle({ type: 'openRtp', endpointId: `${id}.rtp`, address: '127.0.0.1', rtcpMux: true });
  core.handle({
    type: 'openStream',
    endpointId: `${id}.stream`,
    url: 'ws://stream.test/',
    address: undefined,
    headers: {},
    connect: connectOf(8000),
    limits: { connectTimeoutMs: 5000, answerTimeoutMs: 5000, idleTimeoutMs: 60_000, bufferBytes: 5_000_000 },
  });
  await settle();
  const remote = { address: '127.0.0.1', port: remotePort };
  core.handle({
    type: 'setRtpSession',
    endpointId: `${id}.rtp`,
    session: {
      remote,
      remoteRtcp: remote,
      codec: 'pcmu',
      payloadTypeSend: 0,
      payloadTypeReceive: 0,
      dtmfPayloadTypeSend: undefined,
      dtmfPayloadTypeReceive: undefined,
      ptimeMs: 20,
      direction: 'sendrecv',
      symmetric: 'on',
      rtcpMux: true,
    },
  });
  core.handle({ type: 'bridge', a: `${id}.rtp`, b: `${id}.stream` });
  sockets.at(-1)!.opened();
  sockets.at(-1)!.receiveText('{"command":"answer"}');
  const opened = events.find((event) => event.type === 'rtpOpened' && event.endpointId === `${id}.rtp`);
  return opened?.type === 'rtpOpened' ? opened.port : 0;
}

const packet = Uint8Array.from([0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, ...new Array(160).fill(0xd5)]);

describe('a media core', () => {
  it('ends the endpoint in which something of ours throws, and no other', async () => {
    const world = createCore();
    const { clock, network, events, failures, state, core } = world;
    const peer = await network.openUdp({ address: '127.0.0.1', port: 0 }, () => {});
    const badPort = await startCall(world, 'bad', peer.port);
    const goodPort = await startCall(world, 'good', peer.port);
    state.broken = true;
    peer.send(packet, 0, packet.length, badPort, '127.0.0.1');
    await clock.advance(1);
    state.broken = false;
    expect(failures).toEqual([['bad.rtp', new Error('broken')]]);
    expect(events.at(-1)).toMatchObject({ type: 'rtpClosed', endpointId: 'bad.rtp' });
    peer.send(packet, 0, packet.length, goodPort, '127.0.0.1');
    await clock.advance(1);
    core.tick(clock.nowMs() + 20);
    core.handle({ type: 'report', requestId: 7 });
    expect(events.at(-1)).toMatchObject({
      type: 'report',
      requestId: 7,
      rtp: { 'good.rtp': { packetsReceived: 1 } },
      streams: { 'good.stream': { framesSent: 1 } },
      worker: { endpoints: 3, portsInUse: 1 },
    });
  });

  it('counts what the system does not take of a call, and tells the call once', async () => {
    const world = createCore();
    const { clock, network, events, core } = world;
    const openUdp = network.openUdp.bind(network);
    network.openUdp = async (options, receive) => {
      const socket = await openUdp(options, receive);
      return { ...socket, send: () => options.sendFailed?.('ENETUNREACH') };
    };
    await startCall(world, 'call', 9);
    core.tick(clock.nowMs() + 100);
    core.handle({ type: 'report', requestId: 1 });
    const report = events.at(-1);
    const errors = report?.type === 'report' ? report.worker.udpErrors : undefined;
    expect(errors?.ENETUNREACH).toBeGreaterThan(2);
    expect(events.filter(({ type }) => type === 'notice')).toMatchObject([
      { endpointId: 'call.rtp', message: 'the system does not take our RTP: ENETUNREACH' },
    ]);
  });

  it.each([
    ['without the codec', { codec: 'gsm' }],
    ['without an address', { codec: 'pcma' }],
  ])('answers a session %s by closing, not by dying', async (_name, session) => {
    const world = createCore();
    await startCall(world, 'call', 9);
    world.core.handle({ type: 'setRtpSession', endpointId: 'call.rtp', session: session as never });
    expect(world.failures.length).toBeGreaterThan(0);
    expect(world.network.openSockets).toBe(0);
    expect(world.events.at(-1)).toMatchObject({ type: 'rtpClosed', endpointId: 'call.rtp' });
    expect(world.core.nextTickMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('ignores commands about endpoints that are gone', () => {
    const { core, events, failures } = createCore();
    core.handle({ type: 'closeRtp', endpointId: 'x' });
    core.handle({ type: 'closeStream', endpointId: 'x', code: 1000, reason: '' });
    core.handle({ type: 'bridge', a: 'x', b: 'y' });
    core.handle({ type: 'unbridge', a: 'x', b: 'y' });
    expect([events, failures]).toEqual([[], []]);
  });

  it('closes everything when it is closed', async () => {
    const world = createCore();
    await startCall(world, 'a', 9);
    await startCall(world, 'b', 9);
    world.core.close();
    await world.clock.advance(10);
    expect(world.core.endpoints).toBe(0);
    expect(world.events.filter(({ type }) => type === 'streamClosed')).toHaveLength(2);
    expect(world.network.openSockets).toBe(0);
    expect(world.clock.timers).toBe(0);
  });
});

describe('the port range', () => {
  it.each([
    [[10_000, 19_999], 1, [[10_000, 19_999]]],
    [
      [10_000, 10_019],
      3,
      [
        [10_000, 10_005],
        [10_006, 10_011],
        [10_012, 10_019],
      ],
    ],
    [
      [10_001, 10_008],
      2,
      [
        [10_002, 10_003],
        [10_004, 10_008],
      ],
    ],
    [
      [0, 0],
      2,
      [
        [0, 0],
        [0, 0],
      ],
    ],
  ] as const)('%j is shared by %i workers as %j', (range, workers, shares) => {
    expect(shares.map((_share, index) => portShare(range, workers, index))).toEqual(shares);
  });

  it('must have two ports for each worker', () => {
    expect(() => portShare([10_000, 10_003], 3, 0)).toThrow(
      'rtp.ports must have two ports for each of 3 workers, got 10000-10003',
    );
  });

  it('gives each port once until it is freed', () => {
    const ports = new RtpPorts([10_000, 10_005], () => 0);
    expect([ports.take(), ports.take(), ports.take(), ports.take()]).toEqual([
      10_000,
      10_002,
      10_004,
      undefined,
    ]);
    ports.free(10_002);
    ports.free(10_000);
    expect([ports.take(), ports.take(), ports.inUse]).toEqual([10_000, 10_002, 3]);
  });

  it('begins anywhere in the range, and goes on elsewhere', () => {
    const places = [0.5, 0.9];
    const ports = new RtpPorts([10_000, 10_019], () => places.shift()!);
    expect(ports.take()).toBe(10_010);
    ports.jump();
    expect([ports.take(), ports.take()]).toEqual([10_018, 10_000]);
  });

  it('finds a free port among many that another program holds side by side', async () => {
    const { core, network, events } = createCore([20_000, 20_999]);
    for (let port = 20_000; port < 20_900; port += 2)
      await network.openUdp({ address: '127.0.0.1', port }, () => {});
    for (let call = 0; call < 20; call++) {
      core.handle({ type: 'openRtp', endpointId: `${call}`, address: '127.0.0.1', rtcpMux: true });
    }
    for (let turns = 0; turns < 500 && events.length < 20; turns++) await settle();
    expect(events.map(({ type }) => type)).toEqual(new Array(20).fill('rtpOpened'));
  });

  it('says so where all are held by others', async () => {
    const { core, network, events } = createCore([20_000, 20_003]);
    for (const port of [20_000, 20_002]) await network.openUdp({ address: '127.0.0.1', port }, () => {});
    core.handle({ type: 'openRtp', endpointId: 'call', address: '127.0.0.1', rtcpMux: true });
    for (let turns = 0; turns < 500 && events.length < 1; turns++) await settle();
    expect(events).toMatchObject([{ type: 'rtpFailed', code: 'PORTSUSED' }]);
  });
});
