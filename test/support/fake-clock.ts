import type { Clock, Timer } from '../../gateway/clock.ts';

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Virtual time. `advance` runs what falls due in order and lets promises settle after each, so that a call of a
 *  minute takes milliseconds. */
export class FakeClock implements Clock {
  #nowMs = 1_000;
  #order = 0;
  #pending: Pending[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  /** Timers that were neither run nor cancelled. */
  get timers(): number {
    return this.#pending.filter((pending) => pending.run !== undefined).length;
  }

  after(delayMs: number, run: () => void): Timer {
    const pending: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pending[middle]!.dueMs <= pending.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#pending.splice(low, 0, pending);
    return {
      cancel: () => {
        pending.run = undefined;
        const index = this.#pending.indexOf(pending);
        if (index >= 0) this.#pending.splice(index, 1);
      },
    };
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#pending[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#pending.shift();
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      const run = next.run;
      next.run = undefined;
      run?.();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** Advances in steps of `stepMs` until `done` holds; throws after `limitMs`. */
  async until(done: () => boolean, limitMs = 60_000, stepMs = 10): Promise<void> {
    const deadlineMs = this.#nowMs + limitMs;
    await settle();
    while (!done()) {
      if (this.#nowMs >= deadlineMs) throw new Error(`not reached within ${limitMs} ms of virtual time`);
      await this.advance(stepMs);
    }
  }
}

/** Lets every promise that can settle without I/O do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
