/** Brings a sum of voices back into 16 bits without clipping: what fits is passed on bit by bit; what does not is turned
 *  down as a whole, and comes up again slowly, so that a loud moment is quieter and not distorted. */

const full = 32_767;
/** The sum without one voice, where it does not fit. Shared by the thread. */
const others = new Int32Array(1920);
/** A block of 20 ms may be this much louder than the one before: 21 dB in a second. */
const release = 1.05;

export class Limiter {
  /** Of the last sample, at most 1. */
  gain = 1;

  /** Writes `samples` samples of `sum` to `pcm[0…]`. Blocks of 20 ms or so: each is turned down as its own peak asks. */
  process(sum: Int32Array, pcm: Int16Array, samples: number): void {
    let bits = 0;
    for (let i = 0; i < samples; i++) {
      const sample = sum[i]!;
      pcm[i] = sample;
      bits |= sample ^ (sample >> 31);
    }
    if (this.gain < 1 || bits > full) this.#limit(sum, pcm, samples);
  }

  /** The same for `sum` less one of its voices; at most 20 ms at 96 kHz. */
  processWithout(sum: Int32Array, voice: Int16Array, pcm: Int16Array, samples: number): void {
    let bits = 0;
    for (let i = 0; i < samples; i++) {
      const sample = sum[i]! - voice[i]!;
      pcm[i] = sample;
      // As 16 bits reach one further down than up. All sizes are below a power of two where their union is.
      bits |= sample ^ (sample >> 31);
    }
    if (this.gain === 1 && bits <= full) return;
    for (let i = 0; i < samples; i++) others[i] = sum[i]! - voice[i]!;
    this.#limit(others, pcm, samples);
  }

  #limit(sum: Int32Array, pcm: Int16Array, samples: number): void {
    const peak = peakOf(sum, samples);
    const wanted = peak > full ? full / peak : 1;
    if (wanted < this.gain) this.#turnDown(sum, pcm, samples, wanted);
    else this.#ramp(sum, pcm, 0, samples, Math.min(wanted, this.gain * release));
  }

  /** The gain falls until the first sample that would not fit, and stays there. */
  #turnDown(sum: Int32Array, pcm: Int16Array, samples: number, wanted: number): void {
    let fits = 0;
    while (fits < samples && magnitude(sum[fits]!) * this.gain <= full) fits++;
    this.#ramp(sum, pcm, 0, fits, wanted);
    this.gain = wanted;
    this.#ramp(sum, pcm, fits, samples, wanted);
  }

  #ramp(sum: Int32Array, pcm: Int16Array, from: number, until: number, last: number): void {
    const step = (last - this.gain) / (until - from);
    let { gain } = this;
    for (let i = from; i < until; i++) {
      gain += step;
      pcm[i] = Math.round(sum[i]! * gain);
    }
    if (until > from) this.gain = last;
  }
}

function magnitude(sample: number): number {
  return sample ^ (sample >> 31);
}

function peakOf(sum: Int32Array, samples: number): number {
  let peak = 0;
  for (let i = 0; i < samples; i++) {
    const size = magnitude(sum[i]!);
    if (size > peak) peak = size;
  }
  return peak;
}
