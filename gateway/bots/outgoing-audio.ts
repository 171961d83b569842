import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import type { Clock, Timer } from '../clock.ts';
import { BotError } from './bot-error.ts';
import { PlayedEstimate } from './played-estimate.ts';
import { SampleJoiner } from './sample-joiner.ts';

/** Mono PCM: samples, or their bytes (16-bit little-endian). */
export type PcmChunk = Int16Array | Uint8Array;

/** All that `play` takes. */
export type PlayableAudio = PcmChunk | AsyncIterable<PcmChunk> | Iterable<PcmChunk>;

export interface OutgoingAudioOptions {
  readonly clock: Clock;
  /** Of what is played here, and of the stream. */
  readonly sampleRateHz: number;
  readonly streamRateHz: number;
  /** How far ahead of what is heard it sends. */
  readonly aheadMs: number;
  /** Sends a message; the bytes are its to keep. */
  readonly send: (pcm: Uint8Array) => void;
  /** The connection takes more at the moment. */
  readonly hasRoom: () => boolean;
  readonly sendMark: (name: string) => void;
  /** A source failed; it is dropped, and what waits behind it follows. */
  readonly failed: (error: unknown) => void;
}

/** How the audio of a call stands, by the clock. */
export interface HeardSoFar {
  readonly playedMs: number;
  /** At the gateway. */
  readonly bufferedMs: number;
}

type Item = PlayItem | { readonly type: 'mark'; readonly name: string };

interface PlayItem {
  readonly type: 'play';
  readonly source: Iterator<PcmChunk> | AsyncIterator<PcmChunk> | undefined;
  pcm: Int16Array;
  /** Samples of `pcm` that are sent. */
  position: number;
  readonly joiner: SampleJoiner;
  /** The source was asked and has not answered yet. */
  pulling: boolean;
  ended: boolean;
  readonly done: (whole: boolean) => void;
}

const messageMsMax = 1_000;
/** What is sent at least, once there is room again: not a message for each millisecond. */
const refillMs = 100;
const congestedMs = 20;

/** Audio and marks on their way to the gateway, in the order in which they were given. The gateway keeps a limited
 *  buffer and drops the oldest beyond it, so nothing runs further ahead of the phone than `aheadMs`. */
export class OutgoingAudio {
  readonly #options: OutgoingAudioOptions;
  readonly #estimate: PlayedEstimate;
  readonly #resampler: Resampler | undefined;
  readonly #queue: Item[] = [];
  #timer: Timer | undefined;
  #xoff = false;
  #closed = false;
  #sentSamples = 0;

  constructor(options: OutgoingAudioOptions) {
    const { sampleRateHz, streamRateHz, clock } = options;
    this.#options = options;
    this.#estimate = new PlayedEstimate(clock.nowMs());
    this.#resampler = sampleRateHz === streamRateHz ? undefined : createResampler(sampleRateHz, streamRateHz);
  }

