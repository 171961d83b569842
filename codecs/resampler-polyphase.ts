/** Every ratio but 1:2 and 2:1. */

import type { Resampler } from './resampler.ts';
import type { ResamplerEngine } from './resampler-engine.ts';
import type { ResamplerKernel } from './resampler-kernel.ts';

export class Polyphase implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs: number;
  /** `up` outputs to `down` inputs. */
  readonly #up: number;
  readonly #down: number;
  readonly #kernel: ResamplerKernel;
  readonly #table: number;
  readonly #taps: number;
  readonly #history: Int16Array;
  readonly #blockSamples: number;
  /** Place of the next output, in `up`ths of an input sample after the first of the next block. */
  #place: number;

  constructor(fromHz: number, toHz: number, engine: ResamplerEngine) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    const up = toHz / divisor;
    const down = fromHz / divisor;
    const { table, filter } = engine.polyphaseTable(up, down);
    this.fromHz = fromHz;
    this.toHz = toHz;
    this.delayMs = ((filter.delaySamples + 1 - down / up) * 1000) / fromHz;
    this.#up = up;
    this.#down = down;
    this.#kernel = engine.kernel;
    this.#table = table;
    this.#taps = filter.taps;
    this.#history = new Int16Array(filter.taps);
    this.#blockSamples = fromHz / 50;
    this.#place = down - up;
  }

  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    let written = 0;
    for (let done = 0; done < inputSamples; done += this.#blockSamples) {
      const block = Math.min(this.#blockSamples, inputSamples - done);
      written += this.#processBlock(input, inputOffset + done, block, output, outputOffset + written);
    }
    return written;
  }

  #processBlock(
    input: Int16Array,
    inputOffset: number,
    block: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    const kernel = this.#kernel;
    const history = this.#history;
    const taps = this.#taps;
    const window = kernel.input;
    for (let i = 0; i < taps; i++) window[i] = history[i]!;
    for (let i = 0; i < block; i++) window[taps + i] = input[inputOffset + i]!;
    for (let i = 0; i < taps; i++) history[i] = window[block + i]!;

    const up = this.#up;
    const down = this.#down;
    // The last output of a block may lie on its last sample, not beyond it: that makes the count floor(n * up / down).
    const count = Math.max(0, Math.floor(((block - 1) * up - this.#place) / down) + 1);
    // One before the block at the earliest, which is why the history is a sample longer than a window reaches.
    const newest = Math.floor(this.#place / up);
    kernel.polyphase(this.#table, taps, up, down, newest + 1, this.#place - newest * up, count);
    this.#place += count * down - block * up;
    const converted = kernel.output;
    for (let i = 0; i < count; i++) output[outputOffset + i] = converted[i]!;
    return count;
  }

  outputSamplesMax(inputSamples: number): number {
    return Math.ceil((inputSamples * this.#up) / this.#down);
  }

  reset(): void {
    this.#history.fill(0);
    this.#place = this.#down - this.#up;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
