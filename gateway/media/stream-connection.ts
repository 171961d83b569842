import { connect as connectTcp, isIP, isIPv4 } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type Connection, type ConnectionHandlers, PolledConnection } from '../polled-connection.ts';
import type { PolledSystem } from '../polled-system.ts';
import type { StreamEnd } from './media-messages.ts';

/** All sockets of the thread read into this, one after the other: nothing is allocated for what arrives, and what one
 *  read brought is done with before the next. */
const readBuffer = new Uint8Array(65_536);

export interface StreamWays {
  /** For private certificate authorities. */
  readonly tls?: ConnectionOptions | undefined;
  /** Where TCP goes over plain system calls; TLS and IPv6 do not. */
  readonly system?: PolledSystem | undefined;
  /** What may lie in the system unsent, where that can be said. */
  readonly sendBufferBytes?: number | undefined;
}

/** TCP or TLS to the approved address, while SNI, certificate and Host stay those of the URL. */
export function connectStream(
  url: URL,
  address: string | undefined,
  { tls = {}, system, sendBufferBytes }: StreamWays,
  handlers: ConnectionHandlers,
): Connection {
  const secure = url.protocol === 'wss:';
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const host = address ?? name;
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  if (!secure && system !== undefined && isIPv4(host))
    return new PolledConnection(system, { address: host, port, sendBufferBytes }, handlers);
  const read = (sizeBytes: number) => {
    handlers.read(readBuffer, 0, sizeBytes);
    return true;
  };
  const target = { host, port, onread: { buffer: readBuffer, callback: read } };
  const socket = secure
    ? connectTls({ ...tls, ...target, servername: isIP(name) === 0 ? name : '' })
    : connectTcp(target);
  if (handlers.connected !== undefined) socket.once('connect', () => handlers.connected!());
  // Frames are whole messages: none gains from waiting for the next.
  socket.setNoDelay(true);
  socket.on('error', handlers.failed);
  socket.on('end', handlers.ended);
  socket.on('close', handlers.closed);
  return socket;
}

/** Half a second of audio, which the system doubles: what it has taken cannot be dropped any more. */
export function sendBufferBytesFor(sampleRateHz: number): number {
  return Math.max(32_768, sampleRateHz);
}

export function unreachable(error: unknown): StreamEnd {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  return {
    cause: 'unreachable',
    code: typeof code === 'string' ? code : 'ERR_INVALID_URL',
    message: message || String(code),
  };
}
