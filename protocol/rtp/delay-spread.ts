/** How far the delays of a stream's packets lie apart: what a buffer has to wait for, so that nearly all of them come
 *  in time. A histogram that forgets, of each packet's delay over the smallest of the last seconds. */

const bucketMs = 5;
const buckets = 41;
/** Per packet: after 7 s of 20 ms packets a third of a memory is left. */
const forgetting = 0.997;
/** So many come within the spread; the rest counts as lost. */
const share = 0.98;
/** The smallest delay is that of so long, so that a clock that drifts does not count as jitter. */
const baseMs = 2000;
/** Fewer packets say nothing yet. */
const packetsMin = 25;
/** A step beyond this is a timestamp that was set anew. */
const stepMsMax = 3000;

export class DelaySpread {
  readonly #rtpClockRateHz: number;
  readonly #counts = new Float64Array(buckets);
  #sum = 0;
  #packets = 0;
  #timestampLast = 0;
  /** Time of the sender since the first packet, and ours. */
  #sentMs = 0;
  #firstMs = 0;
  #baseNow = 0;
  #baseBefore = Number.POSITIVE_INFINITY;
  #baseSinceMs = 0;
  #spreadMs: number | undefined;

  constructor(rtpClockRateHz: number) {
    this.#rtpClockRateHz = rtpClockRateHz;
  }

  /** Undefined until there is enough to say. At most 200. */
  get spreadMs(): number | undefined {
    return this.#spreadMs;
  }

  /** Takes an audio packet that arrived at `nowMs`, in any order. */
  measure(timestamp: number, nowMs: number): void {
    if (this.#packets === 0) return this.#begin(timestamp, nowMs);
    const ticks = (timestamp - this.#timestampLast) | 0;
    const sentMs = this.#sentMs + (ticks * 1000) / this.#rtpClockRateHz;
    const delayMs = nowMs - this.#firstMs - sentMs;
    if (Math.abs(delayMs - this.#baseNow) > stepMsMax) {
      this.#packets = 0;
      return this.#begin(timestamp, nowMs);
    }
    this.#timestampLast = timestamp;
    this.#sentMs = sentMs;
    this.#rebase(delayMs, nowMs);
    this.#count(delayMs - Math.min(this.#baseNow, this.#baseBefore));
    this.#packets++;
    if (this.#packets >= packetsMin) this.#spreadMs = this.#quantile();
  }

  #begin(timestamp: number, nowMs: number): void {
    this.#packets = 1;
    this.#timestampLast = timestamp;
    this.#sentMs = 0;
    this.#firstMs = nowMs;
    this.#baseNow = 0;
    this.#baseBefore = Number.POSITIVE_INFINITY;
    this.#baseSinceMs = nowMs;
    this.#count(0);
  }

  #rebase(delayMs: number, nowMs: number): void {
    if (nowMs - this.#baseSinceMs >= baseMs) {
      this.#baseBefore = this.#baseNow;
      this.#baseNow = delayMs;
      this.#baseSinceMs = nowMs;
    } else if (delayMs < this.#baseNow) {
      this.#baseNow = delayMs;
    }
  }

  #count(overMs: number): void {
    const counts = this.#counts;
    for (let i = 0; i < buckets; i++) counts[i] = counts[i]! * forgetting;
    counts[Math.min(buckets - 1, Math.floor(overMs / bucketMs))]! += 1;
    this.#sum = this.#sum * forgetting + 1;
  }

  #quantile(): number {
    let below = 0;
    for (let i = 0; i < buckets; i++) {
      below += this.#counts[i]!;
      // Of the first bucket the lower edge: a line without jitter has none.
      if (below >= share * this.#sum) return i === 0 ? 0 : (i + 1) * bucketMs;
    }
    return buckets * bucketMs;
  }
}
