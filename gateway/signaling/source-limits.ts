/** A map that holds at most `max` entries: the one not touched for longest gives way. */
export class RecentMap<Value> {
  readonly #max: number;
  readonly #entries = new Map<string, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Touches the entry. */
  get(key: string): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

/** So many requests a second from each source, and a burst before that. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets: RecentMap<Bucket>;

  /** `perSecond` 0: no limit. */
  constructor(options: {
    readonly perSecond: number;
    readonly burst: number;
    readonly sourcesMax: number;
  }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
    this.#buckets = new RecentMap(options.sourcesMax);
  }

  get sources(): number {
    return this.#buckets.size;
  }

  /** False where the source has to wait. */
  take(source: string, nowMs: number): boolean {
    if (this.#perSecond === 0) return true;
    let bucket = this.#buckets.get(source);
    if (bucket === undefined) {
      bucket = { tokens: this.#burst, filledMs: nowMs };
      this.#buckets.set(source, bucket);
    }
    const grown = bucket.tokens + ((nowMs - bucket.filledMs) / 1_000) * this.#perSecond;
    bucket.tokens = Math.min(this.#burst, grown);
    bucket.filledMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
