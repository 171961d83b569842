import type { Clock } from '../clock.ts';
import type { PolledSystem } from '../polled-system.ts';
import type { MediaCore } from './media-core.ts';

/** How long a turn sleeps at most. All I/O of that time is then done in one batch. */
const turnMs = 2;

/** Drives a core in a thread of its own, and only there, as it blocks the thread: sleep to the next slot, send what
 *  is due, let all that arrived meanwhile come in one batch, again. Interrupt moderation in plain JavaScript: waking
 *  once for twenty packets instead of twenty times saves a third of the CPU. It stands still without calls. */
export class SleepLoop {
  readonly #core: MediaCore;
  readonly #clock: Clock;
  readonly #polled: PolledSystem | undefined;
  /** Nobody ever wakes it: a wait on it is a sleep. */
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  #running = false;

  constructor(core: MediaCore, clock: Clock, polled?: PolledSystem) {
    this.#core = core;
    this.#clock = clock;
    this.#polled = polled;
  }

  /** Call it after each command. */
  wake(): void {
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const { nextTickMs } = this.#core;
    const listening = this.#polled !== undefined && this.#polled.openSockets > 0;
    if (nextTickMs === Number.POSITIVE_INFINITY && !listening) {
      this.#running = false;
      return;
    }
    const nowMs = this.#clock.nowMs();
    const wakeMs = Math.min(nextTickMs, (Math.floor(nowMs / turnMs) + 1) * turnMs);
    if (wakeMs > nowMs) Atomics.wait(this.#never, 0, 0, wakeMs - nowMs);
    this.#core.tick(this.#clock.nowMs());
    this.#polled?.poll();
    setImmediate(() => this.#turn());
  }
}
