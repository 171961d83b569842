import { afterEach, describe, expect, it } from 'vitest';
import { systemNetwork, type UdpSocket } from '../../gateway/network.ts';
import { polledNetwork } from '../../gateway/polled-network.ts';
import { openPolledSystem } from '../../gateway/polled-system.ts';

const system = openPolledSystem();
const network = system && polledNetwork(system, systemNetwork);
const open: UdpSocket[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

interface Received {
  readonly bytes: readonly number[];
  readonly from: string;
  readonly port: number;
}

async function openUdp(received: Received[] = [], address = '127.0.0.1', port = 0): Promise<UdpSocket> {
  const socket = await network!.openUdp(
    { address, port, receiveBufferBytes: 65_536 },
    (bytes, from, sender) => received.push({ bytes: [...bytes], from, port: sender }),
  );
  open.push(socket);
  return socket;
}

async function pollUntil(done: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!done()) {
    if (performance.now() > deadlineMs) throw new Error('not reached in time');
    system!.poll();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.skipIf(network === undefined)('UDP by plain system calls', () => {
  it('delivers in order, in one poll, with the address of the sender', async () => {
    const received: Received[] = [];
    const receiver = await openUdp(received);
    const sender = await openUdp();
    for (let sent = 1; sent <= 20; sent++) {
      sender.send(Uint8Array.of(0, sent, 0), 1, sent % 2 === 0 ? 2 : 1, receiver.port, '127.0.0.1');
    }
    system!.poll();
    await pollUntil(() => received.length === 20);
    expect(received).toEqual(
      Array.from({ length: 20 }, (_, index) => ({
        bytes: index % 2 === 1 ? [index + 1, 0] : [index + 1],
        from: '127.0.0.1',
        port: sender.port,
      })),
    );
    expect(receiver.address).toBe('127.0.0.1');
  });

  it('talks to ordinary sockets, each peer by its own address', async () => {
    const received: Received[] = [];
    const socket = await openUdp(received, '0.0.0.0');
    const peers = await Promise.all(
      ['127.0.0.1', '127.0.0.2'].map((address) =>
        systemNetwork.openUdp({ address, port: 0 }, (bytes, from, port) =>
          received.push({ bytes: [...bytes], from, port }),
        ),
      ),
    );
    open.push(...peers);
    for (const [index, peer] of peers.entries()) {
      peer.send(Uint8Array.of(index), 0, 1, socket.port, '127.0.0.1');
      await pollUntil(() => received.length === index + 1);
    }
    expect(received).toEqual(
      peers.map(({ address, port }, index) => ({ bytes: [index], from: address, port })),
    );
    socket.send(Uint8Array.of(7), 0, 1, peers[1]!.port, '127.0.0.2');
    await pollUntil(() => received.length === 3);
    expect(received[2]).toMatchObject({ bytes: [7], port: socket.port });
  });

  it('takes an empty datagram, and the largest', async () => {
    const received: Received[] = [];
    const receiver = await openUdp(received);
    const sender = await openUdp();
    const largest = new Uint8Array(65_507).fill(5);
    for (const bytes of [new Uint8Array(0), largest])
      sender.send(bytes, 0, bytes.length, receiver.port, '127.0.0.1');
    await pollUntil(() => received.length === 2);
    expect(received.map(({ bytes }) => bytes.length)).toEqual([0, 65_507]);
  });

  it('rejects a port that is taken, or an address that is not ours, with the code of the system', async () => {
    const { port } = await openUdp();
    const before = system!.openSockets;
    await expect(openUdp([], '127.0.0.1', port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(openUdp([], '192.0.2.1')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(system!.openSockets).toBe(before);
  });

  it('is silent once closed, also from within a delivery', async () => {
    const sender = await openUdp();
    const deliveries: number[] = [];
    const sockets: UdpSocket[] = [];
    for (let index = 0; index < 2; index++) {
      sockets.push(
        await network!.openUdp({ address: '127.0.0.1', port: 0 }, () => {
          deliveries.push(index);
          for (const socket of sockets) socket.close();
        }),
      );
    }
    for (const { port } of sockets) sender.send(Uint8Array.of(1), 0, 1, port, '127.0.0.1');
    await pollUntil(() => deliveries.length > 0);
    system!.poll();
    expect(deliveries).toHaveLength(1);
    sockets[0]!.send(Uint8Array.of(1), 0, 1, sender.port, '127.0.0.1');
  });

  it('tells of what the system does not take', async () => {
    const codes: string[] = [];
    const options = { address: '127.0.0.1', port: 0, sendFailed: (code: string) => codes.push(code) };
    const socket = await network!.openUdp(options, () => {});
    open.push(socket);
    const tooLarge = new Uint8Array(65_536);
    socket.send(tooLarge, 0, tooLarge.length, 9, '127.0.0.1');
    expect(codes).toEqual(['EMSGSIZE']);
  });

  it('sends nothing to what is no IPv4 address', async () => {
    const sender = await openUdp();
    for (const address of ['::1', 'localhost', '']) sender.send(Uint8Array.of(1), 0, 1, 9, address);
  });

  it('leaves IPv6 to the ordinary network', async () => {
    const before = system!.openSockets;
    expect((await openUdp([], '::1')).address).toBe('::1');
    expect(system!.openSockets).toBe(before);
  });

  it.each<[string, (peer: UdpSocket) => { address: string; port?: number } | undefined, boolean[]]>([
    ['one address and port', ({ address, port }) => ({ address, port }), [true, false, false]],
    ['one address', ({ address }) => ({ address }), [true, true, false]],
    ['all again', () => undefined, [true, true, true]],
  ])('lets the system drop what is not from %s', async (_name, admitted, expected) => {
    const received: Received[] = [];
    const receiver = await openUdp(received, '0.0.0.0');
    const peers = [await openUdp(), await openUdp(), await openUdp([], '127.0.0.2')];
    receiver.admitOnly!({ address: '127.0.0.9' });
    receiver.admitOnly!(admitted(peers[0]!));
    const say = (peer: UdpSocket, index: number): void =>
      peer.send(Uint8Array.of(index), 0, 1, receiver.port, '127.0.0.1');
    for (const [index, peer] of peers.entries()) say(peer, index);
    // Sent over loopback it is there when `send` returns.
    system!.poll();
    await pollUntil(() => received.length >= expected.filter(Boolean).length);
    expect(peers.map((_, index) => received.some(({ bytes }) => bytes[0] === index))).toEqual(expected);
  });
});
