import type { Socket } from 'node:net';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { SipFramer } from '../../protocol/sip/framer.ts';
import type { SipParseError } from '../../protocol/sip/parse.ts';
import type { Clock } from '../clock.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { SipAddress } from './session.ts';
import { type SipFlow, withoutMapping } from './sip-flow.ts';

/** Of a connection that came to us, without a byte from its maker, whose keep-alives count too. */
const idleMs = 15 * 60_000;
/** Of one that we made, without a message either way: longer than registrations last, as calls may come over it. */
const idleMsOutbound = 2 * 3_600_000;
/** From the start to the first whole message of a connection that came to us. */
const firstMessageMs = 32_000;
/** After so long without a byte either way we ask whether the far side is there: 95 to 120 s (RFC 5626 §4.4.1). */
const pingMs = 120_000;
const pingSpreadMs = 25_000;
/** RFC 5626 §4.4.1. */
const pongMs = 10_000;
/** Of a far side that does not read. */
const unsentBytesMax = 1_000_000;

export interface ConnectionHandlers {
  /** One whole message, not parsed. */
  received(bytes: Uint8Array, flow: SipFlow): void;
  /** The stream cannot be framed any more; the connection closes after this returns. */
  broken(error: SipParseError, flow: SipFlow): void;
  closed(flow: SipFlow, message: string): void;
  /** Something depends on this connection. */
  inUse(flow: SipFlow): boolean;
  counted(code: string): void;
}

/** A TCP or TLS connection that carries SIP. RFC 3261 §18.3. */
export class StreamConnection implements SipFlow {
  readonly protocol: 'tcp' | 'tls';
  readonly reliable = true;
  readonly remote: SipAddress;
  readonly local: SipAddress;
  /** The far side's, where it showed one that we trust. */
  readonly peerCertificate: PeerCertificate | undefined;
  readonly #socket: Socket | TLSSocket;
  readonly #inbound: boolean;
  readonly #clock: Clock;
  readonly #handlers: ConnectionHandlers;
  readonly #framer = new SipFramer();
  readonly #timer: DeadlineTimer;
  readonly #openedMs: number;
  readonly #pingMs: number;
  /** The last byte, either way. */
  #quietSinceMs: number;
  /** Since when it idles; undefined until the first message over a connection that came to us. */
  #idleSinceMs: number | undefined;
  /** When our ping went out, while it is not answered. */
  #pingedMs: number | undefined;
  /** The far side has answered a ping: from now on it has to. Many know nothing of RFC 5626. */
  #answersPings = false;
  #open = true;
  #error = 'closed by the far side';

  /** `socket` is connected. `listeningPort`: where we listen, to be named in Via and Contact; default: its
   *  own port. */
  constructor(options: {
    readonly socket: Socket | TLSSocket;
    readonly protocol: 'tcp' | 'tls';
    readonly inbound: boolean;
    readonly listeningPort: number | undefined;
    readonly clock: Clock;
    /** 0 ≤ x < 1. */
    readonly random: () => number;
    readonly peerCertificate?: PeerCertificate;
    readonly handlers: ConnectionHandlers;
  }) {
    const { socket, protocol } = options;
    this.protocol = protocol;
    this.#socket = socket;
    this.#inbound = options.inbound;
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
    this.peerCertificate = options.peerCertificate;
    this.#openedMs = options.clock.nowMs();
    this.#idleSinceMs = options.inbound ? undefined : this.#openedMs;
    this.#quietSinceMs = this.#openedMs;
    this.#pingMs = pingMs - options.random() * pingSpreadMs;
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
    const nowMs = this.#clock.nowMs();
    this.#quietSinceMs = nowMs;
    if (!this.#inbound) this.#idleSinceMs = nowMs;
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
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
    const nowMs = this.#clock.nowMs();
    this.#quietSinceMs = nowMs;
    // Whatever it says, it is there.
    this.#pingedMs = undefined;
    if (this.#inbound && this.#idleSinceMs !== undefined) this.#idleSinceMs = nowMs;
    for (const frame of this.#framer.push(bytes, nowMs)) {
      if (frame.kind === 'ping') {
        this.#write(pong);
      } else if (frame.kind === 'pong') {
        this.#answersPings = true;
      } else if (frame.kind === 'message') {
        this.#idleSinceMs = nowMs;
        this.#handlers.received(frame.bytes, this);
      } else {
        this.#handlers.broken(frame.error, this);
        this.#finish();
      }
      if (!this.#open) return;
    }
    this.#arm();
  }

  /** What comes first: a message that trickles in, a pong that does not come, silence. */
  #arm(): void {
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.#framer;
    const pingAtMs =
      this.#idleSinceMs === undefined ? this.#idleDeadlineMs : this.#quietSinceMs + this.#pingMs;
    this.#timer.arm(Math.min(deadlineMs, this.#pongDeadlineMs, this.#idleDeadlineMs, pingAtMs));
  }

  get #idleDeadlineMs(): number {
    if (this.#idleSinceMs === undefined) return this.#openedMs + firstMessageMs;
    return this.#idleSinceMs + (this.#inbound ? idleMs : idleMsOutbound);
  }

  get #pongDeadlineMs(): number {
    return this.#pingedMs === undefined || !this.#answersPings
      ? Number.POSITIVE_INFINITY
      : this.#pingedMs + pongMs;
  }

  #expire(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= (this.#framer.deadlineMs ?? Number.POSITIVE_INFINITY)) {
      return this.#cut('connection-slow', 'a message took too long to arrive');
    }
    if (nowMs >= this.#pongDeadlineMs) {
      return this.#cut('connection-dead', 'the far side answers no keep-alives any more');
    }
    if (nowMs >= this.#idleDeadlineMs) {
      if (this.#idleSinceMs === undefined) return this.#cut('connection-idle', 'no message came over it');
      if (!this.#handlers.inUse(this)) return this.#cut('connection-idle', 'silent for too long');
      this.#idleSinceMs = nowMs;
    }
    if (this.#idleSinceMs !== undefined && nowMs >= this.#quietSinceMs + this.#pingMs) this.#ping(nowMs);
    if (this.#open) this.#arm();
  }

  /** A connection that came to us is its maker's to hold open, unless a call depends on it. */
  #ping(nowMs: number): void {
    this.#quietSinceMs = nowMs;
    if (this.#inbound && !this.#handlers.inUse(this)) return;
    this.#pingedMs ??= nowMs;
    this.#framer.expectPong();
    this.#write(ping);
  }

  #cut(code: string, why: string): void {
    this.#handlers.counted(code);
    this.close(why);
  }

  #closed(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timer.cancel();
    this.#handlers.closed(this, this.#error);
  }
}

/** RFC 5626 §3.5.1. */
const ping = new Uint8Array([0x0d, 0x0a, 0x0d, 0x0a]);
const pong = new Uint8Array([0x0d, 0x0a]);
