import type { Clock, Timer } from '../clock.ts';
import {
  type CallDeadline,
  type CallEvent,
  type CallState,
  callStates,
  nextCallState,
} from './call-states.ts';

export interface CallProgressOptions {
  readonly clock: Clock;
  /** Asked when the call is answered. */
  maxDurationSeconds(): number;
  expired(deadline: CallDeadline): void;
}

/** Longer than anything takes that has a limit of its own (the slowest callbacks, ten minutes of ringing): only what
 *  hangs or died unnoticed runs into these. */
const routeLimitMs = 150_000;
const setupLimitMs = 660_000;
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
    this.begin();
    return true;
  }

  /** The stay in this state begins now. */
  begin(): void {
    this.#deadline?.cancel();
    const { deadline } = callStates[this.#state];
    const { clock, expired } = this.#options;
    this.#deadline =
      deadline === undefined ? undefined : clock.after(this.#limitMs(deadline), () => expired(deadline));
  }

  #limitMs(deadline: CallDeadline): number {
    switch (deadline) {
      case 'route':
        return routeLimitMs;
      case 'setup':
        return setupLimitMs;
      case 'maxDuration':
        return this.#options.maxDurationSeconds() * 1000;
      case 'release':
        return releaseLimitMs;
    }
  }
}
