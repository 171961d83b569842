import type { Clock, Timer } from '../clock.ts';
import type { EndReason } from './end-reason.ts';
import type { StreamDialling } from './stream-dialling.ts';
import type { StreamLeg } from './stream-leg.ts';

const pauseMsMin = 100;
const pauseMsMax = 2_000;

export interface StreamResumptionOptions {
  readonly clock: Clock;
  readonly leg: StreamLeg;
  readonly dialling: StreamDialling;
  readonly resumeMs: number;
  /** `resumeMs` went by. */
  readonly gaveUp: (reason: EndReason, detail?: string) => void;
}

/** Brings a lost stream back: all endpoints in turn, at first at once, then with growing pauses, for `resumeMs` from the
 *  loss. */
export class StreamResumption {
  readonly #options: StreamResumptionOptions;
  #deadline: Timer | undefined;
  #pause: Timer | undefined;
  #pauseMs = pauseMsMin;
  #endpointsLeft = false;

  constructor(options: StreamResumptionOptions) {
    this.#options = options;
  }

  get going(): boolean {
    return this.#deadline !== undefined;
  }

  /** The connection is lost, or another attempt failed. */
  lost(reason: EndReason): void {
    const { clock, dialling, resumeMs, gaveUp } = this.#options;
    if (this.#deadline === undefined) {
      this.#pauseMs = pauseMsMin;
      this.#deadline = clock.after(resumeMs, () => {
        this.stop();
        gaveUp('streamLost', `no other connection within ${resumeMs} ms`);
      });
      dialling.restart();
      return this.#try();
    }
    // Whatever was wrong: a server that is starting again refuses, declines and hangs up for a while.
    dialling.ended(reason);
    if (this.#endpointsLeft) this.#try();
    else this.#tryLater();
  }

  resumed(): void {
    this.#options.dialling.connected();
    this.stop();
  }

  stop(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#options.dialling.release();
  }

  #try(): void {
    const next = this.#options.dialling.next();
    this.#endpointsLeft = next !== undefined;
    if (next === undefined) this.#tryLater();
    else this.#options.leg.reopen(next.target, next.endpoint);
  }

  #tryLater(): void {
    this.#pause?.cancel();
    this.#pause = this.#options.clock.after(this.#pauseMs, () => {
      this.#options.dialling.restart();
      this.#try();
    });
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMsMax);
  }
}
