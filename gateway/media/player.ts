import { checkSampleRate } from '../../codecs/resampler.ts';
import type { AudioSink, AudioSource } from './audio-route.ts';
import type { EndpointId, MediaEvent } from './media-messages.ts';
import type { TimingWheel, WheelMember } from './timing-wheel.ts';

const frameMs = 20;
/** With less than this queued it asks for more. */
const lowMs = 2000;
/** Whoever does not listen to that is cut off here. */
const queuedMsMax = 300_000;
/** How much a sink may wait with: it gets 20 ms each 20 ms. */
const sinkQueueMs = 2000;

/** 20 ms at 96 kHz and what fills the last. Shared, as the sinks are done with a frame when `play` returns. */
const frame = new Int16Array(3840);

interface Chunk {
  readonly samples: Int16Array;
  /** The piece ends with it. */
  readonly last: boolean;
}

/** A piece all of which was handed on, and when its last sample is due where it is played out. */
interface Ending {
  readonly playedMs: number;
  readonly dueMs: number;
}

/** Prompts, music, tones: plays what the control plane gives it on a clock of its own, as if somebody spoke, to any
 *  number of sinks. It is on the wheel only while it has something to say. */
export class Player implements AudioSource, WheelMember {
  readonly endpointId: EndpointId;
  readonly #sampleRateHz: number;
  readonly #frameSamples: number;
  readonly #emit: (event: MediaEvent) => void;
  readonly #wheel: TimingWheel;
  #sinks: readonly AudioSink[] = [];
  #chunks: Chunk[] = [];
  /** Samples of the first chunk that were played. */
  #offset = 0;
  #queuedSamples = 0;
  /** Samples of the piece that is being played; undefined where none was begun. */
  #played: number | undefined;
  #endings: Ending[] = [];
  /** Samples that are missing to whole frames since the start. */
  #unfilled = 0;
  #mayAsk = false;
  #overflowed = false;

  /** Throws `RangeError` where the rate is none of a stream's. */
  constructor(options: {
    readonly endpointId: EndpointId;
    readonly sampleRateHz: number;
    readonly wheel: TimingWheel;
    readonly emit: (event: MediaEvent) => void;
  }) {
    const { sampleRateHz } = options;
    checkSampleRate(sampleRateHz);
    this.endpointId = options.endpointId;
    this.#sampleRateHz = sampleRateHz;
    this.#frameSamples = (sampleRateHz * frameMs) / 1000;
    this.#wheel = options.wheel;
    this.#emit = options.emit;
  }

  get queuedMs(): number {
    return this.#toMs(this.#queuedSamples);
  }

