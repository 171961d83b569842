import { RateTrim } from '../../codecs/rate-trim.ts';
import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import type { AudioFormat, AudioSink } from './audio-route.ts';
import { bytesOf } from './pcm-bytes.ts';
import { PlayoutBuffer } from './playout-buffer.ts';

/** How far off the end of what is there a packet of a live source may come and still belong right behind it: further
 *  off there was a pause, or another clock. */
const jumpMs = 250;
/** The same for a source that is paced by its queue: later than this it had nothing to say. */
const lateMsMax = 60;
/** A live source's queue. */
const liveQueueMs = 2000;
/** Weight of a packet in the mean of how late they come: two seconds. */
const errorWeight = 0.01;
/** Correction of a live source's clock: begins and ends at these errors, half a percent for 10 ms, 1 % at most. */
const errorMsBegin = 4;
const errorMsEnd = 1;
const speedPerMs = 0.0005;
const speedMax = 0.01;
/** The ticker stood still for so long: packets that come in a heap now were in time. */
const stallMs = 60;
const stallSlackMs = 200;

/** 20 ms at 96 kHz and what a faster clock adds. Shared by all tracks of the thread. */
const input = new Int16Array(2048);
const trimmed = new Int16Array(1920);

/** One side of a call on the worker's time axis: each sound lies where it came, however unevenly its packets did, and
 *  where nothing came there is silence. It is read behind the present by more than the line's jitter. */
export class SideTrack implements AudioSink {
  readonly queuedMs = 0;
  readonly droppedMs = 0;
  #buffer: PlayoutBuffer | undefined;
  #live = false;
  readonly #trim = new RateTrim();
  #resampler: Resampler | undefined;
  /** Up to when it was read, when that was, and up to when there is audio. */
  #readMs: number;
  #tickMs: number;
  #endMs = Number.NEGATIVE_INFINITY;
  /** Silence before what the buffer holds, in its samples. */
  #waiting = 0;
  /** How late a live source's packets come on average. */
  #errorMs = 0;
  #correcting = false;
  #slackMs = 0;
  #slackUntilMs = 0;

  constructor(nowMs: number) {
    this.#readMs = nowMs;
    this.#tickMs = nowMs;
  }

  plug(format: AudioFormat): void {
    const { sampleRateHz } = format;
    this.#live = format.live !== undefined;
    this.#errorMs = 0;
    const before = this.#buffer;
    const sizeBytesMax = this.#live ? (sampleRateHz * 2 * liveQueueMs) / 1000 : format.queueBytesMax;
    this.#buffer = new PlayoutBuffer({ sampleRateHz, sizeBytesMax });
    if (before?.sampleRateHz !== sampleRateHz) this.#trim.reset();
    if (before !== undefined) this.#takeOver(before, this.#buffer);
  }

  /** What is there is still read. */
  unplug(): void {
    this.#live = false;
  }

  play(pcm: Int16Array, offset: number, samples: number, nowMs: number): void {
    this.playBytes(bytesOf(pcm), pcm.byteOffset + offset * 2, samples * 2, nowMs);
  }

  /** A source that knows this asks for no noise in the place of what does not come: here that is silence anyway, and
   *  it would push what comes after it away from its time. */
  playMadeUp(pcm: Int16Array, offset: number, samples: number, nowMs: number): void {
    this.play(pcm, offset, samples, nowMs);
  }

  playBytes(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const late = this.#place(buffer, nowMs);
    const lateBytes = Math.min(sizeBytes, 2 * Math.round((late * buffer.sampleRateHz) / 1000));
    buffer.push(bytes, offset + lateBytes, sizeBytes - lateBytes);
    this.#endMs += (sizeBytes * 500) / buffer.sampleRateHz;
  }

