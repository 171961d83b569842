/** The 1:2 and 2:1 resamplers. Every second coefficient of a half-band filter is 0 and the rest is symmetric, which
 *  saves three multiplications in four. */

import type { Resampler } from './resampler.ts';
import type { ResamplerEngine } from './resampler-engine.ts';
import { HALF_LENGTH } from './resampler-filter.ts';
import type { ResamplerKernel } from './resampler-kernel.ts';

/** Samples on both sides of the middle that the half-band filter needs besides the newest. */
const HALFBAND_HISTORY = 2 * HALF_LENGTH - 1;

/** 1:2. Every second sample goes through unchanged, only those in between are computed. */
export class HalfbandUp implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs: number;
  readonly #kernel: ResamplerKernel;
  readonly #table: number;
  readonly #history = new Int16Array(HALFBAND_HISTORY);
  readonly #blockSamples: number;

  constructor(fromHz: number, engine: ResamplerEngine) {
    this.fromHz = fromHz;
    this.toHz = 2 * fromHz;
    this.delayMs = (HALF_LENGTH * 1000) / fromHz;
    this.#kernel = engine.kernel;
    this.#table = engine.halfbandTable('up');
    this.#blockSamples = fromHz / 50;
  }

  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    for (let done = 0; done < inputSamples; done += this.#blockSamples) {
      const block = Math.min(this.#blockSamples, inputSamples - done);
      this.#processBlock(input, inputOffset + done, block, output, outputOffset + 2 * done);
    }
    return 2 * inputSamples;
  }

  #processBlock(input: Int16Array, inputOffset: number, block: number, output: Int16Array, to: number): void {
    const history = this.#history;
    const window = this.#kernel.input;
    for (let i = 0; i < HALFBAND_HISTORY; i++) window[i] = history[i]!;
    for (let i = 0; i < block; i++) window[HALFBAND_HISTORY + i] = input[inputOffset + i]!;
    for (let i = 0; i < HALFBAND_HISTORY; i++) history[i] = window[block + i]!;
    this.#kernel.halfband(this.#table, HALF_LENGTH, 0, 0, HALF_LENGTH, block);
    const between = this.#kernel.output;
    let at = to;
    for (let i = 0; i < block; i++) {
      output[at] = window[HALF_LENGTH - 1 + i]!;
      output[at + 1] = between[i]!;
      at += 2;
    }
  }

  outputSamplesMax(inputSamples: number): number {
    return 2 * inputSamples;
  }

  reset(): void {
    this.#history.fill(0);
  }
}

/** Where the kernel's input holds the even samples; the odd ones come first. */
const EVENS = 2048;

/** 2:1. Even samples meet only the middle of the filter, odd samples only its sides. */
export class HalfbandDown implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs: number;
  readonly #kernel: ResamplerKernel;
  readonly #table: number;
  readonly #evenHistory = new Int16Array(HALF_LENGTH - 1);
  readonly #oddHistory = new Int16Array(HALFBAND_HISTORY);
  /** An even sample whose odd neighbour comes with the next chunk. */
  #pending: number | undefined;
  readonly #blockSamples: number;

  constructor(fromHz: number, engine: ResamplerEngine) {
    this.fromHz = fromHz;
    this.toHz = fromHz / 2;
    this.delayMs = ((2 * HALF_LENGTH - 2) * 1000) / fromHz;
    this.#kernel = engine.kernel;
    this.#table = engine.halfbandTable('down');
    this.#blockSamples = fromHz / 50;
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
    to: number,
  ): number {
    const window = this.#kernel.input;
    for (let i = 0; i < HALFBAND_HISTORY; i++) window[i] = this.#oddHistory[i]!;
    for (let i = 0; i < HALF_LENGTH - 1; i++) window[EVENS + i] = this.#evenHistory[i]!;
    let evenEnd = EVENS + HALF_LENGTH - 1;
    let oddEnd = HALFBAND_HISTORY;
    let from = inputOffset;
    const inputEnd = inputOffset + block;
    if (this.#pending !== undefined && block > 0) {
      window[evenEnd++] = this.#pending;
      window[oddEnd++] = input[from++]!;
      this.#pending = undefined;
    }
    for (; from + 1 < inputEnd; from += 2) {
      window[evenEnd++] = input[from]!;
      window[oddEnd++] = input[from + 1]!;
    }
    if (from < inputEnd) this.#pending = input[from]!;
    const count = oddEnd - HALFBAND_HISTORY;
    for (let i = 0; i < HALFBAND_HISTORY; i++) this.#oddHistory[i] = window[count + i]!;
    for (let i = 0; i < HALF_LENGTH - 1; i++) this.#evenHistory[i] = window[EVENS + count + i]!;
    this.#kernel.halfband(this.#table, HALF_LENGTH, 0.5, EVENS, HALF_LENGTH, count);
    const halved = this.#kernel.output;
    for (let i = 0; i < count; i++) output[to + i] = halved[i]!;
    return count;
  }

  outputSamplesMax(inputSamples: number): number {
    return Math.ceil(inputSamples / 2);
  }

  reset(): void {
    this.#evenHistory.fill(0);
    this.#oddHistory.fill(0);
    this.#pending = undefined;
  }
}
