import { latenessMsBounds } from './timing-wheel.ts';

/** Ticks later than this are heard, as audio waits 10 ms before it is played. */
const lateMs = 10;
/** The share of late ticks in a second that is too much, and that which is well again. */
const shareBad = 0.01;
const shareGood = 0.002;
/** Seconds in a row that it takes: one stall, of a compiler or a neighbour, is no overload. */
const secondsToRefuse = 3;
const secondsToRecover = 2;
/** With fewer legs than this what is late is the machine, and fewer calls would not help. */
const membersMin = 10;

const firstLateBucket = latenessMsBounds.indexOf(lateMs) + 1;

/** Whether a worker has more to do than it can do in time, from how late its ticks run: the buckets of the timing
 *  wheel are compared once a second, so the ticks themselves pay nothing. */
export class OverloadWatch {
  readonly #emit: (overloaded: boolean) => void;
  #dueMs: number;
  #ticks = 0;
  #ticksLate = 0;
  #seconds = 0;
  overloaded = false;

  constructor(nowMs: number, emit: (overloaded: boolean) => void) {
    this.#dueMs = nowMs + 1000;
    this.#emit = emit;
  }

  /** Call it with every tick. `buckets` as in `WorkerCounters.latenessMsBuckets`, `members`: legs with a clock. */
  check(nowMs: number, buckets: readonly number[], members: number): void {
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + 1000;
    const ticksBefore = this.#ticks;
    const lateBefore = this.#ticksLate;
    this.#ticks = sum(buckets, 0);
    this.#ticksLate = sum(buckets, firstLateBucket);
    const share = (this.#ticksLate - lateBefore) / Math.max(1, this.#ticks - ticksBefore);
    const turns = this.overloaded
      ? share <= shareGood || members < membersMin
      : share > shareBad && members >= membersMin;
    this.#seconds = turns ? this.#seconds + 1 : 0;
    if (this.#seconds < (this.overloaded ? secondsToRecover : secondsToRefuse)) return;
    this.overloaded = !this.overloaded;
    this.#seconds = 0;
    this.#emit(this.overloaded);
  }
}

function sum(buckets: readonly number[], from: number): number {
  let total = 0;
  for (let index = from; index < buckets.length; index++) total += buckets[index]!;
  return total;
}
