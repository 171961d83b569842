import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { createCertificate } from '../../../bench/certificate.ts';
import type { StreamEnd } from '../../../gateway/media/media-messages.ts';
import type { StreamSocket, StreamSocketOptions } from '../../../gateway/media/stream-socket.ts';
import { openStreamSocket } from '../../../gateway/media/stream-transports.ts';
import { openPolledSystem, type PolledSystem } from '../../../gateway/polled-system.ts';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function open(
  url: string,
  changes: Partial<StreamSocketOptions> = {},
  system?: PolledSystem,
): {
  readonly socket: StreamSocket;
  readonly opened: Promise<void>;
  readonly ended: Promise<StreamEnd>;
  readonly received: number[];
} {
  const received: number[] = [];
  let socket!: StreamSocket;
  let opened!: () => void;
  const openedOnce = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const ended = new Promise<StreamEnd>((resolve) => {
    socket = openStreamSocket(
      {
        transport: url.startsWith('tcp:') ? 'tcp' : 'websocket',
        url,
        address: undefined,
        headers: {},
        connectTimeoutMs: 5000,
        binaryBytesMax: 100_000,
        audioSamples: 160,
        sampleRateHz: 8000,
        ...changes,
      },
      {
        opened,
        receiveText: () => {},
        receiveBinary: (bytes, offset, sizeBytes) =>
          received.push(...bytes.subarray(offset, offset + sizeBytes)),
        closed: resolve,
      },
      { system },
    );
  });
  closers.push(() => socket.close(1000, ''));
  return { socket, opened: openedOnce, ended, received };
}

async function tcpServer(connected: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    socket.on('error', () => {});
    connected(socket);
  });
  closers.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const system = openPolledSystem();

describe.each([
  ['sockets of Node', undefined] as const,
  ...(system === undefined ? [] : [['plain system calls', system] as const]),
])('bare TCP over %s', (_way, polled) => {
  const polling = (): void => {
    if (polled === undefined) return;
    const timer = setInterval(() => polled.poll(), 1);
    closers.push(() => clearInterval(timer));
  };

  it('carries bytes both ways, and ends when the server hangs up', async () => {
    polling();
    const url = await tcpServer((socket) => {
      socket.on('data', (bytes) => {
        socket.write(bytes);
        if (bytes.includes(9)) socket.end();
      });
    });
    const { socket, opened, ended, received } = open(url, {}, polled);
    await opened;
    socket.sendBinary(Uint8Array.of(1, 2, 3));
    socket.sendBinary(Uint8Array.of(8, 9));
    expect(await ended).toEqual({ cause: 'closed', code: 1000, reason: '' });
    expect(received).toEqual([1, 2, 3, 8, 9]);
  });

  it('is closed by us', async () => {
    polling();
    let serverEnded!: () => void;
    const ends = new Promise<void>((resolve) => {
      serverEnded = resolve;
    });
    const url = await tcpServer((socket) => socket.resume().on('end', serverEnded));
    const { socket, opened, ended } = open(url, {}, polled);
    await opened;
    socket.sendBinary(Uint8Array.of(1));
    socket.close(1000, '');
    await ends;
    expect(await ended).toEqual({ cause: 'local' });
  });

  it('is lost where the server is killed', async () => {
    polling();
    const url = await tcpServer((socket) => socket.resetAndDestroy());
    expect((await open(url, {}, polled).ended).cause).toMatch(/closed|unreachable/);
  });

  it('says that nobody is there', async () => {
    polling();
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const url = `tcp://127.0.0.1:${(gone.address() as AddressInfo).port}`;
    await new Promise((resolve) => gone.close(resolve));
    expect(await open(url, {}, polled).ended).toMatchObject({ cause: 'unreachable', code: 'ECONNREFUSED' });
  });
});

describe('bare TCP', () => {
  it.each(['tcp://127.0.0.1', 'ws://127.0.0.1:80', 'tcp://'])('needs host and port: %s', async (url) => {
    const end = await open('tcp://x', { transport: 'tcp', url }).ended;
    expect(end).toMatchObject({ cause: 'unreachable', code: 'ERR_INVALID_URL' });
  });
});

describe('a WebSocket', () => {
  it('shows our certificate to a server that asks for one', async () => {
    const ours = createCertificate(Date.now());
    const theirs = createCertificate(Date.now());
    const https = createHttpsServer({ ...theirs, requestCert: true, ca: ours.cert }).listen(0, '127.0.0.1');
    const server = new WebSocketServer({ server: https });
    closers.push(() => {
      for (const client of server.clients) client.terminate();
      https.close();
    });
    const shown: boolean[] = [];
    server.on('connection', (_socket, request) => shown.push((request.socket as TLSSocket).authorized));
    await once(https, 'listening');
    const url = `wss://localhost:${(https.address() as AddressInfo).port}/`;
    const known = { address: '127.0.0.1', tls: { ...ours, ca: theirs.cert } };
    await open(url, known).opened;
    const unknown = await open(url, { address: '127.0.0.1', tls: { ca: theirs.cert } }).ended;
    expect(shown).toEqual([true]);
    expect(unknown.cause).not.toBe('local');
    // Another authority than the one that is named is not believed.
    const distrusted = await open(url, { address: '127.0.0.1', tls: { ...ours, ca: ours.cert } }).ended;
    expect(distrusted.cause).toBe('unreachable');
  });

  it.each([
    ['names it', 'media', true],
    ['says nothing of it', undefined, true],
    ['names another', 'other', false],
  ])('asks for a subprotocol and takes a server that %s', async (_what, chosen, taken) => {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      handleProtocols: (offered) => (offered.has('media') ? (chosen ?? false) : false),
    });
    closers.push(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { opened, ended } = open(url, { subprotocol: 'media' });
    const outcome = await Promise.race([opened.then(() => 'opened'), ended.then(({ cause }) => cause)]);
    expect(outcome).toBe(taken ? 'opened' : 'violation');
  });
});
