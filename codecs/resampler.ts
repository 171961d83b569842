/** Sample rate conversion between any two of the rates of a stream, for 20 ms frames as for any other chunks. */

import { type ResamplerEngine, threadEngine } from './resampler-engine.ts';
import { HalfbandDown, HalfbandUp } from './resampler-halfband.ts';
import { Polyphase } from './resampler-polyphase.ts';

export const sampleRatesHz = [8000, 16000, 24000, 44100, 48000, 96000] as const;

/** Its state is a few hundred bytes of ordinary memory: there is nothing to close. */
export interface Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  /** By how much the output lags behind the input. */
  readonly delayMs: number;
  /** Converts `inputSamples` samples from `input[inputOffset]` into `output[outputOffset…]` and returns the samples
   *  written. After `n` samples of input since the start exactly `floor(n * toHz / fromHz)` were written, whatever
   *  the chunks, so 20 ms always give 20 ms. The caller sees to it that `output` has room for
   *  `outputSamplesMax(inputSamples)`. Rounds to nearest and saturates. */
  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number;
  /** The most that one `process` of `inputSamples` can write. */
  outputSamplesMax(inputSamples: number): number;
  /** Forgets the past, as at a `clear`: what comes next is converted as if after silence. */
  reset(): void;
}

/** Both rates are one of `sampleRatesHz`, anything else is a RangeError. */
export function createResampler(
  fromHz: number,
  toHz: number,
  engine: ResamplerEngine = threadEngine,
): Resampler {
  checkSampleRate(fromHz);
  checkSampleRate(toHz);
  if (fromHz === toHz) return new PlainCopy(fromHz);
  if (toHz === 2 * fromHz) return new HalfbandUp(fromHz, engine);
  if (fromHz === 2 * toHz) return new HalfbandDown(fromHz, engine);
  return new Polyphase(fromHz, toHz, engine);
}

/** Throws `RangeError` for anything but one of `sampleRatesHz`. */
export function checkSampleRate(rateHz: number): void {
  if (!sampleRatesHz.some((known) => known === rateHz))
    throw new RangeError(`sample rate must be one of ${sampleRatesHz.join(', ')} Hz, got ${rateHz}`);
}

class PlainCopy implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs = 0;

  constructor(rateHz: number) {
    this.fromHz = rateHz;
    this.toHz = rateHz;
  }

  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    for (let i = 0; i < inputSamples; i++) output[outputOffset + i] = input[inputOffset + i]!;
    return inputSamples;
  }

  outputSamplesMax(inputSamples: number): number {
    return inputSamples;
  }

  reset(): void {}
}
