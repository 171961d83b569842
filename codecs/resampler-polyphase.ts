/** Every ratio but 1:2 and 2:1. */

import type { Resampler } from './resampler.ts';
import type { ResamplerEngine } from './resampler-engine.ts';
import type { PolyphaseTable, ResamplerKernel } from './resampler-kernel.ts';
import { ResamplerWindow } from './resampler-window.ts';

export class Polyphase implements Resampler {
  readonly fromHz: number;
  readonly toHz: number;
  readonly delayMs: number;
  /** `up` outputs to `down` inputs. */
  readonly #up: number;
  readonly #down: number;
  readonly #kernel: ResamplerKernel;
  readonly #filter: PolyphaseTable;
  readonly #window: ResamplerWindow;
  /** Place of the next output, in `up`ths of an input sample after the first of the next block. */
  #place: number;

  constructor(fromHz: number, toHz: number, engine: ResamplerEngine) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    const up = toHz / divisor;
    const down = fromHz / divisor;
    const filter = engine.polyphaseTable(up, down);
    this.fromHz = fromHz;
    this.toHz = toHz;
    this.delayMs = ((filter.delaySamples + 1 - down / up) * 1000) / fromHz;
    this.#up = up;
    this.#down = down;
    this.#kernel = engine.kernel;
    this.#filter = filter;
    // One sample longer than a window reaches back, as the next output may lie just before the block.
    this.#window = new ResamplerWindow(engine.kernel, { historySamples: filter.taps, fromHz, toHz });
    this.#place = down - up;
  }

  process(
    input: Int16Array,
    inputOffset: number,
    inputSamples: number,
    output: Int16Array,
    outputOffset: number,
  ): number {
    const window = this.#window;
    const up = this.#up;
    const down = this.#down;
    let written = 0;
    for (let done = 0; done < inputSamples; done += window.blockSamples) {
      const block = Math.min(window.blockSamples, inputSamples - done);
      const loaded = window.load(input, inputOffset + done, block);
      window.keep(block, loaded);
      // The last output of a block may lie on its last sample but not beyond: so the count is floor(n * up / down).
      const count = Math.max(0, Math.floor(((block - 1) * up - this.#place) / down) + 1);
      const newest = Math.floor(this.#place / up);
      const phase = this.#place - newest * up;
      this.#kernel.polyphase(this.#filter, down, loaded, newest + 1, phase, count);
      this.#place += count * down - block * up;
      window.store(output, outputOffset + written, count);
      written += count;
    }
    return written;
  }

  outputSamplesMax(inputSamples: number): number {
    return Math.ceil((inputSamples * this.#up) / this.#down);
  }

  reset(): void {
    this.#window.clear();
    this.#place = this.#down - this.#up;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
