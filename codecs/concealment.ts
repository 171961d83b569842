/** Stand-in audio for lost packets, for codecs that have none of their own: the last pitch period goes on, fading.
 *
 *  The idea is that of ITU-T G.711 Appendix I, without its delay of 3.75 ms: as nothing is known of a loss before it
 *  happens, the repeated period is bent at its end so that it runs into its own start. */

const HISTORY_MS = 48;
const PITCH_MS_MIN = 2.5;
const PITCH_MS_MAX = 15;
/** Stretch of the past that is compared with what lay a pitch period before it. */
const TEMPLATE_MS = 10;
/** At full level for so long, and then down to nothing at `SILENT_MS`. */
const STEADY_MS = 10;
const SILENT_MS = 60;
const BLEND_MS = 5;

/** Keeps what was heard last. Allocates nothing after its creation. */
export class Concealment {
  readonly #sampleRateHz: number;
  /** The last `HISTORY_MS`, a ring. */
  readonly #ring: Int16Array;
  #ringAt = 0;
  /** The ring laid out straight, oldest first, at the start of a loss. */
  readonly #past: Float32Array;
  /** What is repeated. */
  readonly #period: Float32Array;
  #periodSamples = 0;
  #periodAt = 0;
  /** Correlation of the past with itself a period before, 0..1. It is the level of what is repeated: a voice goes on
   *  as it was, hiss, which would ring when repeated, recedes. */
  #likeness = 0;
  /** Samples since the start of the loss, 0 while there is none. */
  #lostSamples = 0;
  /** Step between the past and the start of the period, taken back over the first samples. */
  #step = 0;

  constructor(sampleRateHz: number) {
    this.#sampleRateHz = sampleRateHz;
    this.#ring = new Int16Array((sampleRateHz * HISTORY_MS) / 1000);
    this.#past = new Float32Array(this.#ring.length);
    this.#period = new Float32Array((sampleRateHz * PITCH_MS_MAX) / 1000);
  }

  /** Tells of `samples` decoded samples at `pcm[pcmOffset]`. After a loss their start is blended, in place, with what
   *  the concealment would have gone on with. */
  accept(pcm: Int16Array, pcmOffset: number, samples: number): void {
    if (this.#lostSamples > 0 && samples > 0) {
      const blend = Math.min(samples, Math.round((this.#sampleRateHz * BLEND_MS) / 1000));
      for (let i = 0; i < blend; i++) {
        const share = (i + 1) / (blend + 1);
        pcm[pcmOffset + i] = Math.round(share * pcm[pcmOffset + i]! + (1 - share) * this.#next());
      }
      this.#lostSamples = 0;
    }
    this.#remember(pcm, pcmOffset, samples);
  }

  /** Writes `samples` samples, at most up to the end of `pcm`, and returns how many. */
  conceal(pcm: Int16Array, pcmOffset: number, samples: number): number {
    const count = Math.max(0, Math.min(samples, pcm.length - pcmOffset));
    if (count > 0 && this.#lostSamples === 0) this.#begin();
    for (let i = 0; i < count; i++)
      pcm[pcmOffset + i] = Math.max(-32768, Math.min(32767, Math.round(this.#next())));
    this.#remember(pcm, pcmOffset, count);
    return count;
  }

  reset(): void {
    this.#ring.fill(0);
    this.#lostSamples = 0;
  }

  #remember(pcm: Int16Array, pcmOffset: number, samples: number): void {
    const ring = this.#ring;
    const kept = Math.min(samples, ring.length);
    const from = pcmOffset + samples - kept;
    const at = this.#ringAt;
    const untilEnd = Math.min(kept, ring.length - at);
    for (let i = 0; i < untilEnd; i++) ring[at + i] = pcm[from + i]!;
    for (let i = untilEnd; i < kept; i++) ring[i - untilEnd] = pcm[from + i]!;
    this.#ringAt = (at + kept) % ring.length;
  }

  #begin(): void {
    const past = this.#past;
    const size = past.length;
    for (let i = 0; i < size; i++) past[i] = this.#ring[(this.#ringAt + i) % size]!;
    this.#findPitch();
    const periodSamples = this.#periodSamples;
    const start = size - periodSamples;
    const period = this.#period;
    for (let i = 0; i < periodSamples; i++) period[i] = past[start + i]!;
    // The end of the period turns into what led up to its start, so that it can be repeated without a click.
    const bend = periodSamples >> 2;
    for (let i = 0; i < bend; i++) {
      const share = (i + 1) / (bend + 1);
      const at = periodSamples - bend + i;
      period[at] = (1 - share) * period[at]! + share * past[start - bend + i]!;
    }
    this.#periodAt = 0;
    this.#step = past[size - 1]! - this.#likeness * past[start - 1]!;
  }

  /** The lag at which the end of the past resembles itself most, and how much. Every lag is tried, but a sample in
   *  0.25 ms is enough to compare. */
  #findPitch(): void {
    const past = this.#past;
    const end = past.length;
    const samplesPerMs = this.#sampleRateHz / 1000;
    const lagMin = Math.round(samplesPerMs * PITCH_MS_MIN);
    const lagMax = Math.round(samplesPerMs * PITCH_MS_MAX);
    const template = end - Math.round(samplesPerMs * TEMPLATE_MS);
    const stride = Math.max(1, Math.round(samplesPerMs / 4));
    let templateEnergy = 1;
    for (let i = template; i < end; i += stride) templateEnergy += past[i]! * past[i]!;
    let bestScore = 0;
    this.#periodSamples = lagMax;
    for (let lag = lagMax; lag >= lagMin; lag--) {
      let product = 0;
      let energy = 1;
      for (let i = template; i < end; i += stride) {
        const before = past[i - lag]!;
        product += past[i]! * before;
        energy += before * before;
      }
      const score = product <= 0 ? 0 : (product * product) / energy;
      if (score > bestScore) {
        bestScore = score;
        this.#periodSamples = lag;
      }
    }
    this.#likeness = Math.sqrt(bestScore / templateEnergy);
  }

  #next(): number {
    const lostMs = (this.#lostSamples * 1000) / this.#sampleRateHz;
    this.#lostSamples++;
    if (lostMs >= SILENT_MS) return 0;
    const gain = Math.min(1, (SILENT_MS - lostMs) / (SILENT_MS - STEADY_MS));
    const step = lostMs < BLEND_MS ? this.#step * (1 - lostMs / BLEND_MS) : 0;
    const sample = this.#period[this.#periodAt]!;
    if (++this.#periodAt === this.#periodSamples) this.#periodAt = 0;
    return gain * (this.#likeness * sample + step);
  }
}
