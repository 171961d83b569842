import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { dialectNamed } from '../../protocol/stream/dialects.ts';
import {
  type DialectSession,
  type StreamCommand,
  streamCloses,
  streamFrameMs,
} from '../../protocol/stream/messages.ts';
import type { Clock, Timer } from '../clock.ts';
import type { AudioFormat, AudioSink, AudioSource } from './audio-route.ts';
import type {
  EndpointId,
  MediaCommand,
  MediaEvent,
  StreamCounters,
  StreamEnd,
  StreamReply,
} from './media-messages.ts';
import { PlayoutBuffer } from './playout-buffer.ts';
import type { OpenStreamSocket, StreamSocket } from './stream-socket.ts';

type OpenStream = Extract<MediaCommand, { readonly type: 'openStream' }>;

/** One packet from a phone at any stream rate: at most 190 ms. Shared by all endpoints of the thread. */
const scratch = new Int16Array(18_432);

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

/** One customer's server: its WebSocket, and what becomes of each message. Up: `play` → one message of 20 ms, at
 *  once. Down: a binary message → the sinks, which pace it. */
export class StreamEndpoint implements AudioSource, AudioSink {
  readonly endpointId: EndpointId;
  readonly #command: OpenStream;
  readonly #options: StreamEndpointOptions;
  readonly #session: DialectSession;
  readonly #socket: StreamSocket;
  #state: 'connecting' | 'waiting' | 'replied' | 'answered' | 'over' = 'connecting';
  #timer: Timer | undefined;
  #receivedMs = 0;
  #reported = false;
  readonly #noticed = new Set<string>();

  // Up.
  #resampler: Resampler | undefined;
  readonly #frameMs: number;
  readonly #messageSamples: number;
  /** Samples from the phone in one message, and how many of the present one came. */
  #phoneSamples = 0;
  #phoneSamplesTaken = 0;
  /** For packets that are not as long as a message: the one that is being filled. */
  #message: Int16Array | undefined;
  #messageFilled = 0;

  // Down.
  #sinks: readonly AudioSink[] = [];
  /** First half of a sample whose other half comes with the next message, and room to join them. */
  #halfSample: number | undefined;
  readonly #joined = new Uint8Array(2);
  /** Audio after the answer and before the bridge. */
  #unrouted: PlayoutBuffer | undefined;
  /** Dropped by sinks that are no longer ours. */
  #droppedMsBefore = 0;

  #framesSent = 0;
  #framesDropped = 0;
  #messagesReceived = 0;
  #bytesReceived = 0;
  #messagesEarly = 0;
  #messagesInvalid = 0;
  #clears = 0;

  constructor(options: StreamEndpointOptions) {
    const { command } = options;
    this.#options = options;
    this.#command = command;
    this.endpointId = command.endpointId;
    this.#frameMs = command.frameMs ?? streamFrameMs;
    this.#session = dialectNamed(command.dialect ?? 'sinch').createSession(command.connect);
    this.#messageSamples = (this.#session.sampleRateHz * this.#frameMs) / 1000;
    const guarded = (run: () => void) => this.#guarded(run);
    this.#socket = options.open(
      {
        url: command.url,
        address: command.address,
        headers: command.headers,
        connectTimeoutMs: command.limits.connectTimeoutMs,
        binaryBytesMax: command.limits.bufferBytes,
        audioSamples: this.#messageSamples,
        sampleRateHz: this.#session.sampleRateHz,
      },
      {
        opened: () => guarded(() => this.#opened()),
        receiveText: (text) => guarded(() => this.#receiveText(text)),
        receiveBinary: (bytes, offset, sizeBytes, last) => this.#receiveAudio(bytes, offset, sizeBytes, last),
        closed: (end) => guarded(() => this.#closed(end)),
      },
    );
  }

  // ---- The conversation --------------------------------------------------------------------------------------

  #opened(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'waiting';
    for (const message of this.#session.opening()) {
      if (typeof message === 'string') this.#socket.sendText(message);
    }
    this.#emit({ type: 'streamConnected', endpointId: this.endpointId });
    this.#timer = this.#options.clock.after(this.#command.limits.answerTimeoutMs, () =>
      this.#giveUp({ cause: 'answerTimeout' }, streamCloses.answerTimeout),
    );
  }

  #receiveText(text: string): void {
    if (this.#state === 'over') return;
    this.#receivedMs = this.#options.clock.nowMs();
    this.#messagesReceived++;
    this.#bytesReceived += text.length;
    let commands: readonly StreamCommand[];
    try {
      commands = this.#session.receiveText(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#messagesInvalid++;
      this.#notice(error.code, error.message);
      return;
    }
    for (const command of commands) this.#obey(command);
  }

