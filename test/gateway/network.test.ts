import { afterEach, describe, expect, it } from 'vitest';
import { systemNetwork, type UdpSocket } from '../../gateway/network.ts';

const open: UdpSocket[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

async function openUdp(address: string, receive: (datagram: Uint8Array, from: string) => void = () => {}) {
  const socket = await systemNetwork.openUdp({ address, port: 0, receiveBufferBytes: 65_536 }, receive);
  open.push(socket);
  return socket;
}

/** What arrives of `send`: bytes and the address that they came from. */
async function carried(
  receiverAddress: string,
  send: (port: number) => void,
): Promise<readonly [bytes: number[], from: string]> {
  return new Promise((resolve, reject) => {
    openUdp(receiverAddress, (datagram, from) => resolve([[...datagram], from])).then(
      ({ port }) => send(port),
      reject,
    );
  });
}

describe('UDP', () => {
  it('sends a whole buffer and a part of one, which may be reused at once', async () => {
    const sender = await openUdp('127.0.0.1');
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const whole = carried('127.0.0.1', (port) => {
      sender.send(bytes, 0, 4, port, '127.0.0.1');
      bytes.fill(9);
    });
    expect(await whole).toEqual([[1, 2, 3, 4], '127.0.0.1']);
    bytes.set([1, 2, 3, 4]);
    const part = carried('127.0.0.1', (port) => {
      sender.send(bytes, 1, 2, port, '127.0.0.1');
      bytes.fill(9);
    });
    expect(await part).toEqual([[2, 3], '127.0.0.1']);
  });

  it('reaches IPv4 from a socket of both families', async () => {
    const sender = await openUdp('::');
    const result = await carried('127.0.0.1', (port) =>
      sender.send(Uint8Array.of(7), 0, 1, port, '127.0.0.1'),
    );
    expect(result).toEqual([[7], '127.0.0.1']);
  });

  it('lets the system drop what is not from one peer, still talks to that one, and hears all again', async () => {
    const heard: number[] = [];
    // A port of our own choice, as those of a range are.
    const free = await openUdp('127.0.0.1');
    free.close();
    const socket = await systemNetwork.openUdp({ address: '127.0.0.1', port: free.port }, (datagram) =>
      heard.push(datagram[0]!),
    );
    open.push(socket);
    const answers: number[] = [];
    const peer = await openUdp('127.0.0.1', (datagram) => answers.push(datagram[0]!));
    const stranger = await openUdp('127.0.0.2');
    const until = async (done: () => boolean): Promise<void> => {
      for (let turn = 0; turn < 2_000 && !done(); turn++) await new Promise((resume) => setImmediate(resume));
    };
    const say = (from: UdpSocket, word: number): void =>
      from.send(Uint8Array.of(word), 0, 1, socket.port, '127.0.0.1');
    socket.admitOnly!({ address: '127.0.0.1', port: peer.port });
    await until(() => false);
    say(stranger, 1);
    say(peer, 2);
    await until(() => heard.length > 0);
    socket.send(Uint8Array.of(9, 3), 1, 1, peer.port, '127.0.0.1');
    await until(() => answers.length > 0);
    expect([heard, answers]).toEqual([[2], [3]]);
    socket.admitOnly!(undefined);
    say(stranger, 4);
    socket.send(Uint8Array.of(5), 0, 1, peer.port, '127.0.0.1');
    await until(() => heard.length > 1 && answers.length > 1);
    expect([heard, answers]).toEqual([
      [2, 4],
      [3, 5],
    ]);
  });

  it('rejects a port that is taken with the code of the system', async () => {
    const { port } = await openUdp('127.0.0.1');
    const second = systemNetwork.openUdp({ address: '127.0.0.1', port }, () => {});
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('tells of every datagram that the system did not take, while it takes none', async () => {
    const codes: string[] = [];
    // A socket bound to loopback has no way to any other address.
    const socket = await systemNetwork.openUdp(
      { address: '127.0.0.1', port: 0, sendFailed: (code) => codes.push(code), asksEvery: 10 },
      () => {},
    );
    open.push(socket);
    const send = async (address: string, sizeBytes = 1) => {
      socket.send(new Uint8Array(sizeBytes), 0, sizeBytes, 9, address);
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (let sent = 0; sent < 3; sent++) await send('192.0.2.1');
    await send('127.0.0.1', 70_000);
    expect(codes).toEqual(['EINVAL', 'EINVAL', 'EINVAL', 'EMSGSIZE']);
    await send('127.0.0.1');
    for (let sent = 0; sent < 10; sent++) await send('192.0.2.1');
    expect(codes.slice(4)).toEqual(['EINVAL']);
  });

  it('survives sending to nobody, and after it was closed', async () => {
    const sender = await openUdp('127.0.0.1');
    const { port } = await openUdp('127.0.0.1');
    open.pop()!.close();
    for (let sent = 0; sent < 5; sent++) sender.send(Uint8Array.of(1), 0, 1, port, '127.0.0.1');
    sender.send(Uint8Array.of(1), 0, 1, 9, '::1');
    await new Promise((resolve) => setTimeout(resolve, 20));
    sender.close();
    sender.send(Uint8Array.of(1), 0, 1, port, '127.0.0.1');
    sender.close();
  });
});
