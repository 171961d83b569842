import type { Clock, Timer } from '../clock.ts';

/** One timer for something that says when it next wants to be called. */
export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #expire: () => void;
  #timer: Timer | undefined;
  #armedMs = 0;

  constructor(clock: Clock, expire: () => void) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** `expire` is called once at `deadlineMs`, and not at any deadline named before. */
  arm(deadlineMs: number | undefined): void {
    if (this.#timer !== undefined) {
      if (deadlineMs === this.#armedMs) return;
      this.#timer.cancel();
      this.#timer = undefined;
    }
    if (deadlineMs === undefined) return;
    this.#armedMs = deadlineMs;
    this.#timer = this.#clock.after(deadlineMs - this.#clock.nowMs(), () => this.#fire());
  }

  cancel(): void {
    this.arm(undefined);
  }

  #fire(): void {
    this.#timer = undefined;
    // Node's timers may fire a fraction of a millisecond early.
    if (this.#clock.nowMs() < this.#armedMs) this.arm(this.#armedMs);
    else this.#expire();
  }
}
