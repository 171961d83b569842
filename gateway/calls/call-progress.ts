import type { Clock, Timer } from '../clock.ts';
import type { StreamLimits } from '../media/media-messages.ts';
import {
  type CallDeadline,
  type CallEvent,
  type CallState,
  callStates,
  nextCallState,
} from './call-states.ts';

export interface CallProgressOptions {
  readonly clock: Clock;
  readonly limits: StreamLimits;
  /** Asked when the call is answered. */
  maxDurationSeconds(): number;
  expired(deadline: CallDeadline): void;
}

/** Longer than any worker takes to answer: only a worker that hangs or died unnoticed runs into these. */
const routeLimitMs = 15_000;
const workerMarginMs = 2_000;
const releaseLimitMs = 5_000;

/** Runs the table of `call-states.ts`: where a call stands, and how long it may stay there. */
export class CallProgress {
  readonly #options: CallProgressOptions;
  #state: CallState = 'routing';
  #deadline: Timer | undefined;

  constructor(options: CallProgressOptions) {
    this.#options = options;
  }

  get state(): CallState {
    return this.#state;
  }

  /** False where the event means nothing in this state. */
  enter(event: CallEvent): boolean {
    const next = nextCallState(this.#state, event);
    if (next === undefined) return false;
    this.#state = next;
    this.restart();
    return true;
  }

  /** The stay in this state begins now. */
  restart(): void {
    this.#deadline?.cancel();
    const { deadline } = callStates[this.#state];
    const { clock, expired } = this.#options;
    this.#deadline =
      deadline === undefined ? undefined : clock.after(this.#limitMs(deadline), () => expired(deadline));
  }

  #limitMs(deadline: CallDeadline): number {
    const { connectTimeoutMs, answerTimeoutMs } = this.#options.limits;
    switch (deadline) {
      case 'route':
        return routeLimitMs;
      case 'connect':
        return connectTimeoutMs + workerMarginMs;
      case 'answer':
        return answerTimeoutMs + workerMarginMs;
      case 'maxDuration':
        return this.#options.maxDurationSeconds() * 1000;
      case 'release':
        return releaseLimitMs;
    }
  }
}
