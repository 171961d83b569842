import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A stream server that keeps no rules but those of the test: bytes, when the test wants them. */
export interface RawStreamServer {
  /** `127.0.0.1:5060`. */
  readonly address: string;
  readonly sockets: ReadonlySet<Socket>;
  close(): void;
}

export async function startRawServer(connected: (socket: Socket) => void): Promise<RawStreamServer> {
  const sockets = new Set<Socket>();
  // It ends a connection when the test does, and not because the other side has.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    connected(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Answers the upgrade, and the call, as it should be; then it is the test's. `heard` gets what comes from then on. */
export function upgradeAndAnswer(
  socket: Socket,
  then: (socket: Socket) => void,
  heard: (bytes: Buffer) => void = () => {},
): void {
  socket.once('data', (request) => {
    const key = /sec-websocket-key: (\S+)/i.exec(request.toString('latin1'))?.[1] ?? '';
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const head = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    // The connect message.
    socket.once('data', () => {
      socket.on('data', heard);
      socket.write(serverFrame(0x81, '{"command":"answer"}'));
      then(socket);
    });
  });
}

/** As a server sends it, with the shortest length that fits or one of so many bytes. */
export function serverFrame(first: number, payload: Buffer | string, lengthBytes?: 1 | 3 | 9): Buffer {
  const body = Buffer.from(payload);
  const bytes = lengthBytes ?? (body.length < 126 ? 1 : body.length < 65_536 ? 3 : 9);
  const length = Buffer.alloc(bytes);
  if (bytes === 1) length[0] = body.length;
  else if (bytes === 3) length.writeUInt16BE(body.length, 1);
  else length.writeBigUInt64BE(BigInt(body.length), 1);
  if (bytes > 1) length[0] = bytes === 3 ? 126 : 127;
  return Buffer.concat([Buffer.from([first]), length, body]);
}

/** The code of the close frame in what a client sent; undefined where there is none. */
export function closeCodeIn(bytes: Buffer): number | undefined {
  for (let offset = 0; offset + 6 <= bytes.length; ) {
    const short = bytes[offset + 1]! & 0x7f;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const length = short === 126 ? bytes.readUInt16BE(offset + 2) : short;
    const at = offset + 2 + extra;
    if (bytes[offset] === 0x88 && at + 6 <= bytes.length) {
      return (bytes.readUInt16BE(at + 4) ^ bytes.readUInt16BE(at)) & 0xffff;
    }
    offset = at + 4 + length;
  }
  return undefined;
}
