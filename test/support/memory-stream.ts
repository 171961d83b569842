import type { Clock, Timer } from '../../gateway/clock.ts';
import type { StreamEnd } from '../../gateway/media/media-messages.ts';
import type {
  OpenStreamSocket,
  StreamSocket,
  StreamSocketHandlers,
  StreamSocketOptions,
} from '../../gateway/media/stream-socket.ts';

/** What the server does with an upgrade request. `never` leaves it unanswered. */
export type MemoryStreamBehaviour = 'accept' | 'never' | { decline: number } | { refuse: string };

/** A text message, parsed. */
export type StreamMessage = Readonly<Record<string, unknown>>;

/** A customer's WebSocket server in memory. Hand `open` to the media pool; script it with `behave` and
 *  `connected`, or drive `streams[n]` from the test. Everything takes `delayMs` of the clock each way. */
export class MemoryStreamServer {
  readonly #clock: Clock;
  readonly streams: MemoryStream[] = [];
  behave: MemoryStreamBehaviour | ((options: StreamSocketOptions) => MemoryStreamBehaviour) = 'accept';
  /** Called when a stream is open, before `connect` arrives. Set `received…` hooks here. */
  connected: (stream: MemoryStream) => void = () => {};
  delayMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Streams that are neither closed nor refused. */
  get openStreams(): number {
    return this.streams.filter((stream) => stream.end === undefined).length;
  }

  get last(): MemoryStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error('no stream was opened');
    return stream;
  }

  /** Answers every call and sends all audio back. */
  echo(): this {
    this.connected = (stream) => {
      stream.receivedText = (message) => {
        if (message.command === 'connect') stream.send({ command: 'answer' });
      };
      stream.receivedBinary = (bytes) => stream.sendBinary(bytes);
    };
    return this;
  }

  readonly open: OpenStreamSocket = (options, handlers) => {
    const stream = new MemoryStream(this.#clock, this, options, handlers);
    this.streams.push(stream);
    return stream.socket;
  };
}

export class MemoryStream {
  readonly #clock: Clock;
  readonly #server: MemoryStreamServer;
  readonly #handlers: StreamSocketHandlers;
  readonly #connectTimer: Timer;
  readonly #audio: Int16Array;
  #open = false;
  #ended = false;
  readonly options: StreamSocketOptions;
  readonly socket: StreamSocket;
  /** Text messages as they came, and parsed. */
  readonly texts: string[] = [];
  readonly messages: StreamMessage[] = [];
  readonly binaries: Uint8Array[] = [];
  /** How the gateway closed it. */
  closedWith: { readonly code: number; readonly reason: string } | undefined;
  /** What the gateway was told, once it is over. */
  end: StreamEnd | undefined;
  receivedText: (message: StreamMessage) => void = () => {};
  receivedBinary: (bytes: Uint8Array) => void = () => {};
  closed: () => void = () => {};
  /** The server ignores our close: the gateway has to cut it. */
  ignoresClose = false;
  /** The socket takes no more audio. */
  stalled = false;

  constructor(
    clock: Clock,
    server: MemoryStreamServer,
    options: StreamSocketOptions,
    handlers: StreamSocketHandlers,
  ) {
    this.#clock = clock;
    this.#server = server;
    this.#handlers = handlers;
    this.options = options;
    this.#audio = new Int16Array(options.audioSamples);
    const congested = () => !this.#open || this.stalled;
    this.#connectTimer = clock.after(options.connectTimeoutMs, () =>
      this.#end({ cause: 'unreachable', code: 'CONNECTTIMEOUT', message: 'no upgrade in time' }),
    );
    this.socket = {
      sendText: (text) => this.#toServer(() => this.#receiveText(text)),
      sendBinary: (bytes) => {
        const copy = bytes.slice();
        this.#toServer(() => {
          this.binaries.push(copy);
          this.receivedBinary(copy);
        });
      },
      beginAudio: () => (this.#open && !this.stalled ? this.#audio : undefined),
      sendAudio: () => {
        const bytes = new Uint8Array(this.#audio.slice().buffer);
        this.#toServer(() => {
          this.binaries.push(bytes);
          this.receivedBinary(bytes);
        });
      },
      get congested() {
        return congested();
      },
      close: (code, reason) => this.#close(code, reason),
    };
    this.#after(() => this.#upgrade());
  }

  /** All samples that came so far. */
  get audio(): Int16Array {
    const size = this.binaries.reduce((sum, bytes) => sum + bytes.length, 0);
    const all = new Uint8Array(size);
    let offset = 0;
    for (const bytes of this.binaries) {
      all.set(bytes, offset);
      offset += bytes.length;
    }
    return new Int16Array(all.buffer);
  }

  /** The `connect` message. */
  get connect(): StreamMessage | undefined {
    return this.messages[0];
  }

  send(message: object | string): void {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    this.#toGateway(() => this.#handlers.receiveText(text));
  }

  sendBinary(bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.#toGateway(() => this.#handlers.receiveBinary(copy, 0, copy.length, true));
  }

  /** The server closes. 1006 is a lost socket. */
  close(code = 1000, reason = ''): void {
    this.#toGateway(() => this.#end({ cause: 'closed', code, reason }));
  }

  /** The server breaks the protocol. */
  violate(code: number, message = 'broken on purpose'): void {
    this.#toGateway(() => this.#end({ cause: 'violation', code, message }));
  }

  #upgrade(): void {
    if (this.#ended || this.closedWith !== undefined) return;
    const { behave } = this.#server;
    const behaviour = typeof behave === 'function' ? behave(this.options) : behave;
    if (behaviour === 'never') return;
    if (behaviour === 'accept') {
      this.#connectTimer.cancel();
      this.#open = true;
      this.#server.connected(this);
      this.#after(() => {
        if (this.#open) this.#handlers.opened();
      });
    } else if ('decline' in behaviour) {
      this.#after(() => this.#end({ cause: 'declined', httpStatus: behaviour.decline }));
    } else {
      const code = behaviour.refuse;
      this.#after(() => this.#end({ cause: 'unreachable', code, message: `connect ${code}` }));
    }
  }

  #receiveText(text: string): void {
    this.texts.push(text);
    // Dialects have others, too.
    const message: StreamMessage = text.startsWith('{') ? JSON.parse(text) : {};
    this.messages.push(message);
    this.receivedText(message);
  }

  #close(code: number, reason: string): void {
    if (this.#ended || this.closedWith !== undefined) return;
    this.closedWith = { code, reason };
    this.#open = false;
    const cut = this.ignoresClose ? 2_000 : 0;
    this.#clock.after(this.#server.delayMs + cut, () => this.#end({ cause: 'local' }));
  }

  #end(end: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#open = false;
    this.#connectTimer.cancel();
    this.end = end;
    this.#handlers.closed(end);
    this.closed();
  }

  #toServer(deliver: () => void): void {
    this.#after(() => {
      if (!this.#ended) deliver();
    });
  }

  #toGateway(deliver: () => void): void {
    this.#after(() => {
      if (this.#open) deliver();
    });
  }

  #after(run: () => void): void {
    this.#clock.after(this.#server.delayMs, run);
  }
}
