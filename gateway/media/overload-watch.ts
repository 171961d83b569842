import { latenessMsBounds } from './timing-wheel.ts';

/** Ticks later than this are heard, as audio waits 10 ms before it is played. */
const lateMs = 10;
/** The share of late ticks in a second that is too much, that which is far too much, and that which is well again. */
const shareBad = 0.01;
const shareWorse = 0.2;
const shareGood = 0.002;
/** Seconds in a row that it takes, half as many where they are far too bad: a stall or two, of a neighbour or of many
 *  calls that begin at once, are no overload. */
const secondsToRefuse = 6;
const secondsToRecover = 2;
/** Of a worker that begins to have calls so many seconds do not count: its code is not compiled yet. */
const secondsToWarmUp = 5;
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
  #secondsLoaded = 0;
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
    const loaded = members >= membersMin;
    if (loaded) this.#secondsLoaded++;
    const points = this.overloaded ? Number(share <= shareGood || !loaded) : this.#badness(share, loaded);
    this.#seconds = points > 0 ? this.#seconds + points : 0;
    if (this.#seconds < (this.overloaded ? secondsToRecover : secondsToRefuse)) return;
    this.overloaded = !this.overloaded;
    this.#seconds = 0;
    this.#emit(this.overloaded);
  }

  #badness(share: number, loaded: boolean): number {
    if (!loaded || this.#secondsLoaded <= secondsToWarmUp || share <= shareBad) return 0;
    return share > shareWorse ? 2 : 1;
  }
}

function sum(buckets: readonly number[], from: number): number {
  let total = 0;
  for (let index = from; index < buckets.length; index++) total += buckets[index]!;
  return total;
}
