import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { sampleRatesHz } from '../../codecs/resampler.ts';
import type { StreamDialectName } from '../../protocol/stream/messages.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { BotCall } from './bot-call.ts';
import { BotError } from './bot-error.ts';
import { type BotHost, BotLine, type BotWire } from './bot-line.ts';
import { readConnectToken } from './connect-token.ts';
import type { BotDialect } from './dialects/bot-dialect.ts';
import { botDialects } from './dialects/bot-dialects.ts';
import { TcpBotServer } from './tcp-bot-server.ts';

/** The customer's side of the stream protocol, for bots in JavaScript and TypeScript: `callwire/bot`. */

export { VoiceActivity, type VoiceActivityOptions } from '../../codecs/vad.ts';
export { buildWav } from '../../codecs/wav.ts';
export type { EventMessage } from '../../protocol/stream/message-schemas.ts';
export type { StreamDialectName } from '../../protocol/stream/messages.ts';
export { convertRate } from '../phone/rate-conversion.ts';
export { loadWav, type Recording } from '../phone/wav-file.ts';
export type { BotCall, BotCallState, ClearReport, MarkReport } from './bot-call.ts';
export type { BotCallEnd, BotCallEventName, BotCallEvents, BotCallListener } from './bot-call-events.ts';
export type { BotCallInfo } from './bot-connect.ts';
export { BotError, type BotErrorCode } from './bot-error.ts';
export type { DigitWish } from './digit-reader.ts';
export type { PcmChunk, PlayableAudio } from './outgoing-audio.ts';

export interface BotServerOptions {
  /** Called with each call, which waits for `answer`, `busy` or `reject`, here or later (the gateway gives up after
   *  10 s). What it throws or rejects with goes to `onError` and ends the call. */
  readonly onCall: (call: BotCall) => unknown;
  /** Where to listen; 0 lets the system choose. Left out with `server`. */
  readonly port?: number;
  /** Default 127.0.0.1: who is to be reached from elsewhere says so. */
  readonly host?: string;
  /** Serves upgrades of this HTTP or HTTPS server, which stays its owner's to start and to close. */
  readonly server?: Server | TlsServer;
  /** The only path served, such as `/calls`. Default: all. */
  readonly path?: string;
  /** Hz, one of 8000, 16000, 24000, 44100, 48000, 96000: what the bot hears and plays, converted where the stream has
   *  another. Default: the stream's own. */
  readonly sampleRate?: number;
  /** What the gateways speak (`streamingOptions.dialect` of the call's action). Default `sinch`, which alone has all of
   *  a `BotCall`: what another lacks throws `not-offered`, as where a gateway offers no extensions. `audiosocket` is a
   *  TCP server: it has neither `server` nor `path`, `accept`, `secret`. */
  readonly dialect?: StreamDialectName;
  /** Hz, where the gateway names none (`audiosocket` never does). Default 8000. */
  readonly sampleRateAssumed?: number;
  /** Asked for by `answer` where the gateway offers them. Default: all. */
  readonly extensions?: 'all' | readonly string[];
  /** Whether to serve this upgrade: checks a token, a path, a certificate. Refused with 401. Default: all. */
  readonly accept?: (request: IncomingMessage) => boolean;
  /** Serves only gateways that sign their connects with it (`streamingOptions.signing`), others hear 401: a text as it
   *  stands there, bytes where it is an application's (base64). */
  readonly secret?: string | Uint8Array;
  /** How far ahead of what is heard audio is sent. Default 2000. */
  readonly playAheadMs?: number;
  /** A call on which nothing was sent for so long gets a heartbeat. Default 15 000. */
  readonly heartbeatMs?: number;
  /** What the bot's own code threw, and gateways that break the protocol (`BotError`). Default: to standard error. */
  readonly onError?: (error: unknown, call: BotCall | undefined) => void;
  readonly clock?: Clock;
}

export interface BotServer {
  /** `ws://127.0.0.1:9000/calls`; of a server that does not listen yet an error. */
  readonly url: string;
  readonly port: number;
  /** Calls on the line, also those that are not answered yet. */
  readonly calls: ReadonlySet<BotCall>;
  /** Ends every call with 1001 and, unless it was given, closes the server. */
  close(): Promise<void>;
}

const pingIntervalMs = 20_000;
const closeTimeoutMs = 1_000;
const messageBytesMax = 1 << 20;
/** A gateway that stops reading must not fill our memory: a second of audio at the highest rate waits at most. */
const bufferedBytesMax = 192_000;

/** Resolves when it listens; rejects with the system's error where it cannot, with a `BotError` for bad options. */
export async function createBotServer(options: BotServerOptions): Promise<BotServer> {
  checkOptions(options);
  const dialect = botDialects[options.dialect ?? 'sinch'];
  const { onError = printError } = options;
  const host: BotHost = { ...options, calls: new Set(), report: onError };
  if (dialect.transport === 'tcp') {
    const keepAliveMs = pingIntervalMs;
    const bots = new TcpBotServer({ dialect, host, bufferedBytesMax, closeTimeoutMs, keepAliveMs });
    await bots.listen(options.port ?? 0, options.host ?? '127.0.0.1');
    return bots;
  }
  const server = options.server ?? createServer((_request, response) => response.writeHead(426).end());
  const bots = new WebSocketBotServer(options, server, host, dialect);
  if (options.server === undefined) await bots.listen(options.port ?? 0, options.host ?? '127.0.0.1');
  return bots;
}