  /** Resolves when the last of it is sent: true, or false where it was cut off by `clear` or the end of the call, or
   *  its source threw. A chunk is the caller's to change again then. Throws `BotError` for what is no audio. */
  play(audio: PlayableAudio): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    const source = sourceOf(audio);
    return new Promise((resolve) => {
      this.#queue.push(createPlayItem(audio, source, resolve));
      this.#pump();
    });
  }

  mark(name: string): void {
    this.#queue.push({ type: 'mark', name });
    this.#pump();
  }

  /** Drops what is not sent yet. Gives the names of dropped marks, how much audio was dropped here, and how much of
   *  what was sent is dropped by the gateway, by the clock: nothing without `sentToo`, where it goes on playing. */
  clear({ sentToo = true } = {}): {
    readonly marks: readonly string[];
    readonly unsentMs: number;
    readonly unheardMs: number;
  } {
    const dropped = this.#queue.splice(0);
    let unsentSamples = 0;
    for (const item of dropped) {
      if (item.type === 'mark') continue;
      unsentSamples += item.pcm.length - item.position;
      this.#end(item, false);
    }
    this.#resampler?.reset();
    this.#timer?.cancel();
    this.#xoff = false;
    return {
      marks: dropped.flatMap((item) => (item.type === 'mark' ? [item.name] : [])),
      unsentMs: (unsentSamples * 1000) / this.#options.sampleRateHz,
      unheardMs: sentToo ? this.#estimate.cleared(this.#nowMs) : 0,
    };
  }

  setPaused(paused: boolean): void {
    this.#estimate.setPaused(paused, this.#nowMs);
    this.#pump();
  }

  /** The gateway's buffer is nearly full; or there is room again. */
  setHeldBack(heldBack: boolean): void {
    this.#xoff = heldBack;
    this.#pump();
  }

  close(): void {
    this.clear();
    this.#closed = true;
  }

  /** Sent since the answer, cleared or not. */
  get sentMs(): number {
    return (this.#sentSamples * 1000) / this.#options.streamRateHz;
  }

  get playedMs(): number {
    return this.#estimate.playedMs(this.#nowMs);
  }

  /** At the gateway. */
  get bufferedMs(): number {
    return this.#estimate.bufferedMs(this.#nowMs);
  }

  /** Both at one moment: their sum is what was sent and not dropped. */
  get heardSoFar(): HeardSoFar {
    const nowMs = this.#nowMs;
    return { playedMs: this.#estimate.playedMs(nowMs), bufferedMs: this.#estimate.bufferedMs(nowMs) };
  }

  get paused(): boolean {
    return this.#estimate.paused;
  }

  get #nowMs(): number {
    return this.#options.clock.nowMs();
  }

  #pump(): void {
    this.#timer?.cancel();
    for (;;) {
      const item = this.#queue[0];
      if (item === undefined || this.#closed) return;
      if (item.type === 'mark') {
        this.#queue.shift();
        this.#options.sendMark(item.name);
        continue;
      }
      if (item.position < item.pcm.length) {
        if (!this.#sendPart(item)) return;
      } else if (item.ended || item.source === undefined) {
        this.#queue.shift();
        item.done(true);
      } else {
        if (!item.pulling) this.#pull(item, item.source);
        if (item.pulling) return;
      }
    }
  }

  /** False where it has to wait. */
  #sendPart(item: PlayItem): boolean {
    const { aheadMs, sampleRateHz, hasRoom } = this.#options;
    if (this.#xoff) return false;
    if (!hasRoom()) return this.#waitFor(congestedMs);
    const roomMs = aheadMs - this.bufferedMs;
    const restMs = ((item.pcm.length - item.position) * 1000) / sampleRateHz;
    // No more than half of what runs ahead: the gateway must not run dry before the rest comes.
    const wantedMs = Math.min(restMs, refillMs, aheadMs / 2);
    // While it pauses nothing drains: `continue` pumps again.
    if (roomMs < wantedMs) return this.paused ? false : this.#waitFor(wantedMs - roomMs);
    const samples = Math.ceil((Math.min(restMs, roomMs, messageMsMax) * sampleRateHz) / 1000);
    const end = Math.min(item.pcm.length, item.position + samples);
    this.#send(item.pcm.subarray(item.position, end));
    item.position = end;
    return true;
  }

  #waitFor(delayMs: number): false {
    this.#timer = this.#options.clock.after(Math.max(1, delayMs), () => this.#pump());
    return false;
  }

  /** A copy goes out: the socket may hold it until a later turn. */
  #send(pcm: Int16Array): void {
    let message = pcm;
    if (this.#resampler === undefined) message = pcm.slice();
    else {
      const room = new Int16Array(this.#resampler.outputSamplesMax(pcm.length));
      message = room.subarray(0, this.#resampler.process(pcm, 0, pcm.length, room, 0));
    }
    if (message.length === 0) return;
    this.#sentSamples += message.length;
    this.#estimate.sent((message.length * 1000) / this.#options.streamRateHz, this.#nowMs);
    this.#options.send(new Uint8Array(message.buffer, message.byteOffset, message.byteLength));
  }

  /** Asks the source for its next chunk. What it gives at once is taken at once. */
  #pull(item: PlayItem, source: Iterator<PcmChunk> | AsyncIterator<PcmChunk>): void {
    try {
      const next = source.next();
      if (!isThenable(next)) return this.#take(item, next);
      item.pulling = true;
      Promise.resolve(next).then(
        (result) => this.#pulled(item, () => this.#take(item, result)),
        (error) => this.#pulled(item, () => this.#fail(item, error)),
      );
    } catch (error) {
      this.#fail(item, error);
    }
  }

  #pulled(item: PlayItem, use: () => void): void {
    item.pulling = false;
    if (this.#queue[0] !== item) return;
    use();
    this.#pump();
  }

  #take(item: PlayItem, result: IteratorResult<PcmChunk>): void {
    if (result.done === true) {
      item.ended = true;
      return;
    }
    try {
      item.pcm = samplesOf(item, result.value);
      item.position = 0;
    } catch (error) {
      this.#fail(item, error);
    }
  }

  #fail(item: PlayItem, error: unknown): void {
    this.#queue.shift();
    this.#end(item, false);
    this.#options.failed(error);
  }

  /** Ends an item before its end; its source may have files or connections to close. */
  #end(item: PlayItem, whole: boolean): void {
    item.done(whole);
    if (item.ended || item.source?.return === undefined) return;
    item.ended = true;
    try {
      const returned: unknown = item.source.return();
      if (isThenable(returned)) Promise.resolve(returned).catch((error) => this.#options.failed(error));
    } catch (error) {
      this.#options.failed(error);
    }
  }
}

function createPlayItem(
  audio: PlayableAudio,
  source: PlayItem['source'],
  done: (whole: boolean) => void,
): PlayItem {
  const item: PlayItem = {
    type: 'play',
    source,
    pcm: new Int16Array(0),
    position: 0,
    joiner: new SampleJoiner(),
    pulling: false,
    ended: false,
    done,
  };
  if (source === undefined) item.pcm = samplesOf(item, audio as PcmChunk);
  return item;
}

/** Undefined where it is one chunk. */
function sourceOf(audio: PlayableAudio): PlayItem['source'] {
  if (audio instanceof Int16Array || audio instanceof Uint8Array) return undefined;
  if (typeof audio === 'object' && audio !== null) {
    if (Symbol.asyncIterator in audio) return audio[Symbol.asyncIterator]();
    if (Symbol.iterator in audio) return audio[Symbol.iterator]();
  }
  throw new BotError(
    'bad-argument',
    `play takes an Int16Array, the bytes of one, or an (async) iterable of them, got ${typeof audio}`,
  );
}

function samplesOf(item: PlayItem, chunk: PcmChunk): Int16Array {
  if (chunk instanceof Int16Array) return chunk;
  if (chunk instanceof Uint8Array) return item.joiner.join(chunk);
  throw new BotError('bad-argument', `a source must give Int16Arrays or bytes, got ${typeof chunk}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
