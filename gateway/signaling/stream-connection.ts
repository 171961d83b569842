import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SipFramer } from '../../protocol/sip/framer.ts';
import type { SipParseError } from '../../protocol/sip/parse.ts';
import type { Clock } from '../clock.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { SipAddress } from './session.ts';
import { type SipFlow, withoutMapping } from './sip-flow.ts';

/** Without a byte from the far side: longer than any registration or keep-alive interval in use. */
const idleMs = 15 * 60_000;
/** From the start to the first whole message of a connection that came to us. */
const firstMessageMs = 32_000;
/** Of a far side that does not read. */
const unsentBytesMax = 1_000_000;

export interface ConnectionHandlers {
  /** One whole message, not parsed. */
  received(bytes: Uint8Array, flow: SipFlow): void;
  /** The stream cannot be framed any more; the connection closes after this returns. */
  broken(error: SipParseError, flow: SipFlow): void;
  closed(flow: SipFlow, message: string): void;
  counted(code: string): void;
}

/** A TCP or TLS connection that carries SIP. RFC 3261 §18.3. */
export class StreamConnection implements SipFlow {
  readonly protocol: 'tcp' | 'tls';
  readonly reliable = true;
  readonly remote: SipAddress;
  readonly local: SipAddress;
  readonly #socket: Socket | TLSSocket;
  readonly #clock: Clock;
  readonly #handlers: ConnectionHandlers;
  readonly #framer = new SipFramer();
  readonly #timer: DeadlineTimer;
  #quietSinceMs: number;
  #messageSeen: boolean;
  #open = true;
  #error = 'closed by the far side';

  /** `socket` is connected. `listeningPort`: where we listen for this protocol, to be named in Via and Contact. */
  constructor(options: {
    readonly socket: Socket | TLSSocket;
    readonly protocol: 'tcp' | 'tls';
    readonly inbound: boolean;
    readonly listeningPort: number | undefined;
    readonly clock: Clock;
    readonly handlers: ConnectionHandlers;
  }) {
    const { socket, protocol } = options;
    this.protocol = protocol;
    this.#socket = socket;
    this.#clock = options.clock;
    this.#handlers = options.handlers;
    this.remote = {
      protocol,
      address: withoutMapping(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    };
    this.local = {
      protocol,
      address: withoutMapping(socket.localAddress ?? ''),
      port: options.listeningPort ?? socket.localPort ?? 0,
    };
    this.#messageSeen = !options.inbound;
    this.#quietSinceMs = options.clock.nowMs();
    this.#timer = new DeadlineTimer(options.clock, () => this.#expire());
    this.#arm();
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', (error) => {
      this.#error = error.message;
    });
    socket.on('close', () => this.#closed());
  }

  get open(): boolean {
    return this.#open;
  }

  send(bytes: Uint8Array): void {
    if (!this.#open) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > unsentBytesMax) {
      this.#handlers.counted('connection-not-read');
      this.close('the far side does not read');
    }
  }

  close(why: string): void {
    if (!this.#open) return;
    this.#error = why;
    this.#socket.destroy();
    this.#closed();
  }

  /** What was written still goes out. */
  #finish(): void {
    this.#socket.end();
    this.#socket.setTimeout(1_000, () => this.#socket.destroy());
    this.#closed();
  }

  #receive(bytes: Uint8Array): void {
    if (!this.#open) return;
    this.#quietSinceMs = this.#clock.nowMs();
    for (const frame of this.#framer.push(bytes, this.#quietSinceMs)) {
      if (frame.kind === 'ping') {
        this.send(keepAlive);
      } else if (frame.kind === 'message') {
        this.#messageSeen = true;
        this.#handlers.received(frame.bytes, this);
      } else {
        this.#handlers.broken(frame.error, this);
        this.#finish();
      }
      if (!this.#open) return;
    }
    this.#arm();
  }

  #arm(): void {
    const quietMs = this.#quietSinceMs + (this.#messageSeen ? idleMs : firstMessageMs);
    this.#timer.arm(Math.min(quietMs, this.#framer.deadlineMs ?? quietMs));
  }

  #expire(): void {
    this.#handlers.counted(this.#framer.deadlineMs === undefined ? 'connection-idle' : 'connection-slow');
    this.close('silent for too long');
  }

  #closed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timer.cancel();
    this.#handlers.closed(this, this.#error);
  }
}

/** Answer to a double CRLF, RFC 5626 §3.5.1. */
const keepAlive = new Uint8Array([0x0d, 0x0a]);