  #obey(command: StreamCommand): void {
    switch (command.command) {
      case 'answer':
      case 'busy':
      case 'reject':
        return this.#reply(command.command);
      case 'clear':
        return this.#clear();
      default:
    }
  }

  #reply(reply: StreamReply): void {
    if (this.#state !== 'waiting') {
      this.#messagesInvalid++;
      this.#notice(
        'second-reply',
        `one of answer, busy, reject is expected once, got ${reply} after a reply`,
      );
      return;
    }
    this.#timer?.cancel();
    this.#state = reply === 'answer' ? 'answered' : 'replied';
    if (reply === 'answer') this.#watchIdle(this.#command.limits.idleTimeoutMs);
    this.#emit({ type: 'streamReplied', endpointId: this.endpointId, reply });
  }

  #watchIdle(afterMs: number): void {
    const { clock } = this.#options;
    const { idleTimeoutMs } = this.#command.limits;
    this.#timer = clock.after(afterMs, () => {
      const silentMs = clock.nowMs() - this.#receivedMs;
      if (silentMs < idleTimeoutMs) this.#watchIdle(idleTimeoutMs - silentMs);
      else this.#giveUp({ cause: 'idle' }, streamCloses.idle);
    });
  }

  // ---- Up: source → server -----------------------------------------------------------------------------------

  /** Sent in the turn it came: a WebSocket has no clock to wait for. */
  play(pcm: Int16Array, offset: number, samples: number, _nowMs: number): void {
    const resampler = this.#resampler;
    if (this.#state !== 'answered' || resampler === undefined) return;
    const whole = this.#phoneSamplesTaken === 0 && samples === this.#phoneSamples;
    if (!whole) return this.#playPart(resampler, pcm, offset, samples);
    const message = this.#socket.beginAudio();
    if (message === undefined) return this.#dropFrame();
    resampler.process(pcm, offset, samples, message, 0);
    this.#socket.sendAudio();
    this.#framesSent++;
  }

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    for (let done = 0; done < sizeBytes; ) {
      const size = Math.min(sizeBytes - done, this.#phoneSamples * 2);
      const pcm = new Int16Array(bytes.slice(offset + done, offset + done + size).buffer);
      this.play(pcm, 0, pcm.length, nowMs);
      done += size;
    }
  }

  /** A packet of 10, 30, 40 … ms: messages are filled from as many as it takes. */
  #playPart(resampler: Resampler, pcm: Int16Array, offset: number, samples: number): void {
    this.#phoneSamplesTaken = (this.#phoneSamplesTaken + samples) % this.#phoneSamples;
    this.#message ??= new Int16Array(this.#messageSamples);
    const converted = resampler.process(pcm, offset, samples, scratch, 0);
    for (let done = 0; done < converted; ) {
      const size = Math.min(converted - done, this.#messageSamples - this.#messageFilled);
      this.#message.set(scratch.subarray(done, done + size), this.#messageFilled);
      this.#messageFilled += size;
      done += size;
      if (this.#messageFilled === this.#messageSamples) this.#sendMessage(this.#message);
    }
  }

  #sendMessage(message: Int16Array): void {
    this.#messageFilled = 0;
    const room = this.#socket.beginAudio();
    if (room === undefined) return this.#dropFrame();
    room.set(message);
    this.#socket.sendAudio();
    this.#framesSent++;
  }

  #dropFrame(): void {
    this.#framesDropped++;
    this.#notice(
      'uplink-dropped',
      'the server takes audio more slowly than real time; some of it is dropped',
    );
  }

  // ---- Down: server → sinks ----------------------------------------------------------------------------------

  #receiveAudio(bytes: Uint8Array, offset: number, sizeBytes: number, last: boolean): void {
    const nowMs = this.#options.clock.nowMs();
    try {
      if (last) this.#messagesReceived++;
      this.#receiveBinary(bytes, offset, sizeBytes, nowMs);
    } catch (error) {
      this.#options.failed(error);
    }
    this.#options.pump(nowMs);
  }

  #receiveBinary(bytes: Uint8Array, start: number, sizeBytes: number, nowMs: number): void {
    if (this.#state === 'over') return;
    this.#receivedMs = nowMs;
    this.#bytesReceived += sizeBytes;
    if (this.#state !== 'answered') {
      this.#messagesEarly++;
      this.#notice('early-audio', 'audio that comes before the answer is dropped');
      return;
    }
    let offset = start;
    const end = start + sizeBytes;
    if (this.#halfSample !== undefined && sizeBytes > 0) {
      this.#joined[0] = this.#halfSample;
      this.#joined[1] = bytes[offset++]!;
      this.#halfSample = undefined;
      this.#pushDown(this.#joined, 0, 2, nowMs);
    }
    const odd = (end - offset) % 2;
    if (odd === 1) this.#halfSample = bytes[end - 1]!;
    this.#pushDown(bytes, offset, end - offset - odd, nowMs);
  }

  #pushDown(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    if (sizeBytes === 0) return;
    for (const sink of this.#sinks) {
      sink.playBytes(bytes, offset, sizeBytes, nowMs);
      if (sink.droppedMs > 0) {
        this.#notice(
          'buffer-overflow',
          'more audio came than stream.bufferBytes holds; the oldest is dropped',
        );
      }
    }
    if (this.#sinks.length > 0) return;
    this.#unrouted ??= new PlayoutBuffer({
      sampleRateHz: this.#session.sampleRateHz,
      sizeBytesMax: this.#bufferBytes,
    });
    this.#unrouted.push(bytes, offset, sizeBytes);
  }

  #clear(): void {
    this.#clears++;
    this.#halfSample = undefined;
    this.#forgetUnrouted();
    for (const sink of this.#sinks) sink.clear();
  }

  // ---- Patch bay ---------------------------------------------------------------------------------------------

  addSink(sink: AudioSink): void {
    sink.plug({ sampleRateHz: this.#session.sampleRateHz, queueBytesMax: this.#bufferBytes });
    this.#sinks = [...this.#sinks, sink];
    const unrouted = this.#unrouted;
    if (unrouted === undefined) return;
    const pcm = new Int16Array(unrouted.queuedSamples);
    unrouted.take(pcm, 0, pcm.length);
    this.#forgetUnrouted();
    const bytes = new Uint8Array(pcm.buffer);
    sink.playBytes(bytes, 0, bytes.length, this.#options.clock.nowMs());
  }

  removeSink(sink: AudioSink): void {
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    this.#droppedMsBefore += sink.droppedMs;
    sink.unplug();
  }

  plug({ sampleRateHz }: AudioFormat): void {
    this.#resampler = createResampler(sampleRateHz, this.#session.sampleRateHz);
    this.#phoneSamples = (sampleRateHz * this.#frameMs) / 1000;
    this.#phoneSamplesTaken = 0;
    this.#messageFilled = 0;
  }

  unplug(): void {
    this.#resampler = undefined;
  }

  /** What was sent cannot be taken back, and nothing waits here. */
  clear(): void {}

  readonly queuedMs = 0;
  readonly droppedMs = 0;

  get #bufferBytes(): number {
    return this.#command.limits.bufferBytes;
  }

  #forgetUnrouted(): void {
    this.#droppedMsBefore += this.#unrouted?.droppedMs ?? 0;
    this.#unrouted = undefined;
  }

  // ---- The end -----------------------------------------------------------------------------------------------

  counters(): StreamCounters {
    let bufferedMs = this.#unrouted?.queuedMs ?? 0;
    let droppedMs = this.#droppedMsBefore + (this.#unrouted?.droppedMs ?? 0);
    for (const sink of this.#sinks) {
      bufferedMs += sink.queuedMs;
      droppedMs += sink.droppedMs;
    }
    return {
      framesSent: this.#framesSent,
      framesDropped: this.#framesDropped,
      messagesReceived: this.#messagesReceived,
      bytesReceived: this.#bytesReceived,
      messagesEarly: this.#messagesEarly,
      messagesInvalid: this.#messagesInvalid,
      bufferedMs,
      droppedMs,
      clears: this.#clears,
    };
  }

  /** Closes the socket; `streamClosed` follows when it is gone. Idempotent. */
  close(code: number, reason: string): void {
    this.#state = 'over';
    this.#timer?.cancel();
    this.#socket.close(code, reason);
  }

  /** Something in us failed. */
  abort(): void {
    this.#giveUp({ cause: 'local' }, streamCloses.error);
  }

  /** Ours to end: told at once, as a server that went silent will not answer our close either. */
  #giveUp(end: StreamEnd, { code, reason }: { readonly code: number; readonly reason: string }): void {
    this.#report(end);
    this.close(code, reason);
  }

  #closed(end: StreamEnd): void {
    this.#state = 'over';
    this.#timer?.cancel();
    this.#report(end);
    this.#options.closed();
  }

  #report(end: StreamEnd): void {
    if (this.#reported) return;
    this.#reported = true;
    this.#emit({ type: 'streamClosed', endpointId: this.endpointId, end, counters: this.counters() });
  }

  #notice(code: string, message: string): void {
    if (this.#noticed.has(code)) return;
    this.#noticed.add(code);
    this.#emit({ type: 'notice', endpointId: this.endpointId, code, message });
  }

  #emit(event: MediaEvent): void {
    if (!this.#reported || event.type === 'streamClosed') this.#options.emit(event);
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.failed(error);
    }
  }
}
