import type { Timer } from '../clock.ts';
import type { Call } from './call.ts';

/** The `maxDuration` of an action: it counts from when the two sides could talk, and ends the call. */
export class DurationLimit {
  readonly #call: Call;
  #timer: Timer | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  begin(seconds: number): void {
    this.#timer?.cancel();
    this.#timer = this.#call.context.clock.after(seconds * 1_000, () =>
      this.#call.guard(() => this.#call.end('maxDuration')),
    );
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
