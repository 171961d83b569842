/** A kernel and the coefficient tables that all resamplers of a thread share: one a ratio, made at its first use and
 *  kept. 8 to 48 kHz and 16 to 96 kHz are the same table. */

import { designHalfband, designPolyphase, type PolyphaseFilter } from './resampler-filter.ts';
import { createJavascriptKernel, createWasmKernel, type ResamplerKernel } from './resampler-kernel.ts';

export interface PolyphaseTable {
  readonly table: number;
  readonly filter: Omit<PolyphaseFilter, 'coefficients'>;
}

export class ResamplerEngine {
  readonly kernel: ResamplerKernel;
  readonly #polyphaseTables = new Map<string, PolyphaseTable>();
  readonly #halfbandTables = new Map<'up' | 'down', number>();

  constructor(kernel: ResamplerKernel) {
    this.kernel = kernel;
  }

  /** The filter for `up` outputs to `down` inputs, numbers without a common divisor. */
  polyphaseTable(up: number, down: number): PolyphaseTable {
    const ratio = `${up}:${down}`;
    let known = this.#polyphaseTables.get(ratio);
    if (known === undefined) {
      const { coefficients, ...filter } = designPolyphase(up, down);
      known = { table: this.kernel.addTable(coefficients), filter };
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
