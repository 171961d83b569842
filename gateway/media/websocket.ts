import type { ClientRequest, ClientRequestArgs, IncomingMessage } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import WebSocket from 'ws';
import { textMessageBytesMax } from '../../protocol/stream/messages.ts';
import { TextGuard } from '../../protocol/stream/text-guard.ts';
import { AudioFrame } from './audio-frame.ts';
import type { StreamEnd } from './media-messages.ts';
import type { StreamSocket, StreamSocketHandlers, StreamSocketOptions } from './stream-socket.ts';

/** A server that does not answer our close is cut after this. */
const closeTimeoutMs = 2000;
/** Uplink audio that may wait in the socket; what comes beyond it is dropped. */
const queuedMsMax = 2000;

/** Opens a real WebSocket. `ws` does the handshake, receives, and sends everything rare; audio frames, 50 a second a
 *  call, go straight to the TCP or TLS socket (8 µs instead of 12). `tls` is for private certificate authorities. */
export function openWebSocket(
  options: StreamSocketOptions,
  handlers: StreamSocketHandlers,
  tls: ConnectionOptions = {},
): StreamSocket {
  return new WebSocketClient(options, handlers, tls);
}

class WebSocketClient implements StreamSocket {
  readonly #handlers: StreamSocketHandlers;
  readonly #queuedBytesMax: number;
  readonly #frame: AudioFrame;
  /** What `sendAudio` sends: `#frame`, or a fresh one while that is still being written. */
  #frameNext: AudioFrame;
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting';
  #end: StreamEnd | undefined;
  #deadline: NodeJS.Timeout;
  #webSocket: WebSocket | undefined;
  #socket: Socket | undefined;

