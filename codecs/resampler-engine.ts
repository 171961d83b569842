/** A kernel and the coefficient tables that all resamplers of a thread share: one a ratio, made at its first use and
 *  kept. 8 to 48 kHz and 16 to 96 kHz are the same table. */

import { designHalfband, designPolyphase } from './resampler-filter.ts';
import {
  createJavascriptKernel,
  createWasmKernel,
  type PolyphaseTable,
  type ResamplerKernel,
} from './resampler-kernel.ts';

export interface SharedFilter extends PolyphaseTable {
  /** From the newest sample of a window back to the middle of phase 0, in samples of the input. */
  readonly delaySamples: number;
}

export class ResamplerEngine {
  readonly kernel: ResamplerKernel;
  readonly #polyphaseTables = new Map<string, SharedFilter>();
  readonly #halfbandTables = new Map<'up' | 'down', number>();

  constructor(kernel: ResamplerKernel) {
    this.kernel = kernel;
  }

  /** The filter for `up` outputs to `down` inputs, numbers without a common divisor. */
  polyphaseTable(up: number, down: number): SharedFilter {
    const ratio = `${up}:${down}`;
    let known = this.#polyphaseTables.get(ratio);
    if (known === undefined) {
      const { coefficients, ...filter } = designPolyphase(up, down);
      known = { ...filter, table: this.kernel.addTable(coefficients) };
      this.#polyphaseTables.set(ratio, known);
    }
    return known;
  }

  halfbandTable(direction: 'up' | 'down'): number {
    let table = this.#halfbandTables.get(direction);
    if (table === undefined) {
      table = this.kernel.addTable(designHalfband(direction === 'up' ? 1 : 0.5));
      this.#halfbandTables.set(direction, table);
    }
    return table;
  }
}

export const threadEngine = new ResamplerEngine(createWasmKernel() ?? createJavascriptKernel());
