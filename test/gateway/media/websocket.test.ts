import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { createCertificate } from '../../../bench/certificate.ts';
import type { StreamEnd } from '../../../gateway/media/media-messages.ts';
import type { StreamSocketOptions } from '../../../gateway/media/stream-socket.ts';
import { openWebSocket } from '../../../gateway/media/websocket.ts';
import { openPolledSystem, type PolledSystem } from '../../../gateway/polled-system.ts';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Client {
  readonly socket: ReturnType<typeof openWebSocket>;
  readonly opened: Promise<void>;
  readonly ended: Promise<StreamEnd>;
  /** Told before the connection was gone. */
  readonly told: StreamEnd[];
  /** Pings and pongs that came. */
  controls: number;
  readonly texts: string[];
  readonly binaries: Buffer[];
}

function openClient(
  url: string,
  changes: Partial<StreamSocketOptions> = {},
  tls: ConnectionOptions = {},
): Client {
  const texts: string[] = [];
  const binaries: Buffer[] = [];
  const parts: Buffer[] = [];
  const told: StreamEnd[] = [];
  const client = { told, controls: 0, texts, binaries };
  let socket!: Client['socket'];
  let opened!: () => void;
  const openedOnce = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const ended = new Promise<StreamEnd>((resolve) => {
    socket = openWebSocket(
      {
        transport: 'websocket',
        url,
        address: undefined,
        headers: {},
        connectTimeoutMs: 5000,
        binaryBytesMax: 100_000,
        audioSamples: 320,
        sampleRateHz: 16_000,
        ...changes,
      },
      {
        opened,
        receiveText: (text) => texts.push(text),
        receiveBinary: (bytes, offset, sizeBytes, last) => {
          parts.push(Buffer.from(bytes.slice(offset, offset + sizeBytes)));
          if (last) binaries.push(Buffer.concat(parts.splice(0)));
        },
        receivedControl: () => client.controls++,
        ended: (end) => told.push(end),
        closed: resolve,
      },
      { tls, system: way },
    );
  });
  closers.push(() => socket.close(1000, ''));
  return Object.assign(client, { socket, opened: openedOnce, ended });
}

function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((resolved) => {
    resolve = resolved;
  });
  return { promise, resolve };
}

async function listen(server: { address(): unknown }): Promise<number> {
  return (server.address() as AddressInfo).port;
}

async function wsServer(connected: (socket: import('ws').WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  closers.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', connected);
  await once(server, 'listening');
  return `ws://127.0.0.1:${await listen(server)}/`;
}

/** A server that says what a test wants, byte by byte. */
async function rawServer(connected: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    closers.push(() => socket.destroy());
    socket.on('error', () => {});
    connected(socket);
  });
  closers.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `ws://127.0.0.1:${await listen(server)}/`;
}

