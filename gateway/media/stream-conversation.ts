import { ProtocolError } from '../../protocol/protocol-error.ts';
import {
  type DialectSession,
  type StreamClose,
  type StreamCommand,
  type StreamDialect,
  type StreamEvent,
  streamCloses,
} from '../../protocol/stream/messages.ts';
import type { Clock, Timer } from '../clock.ts';
import type { StreamEnd, StreamLimits, StreamReply, StreamTarget } from './media-messages.ts';
import { MessageRate } from './message-rate.ts';
import type { OpenStreamSocket, StreamSocket } from './stream-socket.ts';

export interface StreamConversationOptions {
  readonly dialect: StreamDialect;
  readonly session: DialectSession;
  readonly target: StreamTarget;
  /** Samples of one audio message that we send. */
  readonly messageSamples: number;
  readonly open: OpenStreamSocket;
  readonly clock: Clock;
  readonly limits: StreamLimits;
  /** It only listens, and need not say anything ever. */
  readonly listenOnly: boolean;
  readonly handlers: StreamConversationHandlers;
}

export interface StreamConversationHandlers {
  /** The opening was sent. */
  connected(): void;
  /** Once. */
  replied(reply: StreamReply): void;
  /** After the answer. */
  obey(command: StreamCommand): void;
  /** Audio came before the answer. */
  earlyAudio(): void;
  /** What came is counted and passed over. */
  invalid(code: string, message: string): void;
  /** As of `StreamSocketHandlers`. */
  receiveBinary(bytes: Uint8Array, offset: number, sizeBytes: number, last: boolean): void;
  receivedText(sizeBytes: number, nowMs: number): void;
  /** A ping or a pong. */
  receivedControl(nowMs: number): void;
  /** Nothing came for too long; the conversation is still open. */
  gaveUp(end: StreamEnd, close: StreamClose): void;
  /** As of `StreamSocketHandlers`. */
  ended(end: StreamEnd): void;
  /** The last call, exactly one. */
  closed(end: StreamEnd): void;
  /** Takes what went wrong in us. */
  failed(error: unknown): void;
}

/** One connection to a server, from its opening to its end: what is said in words. A call whose connection is lost may
 *  have another one after it. */
export class StreamConversation {
  readonly #options: StreamConversationOptions;
  readonly session: DialectSession;
  readonly socket: StreamSocket;
  #state: 'connecting' | 'waiting' | 'replied' | 'answered' | 'over' = 'connecting';
  #timer: Timer | undefined;
  readonly #rate: MessageRate;
  /** Commands that were audio: what bounds it is the playout. */
  #audioCommands = 0;
  /** When something came last. */
  receivedMs = 0;

