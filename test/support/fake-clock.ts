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
  /** The soonest on top; cancelled ones stay until they are due. */
  readonly #heap: Pending[] = [];
  #waiting = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  /** Timers that were neither run nor cancelled. */
  get timers(): number {
    return this.#waiting;
  }

  after(delayMs: number, run: () => void): Timer {
    const pending: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(pending);
    this.#waiting++;
    return {
      cancel: () => {
        if (pending.run === undefined) return;
        pending.run = undefined;
        this.#waiting--;
      },
    };
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#pop();
      const { run } = next;
      if (run === undefined) continue;
      next.run = undefined;
      this.#waiting--;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      run();
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

  #push(pending: Pending): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isSooner(pending, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = pending;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isSooner(heap[child + 1]!, heap[child]!)) child++;
      if (!isSooner(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isSooner(a: Pending, b: Pending): boolean {
  return a.dueMs === b.dueMs ? a.order < b.order : a.dueMs < b.dueMs;
}

/** Lets every promise that can settle without I/O do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
