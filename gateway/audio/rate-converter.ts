import { createResampler, sampleRatesHz } from '../../codecs/resampler.ts';
import { designPolyphase } from '../../codecs/resampler-filter.ts';

export interface RateConverter {
  /** Samples of the next piece at the new rate, in a buffer of their own. */
  convert(pcm: Int16Array): Int16Array;
  /** What the filter still holds of the end. */
  finish(): Int16Array;
}

/** Table rows that one odd ratio may take: 11025 to 96000 Hz. */
const phasesMax = 1_280;
const roundedToHz = 100;

/** From any rate to one of the media path's. Rates beside the usual are taken for the nearest hundred where their
 *  ratio would need a table without sense: 0.6 % off at the most. */
export function createRateConverter(fromHz: number, toHz: number): RateConverter {
  if (fromHz === toHz) return { convert: (pcm) => pcm, finish: () => new Int16Array(0) };
  if (sampleRatesHz.some((known) => known === fromHz)) return usualConverter(fromHz, toHz);
  const phases = toHz / greatestCommonDivisor(fromHz, toHz);
  const takenHz = phases > phasesMax ? Math.round(fromHz / roundedToHz) * roundedToHz : fromHz;
  return takenHz === toHz ? createRateConverter(toHz, toHz) : new OddConverter(takenHz, toHz);
}

function usualConverter(fromHz: number, toHz: number): RateConverter {
  const resampler = createResampler(fromHz, toHz);
  const convert = (pcm: Int16Array) => {
    const output = new Int16Array(resampler.outputSamplesMax(pcm.length));
    return output.subarray(0, resampler.process(pcm, 0, pcm.length, output, 0));
  };
  return {
    convert,
    finish: () => convert(new Int16Array(Math.ceil((resampler.delayMs * fromHz) / 1000))),
  };
}

/** The same filter as the media path's, for ratios that its kernel has no room for. */
class OddConverter implements RateConverter {
  readonly #up: number;
  readonly #down: number;
  readonly #taps: number;
  readonly #coefficients: Float32Array;
  readonly #delaySamples: number;
  /** The end of what was there before. */
  #history: Float32Array;
  /** Place of the next output behind the newest sample of the history, in `up`ths of a sample. */
  #place: number;

  constructor(fromHz: number, toHz: number) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    this.#up = toHz / divisor;
    this.#down = fromHz / divisor;
    const { coefficients, taps, delaySamples } = designPolyphase(this.#up, this.#down);
    this.#taps = taps;
    this.#coefficients = coefficients;
    this.#delaySamples = Math.ceil(delaySamples);
    this.#history = new Float32Array(taps);
    this.#place = this.#up;
  }

  convert(pcm: Int16Array): Int16Array {
    const taps = this.#taps;
    const samples = new Float32Array(taps + pcm.length);
    samples.set(this.#history);
    samples.set(pcm, taps);
    const end = (pcm.length + 1) * this.#up;
    const output = new Int16Array(Math.max(0, Math.ceil((end - this.#place) / this.#down)));
    for (let i = 0; i < output.length; i++) {
      const newest = Math.floor(this.#place / this.#up);
      const row = (this.#place - newest * this.#up) * taps;
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += samples[newest + tap]! * this.#coefficients[row + tap]!;
      output[i] = Math.max(-32_768, Math.min(32_767, Math.round(sum)));
      this.#place += this.#down;
    }
    this.#place -= pcm.length * this.#up;
    this.#history = samples.slice(pcm.length);
    return output;
  }

  finish(): Int16Array {
    return this.convert(new Int16Array(this.#delaySamples));
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