  /** What is still to be said is not said; what was said until now stays. */
  clear(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const saidMs = Math.max(0, this.#tickMs - this.#readMs);
    const kept = Math.max(0, Math.round((saidMs * buffer.sampleRateHz) / 1000) - this.#waiting);
    if (kept >= buffer.queuedSamples) return;
    const pcm = new Int16Array(kept);
    buffer.take(pcm, 0, kept);
    buffer.clear();
    buffer.push(new Uint8Array(pcm.buffer), 0, kept * 2);
    this.#endMs = this.#readMs + this.#aheadMs(buffer);
  }

  /** Nothing from before `nowMs` is read any more. */
  begin(nowMs: number): void {
    this.#buffer?.clear();
    this.#waiting = 0;
    this.#endMs = Number.NEGATIVE_INFINITY;
    this.#readMs = nowMs;
    this.#tickMs = nowMs;
  }

  /** To be called once in each turn of the reader, before it reads. */
  tick(nowMs: number): void {
    this.#noteStall(nowMs);
    this.#tickMs = nowMs;
  }

  /** The next 20 ms: `samples` samples at `outputRateHz` in `pcm[0…]`. */
  read(pcm: Int16Array, samples: number, outputRateHz: number): void {
    const buffer = this.#buffer;
    const frameMs = (samples * 1000) / outputRateHz;
    this.#readMs += frameMs;
    if (buffer === undefined) {
      pcm.fill(0, 0, samples);
      return;
    }
    const wanted = (samples * buffer.sampleRateHz) / outputRateHz;
    const ratio = this.#live ? this.#ratio() : 1;
    const needed = this.#trim.inputSamples(wanted, ratio);
    const silent = Math.min(this.#waiting, needed);
    this.#waiting -= silent;
    input.fill(0, 0, silent);
    const taken = silent + buffer.take(input, silent, needed - silent);
    input.fill(0, taken, needed);
    if (taken === needed) this.#endMs = this.#readMs + this.#aheadMs(buffer);
    this.#trim.process(input, trimmed, wanted, ratio);
    this.#resamplerFrom(buffer.sampleRateHz, outputRateHz).process(trimmed, 0, wanted, pcm, 0);
  }

  /** Decides where the next chunk begins, `#endMs`; returns how much of it is too late to be read. */
  #place(buffer: PlayoutBuffer, nowMs: number): number {
    this.#noteStall(nowMs);
    const lateMs = nowMs - this.#endMs;
    const slackMs = nowMs < this.#slackUntilMs ? this.#slackMs : 0;
    const fits = this.#live ? Math.abs(lateMs) <= jumpMs + slackMs : lateMs <= lateMsMax + slackMs;
    if (fits) {
      if (slackMs === 0) this.#errorMs += (lateMs - this.#errorMs) * errorWeight;
      return Math.max(0, this.#readMs - this.#endMs);
    }
    this.#errorMs = 0;
    if (lateMs < 0) this.clear();
    const gapMs = nowMs - Math.max(this.#readMs, this.#endMs);
    const gap = Math.max(0, Math.round((gapMs * buffer.sampleRateHz) / 1000));
    if (buffer.queuedSamples === 0) this.#waiting += gap;
    else buffer.push(new Uint8Array(gap * 2), 0, gap * 2);
    this.#endMs = Math.max(this.#readMs + this.#aheadMs(buffer), this.#readMs);
    return 0;
  }

  #noteStall(nowMs: number): void {
    const gapMs = nowMs - this.#tickMs;
    if (gapMs <= stallMs) return;
    this.#slackMs = gapMs;
    this.#slackUntilMs = nowMs + stallSlackMs;
  }

  /** Its clock is followed so slowly that it is not heard. */
  #ratio(): number {
    const size = Math.abs(this.#errorMs);
    this.#correcting = size > (this.#correcting ? errorMsEnd : errorMsBegin);
    if (!this.#correcting) return 1;
    const speed = Math.max(-speedMax, Math.min(speedMax, this.#errorMs * speedPerMs));
    return 1 - speed;
  }

  /** What waits is read, whoever is the source now. */
  #takeOver(before: PlayoutBuffer, now: PlayoutBuffer): void {
    this.#waiting = Math.round((this.#waiting * now.sampleRateHz) / before.sampleRateHz);
    const old = new Int16Array(before.queuedSamples);
    before.take(old, 0, old.length);
    const resampler = createResampler(before.sampleRateHz, now.sampleRateHz);
    const converted = new Int16Array(resampler.outputSamplesMax(old.length));
    const samples = resampler.process(old, 0, old.length, converted, 0);
    now.push(new Uint8Array(converted.buffer), 0, samples * 2);
  }

  #aheadMs(buffer: PlayoutBuffer): number {
    return ((this.#waiting + buffer.queuedSamples) * 1000) / buffer.sampleRateHz;
  }

  #resamplerFrom(fromHz: number, toHz: number): Resampler {
    if (this.#resampler?.fromHz !== fromHz || this.#resampler.toHz !== toHz)
      this.#resampler = createResampler(fromHz, toHz);
    return this.#resampler;
  }
}