  constructor(options: StreamConversationOptions) {
    const { dialect, handlers } = options;
    this.#options = options;
    this.session = options.session;
    this.#rate = new MessageRate(options.limits.messagesPerSecond ?? Number.MAX_SAFE_INTEGER);
    const guarded = (run: () => void) => {
      try {
        run();
      } catch (error) {
        handlers.failed(error);
      }
    };
    const { transport, subprotocol, textBytesMax } = dialect;
    const { url, address, headers, tls } = options.target;
    const { connectTimeoutMs, pingTimeoutMs, bufferBytes: binaryBytesMax } = options.limits;
    const { sampleRateHz } = options.session;
    this.socket = options.open(
      {
        transport,
        subprotocol,
        textBytesMax,
        url,
        address,
        headers,
        tls,
        connectTimeoutMs,
        pingTimeoutMs,
        binaryBytesMax,
        audioSamples: options.messageSamples,
        sampleRateHz,
      },
      {
        opened: () => guarded(() => this.#opened()),
        receiveText: (text) => guarded(() => this.#receiveText(text)),
        receiveBinary: handlers.receiveBinary,
        receivedControl: () => guarded(() => this.#receiveControl()),
        ended: (end) => guarded(() => this.#ended(end)),
        closed: (end) => guarded(() => this.#closed(end)),
      },
    );
  }

  get answered(): boolean {
    return this.#state === 'answered';
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    const { clock, limits, handlers, dialect } = this.#options;
    this.#state = 'waiting';
    for (const message of this.session.opening()) this.#send(message);
    handlers.connected();
    if (!dialect.awaitsReply) return this.#reply('answer');
    this.#timer = clock.after(limits.answerTimeoutMs, () =>
      handlers.gaveUp({ cause: 'answerTimeout' }, streamCloses.answerTimeout),
    );
  }

  // ---- What the server says ----------------------------------------------------------------------------------

  #receiveText(text: string): void {
    if (this.#state === 'over') return;
    const nowMs = this.#options.clock.nowMs();
    const audioBefore = this.#audioCommands;
    this.receivedMs = nowMs;
    this.read(() => this.session.receiveText(text));
    if (this.#audioCommands === audioBefore) this.#count(nowMs);
    this.#options.handlers.receivedText(text.length, nowMs);
  }

  #receiveControl(): void {
    const nowMs = this.#options.clock.nowMs();
    this.#count(nowMs);
    this.#options.handlers.receivedControl(nowMs);
  }

  /** A server that says more than anybody can need takes the time of all calls of the thread. */
  #count(nowMs: number): void {
    if (this.#isOver || this.#rate.take(nowMs)) return;
    const message = `at most ${this.#rate.perSecond} texts and pings a second may come (stream.messagesPerSecond)`;
    this.#options.handlers.gaveUp({ cause: 'violation', code: 1008, message }, streamCloses.tooManyMessages);
  }

  /** Obeys what a message says; one that is wrong is passed over, and the server told so. */
  read(parse: () => readonly StreamCommand[]): void {
    try {
      this.take(parse());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.refuse(error.code, error.message);
    }
  }

  take(commands: readonly StreamCommand[]): void {
    for (const command of commands) this.#obey(command);
  }

  #obey(command: StreamCommand): void {
    if (command.command === 'audio') this.#audioCommands++;
    switch (command.command) {
      case 'answer':
      case 'busy':
      case 'reject':
        return this.#reply(command.command);
      case 'heartbeat':
        return;
      default:
        if (this.#state === 'answered') return this.#options.handlers.obey(command);
        if (command.command === 'clear') return;
        if (command.command === 'audio') return this.#options.handlers.earlyAudio();
        this.refuse('not-answered', `${command.command} is expected after the answer, got it before`);
    }
  }

  #reply(reply: StreamReply): void {
    if (this.#state !== 'waiting') {
      const wanted = 'one of answer, busy, reject is expected once';
      return this.refuse('second-reply', `${wanted}, got ${reply} after a reply`);
    }
    this.#timer?.cancel();
    this.#state = reply === 'answer' ? 'answered' : 'replied';
    const { listenOnly, dialect, limits, handlers } = this.#options;
    const mayBeSilent = listenOnly || dialect.mayBeSilent === true;
    if (reply === 'answer' && !mayBeSilent) this.#watchIdle(limits.idleTimeoutMs);
    handlers.replied(reply);
  }

  #watchIdle(afterMs: number): void {
    const { clock, limits, handlers } = this.#options;
    this.#timer = clock.after(afterMs, () => {
      const silentMs = clock.nowMs() - this.receivedMs;
      if (silentMs < limits.idleTimeoutMs) this.#watchIdle(limits.idleTimeoutMs - silentMs);
      else handlers.gaveUp({ cause: 'idle' }, streamCloses.idle);
    });
  }

  // ---- What the server is told -------------------------------------------------------------------------------

  tell(event: StreamEvent): void {
    if (this.#state === 'over' || !this.session.wants(event.event)) return;
    const message = this.session.tell(event);
    if (message !== undefined) this.#send(message);
  }

  /** Counted, noted, and told to a server that wants to know. */
  refuse(code: string, message: string): void {
    this.#options.handlers.invalid(code, message);
    this.tell({ event: 'error', code, message });
  }

  #send(message: string | Uint8Array): void {
    if (typeof message === 'string') this.socket.sendText(message);
    else this.socket.sendBinary(message);
  }

  // ---- The end -----------------------------------------------------------------------------------------------

  /** Closes the socket; `closed` follows when it is gone. Idempotent. */
  close(close: StreamClose): void {
    if (this.#state !== 'over') {
      const opened = this.#state !== 'connecting';
      this.#state = 'over';
      this.#timer?.cancel();
      if (opened) for (const message of this.session.closing?.(close) ?? []) this.#send(message);
    }
    const { code, reason } = this.session.closeAs?.(close) ?? close;
    this.socket.close(code, reason);
  }

  /** A getter, as a field that a call may change is taken for what it was before the call. */
  get #isOver(): boolean {
    return this.#state === 'over';
  }

  #ended(end: StreamEnd): void {
    this.#state = 'over';
    this.#timer?.cancel();
    this.#options.handlers.ended(end);
  }

  #closed(end: StreamEnd): void {
    this.#state = 'over';
    this.#timer?.cancel();
    this.#options.handlers.closed(end);
  }
}
