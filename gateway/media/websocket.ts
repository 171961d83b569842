import { randomBytes } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { FrameReceiver } from '../../protocol/stream/frame-receiver.ts';
import { buildFrame, closePayload, opcodes } from '../../protocol/stream/frames.ts';
import { textMessageBytesMax } from '../../protocol/stream/messages.ts';
import { buildUpgrade, UpgradeAnswer } from '../../protocol/stream/upgrade.ts';
import type { Connection } from '../polled-connection.ts';
import { AudioFrame } from './audio-frame.ts';
import type { StreamEnd } from './media-messages.ts';
import { connectStream, type StreamWays, sendBufferBytesFor, unreachable } from './stream-connection.ts';
import type { StreamSocket, StreamSocketHandlers, StreamSocketOptions } from './stream-socket.ts';

/** A server that does not answer our close is cut after this. */
const closeTimeoutMs = 2000;
/** Uplink audio that may wait in the socket, where nothing can take it back; what comes beyond waits outside. */
const queuedMsMax = 200;
/** Beyond this nothing else is added either: a server that asks and does not read gets no answers. */
const queuedBytesMax = 262_144;
/** Pings are answered while no more than this waits; of those that it misses a server can draw its conclusion. */
const pongQueuedBytesMax = 16_384;
/** Its silence is measured in tenths of `pingTimeoutMs`: a ping after four and after eight, the end after ten. */
const silenceParts = 10;
const pingEveryParts = 4;
const tooManyMessages = 1008;
/** Who floods may well not answer our close. */
const floodCloseTimeoutMs = 500;
/** After a close so much may still be under way; of who goes on sending nothing more is read. */
const readAfterCloseBytesMax = 16_000_000;

/** The frame that the next message of so many samples is written into. TCP takes it before `write` returns, unless it
 *  is congested, so one serves all calls, and stays in the processor's cache while they take turns: 2 % less CPU than
 *  one a call. TLS takes it a turn later: there each call has its own. */
const sharedFrames = new Map<number, FrameHolder>();

interface FrameHolder {
  frame: AudioFrame;
}

/** Opens a real WebSocket, client side of RFC 6455 on a TCP or TLS connection. */
export function openWebSocket(
  options: StreamSocketOptions,
  handlers: StreamSocketHandlers,
  ways: StreamWays = {},
): StreamSocket {
  return new WebSocketClient(options, handlers, ways);
}

class WebSocketClient implements StreamSocket {
  readonly #handlers: StreamSocketHandlers;
  readonly #audioBytesMax: number;
  readonly #frames: FrameHolder;
  readonly #framesShared: boolean;
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting';
  #end: StreamEnd | undefined;
  #deadline: NodeJS.Timeout;
  readonly #pingTimeoutMs: number;
  #pinging: NodeJS.Timeout | undefined;
  /** Something came in this tenth. */
  #heard = true;
  #silentParts = 0;
  #readAfterClose = 0;
  #answer: UpgradeAnswer | undefined;
  readonly #receiver: FrameReceiver;
  #socket: Connection | undefined;

