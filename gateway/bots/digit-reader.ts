import type { Clock } from '../clock.ts';

export interface DigitWish {
  /** Enough when so many came. Default 1. */
  readonly max?: number;
  /** Enough when one of these came; it is not part of the result. Default none. */
  readonly until?: string;
  /** Enough when none came for so long. Default 10 000. */
  readonly timeoutMs?: number;
}

const timeoutMsDefault = 10_000;

/** Collects digits until the wish is fulfilled, time is up or the call is over: `done` gets what there is by then. */
export class DigitReader {
  readonly #wish: Required<DigitWish>;
  readonly #clock: Clock;
  readonly #done: (digits: string) => void;
  #digits = '';
  #timer: { cancel(): void };

  constructor(wish: DigitWish, clock: Clock, done: (digits: string) => void) {
    this.#wish = {
      max: wish.max ?? 1,
      until: wish.until ?? '',
      timeoutMs: wish.timeoutMs ?? timeoutMsDefault,
    };
    this.#clock = clock;
    this.#done = done;
    this.#timer = this.#arm();
  }

  push(digit: string): void {
    this.#timer.cancel();
    if (this.#wish.until.includes(digit)) return this.#done(this.#digits);
    this.#digits += digit;
    if (this.#digits.length >= this.#wish.max) return this.#done(this.#digits);
    this.#timer = this.#arm();
  }

  end(): void {
    this.#timer.cancel();
    this.#done(this.#digits);
  }

  #arm(): { cancel(): void } {
    return this.#clock.after(this.#wish.timeoutMs, () => this.#done(this.#digits));
  }
}