  /** Keeps `samples`; nobody may change them any more. */
  push(samples: Int16Array, last: boolean, nowMs: number): void {
    const room = this.queuedMs < queuedMsMax;
    if (!room) this.#notice();
    const kept = room ? samples : samples.subarray(0, 0);
    this.#chunks.push({ samples: kept, last });
    this.#queuedSamples += kept.length;
    this.#mayAsk = true;
    if (!this.#wheel.has(this)) this.#wheel.add(this, frameMs, nowMs);
  }

  deliver(nowMs: number): void {
    this.#reportEndings(nowMs);
    this.#playFrame(nowMs);
    if (this.#mayAsk && this.queuedMs < lowMs && this.#chunks.at(-1)?.last !== true) {
      this.#mayAsk = false;
      if (this.#chunks.length > 0 || this.#played !== undefined)
        this.#emit({ type: 'playerLow', endpointId: this.endpointId, queuedMs: this.queuedMs });
    }
    if (this.#chunks.length === 0 && this.#endings.length === 0) this.#wheel.remove(this);
  }

  send(): void {}

  /** A prompt is nobody's live speech: what was not said in time is said later. */
  skip(): void {}

  /** Drops all that waits, here and in the sinks. */
  stop(nowMs: number): void {
    const waitingMs = this.#sinksQueuedMs();
    for (const sink of this.#sinks) sink.clear();
    for (const { playedMs, dueMs } of this.#endings)
      this.#done(Math.max(0, playedMs - (dueMs - nowMs)), true);
    this.#endings = [];
    if (this.#played !== undefined) this.#done(Math.max(0, this.#toMs(this.#played) - waitingMs), true);
    // The one that is being played ends with the first of these; the others were never begun.
    let begun = this.#played !== undefined;
    for (const [index, { last }] of this.#chunks.entries()) {
      const unfinished = !last && index === this.#chunks.length - 1;
      if (!last && !unfinished) continue;
      if (!begun) this.#done(0, true);
      begun = false;
    }
    this.#chunks = [];
    this.#offset = 0;
    this.#queuedSamples = 0;
    this.#played = undefined;
    this.#unfilled = 0;
    this.#wheel.remove(this);
  }

  addSink(sink: AudioSink): void {
    this.#sinks = [...this.#sinks, sink];
    const sampleRateHz = this.#sampleRateHz;
    sink.plug({ sampleRateHz, queueBytesMax: (sampleRateHz * 2 * sinkQueueMs) / 1000 });
  }

  removeSink(sink: AudioSink): void {
    this.#sinks = this.#sinks.filter((other) => other !== sink);
    sink.unplug();
  }

  #playFrame(nowMs: number): void {
    let filled = 0;
    let endings = 0;
    while (this.#chunks.length > 0) {
      const { samples, last } = this.#chunks[0]!;
      const size = Math.min(this.#frameSamples - filled, samples.length - this.#offset);
      for (let i = 0; i < size; i++) frame[filled + i] = samples[this.#offset + i]!;
      filled += size;
      this.#offset += size;
      this.#played = (this.#played ?? 0) + size;
      if (this.#offset < samples.length) break;
      this.#chunks.shift();
      this.#offset = 0;
      if (!last) continue;
      // Until it is known how long the sinks wait, `dueMs` is the place in this frame.
      this.#endings.push({ playedMs: this.#toMs(this.#played), dueMs: this.#toMs(filled) });
      endings++;
      this.#played = undefined;
    }
    this.#queuedSamples -= filled;
    // The end fills its frame, so that none of it waits in a message that is not full yet.
    const frameSamples = this.#frameSamples;
    this.#unfilled = (this.#unfilled + frameSamples - filled) % frameSamples;
    const ends = endings > 0 && this.#chunks.length === 0;
    const samples = ends ? filled + this.#unfilled : filled;
    if (ends) this.#unfilled = 0;
    frame.fill(0, filled, samples);
    if (samples > 0) for (const sink of this.#sinks) sink.play(frame, 0, samples, nowMs);
    if (endings > 0) this.#setDue(endings, samples, nowMs);
  }

  #setDue(endings: number, samples: number, nowMs: number): void {
    const endMs = nowMs + this.#sinksQueuedMs() - this.#toMs(samples);
    for (let index = this.#endings.length - endings; index < this.#endings.length; index++) {
      const { playedMs, dueMs } = this.#endings[index]!;
      this.#endings[index] = { playedMs, dueMs: Math.max(nowMs, endMs + dueMs) };
    }
  }

  #reportEndings(nowMs: number): void {
    while (this.#endings.length > 0 && nowMs >= this.#endings[0]!.dueMs)
      this.#done(this.#endings.shift()!.playedMs, false);
  }

  #done(playedMs: number, stopped: boolean): void {
    this.#emit({ type: 'playerDone', endpointId: this.endpointId, playedMs, stopped });
  }

  #notice(): void {
    if (this.#overflowed) return;
    this.#overflowed = true;
    const message = `a player holds ${queuedMsMax / 60_000} minutes; what comes beyond is dropped`;
    this.#emit({ type: 'notice', endpointId: this.endpointId, code: 'player-overflow', message });
  }

  #sinksQueuedMs(): number {
    let queuedMs = 0;
    for (const sink of this.#sinks) queuedMs = Math.max(queuedMs, sink.queuedMs);
    return queuedMs;
  }

  #toMs(samples: number): number {
    return (samples * 1000) / this.#sampleRateHz;
  }
}
