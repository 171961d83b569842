import type { PlayoutListener } from './audio-route.ts';

const xoffShare = 0.8;
const xonShare = 0.5;
/** A server that sends ever more than there is room for is told so this often. */
const dropsEveryMs = 200;

/** Tells a source when its queue fills up, has room again, and what was dropped. */
export class FlowWatch {
  readonly #listener: PlayoutListener;
  readonly #sizeMsMax: number;
  #full = false;
  #droppedMsTold = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(listener: PlayoutListener, sizeMsMax: number) {
    this.#listener = listener;
    this.#sizeMsMax = sizeMsMax;
  }

  /** After each push, take and clear. */
  level(queuedMs: number, droppedMs: number, nowMs: number): void {
    const lostMs = droppedMs - this.#droppedMsTold;
    const share = queuedMs / this.#sizeMsMax;
    const full = this.#full ? share > xonShare : share >= xoffShare;
    const lossDue = lostMs > 0 && nowMs >= this.#toldMs + dropsEveryMs;
    if (full === this.#full && !lossDue) return;
    this.#full = full;
    if (lossDue) this.#toldMs = nowMs;
    this.#droppedMsTold = droppedMs;
    this.#listener.filled(full ? 'xoff' : 'xon', queuedMs, lostMs);
  }
}