  constructor(options: StreamSocketOptions, handlers: StreamSocketHandlers, ways: StreamWays) {
    this.#handlers = handlers;
    this.#audioBytesMax = (options.sampleRateHz * 2 * queuedMsMax) / 1000;
    this.#pingTimeoutMs = options.pingTimeoutMs ?? 0;
    this.#framesShared = !/^wss:/i.test(options.url);
    this.#frames = this.#framesShared ? sharedFrame(options.audioSamples) : ownFrame(options.audioSamples);
    this.#receiver = new FrameReceiver(
      {
        binary: (bytes, offset, sizeBytes, last) => {
          if (this.#state === 'open') handlers.receiveBinary(bytes, offset, sizeBytes, last);
        },
        text: (text) => {
          if (this.#state === 'open') handlers.receiveText(text);
        },
        ping: (payload) => {
          this.#pong(payload);
          if (this.#state === 'open') handlers.receivedControl?.();
        },
        pong: () => {
          if (this.#state === 'open') handlers.receivedControl?.();
        },
        close: (code, reason) => this.#closedByServer(code, reason),
        violation: (code, message) => this.#violated(code, message),
      },
      { textBytesMax: options.textBytesMax ?? textMessageBytesMax, binaryBytesMax: options.binaryBytesMax },
    );
    this.#deadline = setTimeout(() => this.#giveUp(options.connectTimeoutMs), options.connectTimeoutMs);
    try {
      this.#connect(options, ways);
    } catch (error) {
      // An unusable URL or header: ours to report, like every other reason not to get through.
      this.#end = unreachable(error);
      setImmediate(() => this.#closed());
    }
  }

  // ---- Sending -----------------------------------------------------------------------------------------------

  sendText(text: string): void {
    if (this.#state === 'open') this.#sendFrame(opcodes.text, new TextEncoder().encode(text));
  }

  sendBinary(bytes: Uint8Array): void {
    if (this.#state === 'open') this.#sendFrame(opcodes.binary, bytes);
  }

  get congested(): boolean {
    return this.#state !== 'open' || this.#socket!.writableLength > this.#audioBytesMax;
  }

  beginAudio(): Int16Array | undefined {
    if (this.#state !== 'open') return undefined;
    const queuedBytes = this.#socket!.writableLength;
    if (queuedBytes > this.#audioBytesMax) return undefined;
    if (queuedBytes > 0 && !this.#framesShared) this.#replaceFrame();
    return this.#frames.frame.samples;
  }

  sendAudio(): void {
    if (this.#state !== 'open') return;
    this.#socket!.write(this.#frames.frame.mask());
    if (this.#framesShared && this.#socket!.writableLength > 0) this.#replaceFrame();
  }

  /** It is still being read from: left to the socket, and the next message gets another. */
  #replaceFrame(): void {
    this.#frames.frame = new AudioFrame(this.#frames.frame.samples.length);
  }

  #sendFrame(opcode: number, payload: Uint8Array): void {
    const socket = this.#socket!;
    if (socket.writableLength <= queuedBytesMax) socket.write(buildFrame(opcode, payload, randomBytes(4)));
  }

  #pong(payload: Uint8Array): void {
    if (this.#state === 'open' && this.#socket!.writableLength <= pongQueuedBytesMax) {
      this.#sendFrame(opcodes.pong, payload);
    }
  }

  /** A connection whose other end is gone without a word looks like one on which nothing is said: each library answers
   *  pings (RFC 6455 §5.5.2). Tenths are counted and no times compared, so that a stall of ours ends nothing. */
  #watchSilence(): void {
    if (this.#pingTimeoutMs <= 0) return;
    this.#pinging = setInterval(() => {
      this.#silentParts = this.#heard ? 0 : this.#silentParts + 1;
      this.#heard = false;
      if (this.#silentParts === 0) return;
      if (this.#silentParts >= silenceParts) return this.#wentSilent();
      if (this.#silentParts % pingEveryParts === 0) this.#sendFrame(opcodes.ping, new Uint8Array(0));
    }, this.#pingTimeoutMs / silenceParts);
  }

  #wentSilent(): void {
    const message = `nothing, and no answer to a ping, for ${this.#pingTimeoutMs} ms`;
    this.#end ??= { cause: 'unreachable', code: 'PINGTIMEOUT', message };
    this.#cut();
  }

  // ---- Opening -----------------------------------------------------------------------------------------------

  #connect(options: StreamSocketOptions, ways: StreamWays): void {
    const url = new URL(options.url);
    if ((url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.hash !== '') {
      throw new TypeError(`a stream URL must be ws:// or wss:// and have no fragment, got ${options.url}`);
    }
    for (const [name, value] of Object.entries(options.headers)) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }
    const key = randomBytes(16).toString('base64');
    const { headers, subprotocol } = options;
    const request = buildUpgrade(url, key, headers, subprotocol);
    this.#answer = new UpgradeAnswer(key, subprotocol);
    const tls = options.tls === undefined ? ways.tls : { ...ways.tls, ...options.tls };
    const connection = connectStream(
      url,
      options.address,
      { system: ways.system, tls, sendBufferBytes: sendBufferBytesFor(options.sampleRateHz) },
      {
        read: (bytes, start, end) => this.#read(bytes, start, end),
        failed: (error) => this.#failed(error),
        // The server's half is over; ours ends by itself, unless it takes nothing any more.
        ended: () => this.#expectEnd(),
        closed: () => this.#closed(),
      },
    );
    this.#socket = connection;
    // Waits for the connection, and for TLS.
    connection.write(Buffer.from(request));
  }

  #read(bytes: Uint8Array, start: number, end: number): void {
    this.#heard = true;
    if (this.#state === 'open') this.#receiver.receive(bytes, start, end);
    else if (this.#state === 'closing') this.#readAfter(bytes, start, end);
    else if (this.#state === 'connecting') this.#readAnswer(bytes, start, end);
  }

  #readAnswer(bytes: Uint8Array, start: number, end: number): void {
    let answer: ReturnType<UpgradeAnswer['receive']>;
    try {
      answer = this.#answer!.receive(bytes.subarray(start, end), end - start);
    } catch (error) {
      this.#end ??= { cause: 'violation', code: 1002, message: (error as Error).message };
      this.#cut();
      return;
    }
    if (answer === undefined) return;
    if (answer.status !== 101) {
      this.#end ??= { cause: 'declined', httpStatus: answer.status };
      this.#cut();
      return;
    }
    clearTimeout(this.#deadline);
    this.#answer = undefined;
    this.#state = 'open';
    this.#watchSilence();
    this.#handlers.opened();
    this.#receiver.receive(bytes, start + answer.offset, end);
  }

  #readAfter(bytes: Uint8Array, start: number, end: number): void {
    this.#readAfterClose += end - start;
    if (this.#readAfterClose > readAfterCloseBytesMax) this.#socket!.pause();
    this.#receiver.receive(bytes, start, end);
  }

  #giveUp(afterMs: number): void {
    const message = `no WebSocket within ${afterMs} ms`;
    this.#end ??= { cause: 'unreachable', code: 'CONNECTTIMEOUT', message };
    this.#cut();
  }

  // ---- Closing -----------------------------------------------------------------------------------------------

  close(code: number, reason: string): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#end ??= { cause: 'local' };
    if (this.#state === 'connecting') return this.#cut();
    const payload = closePayload(code, reason);
    // Better gone without a close frame than never.
    if (payload === undefined) return this.#cut();
    this.#sendClose(payload);
    if (code !== tooManyMessages) return;
    this.#receiver.stop();
    this.#socket!.pause();
    this.#expectEnd(floodCloseTimeoutMs);
  }

  #sendClose(payload: Uint8Array): void {
    this.#sendFrame(opcodes.close, payload);
    clearInterval(this.#pinging);
    this.#state = 'closing';
    this.#expectEnd();
  }

  #closedByServer(code: number, reason: string): void {
    if (this.#state === 'open') {
      this.#end ??= { cause: 'closed', code, reason };
      this.#sendClose((code === 1005 ? undefined : closePayload(code, '')) ?? new Uint8Array(0));
      this.#handlers.ended?.(this.#end);
    }
    this.#socket!.end();
  }

  #violated(code: number, message: string): void {
    if (this.#state === 'open') {
      this.#end ??= { cause: 'violation', code, message };
      this.#sendClose(closePayload(code, '')!);
      this.#handlers.ended?.(this.#end);
    }
    // Nothing that comes is read any more, the server's close neither.
    this.#socket!.end();
  }

  #failed(error: Error): void {
    this.#end ??=
      this.#state === 'connecting' ? unreachable(error) : { cause: 'closed', code: 1006, reason: '' };
  }

  /** The connection should end by itself now. */
  #expectEnd(limitMs = closeTimeoutMs): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#cut(), limitMs);
  }

  #cut(): void {
    if (this.#state !== 'closed') this.#state = 'closing';
    clearTimeout(this.#deadline);
    clearInterval(this.#pinging);
    this.#socket?.destroy();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    const hungUp = this.#state === 'connecting';
    this.#state = 'closed';
    clearTimeout(this.#deadline);
    clearInterval(this.#pinging);
    this.#end ??= hungUp
      ? { cause: 'unreachable', code: 'ECONNRESET', message: 'the server hung up before it answered' }
      : { cause: 'closed', code: 1006, reason: '' };
    this.#handlers.closed(this.#end);
  }
}

function ownFrame(samples: number): FrameHolder {
  return { frame: new AudioFrame(samples) };
}

function sharedFrame(samples: number): FrameHolder {
  const known = sharedFrames.get(samples);
  if (known !== undefined) return known;
  const holder = ownFrame(samples);
  sharedFrames.set(samples, holder);
  return holder;
}
