import {
  epoll,
  ipv4Number,
  layout,
  type Polled,
  type PolledSystem,
  transferBytesMax,
} from './polled-system.ts';

/** A TCP connection as its user sees it; a `net.Socket` is one, too. */
export interface Connection {
  /** Bytes that the system has not taken yet. */
  readonly writableLength: number;
  /** The bytes are the connection's while `writableLength` is above 0. */
  write(bytes: Uint8Array): unknown;
  /** Reads no more for good: what the peer goes on sending fills its own buffers. */
  pause(): unknown;
  /** Ends our half once all is sent. */
  end(): unknown;
  /** Gone at once; `closed` follows. */
  destroy(): unknown;
}

/** None is called from within a call to the connection. */
export interface ConnectionHandlers {
  /** It stands; of TLS: TCP does. */
  connected?(): void;
  /** `bytes[start … end]` came, the receiver's only until this returns. */
  read(bytes: Uint8Array, start: number, end: number): void;
  /** The peer ended its half; ours ends by itself. */
  ended(): void;
  /** `closed` follows. */
  failed(error: Error): void;
  /** The last call. */
  closed(): void;
}

// The same on x64 and arm64 (linux/asm-generic).
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SHUT_WR = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

export interface PolledTarget {
  readonly address: string;
  readonly port: number;
  readonly sendBufferBytes?: number | undefined;
}

/** A client's TCP connection by plain system calls: a message costs what the kernel takes and half a microsecond, where
 *  Node's streams add three to each read and write. */
export class PolledConnection implements Connection, Polled {
  readonly #system: PolledSystem;
  readonly #handlers: ConnectionHandlers;
  readonly #target: string;
  readonly #fd: number;
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  /** Our half: `ending` until what waits is sent. */
  #ours: 'open' | 'ending' | 'ended' = 'open';
  #theirsEnded = false;
  #paused = false;
  readonly #queue: Uint8Array[] = [];
  writableLength = 0;

  /** `address`: an IPv4 literal. `sendBufferBytes`: what the system takes before it has been acknowledged, about; by
   *  default megabytes. Throws with the system's code where not even the attempt can be made. */
  constructor(
    system: PolledSystem,
    { address, port, sendBufferBytes }: PolledTarget,
    handlers: ConnectionHandlers,
  ) {
    this.#system = system;
    this.#handlers = handlers;
    this.#target = `${address}:${port}`;
    const { libC } = system;
    this.#fd = system.openSocket(SOCK_STREAM);
    try {
      system.setOption(this.#fd, IPPROTO_TCP, TCP_NODELAY, 1);
      if (sendBufferBytes !== undefined) system.setOption(this.#fd, SOL_SOCKET, SO_SNDBUF, sendBufferBytes);
      system.writeAddress(layout.to, ipv4Number(address), port);
      const result = libC.connect(this.#fd, system.address + layout.to, 16);
      if (result < 0 && system.errorCode !== 'EINPROGRESS') throw system.error('connect');
      system.watch(this.#fd, this, epoll.out);
    } catch (error) {
      libC.close(this.#fd);
      throw error;
    }
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'closed' || this.#ours !== 'open') return;
    const sent = this.#state === 'open' && this.writableLength === 0 ? this.#send(bytes) : 0;
    // Waits for the system, and for the connection at the beginning.
    if (sent === bytes.length || this.#isClosed) return;
    if (this.writableLength === 0 && this.#state === 'open') this.#watch(true);
    this.#queue.push(bytes.subarray(sent));
    this.writableLength += bytes.length - sent;
  }

  pause(): void {
    if (this.#paused || this.#state !== 'open') return;
    this.#paused = true;
    this.#watch(this.writableLength > 0);
  }

  end(): void {
    if (this.#ours !== 'open') return;
    this.#ours = 'ending';
    if (this.#state === 'open' && this.writableLength === 0) this.#endOurs();
  }

  destroy(): void {
    if (this.#release()) setImmediate(() => this.#handlers.closed());
  }

  ready(events: number): void {
    if (this.#state === 'connecting') return this.#connected();
    if ((events & epoll.out) !== 0) this.#flush();
    // Errors and hang-ups are read like data: the system then says which.
    if ((events & ~epoll.out) !== 0 && !this.#isClosed) this.#read();
  }

  #connected(): void {
    const errno = this.#system.getOption(this.#fd, SOL_SOCKET, SO_ERROR);
    if (errno !== 0) return this.#fail(this.#system.error('connect', errno));
    this.#state = 'open';
    this.#watch(this.writableLength > 0);
    this.#handlers.connected?.();
    if (this.#isClosed) return;
    this.#flush();
  }

  #read(): void {
    const { libC, address, memory } = this.#system;
    const sizeBytes = libC.recvfrom(
      this.#fd,
      address + layout.received,
      transferBytesMax,
      MSG_DONTWAIT,
      0,
      0,
    );
    if (sizeBytes > 0) return this.#handlers.read(memory, layout.received, layout.received + sizeBytes);
    if (sizeBytes < 0) {
      if (this.#system.errorCode !== 'EAGAIN') this.#fail(this.#system.error('read'));
    } else if (this.#theirsEnded) {
      // Told of a hang-up, with ours not yet sent: nobody will take it.
      this.destroy();
    } else {
      this.#theirsEnded = true;
      this.#watch(this.writableLength > 0);
      this.#handlers.ended();
      if (this.#ours === 'ended') this.destroy();
      else this.end();
    }
  }

  #flush(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const sent = this.#send(next);
      this.writableLength -= sent;
      if (sent < next.length) {
        this.#queue[0] = next.subarray(sent);
        return;
      }
      this.#queue.shift();
    }
    if (this.#isClosed) return;
    this.#watch(false);
    if (this.#ours === 'ending') this.#endOurs();
  }

  /** How much of it the system took. */
  #send(bytes: Uint8Array): number {
    const { libC, address, memory } = this.#system;
    let done = 0;
    while (done < bytes.length) {
      const size = Math.min(bytes.length - done, transferBytesMax);
      memory.set(size === bytes.length ? bytes : bytes.subarray(done, done + size), layout.sent);
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = libC.sendto(this.#fd, address + layout.sent, size, flags, 0, 0);
      if (sent < 0) {
        if (this.#system.errorCode !== 'EAGAIN') this.#fail(this.#system.error('write'));
        return done;
      }
      done += sent;
      if (sent < size) return done;
    }
    return done;
  }

  #endOurs(): void {
    this.#ours = 'ended';
    this.#system.libC.shutdown(this.#fd, SHUT_WR);
    if (this.#theirsEnded) this.destroy();
  }

  #watch(out: boolean): void {
    this.#system.watchFor(
      this.#fd,
      (this.#theirsEnded || this.#paused ? 0 : epoll.in) | (out ? epoll.out : 0),
    );
  }

  #fail(error: Error): void {
    error.message += ` ${this.#target}`;
    if (!this.#release()) return;
    setImmediate(() => {
      this.#handlers.failed(error);
      this.#handlers.closed();
    });
  }

  /** A getter, as a field that a call may change is taken for what it was before the call. */
  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #release(): boolean {
    if (this.#state === 'closed') return false;
    this.#state = 'closed';
    this.#system.close(this.#fd);
    return true;
  }
}