  constructor(options: StreamSocketOptions, handlers: StreamSocketHandlers, tls: ConnectionOptions) {
    this.#handlers = handlers;
    this.#queuedBytesMax = (options.sampleRateHz * 2 * queuedMsMax) / 1000;
    this.#frame = new AudioFrame(options.audioSamples);
    this.#frameNext = this.#frame;
    // `handshakeTimeout` of ws starts anew with every byte; this one is the limit for all of it.
    this.#deadline = setTimeout(() => this.#giveUp(options.connectTimeoutMs), options.connectTimeoutMs);
    try {
      this.#connect(options, tls);
    } catch (error) {
      // An unusable URL or header: ours to report, like every other reason not to get through.
      this.#end = unreachable(error);
      setImmediate(() => this.#closed());
    }
  }

  sendText(text: string): void {
    if (this.#state === 'open') this.#webSocket?.send(text);
  }

  beginAudio(): Int16Array | undefined {
    if (this.#state !== 'open') return undefined;
    const queuedBytes = this.#socket!.writableLength;
    if (queuedBytes > this.#queuedBytesMax) return undefined;
    // The kernel may still be reading from the frame while anything is queued.
    this.#frameNext = queuedBytes === 0 ? this.#frame : new AudioFrame(this.#frame.samples.length);
    return this.#frameNext.samples;
  }

  sendAudio(): void {
    if (this.#state !== 'open') return;
    this.#socket!.write(this.#frameNext.mask());
  }

  close(code: number, reason: string): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#end ??= { cause: 'local' };
    this.#startClosing(code, reason);
  }

  #connect(options: StreamSocketOptions, tls: ConnectionOptions): void {
    const webSocket = new WebSocket(options.url, {
      headers: { ...options.headers },
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: options.binaryBytesMax,
      closeTimeout: closeTimeoutMs,
      // Typed as if it were called by `net` itself; it is called with the arguments of the HTTP request.
      createConnection: ((request: ClientRequestArgs) => {
        this.#socket = connect(request, options, tls);
        return this.#socket;
      }) as unknown as typeof connectTcp,
    } as WebSocket.ClientOptions);
    this.#webSocket = webSocket;
    webSocket.on('open', () => this.#opened());
    webSocket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
    webSocket.on('unexpected-response', (request, response) => this.#declined(request, response));
    webSocket.on('error', (error) => this.#failed(error));
    webSocket.on('close', (code, reason) => {
      this.#end ??= { cause: 'closed', code, reason: reason.toString('utf8') };
      this.#closed();
    });
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    clearTimeout(this.#deadline);
    this.#state = 'open';
    this.#guardText();
    this.#handlers.opened();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'open') return;
    if (isBinary) this.#handlers.receiveBinary(data);
    else this.#handlers.receiveText(data.toString('utf8'));
  }

  /** `ws` has one limit for all messages; this one watches the frame headers for text beyond its own. */
  #guardText(): void {
    const socket = this.#socket!;
    const guard = new TextGuard(textMessageBytesMax);
    const watch = (bytes: Buffer) => {
      if (guard.receive(bytes)) return;
      socket.removeAllListeners('data');
      socket.resume();
      if (this.#state !== 'open') return;
      this.#end ??= {
        cause: 'violation',
        code: 1009,
        message: `a text message must have at most ${textMessageBytesMax} bytes`,
      };
      this.#startClosing(1009, '');
      // Nothing is read from here on, so the server's close would not be seen: the end of its TCP is.
      socket.end();
    };
    // Before the listener of `ws`, and not before `ws` has one: what came with the upgrade would pass it by.
    socket.prependListener('data', watch);
  }

  #declined(request: ClientRequest, response: IncomingMessage): void {
    this.#end ??= { cause: 'declined', httpStatus: response.statusCode ?? 0 };
    response.destroy();
    request.destroy();
    this.#closed();
  }

  #giveUp(afterMs: number): void {
    const message = `no WebSocket within ${afterMs} ms`;
    this.#end ??= { cause: 'unreachable', code: 'CONNECTTIMEOUT', message };
    this.#startClosing(1000, '');
  }

  #failed(error: Error): void {
    if (this.#state === 'connecting') this.#end ??= handshakeEnd(error);
    else this.#end ??= violation(error);
  }

  #startClosing(code: number, reason: string): void {
    const connecting = this.#state === 'connecting';
    this.#state = 'closing';
    clearTimeout(this.#deadline);
    if (connecting) {
      this.#webSocket?.terminate();
      // A connection that never came may leave `ws` without anything to close.
      this.#socket?.destroy();
    } else {
      this.#sendClose(code, reason);
    }
  }

  #sendClose(code: number, reason: string): void {
    try {
      this.#webSocket?.close(code, reason);
    } catch {
      // A code or a reason that no close frame can carry: better gone without one than never.
      this.#webSocket?.terminate();
    }
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#deadline);
    this.#handlers.closed(this.#end ?? { cause: 'closed', code: 1006, reason: '' });
  }
}

/** TCP or TLS to the approved address, while SNI, certificate and Host stay those of the URL. */
function connect(
  request: ClientRequestArgs,
  { url, address }: StreamSocketOptions,
  tls: ConnectionOptions,
): Socket {
  const host = String(request.host);
  const target = { host: address ?? host, port: Number(request.port), noDelay: true };
  if (!new URL(url).protocol.startsWith('wss')) return connectTcp(target);
  return connectTls({ ...tls, ...target, servername: isIP(host) === 0 ? host : '' });
}

/** Before the upgrade: the world's fault, or an answer that is no WebSocket. */
function handshakeEnd(error: Error & { readonly code?: unknown }): StreamEnd {
  const { code, message } = error;
  if (typeof code === 'string' && !code.startsWith('HPE_')) return unreachable(error);
  return { cause: 'violation', code: 1002, message };
}

function unreachable(error: unknown): StreamEnd {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  return {
    cause: 'unreachable',
    code: typeof code === 'string' ? code : 'ERR_INVALID_URL',
    message: message || String(code),
  };
}

const closeCodes: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
};

/** What `ws` found wrong with a frame, and the code that it closes with. */
function violation(error: Error & { readonly code?: unknown }): StreamEnd {
  const { code, message } = error;
  if (typeof code !== 'string' || !code.startsWith('WS_ERR_')) {
    return { cause: 'closed', code: 1006, reason: '' };
  }
  return { cause: 'violation', code: closeCodes[code] ?? 1002, message };
}
