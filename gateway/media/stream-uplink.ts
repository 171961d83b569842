import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import type { DialectSession } from '../../protocol/stream/messages.ts';
import { encodePayload } from './stream-encodings.ts';
import type { StreamSocket } from './stream-socket.ts';

/** One packet from a phone at any stream rate: at most 190 ms. Shared by all endpoints of the thread, as is the
 *  payload of a message that is not sent as samples. */
const scratch = new Int16Array(18_432);
const payload = new Uint8Array(65_536);
const playBytesMax = 1920;
/** Waits for a server that does not keep up, beside what its socket holds; the oldest is dropped. */
const behindMsMax = 1800;
/** A server that was behind for so long, with audio dropped for it, does not catch up any more. */
const stuckMs = 30_000;

export interface StreamUplinkOptions {
  readonly sampleRateHz: number;
  readonly frameMs: number;
  /** 2: what is played is interleaved stereo, at `sampleRateHz`. */
  readonly channels: 1 | 2;
  /** What is kept of the time without a connection; the oldest is dropped. */
  readonly gapMsMax: number;
  /** A message was not sent, as the server does not keep up or the gap is too long. */
  readonly dropped: () => void;
  /** The server reads nothing, or too slowly, for half a minute. */
  readonly stuck: () => void;
}

/** The way up: what is played is cut into messages of `frameMs` and sent in the turn in which it comes, as a WebSocket
 *  has no clock to wait for. Only while the connection is lost, or the server does not keep up, does audio wait here. */
export class StreamUplink {
  readonly #options: StreamUplinkOptions;
  readonly messageSamples: number;
  #resampler: Resampler | undefined;
  /** `idle` until the server answered. */
  #state: 'idle' | 'flowing' | 'lost' = 'idle';
  #socket: StreamSocket | undefined;
  #session: DialectSession | undefined;
  /** A message is more than our samples in a binary frame, or others wait before it. */
  #indirect = true;
  /** Samples from the phone in one message, and how many of the present one came. */
  #phoneSamples = 0;
  #phoneSamplesTaken = 0;
  /** For packets that are not as long as a message: the one that is being filled. */
  #message: Int16Array | undefined;
  #messageFilled = 0;
  /** What was said while the connection was lost or the server did not read, in messages. */
  #gap: Int16Array[] = [];
  /** Since the first message was dropped for a server that has not caught up since. */
  #behindMs = 0;
  gapDroppedMs = 0;
  framesSent = 0;
  framesDropped = 0;

  constructor(options: StreamUplinkOptions) {
    this.#options = options;
    this.messageSamples = ((options.sampleRateHz * options.frameMs) / 1000) * options.channels;
  }

  plug(sampleRateHz: number): void {
    const { sampleRateHz: streamRateHz, frameMs, channels } = this.#options;
    // Interleaved samples cannot be converted here; whoever sends them has done so.
    this.#resampler = createResampler(channels === 2 ? streamRateHz : sampleRateHz, streamRateHz);
    this.#phoneSamples = ((sampleRateHz * frameMs) / 1000) * channels;
    this.#phoneSamplesTaken = 0;
    this.#messageFilled = 0;
  }

  unplug(): void {
    this.#resampler = undefined;
  }

  /** The server answered: audio flows, that of the gap first. Returns how much that is. */
  begin(socket: StreamSocket, session: DialectSession): number {
    this.#socket = socket;
    this.#session = session;
    this.#state = 'flowing';
    const gapMs = this.#gap.length * this.#options.frameMs;
    this.#sendGap();
    this.#chooseWay();
    return gapMs;
  }

  /** The connection is lost: what is said from now on is kept, where there may be another one. */
  lose(): void {
    this.#state = 'lost';
    this.#behindMs = 0;
    this.#socket = undefined;
    this.#indirect = true;
  }

  end(): void {
    this.#state = 'idle';
    this.#gap = [];
  }

