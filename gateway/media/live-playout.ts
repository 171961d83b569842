import { Concealment } from '../../codecs/concealment.ts';
import { RateTrim } from '../../codecs/rate-trim.ts';
import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import { splice, spliceReach } from '../../codecs/splice.ts';
import { PlayoutClock } from '../../protocol/rtp/playout-clock.ts';
import type { AudioFormat } from './audio-route.ts';
import { PlayoutBuffer } from './playout-buffer.ts';

/** Waiting before the first frame: a packet's length and a margin, and what the line's jitter asks for. */
const startMs = 40;
const jitterMsMin = 10;
const jitterMsMax = 120;
/** Dry for longer, it begins again as at the start; until then it goes on the moment something comes. */
const dryMsMax = 300;

/** 60 ms at 48 kHz and what a faster clock adds. Shared by all endpoints of the thread. */
const input = new Int16Array(6400);
const frame = new Int16Array(5760);
/** For a cut: at most two seconds at 48 kHz. */
let cutting = new Int16Array(0);

/** Audio on its way from one phone to another: two clocks and a line with jitter, so it is kept waiting just as long as
 *  the line asks for and played at the source's own speed. The counterpart of `Playout`, for a source that cannot wait. */
export class LivePlayout {
  readonly #buffer: PlayoutBuffer;
  readonly #live: NonNullable<AudioFormat['live']>;
  readonly #clock = new PlayoutClock();
  readonly #trim = new RateTrim();
  readonly #concealment: Concealment;
  #resampler: Resampler | undefined;
  #state: 'filling' | 'playing' = 'filling';
  #takenMs = 0;
  #dryMs = 0;
  /** Made up here, since the last audio that was really said. */
  #madeUpMs = 0;

  constructor(format: AudioFormat, live: NonNullable<AudioFormat['live']>) {
    const { sampleRateHz, queueBytesMax: sizeBytesMax } = format;
    this.#buffer = new PlayoutBuffer({ sampleRateHz, sizeBytesMax });
    this.#concealment = new Concealment(sampleRateHz);
    this.#live = live;
  }

  get queuedMs(): number {
    return this.#buffer.queuedMs;
  }

  get droppedMs(): number {
    return this.#buffer.droppedMs;
  }

  /** A packet came, whose audio follows `aheadMs` behind what is here. What counts for the delay is when packets come,
   *  not when the ones before them were given up. */
  noteArrival(aheadMs: number, nowMs: number): void {
    if (this.#state !== 'playing') return;
    this.#clock.arrived(this.#buffer.queuedMs + aheadMs - (nowMs - this.#takenMs), nowMs);
  }

  push(bytes: Uint8Array, offset: number, sizeBytes: number): void {
    this.#madeUpMs = 0;
    this.#buffer.push(bytes, offset, sizeBytes);
  }

  /** What the source made up for a packet that is lost. Its time has passed already where we ran dry over it: then it
   *  is left out, or every loss would make the call later. */
  pushMadeUp(bytes: Uint8Array, offset: number, sizeBytes: number): void {
    const lengthMs = (sizeBytes * 500) / this.#buffer.sampleRateHz;
    if (this.#madeUpMs < lengthMs / 2) {
      this.#buffer.push(bytes, offset, sizeBytes);
      return;
    }
    this.#madeUpMs -= lengthMs;
    this.#clock.inserted(-lengthMs);
  }

  /** The frame that is due, as `Playout.take`. */
  take(pcm: Int16Array, samples: number, outputRateHz: number, nowMs: number): boolean {
    const { sampleRateHz } = this.#buffer;
    const wanted = (samples * sampleRateHz) / outputRateHz;
    const resampler = this.#resamplerTo(outputRateHz);
    if (!this.#mayPlay(nowMs)) {
      pcm.fill(0, 0, samples);
      return false;
    }
    this.#takenMs = nowMs;
    const { ratio, cutMs } = this.#clock.next((wanted * 1000) / sampleRateHz, nowMs);
    const needed = this.#trim.inputSamples(wanted, ratio);
    while (this.#buffer.queuedSamples < needed && this.#live.hurry(nowMs));
    const joined = cutMs > 0 ? this.#cut(cutMs) : 0;
    const taken = joined + this.#buffer.take(input, joined, needed - joined);
    this.#concealment.accept(input, 0, taken);
    if (taken < needed) this.#runDry(taken, needed);
    else this.#dryMs = 0;
    this.#trim.process(input, frame, wanted, ratio);
    resampler.process(frame, 0, wanted, pcm, 0);
    return taken > 0;
  }

  skip(samples: number, outputRateHz: number, nowMs: number): void {
    if (!this.#mayPlay(nowMs)) return;
    this.#takenMs = nowMs;
    this.#buffer.skip((samples * this.#buffer.sampleRateHz) / outputRateHz);
  }

  clear(): void {
    this.#buffer.clear();
    this.#begin();
  }

  #begin(): void {
    this.#state = 'filling';
    this.#dryMs = 0;
    this.#madeUpMs = 0;
    this.#clock.restart();
    this.#trim.reset();
    this.#concealment.reset();
    this.#resampler?.reset();
  }

  #mayPlay(nowMs: number): boolean {
    if (this.#state === 'playing') return true;
    const spreadMs = this.#live.spreadMs ?? jitterMsMin;
    const jitterMs = Math.min(jitterMsMax, Math.max(jitterMsMin, spreadMs));
    const excessMs = this.#buffer.queuedMs - startMs - jitterMs;
    if (excessMs < 0) return false;
    // After a pause nobody misses the start of what has piled up.
    this.#buffer.skip(Math.floor((excessMs * this.#buffer.sampleRateHz) / 1000));
    this.#state = 'playing';
    this.#takenMs = nowMs;
    return true;
  }

  /** What is missing is made up; after a while there is nothing left to make it from. */
  #runDry(taken: number, needed: number): void {
    this.#concealment.conceal(input, taken, needed - taken);
    const missingMs = ((needed - taken) * 1000) / this.#buffer.sampleRateHz;
    this.#clock.inserted(missingMs);
    this.#dryMs += missingMs;
    this.#madeUpMs += missingMs;
    if (this.#dryMs > dryMsMax) {
      this.#begin();
      input.fill(0, taken, needed);
    }
  }

  /** Takes `cutMs` out of what waits; gives the samples of the join, at the start of `input`. */
  #cut(cutMs: number): number {
    const { sampleRateHz, queuedSamples } = this.#buffer;
    const wanted = Math.round((cutMs * sampleRateHz) / 1000);
    const reach = spliceReach(sampleRateHz, wanted);
    if (reach > queuedSamples) return 0;
    if (cutting.length < reach) cutting = new Int16Array(reach);
    this.#buffer.peek(cutting, reach);
    const { cutSamples, joinSamples } = splice(cutting, sampleRateHz, wanted);
    this.#buffer.skip(cutSamples + joinSamples);
    input.set(cutting.subarray(0, joinSamples));
    return joinSamples;
  }

  #resamplerTo(outputRateHz: number): Resampler {
    if (this.#resampler?.toHz !== outputRateHz)
      this.#resampler = createResampler(this.#buffer.sampleRateHz, outputRateHz);
    return this.#resampler;
  }
}
