import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import type { CommandMessage, CommandName, EventMessage } from '../../protocol/stream/message-schemas.ts';
import { extensionOf, markNameLengthMax } from '../../protocol/stream/messages.ts';
import type { Clock, Timer } from '../clock.ts';
import type { BotCall, BotCallState, ClearReport, MarkReport } from './bot-call.ts';
import {
  type BotCallEnd,
  type BotCallEventName,
  type BotCallListener,
  BotCallListeners,
} from './bot-call-events.ts';
import type { BotCallInfo } from './bot-connect.ts';
import { BotError } from './bot-error.ts';
import { CallReports } from './call-reports.ts';
import type { BotDialect } from './dialects/bot-dialect.ts';
import { DigitReader, type DigitWish } from './digit-reader.ts';
import { type HeardSoFar, OutgoingAudio, type PlayableAudio } from './outgoing-audio.ts';
import { SampleJoiner } from './sample-joiner.ts';

/** The connection under a call. */
export interface BotConnection {
  /** What the gateway at its other end speaks. */
  readonly dialect: Pick<BotDialect, 'name' | 'lacks'>;
  sendCommand(message: CommandMessage): void;
  /** The bytes are its to keep. */
  sendAudio(pcm: Uint8Array): void;
  /** More audio can be sent without piling up in memory. */
  hasRoom(): boolean;
  close(code: number, reason: string): void;
}

export interface BotCallOptions {
  readonly info: BotCallInfo;
  readonly connection: BotConnection;
  readonly clock: Clock;
  readonly sampleRate: number | undefined;
  readonly extensions: 'all' | readonly string[];
  readonly playAheadMs: number;
  readonly heartbeatMs: number;
  /** Takes what the bot's own code threw. */
  readonly failed: (error: unknown) => void;
}

