import { ProtocolError } from '../../protocol/protocol-error.ts';
import { dialectNamed } from '../../protocol/stream/dialects.ts';
import {
  type DialectSession,
  type StreamClose,
  type StreamCommand,
  type StreamDialect,
  type StreamEvent,
  streamCloses,
  streamFrameMs,
  streamSampleRatesHz,
} from '../../protocol/stream/messages.ts';
import type { Clock } from '../clock.ts';
import type { AudioFormat, AudioSink, AudioSource } from './audio-route.ts';
import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  StreamCounters,
  StreamEnd,
  StreamReply,
  StreamTarget,
} from './media-messages.ts';
import { StreamConversation } from './stream-conversation.ts';
import { StreamDownlink } from './stream-downlink.ts';
import { StreamReports } from './stream-reports.ts';
import type { OpenStreamSocket } from './stream-socket.ts';
import { StreamTally } from './stream-tally.ts';
import { StreamUplink } from './stream-uplink.ts';

type OpenStream = Extract<MediaCommand, { readonly type: 'openStream' }>;

export interface StreamEndpointOptions {
  readonly command: OpenStream;
  readonly open: OpenStreamSocket;
  readonly clock: Clock;
  readonly emit: (event: MediaEvent) => void;
  /** The socket is gone: the endpoint can be forgotten. */
  readonly closed: () => void;
  /** Called after each message from the server, so that a backlog of them never delays what is due. */
  readonly pump: (nowMs: number) => void;
  /** Takes what went wrong in us. */
  readonly failed: (error: unknown) => void;
}

/** One customer's server: the conversation with it, and what becomes of each message. Up: `play` → `StreamUplink` → one
 *  message of 20 ms, at once. Down: a binary message → `StreamDownlink` → the sinks, which pace it. */
export class StreamEndpoint implements AudioSource, AudioSink {
  readonly endpointId: EndpointId;
  readonly #command: OpenStream;
  readonly #options: StreamEndpointOptions;
  readonly #dialect: StreamDialect;
  #conversation: StreamConversation | undefined;
  /** Audio comes otherwise than in plain binary messages of it. */
  #indirect = false;
  readonly #uplink: StreamUplink;
  readonly #downlink: StreamDownlink;
  readonly #reports: StreamReports;
  readonly #listenOnly: boolean;
  /** `lost`: it was answered, and waits for another connection. */
  #state: 'opening' | 'answered' | 'lost' | 'over' = 'opening';
  #reported = false;
  readonly #tally: StreamTally;

