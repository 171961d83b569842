import type { Connection } from '../polled-connection.ts';
import type { StreamEnd } from './media-messages.ts';
import { connectStream, type StreamWays, sendBufferBytesFor, unreachable } from './stream-connection.ts';
import type { StreamSocket, StreamSocketHandlers, StreamSocketOptions } from './stream-socket.ts';

/** A server that takes nothing any more is cut after this. */
const closeTimeoutMs = 2000;
/** Uplink audio that may wait in the socket, where nothing can take it back; what comes beyond waits outside. */
const queuedMsMax = 200;
const queuedBytesMax = 262_144;

/** Opens a bare TCP connection to `tcp://host:port`, for dialects that frame their messages themselves. */
export function openTcpStream(
  options: StreamSocketOptions,
  handlers: StreamSocketHandlers,
  ways: StreamWays = {},
): StreamSocket {
  return new TcpStream(options, handlers, ways);
}

class TcpStream implements StreamSocket {
  readonly #handlers: StreamSocketHandlers;
  readonly #audioBytesMax: number;
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting';
  #connection: Connection | undefined;
  #deadline: NodeJS.Timeout;
  #end: StreamEnd | undefined;

  constructor(options: StreamSocketOptions, handlers: StreamSocketHandlers, ways: StreamWays) {
    this.#handlers = handlers;
    this.#audioBytesMax = (options.sampleRateHz * 2 * queuedMsMax) / 1000;
    const { connectTimeoutMs } = options;
    this.#deadline = setTimeout(() => this.#giveUp(connectTimeoutMs), connectTimeoutMs);
    try {
      this.#connect(options, ways);
    } catch (error) {
      this.#end = unreachable(error);
      setImmediate(() => this.#closed());
    }
  }

  #connect({ url, address, sampleRateHz }: StreamSocketOptions, given: StreamWays): void {
    const ways = { ...given, sendBufferBytes: sendBufferBytesFor(sampleRateHz) };
    const target = tcpUrl(url);
    if (target === undefined) throw new TypeError(`a stream URL must be tcp://host:port, got ${url}`);
    this.#connection = connectStream(target, address, ways, {
      connected: () => this.#opened(),
      read: (bytes, start, end) => {
        if (this.#state === 'open') this.#handlers.receiveBinary(bytes, start, end - start, true);
      },
      failed: (error) => this.#failed(error),
      ended: () => this.#endedByServer(),
      closed: () => this.#closed(),
    });
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    clearTimeout(this.#deadline);
    this.#state = 'open';
    this.#handlers.opened();
  }

  sendText(): void {
    throw new TypeError('TCP has no text messages');
  }

  sendBinary(bytes: Uint8Array): void {
    const connection = this.#connection;
    if (this.#state !== 'open' || connection === undefined) return;
    if (connection.writableLength <= queuedBytesMax) connection.write(bytes);
  }

  beginAudio(): undefined {
    return undefined;
  }

  sendAudio(): void {}

  get congested(): boolean {
    return this.#state !== 'open' || this.#connection!.writableLength > this.#audioBytesMax;
  }

  close(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#end ??= { cause: 'local' };
    if (this.#state === 'connecting') return this.#cut();
    this.#state = 'closing';
    this.#connection!.end();
    this.#expectEnd();
  }

  #endedByServer(): void {
    if (this.#state === 'open') this.#end ??= { cause: 'closed', code: 1000, reason: '' };
    this.#expectEnd();
  }

  #failed(error: Error): void {
    this.#end ??=
      this.#state === 'connecting' ? unreachable(error) : { cause: 'closed', code: 1006, reason: '' };
  }

  #giveUp(afterMs: number): void {
    const message = `no connection within ${afterMs} ms`;
    this.#end ??= { cause: 'unreachable', code: 'CONNECTTIMEOUT', message };
    this.#cut();
  }

  #expectEnd(): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#cut(), closeTimeoutMs);
  }

  #cut(): void {
    if (this.#state !== 'closed') this.#state = 'closing';
    clearTimeout(this.#deadline);
    this.#connection?.destroy();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    const hungUp = this.#state === 'connecting';
    this.#state = 'closed';
    clearTimeout(this.#deadline);
    this.#end ??= hungUp
      ? { cause: 'unreachable', code: 'ECONNRESET', message: 'the server hung up at once' }
      : { cause: 'closed', code: 1006, reason: '' };
    this.#handlers.closed(this.#end);
  }
}

/** As a URL whose host was read like that of a WebSocket, so that all ways to write an address come out the same. */
function tcpUrl(text: string): URL | undefined {
  if (!/^tcp:/i.test(text) || !URL.canParse(`ws${text.slice(3)}`)) return undefined;
  const url = new URL(`ws${text.slice(3)}`);
  return url.port === '' && !/:80(?:\/|$)/.test(text) ? undefined : url;
}