/** A gateway that does not close after `hangup` is not waited for any longer. */
const hangupTimeoutMs = 2_000;
const closeReasonBytesMax = 123;
/** Not that of the schemas: they bring a library which takes twice as long to load as all the rest of a bot. */
const digitsPattern = /^[0-9*#A-Dw]+$/;

/** A `BotCall` on a connection. */
export class BotCallSession implements BotCall {
  readonly info: BotCallInfo;
  readonly sampleRate: number;
  readonly closed: Promise<BotCallEnd>;
  readonly #options: BotCallOptions;
  readonly #listeners: BotCallListeners;
  readonly #audio: OutgoingAudio;
  readonly #reports: CallReports;
  readonly #readers = new Set<DigitReader>();
  readonly #heard = new SampleJoiner();
  readonly #uplink: Resampler | undefined;
  #state: BotCallState = 'ringing';
  #extensions: readonly string[] = [];
  #marks = 0;
  #heartbeat: Timer | undefined;
  #hangup: Timer | undefined;
  #sentAtMs = 0;
  #settleClosed: (end: BotCallEnd) => void = () => {};

  constructor(options: BotCallOptions) {
    const { info, connection, clock, failed } = options;
    this.info = info;
    this.#options = options;
    // Two channels stay as they came.
    this.sampleRate = (info.channels === 1 ? options.sampleRate : undefined) ?? info.streamSampleRate;
    this.#listeners = new BotCallListeners(failed);
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    const isSame = this.sampleRate === info.streamSampleRate;
    this.#uplink = isSame ? undefined : createResampler(info.streamSampleRate, this.sampleRate);
    this.#audio = new OutgoingAudio({
      clock,
      sampleRateHz: this.sampleRate,
      streamRateHz: info.streamSampleRate,
      aheadMs: options.playAheadMs,
      send: (pcm) => {
        this.#sentAtMs = clock.nowMs();
        connection.sendAudio(pcm);
      },
      hasRoom: () => connection.hasRoom(),
      sendMark: (name) => this.#sendMark(name),
      failed,
    });
    this.#reports = new CallReports(clock, () => this.#audio.heardSoFar);
  }

  get callId(): string {
    return this.info.callId;
  }

  get from(): string {
    return this.info.from;
  }

  get to(): string {
    return this.info.to;
  }

  get state(): BotCallState {
    return this.#state;
  }

  get extensions(): readonly string[] {
    return this.#extensions;
  }

  get playedMs(): number {
    return this.#audio.playedMs;
  }

  get sentMs(): number {
    return this.#audio.sentMs;
  }

  get bufferedMs(): number {
    return this.#audio.bufferedMs;
  }

  get heardSoFar(): HeardSoFar {
    return this.#audio.heardSoFar;
  }

  on<Name extends BotCallEventName>(name: Name, listener: BotCallListener<Name>): this {
    this.#listeners.add(name, listener);
    return this;
  }

  off<Name extends BotCallEventName>(name: Name, listener: BotCallListener<Name>): this {
    this.#listeners.remove(name, listener);
    return this;
  }

  // ---- The reply ---------------------------------------------------------------------------------------------

  answer(options: { readonly extensions?: 'all' | readonly string[] } = {}): readonly string[] {
    if (!this.#reply('answered')) return [];
    const { extensions = this.#options.extensions } = options;
    const { offered } = this.info;
    this.#extensions = extensions === 'all' ? offered : offered.filter((name) => extensions.includes(name));
    // A gateway that offers none hears what gateways always heard.
    if (this.#extensions.length === 0) this.#send({ command: 'answer' });
    else this.#send({ command: 'answer', extensions: [...this.#extensions] });
    this.#beatLater(this.#options.heartbeatMs);
    return this.#extensions;
  }

  busy(): void {
    if (this.#reply('refused')) this.#send({ command: 'busy' });
  }

  reject(): void {
    if (this.#reply('refused')) this.#send({ command: 'reject' });
  }

  /** False where the phone has given up. */
  #reply(state: 'answered' | 'refused'): boolean {
    if (this.#state === 'closed') return false;
    if (this.#state !== 'ringing')
      throw new BotError(
        'already-replied',
        `a call gets one answer, busy or reject; this one is ${this.#state} already`,
      );
    this.#state = state;
    return true;
  }

  // ---- Audio -------------------------------------------------------------------------------------------------

  play(audio: PlayableAudio): Promise<boolean> {
    return this.#isOver('play') ? Promise.resolve(false) : this.#audio.play(audio);
  }

  mark(name = `mark-${++this.#marks}`): Promise<MarkReport> {
    if (name.length < 1 || name.length > markNameLengthMax)
      throw new BotError(
        'bad-argument',
        `the name of a mark has 1 to ${markNameLengthMax} characters, got ${name.length}`,
      );
    const { playedMs } = this;
    if (this.#isOver('mark')) return Promise.resolve({ name, status: 'closed', playedMs, exact: false });
    const report = this.#reports.mark(name);
    this.#audio.mark(name);
    return report;
  }

  #sendMark(name: string): void {
    if (this.#extensions.includes(extensionOf.mark)) this.#send({ command: 'mark', name });
    else this.#reports.estimateMark(name);
  }

  clear(): Promise<ClearReport> {
    const { playedMs } = this;
    if (this.#isOver('clear')) return Promise.resolve({ playedMs, droppedMs: 0, exact: false });
    const { lacks } = this.#options.connection.dialect;
    const sentToo = !lacks.has('clear');
    const { marks, unsentMs, unheardMs } = this.#audio.clear({ sentToo });
    this.#reports.clearMarks(marks, { playedMs, timedToo: sentToo });
    this.#send({ command: 'clear' });
    const estimate = { playedMs, droppedMs: unheardMs + unsentMs, exact: false };
    return this.#extensions.includes(extensionOf.cleared) && !lacks.has('cleared')
      ? this.#reports.cleared(unsentMs, estimate)
      : Promise.resolve(estimate);
  }

  pause(): void {
    if (this.#isOver('pause', 'control', 'pause')) return;
    this.#send({ command: 'pause' });
    this.#audio.setPaused(true);
  }

  continue(): void {
    if (this.#isOver('continue', 'control', 'continue')) return;
    this.#send({ command: 'continue' });
    this.#audio.setPaused(false);
  }

  // ---- Other commands ----------------------------------------------------------------------------------------

  sendDtmf(digits: string): void {
    if (!digitsPattern.test(digits))
      throw new BotError('bad-argument', `digits are 0-9 * # A-D and w for a pause, got '${digits}'`);
    if (!this.#isOver('sendDtmf', 'dtmf', 'dtmf')) this.#send({ command: 'dtmf', digits });
  }

  readDigits(wish: DigitWish = {}): Promise<string> {
    if (this.#isOver('readDigits', 'dtmf')) return Promise.resolve('');
    return new Promise((resolve) => {
      const reader = new DigitReader(wish, this.#options.clock, (digits) => {
        this.#readers.delete(reader);
        resolve(digits);
      });
      this.#readers.add(reader);
    });
  }

  hangup(reason = ''): void {
    const sizeBytes = Buffer.byteLength(reason);
    if (sizeBytes > closeReasonBytesMax)
      throw new BotError(
        'bad-argument',
        `a reason has at most ${closeReasonBytesMax} bytes, got ${sizeBytes}`,
      );
    if (this.#state === 'closed') return;
    const { connection, clock } = this.#options;
    if (!this.#extensions.includes('control')) return connection.close(1000, reason);
    this.#send({ command: 'hangup', ...(reason !== '' && { reason }) });
    this.#hangup?.cancel();
    this.#hangup = clock.after(hangupTimeoutMs, () => connection.close(1000, reason));
  }

  transfer(to: string, headers?: Readonly<Record<string, string>>): void {
    if (to === '') throw new BotError('bad-argument', 'transfer wants a SIP URI or a number, got nothing');
    if (this.#isOver('transfer', 'control', 'transfer')) return;
    this.#send({ command: 'transfer', to, ...(headers && { headers: { ...headers } }) });
  }

  status(): Promise<EventMessage<'status'>> {
    if (this.#isOver('status', 'control', 'status'))
      return Promise.reject(new BotError('closed', 'the call is over'));
    const status = this.#reports.status();
    this.#send({ command: 'status' });
    return status;
  }

  /** Whether there is nothing to do any more. Throws where there is a mistake in the bot. */
  #isOver(what: string, extension?: string, command?: CommandName): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state !== 'answered')
      throw new BotError(
        'not-answered',
        `${what} wants a call that was answered; this one is ${this.#state}`,
      );
    if (extension !== undefined && !this.#extensions.includes(extension))
      throw new BotError('not-offered', this.#whyNot(what, extension));
    const { dialect } = this.#options.connection;
    if (command !== undefined && dialect.lacks.has(command))
      throw new BotError(
        'not-offered',
        `${what} wants the command '${command}', which dialect ${dialect.name} does not have`,
      );
    return false;
  }

  #whyNot(what: string, extension: string): string {
    const { offered } = this.info;
    const wants = `${what} wants the extension '${extension}'`;
    if (offered.includes(extension)) return `${wants}, which the answer did not ask for`;
    return `${wants}, which this gateway does not offer (it offers ${offered.join(', ') || 'none'})`;
  }

  #send(message: CommandMessage): void {
    this.#sentAtMs = this.#options.clock.nowMs();
    this.#options.connection.sendCommand(message);
  }

  /** A gateway gives up a connection on which nothing comes. */
  #beatLater(afterMs: number): void {
    const { clock, heartbeatMs } = this.#options;
    this.#heartbeat = clock.after(afterMs, () => {
      const silentMs = clock.nowMs() - this.#sentAtMs;
      if (silentMs >= heartbeatMs) this.#send({ command: 'heartbeat' });
      this.#beatLater(silentMs >= heartbeatMs ? heartbeatMs : heartbeatMs - silentMs);
    });
  }

  // ---- From the connection -----------------------------------------------------------------------------------

  /** 16-bit little-endian, cut anywhere. */
  receiveAudio(bytes: Uint8Array): void {
    if (this.#state !== 'answered' || !this.#listeners.has('audio')) return;
    const pcm = this.#heard.join(bytes);
    if (this.#uplink === undefined) return this.#listeners.tell('audio', pcm);
    const room = new Int16Array(this.#uplink.outputSamplesMax(pcm.length));
    const samples = this.#uplink.process(pcm, 0, pcm.length, room, 0);
    if (samples > 0) this.#listeners.tell('audio', room.subarray(0, samples));
  }

  /** A text message after `connect`, and what it means: nothing where it is unknown. */
  receiveMessage(message: Readonly<Record<string, unknown>>, events: readonly EventMessage[]): void {
    this.#listeners.tell('message', message);
    for (const known of events) {
      this.#heed(known);
      this.#listeners.tell(known.event, known as never);
    }
  }

  #heed(message: EventMessage): void {
    switch (message.event) {
      case 'mark':
        return this.#reports.marked(message);
      case 'cleared':
        return this.#reports.wasCleared(message);
      case 'status':
        return this.#reports.wasStatus(message);
      case 'flow':
        return this.#audio.setHeldBack(message.state === 'xoff');
      case 'dtmf':
        for (const reader of [...this.#readers]) reader.push(message.digit);
    }
  }

  /** The connection is gone. */
  end(end: BotCallEnd): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#heartbeat?.cancel();
    this.#hangup?.cancel();
    this.#audio.close();
    this.#reports.close();
    for (const reader of [...this.#readers]) reader.end();
    this.#settleClosed(end);
    this.#listeners.tell('close', end);
  }
}
