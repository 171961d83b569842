import type { PlayoutListener } from './audio-route.ts';

interface WaitingMark {
  readonly mark: number;
  /** How much was pushed before it. */
  readonly atSamples: number;
  /** How much must have gone into the resampler until it gave the last sample before the mark; undefined while that
   *  waits in the queue. */
  fedSamples: number | undefined;
}

/** When the marks in a queue are reached: positions in what was pushed, and then in what the resampler was fed, as its
 *  output lags behind. Two clocks, since silence goes into the resampler too. */
export class PlayoutMarks {
  readonly #listener: PlayoutListener;
  readonly #waiting: WaitingMark[] = [];
  #watchesDrained = false;

  constructor(listener: PlayoutListener) {
    this.#listener = listener;
  }

  get any(): boolean {
    return this.#waiting.length > 0 || this.#watchesDrained;
  }

  /** `fedSamples` where nothing waits before it. */
  add(mark: number, atSamples: number, fedSamples: number | undefined): void {
    this.#waiting.push({ mark, atSamples, fedSamples });
  }

  watchDrained(): void {
    this.#watchesDrained = true;
  }

  /** The queue was taken from up to `headSamples`, the last of which the resampler got as its `fedSamples`th. */
  taken(headSamples: number, fedSamples: number, delaySamples: number): void {
    for (const waiting of this.#waiting) {
      if (waiting.atSamples > headSamples) return;
      waiting.fedSamples ??= fedSamples - (headSamples - waiting.atSamples) + delaySamples;
    }
  }

  /** What the resampler gave for its first `fedSamples` samples was sent. */
  sent(fedSamples: number, empty: boolean): void {
    while (this.#waiting.length > 0) {
      const { fedSamples: wanted = Number.POSITIVE_INFINITY } = this.#waiting[0]!;
      if (wanted > fedSamples) break;
      this.#listener.reached(this.#waiting.shift()!.mark, 'played');
    }
    if (!empty || !this.#watchesDrained || this.#waiting.length > 0) return;
    this.#watchesDrained = false;
    this.#listener.drained();
  }

  /** What was pushed before `headSamples` and had not been taken yet was dropped: of marks behind it nothing is known
   *  yet, of those in it that they were not heard. */
  dropped(headSamples: number): void {
    for (let index = 0; index < this.#waiting.length; ) {
      const { mark, atSamples, fedSamples } = this.#waiting[index]!;
      if (atSamples > headSamples) return;
      if (fedSamples !== undefined) {
        index++;
        continue;
      }
      this.#waiting.splice(index, 1);
      this.#listener.reached(mark, 'cleared');
    }
  }

  clear(): void {
    for (const { mark } of this.#waiting.splice(0)) this.#listener.reached(mark, 'cleared');
  }
}
