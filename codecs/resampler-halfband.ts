/** The 1:2 and 2:1 resamplers. Every second coefficient of a half-band filter is 0 and the rest is symmetric, which
 *  saves three multiplications in four. */

import type { Resampler } from './resampler.ts';
import type { ResamplerEngine } from './resampler-engine.ts';
import { HALF_LENGTH } from './resampler-filter.ts';
import type { ResamplerKernel } from './resampler-kernel.ts';
import { ResamplerWindow } from './resampler-window.ts';

/** What the filter reaches besides the newest sample, or pair of samples. */
const HISTORY = 2 * HALF_LENGTH - 1;

/** 1:2. Every second sample goes through unchanged, only those in between are computed. */
export class HalfbandUp implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs: number;
  readonly #kernel: ResamplerKernel;
  readonly #table: number;
  readonly #window: ResamplerWindow;

  constructor(fromHz: number, engine: ResamplerEngine) {
    this.fromHz = fromHz;
    this.toHz = 2 * fromHz;
    this.delayMs = (HALF_LENGTH * 1000) / fromHz;
    this.#kernel = engine.kernel;
    this.#table = engine.halfbandTable('up');
    this.#window = new ResamplerWindow(engine.kernel, { historySamples: HISTORY, fromHz, toHz: this.toHz });
  }

  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    const window = this.#window;
    for (let done = 0; done < inputSamples; done += window.blockSamples) {
      const block = Math.min(window.blockSamples, inputSamples - done);
      const loaded = window.load(input, inputOffset + done, block);
      window.keep(block, loaded);
      this.#kernel.halfbandUp(this.#table, HALF_LENGTH, block);
      window.store(output, outputOffset + 2 * done, 2 * block);
    }
    return 2 * inputSamples;
  }

  outputSamplesMax(inputSamples: number): number {
    return 2 * inputSamples;
  }

  reset(): void {
    this.#window.clear();
  }
}

/** 2:1. Even samples meet only the middle of the filter, odd samples only its sides. */
export class HalfbandDown implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs: number;
  readonly #kernel: ResamplerKernel;
  readonly #table: number;
  readonly #window: ResamplerWindow;

  constructor(fromHz: number, engine: ResamplerEngine) {
    this.fromHz = fromHz;
    this.toHz = fromHz / 2;
    this.delayMs = ((2 * HALF_LENGTH - 2) * 1000) / fromHz;
    this.#kernel = engine.kernel;
    this.#table = engine.halfbandTable('down');
    this.#window = new ResamplerWindow(engine.kernel, {
      historySamples: 2 * HISTORY,
      fromHz,
      toHz: this.toHz,
    });
  }

  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    const window = this.#window;
    let written = 0;
    for (let done = 0; done < inputSamples; done += window.blockSamples) {
      const block = Math.min(window.blockSamples, inputSamples - done);
      const loaded = window.load(input, inputOffset + done, block);
      // A sample without its neighbour is kept beside the history, and heads the next block.
      const count = (loaded - 2 * HISTORY) >> 1;
      window.keep(2 * count, loaded);
      this.#kernel.halfbandDown(this.#table, HALF_LENGTH, count);
      window.store(output, outputOffset + written, count);
      written += count;
    }
    return written;
  }

  outputSamplesMax(inputSamples: number): number {
    return Math.ceil(inputSamples / 2);
  }

  reset(): void {
    this.#window.clear();
  }
}
