/** What a resampler remembers between two blocks, and the ways in and out of the kernel. */

import type { ResamplerKernel } from './resampler-kernel.ts';

export interface ResamplerWindowOptions {
  readonly historySamples: number;
  readonly fromHz: number;
  readonly toHz: number;
}

export class ResamplerWindow {
  /** Input of 20 ms: the largest block, and the usual one. */
  readonly blockSamples: number;
  readonly #kernel: ResamplerKernel;
  readonly #historySamples: number;
  /** With room for one sample more than usual. */
  readonly #history: Int16Array;
  #kept: number;
  // Views made once: copying whole arrays is several times as fast as copying sample by sample, and making a view for
  // it costs as much as it saves.
  readonly #usualHistory: Int16Array;
  readonly #usualTail: Int16Array;
  readonly #usualOutput: Int16Array;

  constructor(kernel: ResamplerKernel, { historySamples, fromHz, toHz }: ResamplerWindowOptions) {
    this.blockSamples = fromHz / 50;
    this.#kernel = kernel;
    this.#historySamples = historySamples;
    this.#kept = historySamples;
    this.#history = new Int16Array(historySamples + 1);
    this.#usualHistory = this.#history.subarray(0, historySamples);
    this.#usualTail = kernel.input.subarray(this.blockSamples, this.blockSamples + historySamples);
    this.#usualOutput = kernel.output.subarray(0, toHz / 50);
  }

  /** Puts what was kept, and `block` samples behind it, into the kernel; returns how many that are. */
  load(input: Int16Array, inputOffset: number, block: number): number {
    const window = this.#kernel.input;
    const kept = this.#kept;
    window.set(this.#history);
    if (inputOffset === 0 && block === input.length) window.set(input, kept);
    else for (let i = 0; i < block; i++) window[kept + i] = input[inputOffset + i]!;
    return kept + block;
  }

  /** Keeps the samples from `start` to `end` of the kernel's input for the next block: as many as the history takes,
   *  or one more. */
  keep(start: number, end: number): void {
    this.#kept = end - start;
    if (start === this.blockSamples && this.#kept === this.#historySamples) {
      this.#usualHistory.set(this.#usualTail);
    } else {
      for (let i = 0; i < this.#kept; i++) this.#history[i] = this.#kernel.input[start + i]!;
    }
  }

  /** Fetches `count` samples from the kernel. */
  store(output: Int16Array, outputOffset: number, count: number): void {
    const converted = this.#kernel.output;
    if (count === this.#usualOutput.length) output.set(this.#usualOutput, outputOffset);
    else for (let i = 0; i < count; i++) output[outputOffset + i] = converted[i]!;
  }

  clear(): void {
    this.#history.fill(0);
    this.#kept = this.#historySamples;
  }
}