  play(pcm: Int16Array, offset: number, samples: number): void {
    const resampler = this.#resampler;
    if (this.#state === 'idle' || resampler === undefined) return;
    const whole = this.#phoneSamplesTaken === 0 && samples === this.#phoneSamples;
    if (!whole || this.#indirect) return this.#playPart(resampler, pcm, offset, samples);
    const message = this.#socket!.beginAudio();
    if (message === undefined) return this.#playPart(resampler, pcm, offset, samples);
    resampler.process(pcm, offset, samples, message, 0);
    this.#socket!.sendAudio();
    this.framesSent++;
  }

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number): void {
    // Aligned, and no longer at a time than what is converted in one go.
    for (let done = 0; done < sizeBytes; done += playBytesMax) {
      const size = Math.min(sizeBytes - done, playBytesMax);
      const pcm = new Int16Array(bytes.slice(offset + done, offset + done + size).buffer);
      this.play(pcm, 0, pcm.length);
    }
  }

  /** A packet of 10, 30, 40 … ms: messages are filled from as many as it takes. */
  #playPart(resampler: Resampler, pcm: Int16Array, offset: number, samples: number): void {
    this.#phoneSamplesTaken = (this.#phoneSamplesTaken + samples) % this.#phoneSamples;
    this.#message ??= new Int16Array(this.messageSamples);
    const converted = resampler.process(pcm, offset, samples, scratch, 0);
    for (let done = 0; done < converted; ) {
      const size = Math.min(converted - done, this.messageSamples - this.#messageFilled);
      this.#message.set(scratch.subarray(done, done + size), this.#messageFilled);
      this.#messageFilled += size;
      done += size;
      if (this.#messageFilled === this.messageSamples) this.#messageDone(this.#message);
    }
  }

  #messageDone(message: Int16Array): void {
    this.#messageFilled = 0;
    if (this.#state === 'lost') return this.#keep(message);
    if (this.#gap.length > 0) {
      this.#sendGap();
      if (this.#gap.length > 0) return this.#keep(message);
      this.#behindMs = 0;
      this.#chooseWay();
    }
    if (this.#send(message)) {
      this.framesSent++;
    } else {
      this.#indirect = true;
      this.#keep(message);
    }
  }

  /** False where the socket takes no more. */
  #send(message: Int16Array): boolean {
    const socket = this.#socket!;
    const { encoding, encodeAudio } = this.#session!;
    if (encodeAudio === undefined && encoding === 'pcm16') {
      const room = socket.beginAudio();
      if (room === undefined) return false;
      room.set(message);
      socket.sendAudio();
      return true;
    }
    if (socket.congested) return false;
    const bytes = encodePayload(encoding, message, payload);
    const out = encodeAudio === undefined ? bytes : encodeAudio.call(this.#session, bytes);
    if (typeof out === 'string') socket.sendText(out);
    else socket.sendBinary(out);
    return true;
  }

  // ---- The gap -----------------------------------------------------------------------------------------------

  #keep(message: Int16Array): void {
    const { gapMsMax, frameMs, dropped, stuck } = this.#options;
    const lost = this.#state === 'lost';
    if (this.#behindMs > 0) this.#behindMs += frameMs;
    if ((this.#gap.length + 1) * frameMs <= (lost ? gapMsMax : behindMsMax)) {
      this.#gap.push(message.slice());
      return;
    }
    // Into the oldest one: a stuck server costs no garbage. There is none where the gap may be shorter than a message.
    const oldest = this.#gap.shift();
    oldest?.set(message);
    if (oldest !== undefined) this.#gap.push(oldest);
    this.framesDropped++;
    dropped();
    if (lost) {
      this.gapDroppedMs += frameMs;
      return;
    }
    if (this.#behindMs === 0) this.#behindMs = frameMs;
    if (this.#behindMs >= stuckMs) stuck();
  }

  #sendGap(): void {
    let sent = 0;
    while (sent < this.#gap.length && this.#send(this.#gap[sent]!)) sent++;
    this.framesSent += sent;
    this.#gap.splice(0, sent);
  }

  #chooseWay(): void {
    const { encoding, encodeAudio } = this.#session!;
    this.#indirect = encoding !== 'pcm16' || encodeAudio !== undefined || this.#gap.length > 0;
  }
}
