import type { Clock, Timer } from '../clock.ts';

export interface PacedSenderOptions {
  readonly clock: Clock;
  readonly frameMs: number;
  /** How far ahead of real time it sends: what the far side holds against our own late timers. */
  readonly leadMs: number;
  /** Sends the next frame; `false` says that there is none and stops the sender. */
  readonly sendFrame: () => boolean;
}

/** A sender that is later than this was suspended; it goes on from now and does not catch up. */
const lateMsMax = 1_000;

/** Sends frames at the pace at which they are heard. Deadlines are absolute from the start, so that late timers do
 *  not add up. */
export class PacedSender {
  readonly #options: PacedSenderOptions;
  #startedMs: number;
  #framesSent = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: PacedSenderOptions) {
    this.#options = options;
    this.#startedMs = options.clock.nowMs();
    this.#sendDue();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #sendDue(): void {
    const { clock, frameMs, leadMs, sendFrame } = this.#options;
    const elapsedMs = clock.nowMs() - this.#startedMs;
    const lateMs = elapsedMs + leadMs - this.#framesSent * frameMs;
    if (this.#framesSent > 0 && lateMs > lateMsMax) this.#startedMs += lateMs;
    const untilMs = clock.nowMs() - this.#startedMs + leadMs;
    while (this.#framesSent * frameMs <= untilMs) {
      if (!sendFrame()) this.#stopped = true;
      if (this.#stopped) return;
      this.#framesSent++;
    }
    this.#timer = clock.after(this.#framesSent * frameMs - untilMs, () => this.#sendDue());
  }
}
