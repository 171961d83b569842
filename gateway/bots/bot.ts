import type { AddressInfo } from 'node:net';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { type Clock, systemClock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { parseHttpListener } from '../listen-address.ts';
import { type BotAudio, type BotLine, createBotAudio } from './bot-audio.ts';
import type { BotKind } from './bot-kinds.ts';

/** A sample stream server: the customer's side of the stream protocol, small enough to read in one go. */
export interface BotOptions {
  readonly kind: BotKind;
  /** `127.0.0.1:9000`, `[::1]:0`; port 0 lets the system choose. Default `127.0.0.1:0`. */
  readonly listen?: string;
  /** What it says to `connect`. */
  readonly reply?: 'answer' | 'busy' | 'reject';
  /** Rate to assume where `connect` names none. */
  readonly sampleRateHz?: number;
  /** `play`: the WAV to play; `record`: the WAV to write. The second call in a row writes `name-2.wav`. */
  readonly file?: string;
  readonly toneHz?: number;
  readonly clock?: Clock;
  readonly report?: (event: BotEvent) => void;
}

export interface Bot {
  readonly url: string;
  /** Calls on the line. */
  readonly calls: number;
  /** Ends every call with 1001 and frees the port. */
  close(): Promise<void>;
}

export type BotEvent =
  | { readonly type: 'called'; readonly call: BotCallInfo; readonly reply: 'answer' | 'busy' | 'reject' }
  | {
      readonly type: 'ended';
      readonly call: BotCallInfo;
      readonly code: number;
      readonly reason: string;
      readonly receivedMs: number;
    }
  /** The gateway did what this bot does not understand, or its file cannot be written; the connection was closed. */
  | { readonly type: 'refused'; readonly message: string };

export interface BotCallInfo {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  readonly sampleRateHz: number;
}

const bytesPerSample = 2;
const handshakeTimeoutMs = 10_000;
const pingIntervalMs = 20_000;
const closeTimeoutMs = 1_000;

/** Rejects with the system's error if it cannot listen, and with the WAV's if `file` cannot be read. */
export async function startBot(options: BotOptions): Promise<Bot> {
  const listen = parseHttpListener(options.listen ?? '127.0.0.1:0');
  if (listen === undefined)
    throw new RangeError(`listen is '${options.listen}', expected ADDRESS:PORT such as 127.0.0.1:9000`);
  const createAudio = await createBotAudio(options);
  const server = new WebSocketServer({
    host: listen.address,
    port: listen.port,
    maxPayload: 1 << 20,
    perMessageDeflate: false,
  });
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', reject);
  });
  server.on('error', () => {});
  server.on('connection', (socket) => serveCall(socket, options, createAudio));

  const { address, port } = server.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    url: `ws://${host}:${port}/`,
    get calls() {
      return server.clients.size;
    },
    async close() {
      for (const client of server.clients) client.close(1001, 'SHUTDOWN');
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const limit = setTimeout(() => {
        for (const client of server.clients) client.terminate();
      }, closeTimeoutMs);
      await closed;
      clearTimeout(limit);
    },
  };
}

function serveCall(socket: WebSocket, options: BotOptions, createAudio: (line: BotLine) => BotAudio): void {
  const { reply = 'answer', clock = systemClock, report } = options;
  let call: BotCallInfo | undefined;
  let audio: BotAudio | undefined;
  let bytesReceived = 0;

  const takeConnect = (text: string): void => {
    call = readConnect(text, options.sampleRateHz);
    if (call === undefined) {
      report?.({ type: 'refused', message: 'the first message was no connect command that this bot serves' });
      socket.close(1002, 'expected connect');
      return;
    }
    report?.({ type: 'called', call, reply });
    sendCommand(socket, reply);
    if (reply !== 'answer') return;
    limit.cancel();
    audio = createAudio({
      sampleRateHz: call.sampleRateHz,
      send: (pcm) => sendAudio(socket, pcm),
      hangUp: () => socket.close(1000, 'PLAYED'),
    });
  };

  /** A full disk ends the call, not the bot. */
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      report?.({ type: 'refused', message: errorMessage(error) });
      socket.close(1011, 'ERROR');
    }
  };

  // For the connect message, and after busy or reject for the gateway to close.
  const limit = clock.after(handshakeTimeoutMs, () => socket.close(1002, 'handshake timeout'));
  const stopWatching = watch(socket, () => audio !== undefined);
  socket.on('message', (data: RawData, isBinary: boolean) => {
    const bytes = data as Buffer;
    if (!isBinary) {
      if (call === undefined) attempt(() => takeConnect(bytes.toString()));
      return;
    }
    if (audio === undefined) return;
    bytesReceived += bytes.length;
    attempt(() => audio?.receive(bytes));
  });
  // A broken frame closes the socket by itself; without a listener it would end the process.
  socket.on('error', ignore);
  socket.on('close', (code, reason) => {
    limit.cancel();
    stopWatching();
    attempt(() => audio?.close());
    if (call === undefined) return;
    const receivedMs = (bytesReceived / bytesPerSample / call.sampleRateHz) * 1_000;
    report?.({ type: 'ended', call, code, reason: reason.toString(), receivedMs });
  });
}

/** Drops a gateway that is gone without a word, and tells a live one that a silent bot is alive. */
function watch(socket: WebSocket, isAnswered: () => boolean): () => void {
  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  const interval = setInterval(() => {
    if (!alive) {
      socket.terminate();
      return;
    }
    alive = false;
    socket.ping(ignore);
    if (isAnswered()) sendCommand(socket, 'heartbeat');
  }, pingIntervalMs);
  return () => clearInterval(interval);
}

function sendCommand(socket: WebSocket, command: string): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ command }), ignore);
}

/** A gateway that stops reading must not fill our memory: a second of audio at the highest rate waits at most. */
const bufferedBytesMax = 192_000;

function sendAudio(socket: WebSocket, pcm: Uint8Array): void {
  if (socket.readyState !== socket.OPEN || socket.bufferedAmount > bufferedBytesMax) return;
  socket.send(pcm, ignore);
}

/** Undefined where the text is no `connect` that this bot can serve. */
function readConnect(text: string, sampleRateHzAssumed = 8_000): BotCallInfo | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof message !== 'object' || message === null) return undefined;
  const { command, callId, from, to, sampleRate = sampleRateHzAssumed } = message as Record<string, unknown>;
  if (command !== 'connect') return undefined;
  if (typeof sampleRate !== 'number' || !(sampleRate >= 8_000 && sampleRate <= 96_000)) return undefined;
  return { callId: textOf(callId), from: textOf(from), to: textOf(to), sampleRateHz: sampleRate };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function ignore(): void {}