  constructor(options: StreamEndpointOptions) {
    const { command } = options;
    this.#options = options;
    this.#command = command;
    this.endpointId = command.endpointId;
    this.#dialect = dialectNamed(command.dialect ?? 'sinch');
    this.#listenOnly = command.connect.tap !== undefined;
    this.#tally = new StreamTally((code, message) =>
      this.#emit({ type: 'notice', endpointId: this.endpointId, code, message }),
    );
    const { maxBufferMs = Number.POSITIVE_INFINITY, prebufferMs, catchesUp } = command.playout ?? {};
    this.#reports = new StreamReports({
      clock: options.clock,
      tell: (event) => this.#conversation?.tell(event),
      // Where a limit was asked for, that is what it is for.
      overflowed: () => maxBufferMs === Number.POSITIVE_INFINITY && this.#tally.notice('buffer-overflow'),
    });
    const session = this.#dialect.createSession(command.connect);
    const { bufferBytes } = command.limits;
    this.#uplink = new StreamUplink({
      sampleRateHz: session.sampleRateHz,
      frameMs: command.frameMs ?? streamFrameMs,
      channels: command.connect.tap === 'both' ? 2 : 1,
      gapMsMax: Math.min(command.resumeMs ?? 0, (bufferBytes * 500) / session.sampleRateHz),
      dropped: () => this.#tally.notice('uplink-dropped'),
      stuck: () => this.#giveUp(notReading, streamCloses.error),
    });
    this.#downlink = new StreamDownlink({
      sampleRateHz: session.sampleRateHz,
      encoding: session.encoding,
      queueBytesMax: Math.min(bufferBytes, Math.floor((maxBufferMs * session.sampleRateHz) / 1000) * 2),
      prebufferMs,
      catchesUp,
      nowMs: () => options.clock.nowMs(),
      listener: this.#reports,
    });
    this.#converse(session, command);
  }

  // ---- The conversation --------------------------------------------------------------------------------------

  #converse(session: DialectSession, target: StreamTarget): void {
    const { open, clock, failed } = this.#options;
    this.#indirect = session.receiveBinary !== undefined;
    const present = (run: () => void) => {
      if (this.#conversation === conversation) run();
    };
    const conversation: StreamConversation = new StreamConversation({
      dialect: this.#dialect,
      session,
      target,
      messageSamples: this.#uplink.messageSamples,
      open,
      clock,
      limits: this.#command.limits,
      listenOnly: this.#listenOnly,
      handlers: {
        connected: () => {
          if (this.#state === 'opening') this.#emit({ type: 'streamConnected', endpointId: this.endpointId });
        },
        replied: (reply) => present(() => this.#replied(reply)),
        obey: (command) => present(() => this.#obey(command)),
        earlyAudio: () => this.#dropEarly(),
        invalid: (code, message) => this.#tally.invalid(code, message),
        receivedText: (sizeBytes, nowMs) => {
          this.#tally.received(sizeBytes, true);
          this.#options.pump(nowMs);
        },
        receiveBinary: (bytes, offset, sizeBytes, last) =>
          this.#receiveBinary(bytes, offset, sizeBytes, last),
        receivedControl: (nowMs) => this.#options.pump(nowMs),
        gaveUp: (end, close) => present(() => this.#giveUp(end, close)),
        ended: (end) => present(() => this.#ended(end)),
        closed: (end) => present(() => this.#closed(end)),
        failed,
      },
    });
    this.#conversation = conversation;
  }

  #replied(reply: StreamReply): void {
    const resumed = this.#state === 'lost';
    if (reply === 'answer') {
      const { session, socket } = this.#conversation!;
      this.#state = 'answered';
      this.#downlink.begin();
      const gapMs = this.#uplink.begin(socket, session);
      if (session.wants('stats')) this.#reports.tellStats(this.#downlink);
      if (resumed) {
        this.#tally.counts.resumes++;
        const droppedMs = this.#uplink.gapDroppedMs;
        this.#emit({ type: 'streamResumed', endpointId: this.endpointId, gapMs, droppedMs });
        return;
      }
    } else if (resumed) {
      return this.#giveUp({ cause: 'closed', code: 1000, reason: reply }, streamCloses.normal);
    }
    this.#emit({ type: 'streamReplied', endpointId: this.endpointId, reply });
  }

  /** One row per command that an answered server may give. */
  #obey(command: StreamCommand): void {
    const { endpointId } = this;
    const conversation = this.#conversation!;
    if (this.#listenOnly) {
      if (command.command === 'audio') return this.#dropEarly();
      return conversation.refuse('listen-only', `${command.command} is not for a server that only listens`);
    }
    switch (command.command) {
      case 'audio':
        return this.#receiveAudio(command.bytes, command.sampleRateHz);
      case 'clear':
        return this.#clear();
      case 'mark':
        if (!this.#downlink.mark(command.name)) conversation.refuse('too-many-marks', tooManyMarks);
        return;
      case 'clearMarks':
        return this.#downlink.forgetMarks();
      case 'watchDrained':
        return this.#downlink.watchDrained();
      case 'pause':
      case 'continue':
        return this.#downlink.pause(command.command === 'pause');
      case 'status':
        return this.#reports.status(this.#downlink);
      case 'dtmf':
      case 'hangup':
      case 'transfer':
        return this.#emit({ type: 'streamAsked', endpointId, ...command });
      default:
    }
  }

  /** Said where the server asked for such events. */
  tell(event: StreamEvent): void {
    if (this.#state === 'answered') this.#conversation?.tell(event);
  }

  // ---- Up: source → server -----------------------------------------------------------------------------------

  play(pcm: Int16Array, offset: number, samples: number, _nowMs: number): void {
    this.#uplink.play(pcm, offset, samples);
  }

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, _nowMs: number): void {
    this.#uplink.playBytes(bytes, offset, sizeBytes);
  }

  // ---- Down: server → sinks ----------------------------------------------------------------------------------

  #receiveBinary(bytes: Uint8Array, offset: number, sizeBytes: number, last: boolean): void {
    const nowMs = this.#options.clock.nowMs();
    try {
      this.#tally.received(sizeBytes, last);
      if (this.#state !== 'over') this.#takeBinary(bytes, offset, sizeBytes, last, nowMs);
    } catch (error) {
      this.#options.failed(error);
    }
    this.#options.pump(nowMs);
  }

  #takeBinary(bytes: Uint8Array, offset: number, sizeBytes: number, last: boolean, nowMs: number): void {
    const conversation = this.#conversation!;
    conversation.receivedMs = nowMs;
    if (this.#indirect) return this.#readBinary(bytes, offset, sizeBytes, last);
    if (this.#state === 'answered' && !this.#listenOnly) {
      return this.#downlink.receive(bytes, offset, sizeBytes, nowMs);
    }
    this.#dropEarly();
  }

  #dropEarly(): void {
    this.#tally.early(this.#listenOnly ? 'audio-of-listener' : 'early-audio');
  }

  #readBinary(bytes: Uint8Array, offset: number, sizeBytes: number, last: boolean): void {
    const conversation = this.#conversation!;
    if (this.#dialect.transport === 'websocket') {
      return conversation.read(() => conversation.session.receiveBinary!(bytes, offset, sizeBytes, last));
    }
    try {
      conversation.take(conversation.session.receiveBinary!(bytes, offset, sizeBytes, last));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // Where there are no messages nobody knows where the next one begins.
      this.#giveUp({ cause: 'violation', code: 1002, message: error.message }, streamCloses.protocolError);
    }
  }

  #receiveAudio(bytes: Uint8Array, sampleRateHz: number | undefined): void {
    const nowMs = this.#options.clock.nowMs();
    if (sampleRateHz === undefined) return this.#downlink.receive(bytes, 0, bytes.length, nowMs);
    if (streamSampleRatesHz.some((known) => known === sampleRateHz)) {
      return this.#downlink.receiveAt(sampleRateHz, bytes, nowMs);
    }
    const wanted = `the sample rate must be one of ${streamSampleRatesHz.join(', ')}`;
    this.#conversation?.refuse('bad-field', `${wanted}, got ${sampleRateHz}`);
  }

  /** Whatever came before is not heard any more; marks in it are reported first. */
  #clear(): void {
    const droppedMs = this.#downlink.clear();
    this.#reports.cleared(this.#downlink, droppedMs);
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  addSink(sink: AudioSink): void {
    this.#downlink.addSink(sink);
  }

  removeSink(sink: AudioSink): void {
    this.#downlink.removeSink(sink);
  }

  plug({ sampleRateHz }: AudioFormat): void {
    this.#uplink.plug(sampleRateHz);
  }

  unplug(): void {
    this.#uplink.unplug();
  }

  /** What was sent cannot be taken back, and nothing waits here. */
  clear(): void {}

  readonly queuedMs = 0;
  readonly droppedMs = 0;

  // ---- The end -----------------------------------------------------------------------------------------------

  counters(): StreamCounters {
    return {
      framesSent: this.#uplink.framesSent,
      framesDropped: this.#uplink.framesDropped,
      ...this.#tally.counts,
      bufferedMs: this.#downlink.queuedMs,
      droppedMs: this.#downlink.droppedMs,
      clears: this.#downlink.clears,
      marks: this.#downlink.marksReported,
    };
  }

  /** Closes the socket; `streamClosed` follows when it is gone. Idempotent. */
  close(code: number, reason: string): void {
    this.#stop();
    if (this.#conversation === undefined) this.#forget({ cause: 'local' });
    else this.#conversation.close({ code, reason });
  }

  /** Something in us failed. */
  abort(): void {
    this.#endNow({ cause: 'local' }, streamCloses.error);
  }

  /** Another connection for a stream that was lost. */
  reopen(target: StreamTarget): void {
    if (this.#state !== 'lost' || this.#conversation !== undefined) return;
    this.#converse(this.#dialect.createSession({ ...this.#command.connect, resumed: true }), target);
  }

  /** It was answered, its socket is gone, and there may be another one. */
  #mayResume(end: StreamEnd): boolean {
    if ((this.#command.resumeMs ?? 0) === 0) return false;
    if (this.#state === 'lost') return true;
    const closed = end.cause === 'closed' && (end.code === 1006 || end.code === 1012);
    const lost = closed || end.cause === 'unreachable';
    return this.#state === 'answered' && lost;
  }

  #lose(end: StreamEnd): void {
    this.#state = 'lost';
    this.#tally.ended(end);
    this.#conversation = undefined;
    this.#reports.stop();
    this.#uplink.lose();
    this.#emit({ type: 'streamLost', endpointId: this.endpointId, end });
  }

  /** The server does not do what it should. */
  #giveUp(end: StreamEnd, close: StreamClose): void {
    if (end.cause === 'closed' || !this.#mayResume(end)) return this.#endNow(end, close);
    const conversation = this.#conversation;
    this.#lose(end);
    conversation?.close(close);
  }

  /** Ours to end: told at once, as a server that went silent will not answer our close either. */
  #endNow(end: StreamEnd, { code, reason }: StreamClose): void {
    this.#report(end);
    this.close(code, reason);
  }

  /** Told at once: a server that goes, or broke a rule, may let its connection linger. */
  #ended(end: StreamEnd): void {
    if (this.#mayResume(end)) return;
    this.#stop();
    this.#report(end);
  }

  #closed(end: StreamEnd): void {
    if (this.#mayResume(end)) this.#lose(end);
    else this.#forget(end);
  }

  #stop(): void {
    this.#state = 'over';
    this.#reports.stop();
    this.#uplink.end();
  }

  #forget(end: StreamEnd): void {
    this.#stop();
    this.#report(end);
    this.#options.closed();
  }

  #report(end: StreamEnd): void {
    if (this.#reported) return;
    this.#reported = true;
    this.#tally.ended(end);
    this.#emit({ type: 'streamClosed', endpointId: this.endpointId, end, counters: this.counters() });
  }

  #emit(event: MediaEvent): void {
    if (!this.#reported || event.type === 'streamClosed') this.#options.emit(event);
  }
}

const notReading: StreamEnd = {
  cause: 'unreachable',
  code: 'NOTREADING',
  message: 'the server takes audio more slowly than real time, and did not catch up for 30 s',
};
const tooManyMarks = 'at most 1000 marks may wait; this one is not reported';