/** Answers the upgrade as it should, then sends `bytes`. `heard` collects what the client sends afterwards. */
function upgradeThen(bytes: Buffer, then: (socket: Socket) => void = () => {}) {
  return (socket: Socket) => {
    socket.once('data', (request) => {
      const key = /sec-websocket-key: (\S+)/i.exec(request.toString('latin1'))![1]!;
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      const head = [
        'HTTP/1.1 101 Switching Protocols',
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Accept: ${accept}`,
      ];
      socket.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]));
      then(socket);
    });
  };
}

function frame(first: number, payload: Buffer | string, lengthBytes: 1 | 3 | 9 = 1): Buffer {
  const body = Buffer.from(payload);
  const length = Buffer.alloc(lengthBytes);
  if (lengthBytes === 1) length[0] = body.length;
  else if (lengthBytes === 3) length.writeUInt16BE(body.length, 1);
  else length.writeBigUInt64BE(BigInt(body.length), 1);
  if (lengthBytes > 1) length[0] = lengthBytes === 3 ? 126 : 127;
  return Buffer.concat([Buffer.from([first]), length, body]);
}

/** Only the header: the bytes that it announces never come. */
function announce(first: number, sizeBytes: number): Buffer {
  const header = Buffer.alloc(10);
  header[0] = first;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(sizeBytes), 2);
  return header;
}

const system = openPolledSystem();
/** What TCP goes over in the tests that run. */
let way: PolledSystem | undefined;

describe.each([
  ['sockets of Node', undefined] as const,
  ...(system === undefined ? [] : [['plain system calls', system] as const]),
])('over %s', (_way, polled) => {
  let polling: NodeJS.Timeout | undefined;
  beforeAll(() => {
    way = polled;
    if (polled !== undefined) polling = setInterval(() => polled.poll(), 1);
  });
  afterAll(() => clearInterval(polling));

  describe('a stream socket and an honest server', () => {
    it('sends text and audio in order, and receives both', async () => {
      const received: (string | number[])[] = [];
      const url = await wsServer((socket) => {
        socket.on('message', (data: Buffer, isBinary) => {
          received.push(isBinary ? [...new Int16Array(new Uint8Array(data).buffer)] : data.toString());
          if (isBinary) socket.send(data);
          else socket.send('{"command":"answer"}');
        });
      });
      const { socket, opened, texts, binaries, ended } = openClient(url);
      await opened;
      socket.sendText('{"command":"connect"}');
      const frames = [1, 2, 3].map((seed) => Int16Array.from({ length: 320 }, (_, i) => seed * 1000 - i * 3));
      for (const samples of frames) {
        socket.beginAudio()!.set(samples);
        socket.sendAudio();
      }
      while (binaries.length < 3) await new Promise((resolve) => setTimeout(resolve, 2));
      expect(received).toEqual(['{"command":"connect"}', ...frames.map((samples) => [...samples])]);
      expect(texts).toEqual(['{"command":"answer"}']);
      expect(binaries.map((bytes) => bytes.length)).toEqual([640, 640, 640]);
      socket.close(1000, 'CALLERHANGUP');
      expect(await ended).toEqual({ cause: 'local' });
    });

    it('gives code and reason to the server, and takes those of the server', async () => {
      let closed: unknown;
      const gone = withResolvers<void>();
      const url = await wsServer((socket) => {
        socket.on('close', (code, reason) => {
          closed ??= [code, reason.toString()];
          gone.resolve();
        });
        socket.on('message', () => socket.close(4321, 'enough'));
      });
      const first = openClient(url);
      await first.opened;
      first.socket.close(4003, 'RTPTIMEOUT');
      await gone.promise;
      expect(closed).toEqual([4003, 'RTPTIMEOUT']);
      const second = openClient(url);
      await second.opened;
      second.socket.sendText('go');
      expect(await second.ended).toEqual({ cause: 'closed', code: 4321, reason: 'enough' });
    });

    it('connects to the approved address and keeps the Host of the URL', async () => {
      const host = withResolvers<string>();
      const url = await rawServer((socket) => {
        socket.once('data', (request) => host.resolve(/host: (\S+)/i.exec(request.toString())![1]!));
      });
      const named = url.replace('127.0.0.1', 'bot.invalid');
      openClient(named, { address: '127.0.0.1' });
      expect(await host.promise).toBe(new URL(named).host);
    });

    it('keeps at most two seconds of audio for a server that does not read', async () => {
      const url = await rawServer(upgradeThen(Buffer.alloc(0), (socket) => socket.pause()));
      const { socket, opened } = openClient(url);
      await opened;
      let sent = 0;
      while (sent < 100_000 && socket.beginAudio() !== undefined) {
        socket.sendAudio();
        sent++;
      }
      expect(sent).toBeGreaterThan(100);
      expect(sent).toBeLessThan(100_000);
      expect(socket.beginAudio()).toBeUndefined();
    });

    it('does not disturb a frame that is still being written', async () => {
      const bytes: Buffer[] = [];
      const url = await wsServer((socket) => {
        socket.pause();
        setTimeout(() => socket.resume(), 50);
        socket.on('message', (data: Buffer) => bytes.push(data));
      });
      const { socket, opened } = openClient(url, { audioSamples: 4800, sampleRateHz: 240_000 });
      await opened;
      let sent = 0;
      for (let room = socket.beginAudio(); room !== undefined && sent < 150; room = socket.beginAudio()) {
        room.fill(sent++);
        socket.sendAudio();
      }
      while (bytes.length < sent) await new Promise((resolve) => setTimeout(resolve, 5));
      const firsts = bytes.map((data) => new Set(new Int16Array(new Uint8Array(data).buffer)));
      expect(firsts).toEqual(firsts.map((_, index) => new Set([index])));
    });
  });

  describe('two stream sockets of one thread', () => {
    it('keep their audio apart, also where one server does not read', async () => {
      const heard: Buffer[][] = [[], []];
      const urls = await Promise.all(
        heard.map((bytes, index) =>
          wsServer((socket) => {
            if (index === 0) {
              socket.pause();
              setTimeout(() => socket.resume(), 50);
            }
            socket.on('message', (data: Buffer) => bytes.push(data));
          }),
        ),
      );
      const clients = urls.map((url) => openClient(url, { audioSamples: 4800, sampleRateHz: 240_000 }));
      await Promise.all(clients.map(({ opened }) => opened));
      const sent: number[][] = [[], []];
      for (let number = 0; number < 80; number++) {
        for (const [index, { socket }] of clients.entries()) {
          const room = socket.beginAudio();
          if (room === undefined) continue;
          room.fill(number * 2 + index);
          socket.sendAudio();
          sent[index]!.push(number * 2 + index);
        }
      }
      await until(() => heard.every((bytes, index) => bytes.length === sent[index]!.length));
      expect(Math.min(...sent.map((numbers) => numbers.length))).toBeGreaterThan(10);
      for (const [index, bytes] of heard.entries()) {
        const values = bytes.map((data) => new Set(new Int16Array(new Uint8Array(data).buffer)));
        expect(values).toEqual(sent[index]!.map((number) => new Set([number])));
      }
    });
  });

  describe('a stream socket over TLS', () => {
    const certificate = createCertificate(Date.now());

    async function tlsServer(): Promise<string> {
      const https = createHttpsServer(certificate).listen(0, '127.0.0.1');
      await once(https, 'listening');
      const server = new WebSocketServer({ server: https });
      closers.push(() => {
        for (const client of server.clients) client.terminate();
        https.close();
      });
      server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
      return `wss://localhost:${await listen(https)}/`;
    }

    it('checks the certificate against the name, whatever the address', async () => {
      const url = await tlsServer();
      const { socket, opened, binaries } = openClient(
        url,
        { address: '127.0.0.1' },
        { ca: certificate.cert },
      );
      await opened;
      for (let sent = 0; sent < 50; ) {
        const room = socket.beginAudio();
        // A fifth of a second waits at most, and TLS takes it a turn later.
        if (room === undefined) await new Promise(setImmediate);
        else room.fill(sent++);
        if (room !== undefined) socket.sendAudio();
      }
      while (binaries.length < 50) await new Promise((resolve) => setTimeout(resolve, 2));
      const firsts = binaries.map((data) => new Set(new Int16Array(new Uint8Array(data).buffer)));
      expect(firsts).toEqual(firsts.map((_, index) => new Set([index])));
    });

    it('refuses a stranger and a wrong name', async () => {
      const url = await tlsServer();
      expect(await openClient(url).ended).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
      const other = url.replace('localhost', 'bot.invalid');
      const end = await openClient(other, { address: '127.0.0.1' }, { ca: certificate.cert }).ended;
      expect(end).toMatchObject({ cause: 'unreachable', code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    });
  });

  describe('a stream socket that does not get through', () => {
    const head = (status: string, ...headers: string[]) =>
      [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n');

    it.each<[string, (socket: Socket) => void, StreamEnd]>([
      [
        'is declined',
        (socket) => socket.write(head('403 Forbidden', 'Content-Length: 0')),
        { cause: 'declined', httpStatus: 403 },
      ],
      [
        'is not redirected',
        (socket) => socket.write(head('302 Found', 'Location: ws://127.0.0.1:9/', 'Content-Length: 0')),
        { cause: 'declined', httpStatus: 302 },
      ],
      [
        'is served a page',
        (socket) => socket.write(head('200 OK', 'Content-Length: 99999999')),
        { cause: 'declined', httpStatus: 200 },
      ],
      [
        'is upgraded to something else',
        (socket) => socket.write(head('101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: telnet')),
        { cause: 'violation', code: 1002, message: 'Invalid Upgrade header' },
      ],
      [
        'is upgraded with a wrong key',
        (socket) =>
          socket.write(
            head(
              '101 Switching Protocols',
              'Connection: Upgrade',
              'Upgrade: websocket',
              'Sec-WebSocket-Accept: bm90IGl0',
            ),
          ),
        { cause: 'violation', code: 1002, message: 'Invalid Sec-WebSocket-Accept header' },
      ],
    ])('%s', async (_name, answer, end) => {
      const url = await rawServer((socket) => socket.once('data', () => answer(socket)));
      expect(await openClient(url).ended).toEqual(end);
    });

    it('meets a server that speaks no HTTP', async () => {
      const url = await rawServer((socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'));
      expect(await openClient(url).ended).toMatchObject({ cause: 'violation', code: 1002 });
    });

    it('meets a server that hangs up at once', async () => {
      const url = await rawServer((socket) => socket.once('data', () => socket.destroy()));
      expect(await openClient(url).ended).toMatchObject({ cause: 'unreachable', code: 'ECONNRESET' });
    });

    it('finds nobody there', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const port = await listen(server);
      await new Promise((resolve) => server.close(resolve));
      expect(await openClient(`ws://127.0.0.1:${port}/`).ended).toMatchObject({
        cause: 'unreachable',
        code: 'ECONNREFUSED',
      });
    });

    it.each(['http//nonsense', 'ftp://127.0.0.1/', 'ws://127.0.0.1/#part'])('cannot use %s', async (url) => {
      expect(await openClient(url).ended).toMatchObject({ cause: 'unreachable', code: 'ERR_INVALID_URL' });
    });

    it('cannot use a header with a line break', async () => {
      const end = await openClient('ws://127.0.0.1:9/', { headers: { Authorization: 'a\r\nb: c' } }).ended;
      expect(end).toMatchObject({ cause: 'unreachable', code: 'ERR_INVALID_CHAR' });
    });

    it('speaks TLS to a server that does not', async () => {
      const url = await rawServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
      expect(await openClient(url.replace('ws:', 'wss:')).ended).toMatchObject({ cause: 'unreachable' });
    });

    it('gives up on silence, and on headers that trickle', async () => {
      const silent = await rawServer(() => {});
      const trickling = await rawServer((socket) => {
        let sent = 0;
        const text = head('101 Switching Protocols', `X-Long: ${'x'.repeat(10_000)}`);
        const drip = setInterval(() => socket.write(text[sent++] ?? 'x'), 5);
        closers.push(() => clearInterval(drip));
        socket.on('close', () => clearInterval(drip));
      });
      for (const url of [silent, trickling]) {
        expect(await openClient(url, { connectTimeoutMs: 150 }).ended).toMatchObject({
          cause: 'unreachable',
          code: 'CONNECTTIMEOUT',
        });
      }
    });

    it('is closed while it connects', async () => {
      const arrived = withResolvers<Socket>();
      const url = await rawServer((socket) => arrived.resolve(socket));
      const { socket, ended } = openClient(url);
      const peer = await arrived.promise;
      const gone = once(peer.resume(), 'close');
      socket.close(4005, 'CANCEL');
      expect(await ended).toEqual({ cause: 'local' });
      await gone;
    });
  });

  describe('a stream socket and a hostile server', () => {
    it.each<[string, Buffer, number]>([
      ['a masked frame', Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5]), 1002],
      ['a reserved bit', frame(0xc1, 'a'), 1002],
      ['an unknown opcode', frame(0x83, 'a'), 1002],
      ['a continuation of nothing', frame(0x80, 'a'), 1002],
      ['a fragmented ping', frame(0x09, 'a'), 1002],
      ['a close of one byte', frame(0x88, 'a'), 1002],
      ['a close code that must not be sent', frame(0x88, Buffer.from([1005 >> 8, 1005 & 255])), 1002],
      ['a long ping', frame(0x89, 'x'.repeat(126), 3), 1002],
      ['a new message within another', Buffer.concat([frame(0x02, 'a'), frame(0x01, 'b')]), 1002],
      ['binary of 2^63 bytes', Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1009],
      ['text of 2^64 - 1 bytes', Buffer.from([0x81, 127, ...Buffer.alloc(8, 255)]), 1009],
      [
        'empty fragments without end',
        Buffer.concat([frame(0x01, ''), ...Array.from({ length: 65_536 }, () => frame(0x00, ''))]),
        1009,
      ],
      ['a close code out of range', frame(0x88, Buffer.from([0, 7])), 1002],
      ['text that is no UTF-8', frame(0x81, Buffer.from([0xc3, 0x28])), 1007],
      ['a close reason that is no UTF-8', frame(0x88, Buffer.from([1000 >> 8, 1000 & 255, 0xff])), 1007],
      ['the announcement of binary beyond the limit', announce(0x82, 100_001), 1009],
      ['the announcement of absurd binary', announce(0x82, Number.MAX_SAFE_INTEGER), 1009],
      ['the announcement of text beyond 64 KiB', announce(0x81, 65_537), 1009],
      [
        'text beyond 64 KiB in fragments',
        Buffer.concat([
          frame(0x01, Buffer.alloc(65_000, 97), 3),
          frame(0x89, 'p'),
          frame(0x00, Buffer.alloc(537, 97), 3),
        ]),
        1009,
      ],
    ])('closes on %s', async (_name, bytes, code) => {
      const heard: Buffer[] = [];
      const url = await rawServer(
        upgradeThen(bytes, (socket) => socket.on('data', (data) => heard.push(data))),
      );
      const client = openClient(url);
      // The server never closes: that is told at once, and the socket cut when its time is over.
      await until(() => client.told.length > 0);
      expect(client.told).toMatchObject([{ cause: 'violation', code }]);
      client.socket.close(1000, '');
      expect(await client.ended).toMatchObject({ cause: 'violation', code });
      expect(client.texts).toEqual([]);
      expect(closeCodeIn(Buffer.concat(heard))).toBe(code);
    });

    it('takes text of 64 KiB, and binary of all that is allowed', async () => {
      const text = 'x'.repeat(65_536);
      const url = await rawServer(
        upgradeThen(
          Buffer.concat([frame(0x81, text, 9), frame(0x82, Buffer.alloc(100_000), 9), frame(0x88, '')]),
        ),
      );
      const { texts, binaries, ended } = openClient(url);
      expect(await ended).toEqual({ cause: 'closed', code: 1005, reason: '' });
      expect([texts[0]?.length, binaries[0]?.length]).toEqual([65_536, 100_000]);
    });

    it('tells a lost connection from a closed one', async () => {
      const reset = await rawServer(upgradeThen(Buffer.alloc(0), (socket) => socket.resetAndDestroy()));
      const ended = await rawServer(upgradeThen(Buffer.alloc(0), (socket) => socket.end()));
      for (const url of [reset, ended]) {
        expect(await openClient(url).ended).toEqual({ cause: 'closed', code: 1006, reason: '' });
      }
    });

    it('cuts a server that ignores the close', async () => {
      const url = await rawServer(upgradeThen(Buffer.alloc(0), (socket) => socket.resume()));
      const { socket, opened, ended } = openClient(url);
      await opened;
      const startedMs = performance.now();
      socket.close(1000, 'CALLERHANGUP');
      expect(await ended).toEqual({ cause: 'local' });
      expect(performance.now() - startedMs).toBeGreaterThan(1000);
    });

    it.each([
      ['a code', 1006, ''],
      ['a reason', 1000, 'x'.repeat(200)],
    ])('is gone also where %s cannot be sent', async (_name, code, reason) => {
      const url = await rawServer(upgradeThen(Buffer.alloc(0), (socket) => socket.resume()));
      const { socket, opened, ended } = openClient(url);
      await opened;
      socket.close(code, reason);
      expect(await ended).toEqual({ cause: 'local' });
    });

    it('is told at once that a server goes, also where that lets the connection linger', async () => {
      const url = await rawServer(
        upgradeThen(frame(0x88, Buffer.from([1000 >> 8, 1000 & 255])), (s) => s.resume()),
      );
      const client = openClient(url);
      await until(() => client.told.length > 0);
      expect(client.told).toEqual([{ cause: 'closed', code: 1000, reason: '' }]);
    });

    it('reads nothing more of a server that it closed for flooding', async () => {
      let peer!: Socket;
      const heard: Buffer[] = [];
      const url = await rawServer(
        upgradeThen(frame(0x89, 'a'), (socket) => {
          peer = socket;
          socket.on('data', (bytes) => heard.push(bytes));
        }),
      );
      const client = openClient(url);
      await client.opened;
      await until(() => client.controls === 1);
      client.socket.close(1008, '');
      await until(() => closeCodeIn(Buffer.concat(heard)) === 1008);
      // What nobody reads fills the buffers between us, and then has to wait.
      const flood = Buffer.alloc(1_000_000, 0xc1);
      for (let sent = 0; sent < 50; sent++) peer.write(flood);
      expect(await client.ended).toEqual({ cause: 'local' });
      expect(peer.bytesWritten - peer.writableLength).toBeLessThan(50_000_000);
      expect([client.told, client.controls]).toEqual([[], 1]);
    });

    it('notices that a server is gone without a word, and that one lives that only answers pings', async () => {
      const pings = { pingTimeoutMs: 200 };
      const gone = await rawServer(upgradeThen(Buffer.alloc(0), (socket) => socket.resume()));
      let pinged = 0;
      const lives = await wsServer((socket) => socket.on('ping', () => pinged++));
      const [dead, alive] = [openClient(gone, pings), openClient(lives, pings)];
      await alive.opened;
      expect(await dead.ended).toMatchObject({ cause: 'unreachable', code: 'PINGTIMEOUT' });
      await until(() => pinged > 2);
      let over = false;
      void alive.ended.then(() => {
        over = true;
      });
      await new Promise(setImmediate);
      expect([over, alive.controls > 0]).toEqual([false, true]);
    });

    it('answers pings, and does not drown in them', async () => {
      const pings = Buffer.concat(Array.from({ length: 5000 }, () => frame(0x89, 'x'.repeat(100))));
      const url = await rawServer(upgradeThen(pings, (socket) => socket.pause()));
      const { socket, opened } = openClient(url);
      await opened;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(socket.beginAudio()?.length ?? 0).toBeLessThanOrEqual(320);
    });
  });
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** The code of the close frame in what a client sent; undefined where there is none. */
function closeCodeIn(bytes: Buffer): number | undefined {
  for (let offset = 0; offset + 6 <= bytes.length; ) {
    const length = bytes[offset + 1]! & 0x7f;
    if (bytes[offset] === 0x88)
      return (bytes.readUInt16BE(offset + 6) ^ bytes.readUInt16BE(offset + 2)) & 0xffff;
    offset += 6 + length;
  }
  return undefined;
}
