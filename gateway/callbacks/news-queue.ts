import type { Clock, Timer } from '../clock.ts';

/** What became of one try. `down`: nobody answered or the server was at its limits, so that others need not be tried
 *  either; `refused`: this one was not taken. */
export type TryOutcome = 'taken' | 'refused' | 'down';

export interface NewsQueueOptions<Item> {
  readonly clock: Clock;
  readonly limit: number;
  readonly parallel: number;
  readonly retryForMs: number;
  /** Never rejects. */
  attempt(item: Item): Promise<TryOutcome>;
  /** Given up: the queue was full, or it was tried for too long. */
  dropped(item: Item, why: 'full' | 'expired'): void;
}

interface Entry<Item> {
  readonly item: Item;
  readonly sinceMs: number;
  tries: number;
  dueMs: number;
}

const firstPauseMs = 500;
const longestPauseMs = 30_000;

/** News that wait until somebody takes them: each is tried until it is taken, ever less often, and never for longer
 *  than `retryForMs`. A server that is down is asked with one of them at a time. */
export class NewsQueue<Item> {
  readonly #options: NewsQueueOptions<Item>;
  /** In order of arrival. */
  readonly #waiting = new Set<Entry<Item>>();
  readonly #running = new Set<Entry<Item>>();
  #failures = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #idle: (() => void) | undefined;
  #closing = false;

  constructor(options: NewsQueueOptions<Item>) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size + this.#running.size;
  }

  push(item: Item): void {
    const nowMs = this.#options.clock.nowMs();
    if (this.#waiting.size >= this.#options.limit) {
      for (const oldest of this.#waiting) {
        this.#waiting.delete(oldest);
        this.#options.dropped(oldest.item, 'full');
        break;
      }
    }
    this.#waiting.add({ item, sinceMs: nowMs, tries: 0, dueMs: nowMs });
    this.#pump();
  }

  /** Tries everything that waits once more, for at most `limitMs`; resolves with what is left. */
  async close(limitMs: number): Promise<number> {
    this.#closing = true;
    this.#failures = 0;
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    for (const entry of this.#waiting) entry.dueMs = Number.NEGATIVE_INFINITY;
    this.#pump();
    if (this.size > 0) {
      let limit: Timer | undefined;
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        limit = this.#options.clock.after(limitMs, resolve);
      });
      limit?.cancel();
    }
    this.#timer?.cancel();
    const left = this.size;
    this.#waiting.clear();
    return left;
  }

  #pump(): void {
    const { clock, parallel } = this.#options;
    const nowMs = clock.nowMs();
    const places = this.#failures > 0 ? 1 : parallel;
    let nextMs = Number.POSITIVE_INFINITY;
    if (nowMs >= this.#pausedUntilMs) {
      for (const entry of this.#waiting) {
        if (this.#running.size >= places) {
          nextMs = Number.POSITIVE_INFINITY;
          break;
        }
        if (entry.dueMs > nowMs) nextMs = Math.min(nextMs, entry.dueMs);
        else this.#start(entry);
      }
    } else if (this.#waiting.size > 0) {
      nextMs = this.#pausedUntilMs;
    }
    this.#timer?.cancel();
    this.#timer =
      nextMs === Number.POSITIVE_INFINITY ? undefined : clock.after(nextMs - nowMs, () => this.#pump());
    const hopeless = this.#closing && this.#failures > 0 && this.#running.size === 0;
    if (this.size === 0 || hopeless) this.#idle?.();
  }

  #start(entry: Entry<Item>): void {
    this.#waiting.delete(entry);
    this.#running.add(entry);
    entry.tries++;
    void this.#options.attempt(entry.item).then((outcome) => {
      this.#running.delete(entry);
      this.#settle(entry, outcome);
      this.#pump();
    });
  }

  #settle(entry: Entry<Item>, outcome: TryOutcome): void {
    const nowMs = this.#options.clock.nowMs();
    if (outcome === 'down') {
      // Of those that were under way together, one is enough to say so.
      if (nowMs >= this.#pausedUntilMs) {
        this.#failures++;
        this.#pausedUntilMs = nowMs + pauseMs(this.#failures);
      }
    } else {
      this.#failures = 0;
    }
    if (outcome === 'taken') return;
    if (this.#closing || nowMs - entry.sinceMs >= this.#options.retryForMs) {
      this.#options.dropped(entry.item, 'expired');
      return;
    }
    entry.dueMs = outcome === 'down' ? nowMs : nowMs + pauseMs(entry.tries);
    if (this.#waiting.size < this.#options.limit) this.#waiting.add(entry);
    else this.#options.dropped(entry.item, 'full');
  }
}

/** 0.5 s, then twice as long each time. */
function pauseMs(failures: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1));
}
