import type { StreamWays } from './stream-connection.ts';
import type { StreamSocket, StreamSocketHandlers, StreamSocketOptions } from './stream-socket.ts';
import { openTcpStream } from './stream-tcp.ts';
import { openWebSocket } from './websocket.ts';

/** Opens what the dialect goes over. */
export function openStreamSocket(
  options: StreamSocketOptions,
  handlers: StreamSocketHandlers,
  ways: StreamWays = {},
): StreamSocket {
  const open = options.transport === 'tcp' ? openTcpStream : openWebSocket;
  return open(options, handlers, ways);
}
