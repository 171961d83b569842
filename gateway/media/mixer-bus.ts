import { Limiter } from '../../codecs/limiter.ts';
import { createResampler, type Resampler } from '../../codecs/resampler.ts';

const frameMs = 20;
/** Silent frames after which a resampler holds nothing but silence. */
const tailFrames = 2;

/** So many members may shout at once before those at other rates hear them less loud than their own: 32. */
const headroomBitsMax = 5;

/** 20 ms at 96 kHz. Shared by all conferences of the thread. */
const scaled = new Int32Array(1920);
const converted = new Int16Array(1920);

/** All members of a conference that have one sample rate. What they say is added up here, converted once to each other
 *  rate, and what comes from there is added: so nobody's own voice is ever converted before it is taken out again, and
 *  the cost does not grow with the pairs of members. */
export class MixerBus {
  readonly sampleRateHz: number;
  readonly frameSamples: number;
  /** Sum of all voices: first of those of this rate, after `exchange` of the whole room. */
  readonly sum: Int32Array;
  /** The whole room, for those who say nothing. */
  readonly heard: Int16Array;
  readonly heardLimiter = new Limiter();
  /** Of this rate in this frame. */
  voices = 0;
  /** Anything at all is in `sum`. */
  sounds = false;
  readonly #others: Int32Array;
  #othersSound = false;
  /** What the members of this rate say on its way to the other rates, in 16 bits as the resamplers take it: of a lone
   *  member as it is, of many with room for all of them. */
  #headroomBits = 0;
  readonly #said: Int16Array;
  readonly #saidLimiter = new Limiter();
  #silentFrames = tailFrames;
  readonly #resamplers = new Map<MixerBus, Resampler>();

  constructor(sampleRateHz: number) {
    const samples = (sampleRateHz * frameMs) / 1000;
    this.sampleRateHz = sampleRateHz;
    this.frameSamples = samples;
    this.sum = new Int32Array(samples);
    this.heard = new Int16Array(samples);
    this.#others = new Int32Array(samples);
    this.#said = new Int16Array(samples);
  }

  /** How many there are of this rate. */
  set members(count: number) {
    this.#headroomBits = Math.min(headroomBitsMax, Math.ceil(Math.log2(count)));
  }

  begin(): void {
    if (this.sounds) this.sum.fill(0);
    if (this.#othersSound) this.#others.fill(0);
    this.voices = 0;
    this.sounds = false;
    this.#othersSound = false;
  }

  add(voice: Int16Array): void {
    const { sum, frameSamples } = this;
    for (let i = 0; i < frameSamples; i++) sum[i]! += voice[i]!;
    this.voices++;
    this.sounds = true;
  }

  /** Gives what is said at this rate to another. After all voices were added, and before any `finish`. */
  say(buses: readonly MixerBus[]): void {
    if (buses.length === 1) return;
    this.#silentFrames = this.voices > 0 ? 0 : this.#silentFrames + 1;
    if (this.#silentFrames > tailFrames) return;
    const { sum, frameSamples } = this;
    const bits = this.#headroomBits;
    const half = bits === 0 ? 0 : 1 << (bits - 1);
    for (let i = 0; i < frameSamples; i++) scaled[i] = (sum[i]! + half) >> bits;
    this.#saidLimiter.process(scaled, this.#said, frameSamples);
    for (const bus of buses) {
      if (bus !== this) bus.#receive(this.#said, frameSamples, this.#resamplerTo(bus), bits);
    }
  }

  /** `sum` is now that of the whole room, and `heard` what it sounds like. */
  finish(): void {
    const { sum, frameSamples } = this;
    if (this.#othersSound) {
      const others = this.#others;
      for (let i = 0; i < frameSamples; i++) sum[i]! += others[i]!;
      this.sounds = true;
    }
    this.heardLimiter.process(sum, this.heard, frameSamples);
  }

  forget(bus: MixerBus): void {
    this.#resamplers.delete(bus);
  }

  #receive(said: Int16Array, samples: number, resampler: Resampler, bits: number): void {
    const others = this.#others;
    const count = resampler.process(said, 0, samples, converted, 0);
    for (let i = 0; i < count; i++) others[i]! += converted[i]! << bits;
    this.#othersSound = true;
  }

  #resamplerTo(bus: MixerBus): Resampler {
    let resampler = this.#resamplers.get(bus);
    if (resampler === undefined) {
      resampler = createResampler(this.sampleRateHz, bus.sampleRateHz);
      this.#resamplers.set(bus, resampler);
    }
    return resampler;
  }
}
