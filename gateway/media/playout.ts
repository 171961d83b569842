import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import { splice, spliceReach } from '../../codecs/splice.ts';
import type { AudioFormat } from './audio-route.ts';
import { CatchUp } from './catch-up.ts';
import { FlowWatch } from './flow-watch.ts';
import { PlayoutBuffer } from './playout-buffer.ts';
import { PlayoutMarks } from './playout-marks.ts';

/** Audio that comes one message at a time has to wait a little, or every message that is a moment late leaves a
 *  gap. Of the two the sooner counts, so that speech sent faster than real time starts with the next frame. */
const startDelayMs = 10;
const startQueuedMs = 40;
/** Silent frames after which the resampler holds nothing but silence. */
const tailFrames = 2;

/** Input of one frame: at most 60 ms at 96 kHz. Shared, as a frame is taken and converted in one go. */
const scratch = new Int16Array(5760);
/** For a cut. Shared as well. */
let cutting = new Int16Array(0);

/** What a source sends on its way to an encoder: waits in the ring as it came, is taken a frame at a time when one is
 *  due, and only then converted to the encoder's rate. Where nothing waits there is silence. */
export class Playout {
  readonly #buffer: PlayoutBuffer;
  readonly #startDelayMs: number;
  readonly #startQueuedMs: number;
  /** Undefined where the source does not ask what becomes of its audio. */
  readonly #marks: PlayoutMarks | undefined;
  readonly #flow: FlowWatch | undefined;
  #resampler: Resampler | undefined;
  #state: 'filling' | 'playing' = 'filling';
  #paused = false;
  #firstQueuedMs = 0;
  #silentFrames = tailFrames;
  readonly #catchUp: CatchUp | undefined;
  #pushedSamples = 0;
  #clearedSamples = 0;
  /** What the resampler was fed, silence too, and of it up to where the last real sample is wholly out of it. */
  #fedSamples = 0;
  #tailSamples = 0;

