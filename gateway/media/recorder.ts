import { Limiter } from '../../codecs/limiter.ts';
import { checkSampleRate } from '../../codecs/resampler.ts';
import { CallTracks, type TakeFrame } from './call-tracks.ts';
import type { EndpointId, MediaEvent } from './media-messages.ts';
import type { WheelMember } from './timing-wheel.ts';

/** Nobody waits for a recording: packets may come so late and still lie where they belong. */
const delayMs = 400;
const chunkSeconds = 1;

/** 20 ms at 96 kHz of both sides together. Shared by all recorders of the thread. */
const both = new Int32Array(1920);
const mixed = new Int16Array(1920);

/** Writes a call down against the worker's clock: as long as the call to the sample, whatever is lost on the line. */
export class Recorder implements WheelMember {
  readonly endpointId: EndpointId;
  readonly tracks: CallTracks;
  readonly #sampleRateHz: number;
  readonly #channels: 1 | 2;
  readonly #emit: (event: MediaEvent) => void;
  readonly #limiter = new Limiter();
  readonly #chunk: Int16Array;
  #filled = 0;
  /** Of this many samples a channel the recording consists already, without the chunk. */
  #emitted = 0;
  /** Undefined while it is paused; and how long it was recorded before that. */
  #beganMs: number | undefined;
  #recordedMs = 0;
  /** Samples a channel that it may have at most: the end lies within a frame. */
  #samplesMax = Number.POSITIVE_INFINITY;
  readonly #take: TakeFrame = (left, right, samples) => this.#append(left, right, samples);

  /** Throws `RangeError` where the rate is none of a stream's. */
  constructor(options: {
    readonly endpointId: EndpointId;
    readonly layout: 'stereo' | 'mixed';
    readonly sampleRateHz: number;
    readonly nowMs: number;
    readonly emit: (event: MediaEvent) => void;
  }) {
    const { sampleRateHz, nowMs } = options;
    checkSampleRate(sampleRateHz);
    this.endpointId = options.endpointId;
    this.#sampleRateHz = sampleRateHz;
    this.#channels = options.layout === 'stereo' ? 2 : 1;
    this.#emit = options.emit;
    this.#beganMs = nowMs;
    this.tracks = new CallTracks({ sampleRateHz, delayMs, nowMs });
    this.#chunk = new Int16Array(sampleRateHz * chunkSeconds * this.#channels);
  }

  get durationMs(): number {
    return ((this.#emitted + this.#filled) * 1000) / this.#sampleRateHz;
  }

  deliver(): void {}

  send(nowMs: number): void {
    if (this.#beganMs !== undefined) this.tracks.read(nowMs, this.#take);
  }

  /** What the ticker was late for is read at the next tick. */
  skip(): void {}

  pause(nowMs: number): void {
    if (this.#beganMs === undefined) return;
    this.#recordedMs += nowMs - this.#beganMs;
    this.#beganMs = undefined;
    this.#samplesMax = Math.round((this.#recordedMs * this.#sampleRateHz) / 1000);
    this.tracks.drain(nowMs, this.#take);
    this.#samplesMax = Number.POSITIVE_INFINITY;
    this.#flush();
  }

  resume(nowMs: number): void {
    if (this.#beganMs !== undefined) return;
    this.#beganMs = nowMs;
    this.tracks.begin(nowMs);
  }

  #append(left: Int16Array, right: Int16Array, samples: number): void {
    const size = Math.min(samples, this.#samplesMax - this.#emitted - this.#filled);
    if (this.#channels === 1) this.#mix(left, right, samples);
    const room = this.#chunk.length / this.#channels;
    for (let i = 0; i < size; i++) {
      if (this.#channels === 2) {
        this.#chunk[2 * this.#filled] = left[i]!;
        this.#chunk[2 * this.#filled + 1] = right[i]!;
      } else {
        this.#chunk[this.#filled] = mixed[i]!;
      }
      if (++this.#filled === room) this.#flush();
    }
  }

  #mix(left: Int16Array, right: Int16Array, samples: number): void {
    for (let i = 0; i < samples; i++) both[i] = left[i]! + right[i]!;
    this.#limiter.process(both, mixed, samples);
  }

  /** Gives away a copy, whose buffer may go to another thread. */
  #flush(): void {
    if (this.#filled === 0) return;
    const samples = this.#chunk.slice(0, this.#filled * this.#channels);
    const atMs = (this.#emitted * 1000) / this.#sampleRateHz;
    this.#emitted += this.#filled;
    this.#filled = 0;
    this.#emit({ type: 'recorded', endpointId: this.endpointId, samples, atMs });
  }
}