function checkOptions(options: BotServerOptions): void {
  const { port, server, path, sampleRate, secret, onCall, dialect = 'sinch' } = options;
  const refuse = (message: string): never => {
    throw new BotError('bad-argument', message);
  };
  if (typeof onCall !== 'function') refuse(`onCall must be a function, got ${typeof onCall}`);
  if ((port === undefined) === (server === undefined)) refuse('give either port or server');
  if (!Object.hasOwn(botDialects, dialect))
    refuse(`dialect must be one of ${Object.keys(botDialects).join(', ')}, got '${dialect}'`);
  if (botDialects[dialect].transport === 'tcp') {
    // Each would have to look at an upgrade, which does not come.
    const found = (['server', 'path', 'accept', 'secret'] as const).find(
      (name) => options[name] !== undefined,
    );
    if (found !== undefined)
      refuse(`${found} makes no sense with dialect ${dialect}, which has no HTTP; leave it out`);
    const { sampleRateAssumed = 8_000 } = options;
    if (!sampleRatesHz.some((known) => known === sampleRateAssumed))
      refuse(`sampleRateAssumed must be one of ${sampleRatesHz.join(', ')}, got ${sampleRateAssumed}`);
  }
  if (secret !== undefined && secret.length === 0) refuse('secret is empty, expected text or bytes');
  if (path !== undefined && !path.startsWith('/')) refuse(`path must begin with /, got '${path}'`);
  if (sampleRate !== undefined && !sampleRatesHz.some((known) => known === sampleRate))
    refuse(`sampleRate must be one of ${sampleRatesHz.join(', ')}, got ${sampleRate}`);
}

function printError(error: unknown, call: BotCall | undefined): void {
  console.error(call === undefined ? 'bot:' : `bot, call ${call.callId}:`, error);
}

class WebSocketBotServer implements BotServer {
  readonly #host: BotHost;
  readonly #dialect: BotDialect;
  readonly #options: BotServerOptions;
  readonly #server: Server | TlsServer;
  readonly #secret: Uint8Array | undefined;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  });
  readonly #upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    this.#upgraded(request, socket, head);

  constructor(options: BotServerOptions, server: Server | TlsServer, host: BotHost, dialect: BotDialect) {
    this.#options = options;
    this.#host = host;
    this.#dialect = dialect;
    this.#server = server;
    this.#secret = options.secret === undefined ? undefined : Buffer.from(options.secret);
    server.on('upgrade', this.#upgrade);
  }

  async listen(port: number, host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#host.report(error, undefined));
  }

  get url(): string {
    const { address, port } = this.#address;
    const host = address.includes(':') ? `[${address}]` : address;
    const scheme = 'setSecureContext' in this.#server ? 'wss' : 'ws';
    return `${scheme}://${host}:${port}${this.#options.path ?? '/'}`;
  }

  get calls(): ReadonlySet<BotCall> {
    return this.#host.calls;
  }

  get port(): number {
    return this.#address.port;
  }

  get #address(): AddressInfo {
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new BotError('bad-argument', 'the server does not listen on a port');
    return address;
  }

  async close(): Promise<void> {
    this.#server.off('upgrade', this.#upgrade);
    const { clients } = this.#sockets;
    const closed = [...clients].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const socket of clients) socket.close(1001, 'SHUTDOWN');
    const limit = setTimeout(() => {
      for (const socket of clients) socket.terminate();
    }, closeTimeoutMs);
    await Promise.all(closed);
    clearTimeout(limit);
    if (this.#options.server !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      // Whoever connected and said nothing.
      this.#server.closeAllConnections();
    });
  }

  #upgraded(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { path, accept, clock = systemClock } = this.#options;
    if (path !== undefined && request.url?.split('?')[0] !== path) {
      // Others may serve other paths of a server that was given to us.
      if (this.#server.listenerCount('upgrade') === 1) refuseUpgrade(socket, '404 Not Found');
      return;
    }
    const secret = this.#secret;
    const token = secret && readConnectToken(request, secret, clock.wallMs());
    const isWanted = (secret === undefined || token !== undefined) && this.#accepts(accept, request);
    if (!isWanted) return refuseUpgrade(socket, '401 Unauthorized');
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#connected(webSocket, token?.jti));
  }

  #accepts(accept: BotServerOptions['accept'], request: IncomingMessage): boolean {
    try {
      return accept === undefined || accept(request);
    } catch (error) {
      this.#host.report(error, undefined);
      return false;
    }
  }

  #connected(socket: WebSocket, callIdSigned: string | undefined): void {
    const host = this.#host;
    const line = new BotLine({ dialect: this.#dialect, host, callIdSigned, wire: wireOf(socket) });
    const stopWatching = watch(socket, host.clock ?? systemClock);
    socket.on('message', (data: RawData, isBinary: boolean) => {
      const bytes = data as Buffer;
      if (isBinary) line.receiveBinary(bytes);
      else line.receiveText(bytes.toString());
    });
    // A broken frame closes the socket by itself; without a listener it would end the process.
    socket.on('error', () => {});
    socket.on('close', (code, reason) => {
      stopWatching();
      line.end({ code, reason: reason.toString() });
    });
  }
}

function wireOf(socket: WebSocket): BotWire {
  // Without a callback a failed write would be thrown.
  const ignore = () => {};
  return {
    send: (message) => {
      if (socket.readyState === socket.OPEN) socket.send(message, ignore);
    },
    hasRoom: () => socket.bufferedAmount < bufferedBytesMax,
    close: (code, reason) => socket.close(code, reason),
  };
}

/** Drops a gateway that is gone without a word. */
function watch(socket: WebSocket, clock: Clock): () => void {
  let alive = true;
  let timer = { cancel: () => {} };
  socket.on('pong', () => {
    alive = true;
  });
  const look = (): void => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping(() => {});
    timer = clock.after(pingIntervalMs, look);
  };
  timer = clock.after(pingIntervalMs, look);
  return () => timer.cancel();
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
