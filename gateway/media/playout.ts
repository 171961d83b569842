import { createResampler, type Resampler } from '../../codecs/resampler.ts';
import { splice, spliceReach } from '../../codecs/splice.ts';
import type { AudioFormat } from './audio-route.ts';
import { CatchUp } from './catch-up.ts';
import { PlayoutBuffer } from './playout-buffer.ts';

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
  #resampler: Resampler | undefined;
  #state: 'filling' | 'playing' = 'filling';
  #firstQueuedMs = 0;
  #silentFrames = tailFrames;
  readonly #catchUp = new CatchUp();

  constructor(format: AudioFormat) {
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

  push(bytes: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    if (this.#buffer.queuedSamples === 0) this.#firstQueuedMs = nowMs;
    this.#buffer.push(bytes, offset, sizeBytes);
    this.#catchUp.received((sizeBytes * 500) / this.#buffer.sampleRateHz);
  }

  /** The frame that is due: `samples` samples at `outputRateHz` in `pcm[0…]`. False where it is silence because
   *  nothing waited. */
  take(pcm: Int16Array, samples: number, outputRateHz: number, nowMs: number): boolean {
    const resampler = this.#resamplerTo(outputRateHz);
    const wanted = (samples * this.#buffer.sampleRateHz) / outputRateHz;
    const taken = this.#mayPlay(nowMs) ? this.#buffer.take(scratch, 0, wanted) : 0;
    if (taken < wanted) this.#state = 'filling';
    const toMs = 1000 / this.#buffer.sampleRateHz;
    const cutMs = this.#catchUp.frame(wanted * toMs, (wanted - taken) * toMs, this.#buffer.queuedMs);
    if (cutMs > 0) this.#cut(cutMs);
    if (taken === 0 && this.#silentFrames >= tailFrames) {
      pcm.fill(0, 0, samples);
      return false;
    }
    this.#silentFrames = taken === 0 ? this.#silentFrames + 1 : 0;
    scratch.fill(0, taken, wanted);
    resampler.process(scratch, 0, wanted, pcm, 0);
    return taken > 0;
  }

  /** `samples` samples at `outputRateHz` were not played in their time and never will be. */
  skip(samples: number, outputRateHz: number, nowMs: number): void {
    if (!this.#mayPlay(nowMs)) return;
    this.#buffer.skip((samples * this.#buffer.sampleRateHz) / outputRateHz);
    if (this.#buffer.queuedSamples === 0) this.#state = 'filling';
  }

  clear(): void {
    this.#buffer.clear();
    this.#resampler?.reset();
    this.#silentFrames = tailFrames;
    this.#state = 'filling';
    this.#catchUp.clear();
  }

  /** Takes about `cutMs` out of what waits next, where it is heard least. */
  #cut(cutMs: number): void {
    const { sampleRateHz } = this.#buffer;
    const wanted = Math.round((cutMs * sampleRateHz) / 1000);
    const reach = spliceReach(sampleRateHz, wanted);
    if (reach > this.#buffer.queuedSamples) return;
    if (cutting.length < reach) cutting = new Int16Array(reach);
    this.#buffer.peek(cutting, reach);
    const { cutSamples, joinSamples } = splice(cutting, sampleRateHz, wanted);
    this.#buffer.skip(cutSamples);
    this.#buffer.overwrite(cutting, joinSamples);
    this.#catchUp.cut((cutSamples * 1000) / sampleRateHz);
  }

  #mayPlay(nowMs: number): boolean {
    if (this.#state === 'playing') return true;
    const { queuedMs } = this.#buffer;
    if (queuedMs === 0) return false;
    if (queuedMs < startQueuedMs && nowMs - this.#firstQueuedMs < startDelayMs) return false;
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
