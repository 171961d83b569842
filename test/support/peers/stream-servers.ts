import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** What a customer's server does with the `connect` message that it must answer. */
export type ServerManner =
  /** Answers after 700 ms. */
  | 'answers late'
  /** Answers, and hangs up 500 ms later. */
  | 'hangs up'
  /** Answers, and drops the connection 500 ms later without a word. */
  | 'vanishes'
  /** Says nothing. */
  | 'is silent'
  | 'closes'
  /** Sends a frame of an opcode that is not defined (RFC 6455 §5.2). */
  | 'breaks the protocol'
  /** Answers the upgrade with 403. */
  | 'declines the upgrade'
  /** Takes the connection and never answers the upgrade. */
  | 'hangs';

export interface StreamServer {
  readonly url: string;
  /** Code and reason of every close that came from the gateway. */
  readonly closes: readonly string[];
  close(): Promise<void>;
}

export async function startStreamServer(manner: ServerManner): Promise<StreamServer> {
  const closes: string[] = [];
  const sockets = new Set<Duplex>();
  const webSockets = new WebSocketServer({ noServer: true });
  const server = createServer();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (manner === 'hangs') return;
    if (manner === 'declines the upgrade') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {});
      webSocket.on('close', (code, reason) => closes.push(`${code} ${reason}`.trim()));
      webSocket.once('message', () => behave(manner, webSocket, socket));
    });
  });
  const { port } = await listen(server);
  return {
    url: `ws://127.0.0.1:${port}/`,
    closes,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const talkMs = 500;
const lateMs = 700;

function behave(manner: ServerManner, webSocket: WebSocket, socket: Duplex): void {
  switch (manner) {
    case 'answers late':
      setTimeout(() => webSocket.send('{"command":"answer"}'), lateMs);
      return;
    case 'hangs up':
      webSocket.send('{"command":"answer"}');
      setTimeout(() => webSocket.close(1000, 'DONE'), talkMs);
      return;
    case 'vanishes':
      webSocket.send('{"command":"answer"}');
      setTimeout(() => socket.destroy(), talkMs);
      return;
    case 'closes':
      webSocket.close(1000, 'NOT NOW');
      return;
    case 'breaks the protocol':
      socket.write(Buffer.from([0x83, 0x00]));
      return;
    default:
  }
}

function listen(server: Server): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server.address() as AddressInfo));
  });
}