  constructor(format: AudioFormat) {
    const { prebufferMs, catchesUp = true, listener } = format.playout ?? {};
    this.#startDelayMs = prebufferMs ?? startDelayMs;
    this.#startQueuedMs = prebufferMs ?? startQueuedMs;
    this.#catchUp = catchesUp ? new CatchUp() : undefined;
    if (listener !== undefined) {
      this.#marks = new PlayoutMarks(listener);
      this.#flow = new FlowWatch(listener, (format.queueBytesMax * 500) / format.sampleRateHz);
    }
    this.#buffer = new PlayoutBuffer({
      sampleRateHz: format.sampleRateHz,
      sizeBytesMax: format.queueBytesMax,
    });
  }

  get queuedMs(): number {
    return this.#buffer.queuedMs;
  }

  get droppedMs(): number {
    return this.#buffer.droppedMs;
  }

  /** Sent so far: what was pushed and neither waits nor was dropped. */
  get playedMs(): number {
    const played = this.#headSamples - this.#clearedSamples;
    return (played * 1000) / this.#buffer.sampleRateHz - this.#buffer.droppedMs;
  }

  push(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    if (this.#buffer.queuedSamples === 0) this.#firstQueuedMs = nowMs;
    this.#buffer.push(bytes, offset, sizeBytes);
    this.#pushedSamples += sizeBytes >>> 1;
    this.#catchUp?.received((sizeBytes * 500) / this.#buffer.sampleRateHz);
    if (this.#flow === undefined) return;
    if (this.#marks!.any) this.#marks!.dropped(this.#headSamples);
    this.#flow.level(this.#buffer.queuedMs, this.#buffer.droppedMs, nowMs);
  }

  /** The frame that is due: `samples` samples at `outputRateHz` in `pcm[0…]`. False where it is silence because
   *  nothing waited. */
  take(pcm: Int16Array, samples: number, outputRateHz: number, nowMs: number): boolean {
    const resampler = this.#resamplerTo(outputRateHz);
    const wanted = (samples * this.#buffer.sampleRateHz) / outputRateHz;
    const taken = this.#mayPlay(nowMs) ? this.#buffer.take(scratch, 0, wanted) : 0;
    if (taken < wanted) this.#state = 'filling';
    this.#flow?.level(this.#buffer.queuedMs, this.#buffer.droppedMs, nowMs);
    if (taken === 0 && this.#silentFrames >= tailFrames) {
      pcm.fill(0, 0, samples);
    } else {
      this.#silentFrames = taken === 0 ? this.#silentFrames + 1 : 0;
      scratch.fill(0, taken, wanted);
      resampler.process(scratch, 0, wanted, pcm, 0);
      this.#fedSamples += wanted;
      if (taken > 0) this.#noteTaken(this.#fedSamples - wanted + taken, resampler);
    }
    if (this.#catchUp !== undefined && !this.#paused) this.#payDebt(this.#catchUp, wanted, taken);
    return taken > 0;
  }

  /** What `take` gave last is on its way: marks that it reaches are reported. */
  sent(): void {
    if (this.#marks?.any === true) this.#marks.sent(this.#fedSamples, this.#empty);
  }

  #noteTaken(fedSamples: number, resampler: Resampler): void {
    const delaySamples = Math.ceil((resampler.delayMs * this.#buffer.sampleRateHz) / 1000);
    this.#tailSamples = fedSamples + delaySamples;
    if (this.#marks?.any === true) this.#marks.taken(this.#headSamples, fedSamples, delaySamples);
  }

  #payDebt(catchUp: CatchUp, wanted: number, taken: number): void {
    const toMs = 1000 / this.#buffer.sampleRateHz;
    const cutMs = catchUp.frame(wanted * toMs, (wanted - taken) * toMs, this.#buffer.queuedMs);
    if (cutMs === 0) return;
    catchUp.cut(this.#cut(cutMs));
    // What is cut out counts as heard.
    this.#marks?.taken(this.#headSamples, this.#fedSamples, 0);
  }

  /** `samples` samples at `outputRateHz` were not played in their time and never will be. */
  skip(samples: number, outputRateHz: number, nowMs: number): void {
    if (!this.#mayPlay(nowMs)) return;
    this.#buffer.skip((samples * this.#buffer.sampleRateHz) / outputRateHz);
    if (this.#buffer.queuedSamples === 0) this.#state = 'filling';
    if (this.#marks?.any !== true) return;
    this.#marks.taken(this.#headSamples, this.#fedSamples, 0);
    this.sent();
  }

  /** Reported to the source's listener when what was pushed so far was sent. */
  mark(mark: number): void {
    const waits = this.#buffer.queuedSamples > 0;
    this.#marks?.add(mark, this.#pushedSamples, waits ? undefined : this.#tailSamples);
    this.sent();
  }

  forgetMarks(): void {
    this.#marks?.clear();
  }

  watchDrained(): void {
    this.#marks?.watchDrained();
    this.sent();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
  }

  clear(): void {
    this.#clearedSamples += this.#buffer.queuedSamples;
    this.#buffer.clear();
    this.#resampler?.reset();
    this.#silentFrames = tailFrames;
    this.#state = 'filling';
    this.#catchUp?.clear();
    this.#tailSamples = this.#fedSamples;
    this.#marks?.clear();
  }

  /** How far into what was pushed the queue has been taken from. */
  get #headSamples(): number {
    return this.#pushedSamples - this.#buffer.queuedSamples;
  }

  get #empty(): boolean {
    return this.#buffer.queuedSamples === 0 && this.#fedSamples >= this.#tailSamples;
  }

  /** Takes about `cutMs` out of what waits next, where it is heard least; returns how much. */
  #cut(cutMs: number): number {
    const { sampleRateHz } = this.#buffer;
    const wanted = Math.round((cutMs * sampleRateHz) / 1000);
    const reach = spliceReach(sampleRateHz, wanted);
    if (reach > this.#buffer.queuedSamples) return 0;
    if (cutting.length < reach) cutting = new Int16Array(reach);
    this.#buffer.peek(cutting, reach);
    const { cutSamples, joinSamples } = splice(cutting, sampleRateHz, wanted);
    this.#buffer.skip(cutSamples);
    this.#buffer.overwrite(cutting, joinSamples);
    return (cutSamples * 1000) / sampleRateHz;
  }

  #mayPlay(nowMs: number): boolean {
    if (this.#paused) return false;
    if (this.#state === 'playing') return true;
    const { queuedMs } = this.#buffer;
    if (queuedMs === 0) return false;
    if (queuedMs < this.#startQueuedMs && nowMs - this.#firstQueuedMs < this.#startDelayMs) return false;
    this.#state = 'playing';
    return true;
  }

  #resamplerTo(outputRateHz: number): Resampler {
    if (this.#resampler?.toHz !== outputRateHz) {
      this.#resampler = createResampler(this.#buffer.sampleRateHz, outputRateHz);
    }
    return this.#resampler;
  }
}
