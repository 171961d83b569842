/** Decides how fast audio that comes over the network at its sender's pace is played at ours, so that it neither runs
 *  dry nor gets later and later. It watches the *margin* of each arrival: how much longer the audio that was there
 *  before would have lasted. The smallest margin of the last two seconds is kept at a few milliseconds: by that the
 *  delay is just what the line's jitter asks for, and a clock that drifts is followed. */

/** What the worst arrivals of two seconds should still have to spare. */
const guardMs = 20;
const bucketMs = 250;
const buckets = 8;
/** PI control of the playing speed, so slow that its pitch is not heard: milliseconds per second for each millisecond
 *  of error. Too little audio is urgent, too much is not. */
const proportionalShort = 0.3;
const proportionalLong = 0.15;
const integral = 0.01;
/** Fastest correction, 1.5 %, of which a drift of 0.5 % takes a third. */
const speedMax = 15;
/** Errors and drifts below these are left alone, so that a good line is passed on bit by bit. */
const deadMs = 5;
const deadSpeed = 0.3;
/** Arrivals that would need more delay than this count as lost, and are no reason to add any. */
const delayMsMax = 120;
/** More than this too much over half a second is a stall that has passed: cut instead of hurrying for minutes. */
const excessMsMax = 100;
const excessBuckets = 2;

export interface PlayoutStep {
  /** Milliseconds of audio to play per millisecond; exactly 1 where nothing is to be corrected. */
  readonly ratio: number;
  /** So much is to be cut out first; mostly 0. */
  readonly cutMs: number;
}

export class PlayoutClock {
  /** Smallest margin in each quarter of a second, the latest last, as if nothing had ever been corrected. */
  readonly #margins = new Float64Array(buckets).fill(Number.POSITIVE_INFINITY);
  #bucketSinceMs = 0;
  #marginMean = 0;
  #arrivals = 0;
  #correctedMs = 0;
  #drift = 0;
  #correcting = false;
  readonly #step = { ratio: 1, cutMs: 0 };

  /** Audio came at `nowMs`, when what was there would have lasted another `marginMs` (negative: it came too late). */
  arrived(marginMs: number, nowMs: number): void {
    if (this.#arrivals === 0) this.#bucketSinceMs = nowMs;
    this.#turn(nowMs);
    const last = buckets - 1;
    const absolute = marginMs + this.#correctedMs;
    if (absolute < this.#margins[last]!) this.#margins[last] = absolute;
    this.#arrivals++;
    this.#marginMean += (marginMs - this.#marginMean) / Math.min(this.#arrivals, 50);
  }

  /** How to play the next `frameMs`. Valid until the next call. */
  next(frameMs: number, nowMs: number): PlayoutStep {
    this.#turn(nowMs);
    const step = this.#step;
    step.ratio = 1;
    step.cutMs = this.#excess();
    if (step.cutMs > 0) {
      this.#correctedMs += step.cutMs;
      this.#marginMean -= step.cutMs;
      return step;
    }
    const error = this.#error();
    if (error === undefined) return step;
    const speed = this.#speed(error, frameMs);
    step.ratio = 1 + speed / 1000;
    const corrected = (speed * frameMs) / 1000;
    this.#correctedMs += corrected;
    this.#marginMean -= corrected;
    return step;
  }

  /** It ran dry and something else was played for so long: all that comes later is later now. */
  inserted(insertedMs: number): void {
    this.#correctedMs -= insertedMs;
    this.#marginMean += insertedMs;
  }

  /** The audio ran dry and starts again, or the source changed: old margins say nothing. The drift that was found
   *  stays, as it is that of the same two clocks. */
  restart(): void {
    this.#margins.fill(Number.POSITIVE_INFINITY);
    this.#arrivals = 0;
    this.#marginMean = 0;
    this.#correctedMs = 0;
    this.#correcting = false;
  }

  #turn(nowMs: number): void {
    if (this.#arrivals === 0) return;
    const passed = Math.floor((nowMs - this.#bucketSinceMs) / bucketMs);
    if (passed <= 0) return;
    this.#bucketSinceMs += passed * bucketMs;
    const shift = Math.min(passed, buckets);
    this.#margins.copyWithin(0, shift);
    this.#margins.fill(Number.POSITIVE_INFINITY, buckets - shift);
  }

  #smallest(ofLast: number): number {
    let smallest = Number.POSITIVE_INFINITY;
    for (let i = buckets - ofLast; i < buckets; i++) smallest = Math.min(smallest, this.#margins[i]!);
    return smallest - this.#correctedMs;
  }

  /** Positive: more is waiting than has to. */
  #error(): number | undefined {
    const smallest = this.#smallest(buckets);
    if (!Number.isFinite(smallest)) return undefined;
    const error = Math.max(-delayMsMax, smallest - guardMs);
    return error < 0 && this.#marginMean > delayMsMax ? 0 : error;
  }

  #excess(): number {
    const smallest = this.#smallest(excessBuckets);
    if (!Number.isFinite(smallest) || smallest < guardMs + delayMsMax + excessMsMax) return 0;
    return smallest - guardMs - delayMsMax / 4;
  }

  #speed(error: number, frameMs: number): number {
    if (!this.#correcting && Math.abs(error) <= deadMs && Math.abs(this.#drift) <= deadSpeed) {
      this.#drift = 0;
      return 0;
    }
    this.#correcting = Math.abs(error) > 1 || Math.abs(this.#drift) > deadSpeed;
    const wanted = (error < 0 ? proportionalShort : proportionalLong) * error + this.#drift;
    const speed = Math.max(-speedMax, Math.min(speedMax, wanted));
    // No winding up while it goes as fast as it may.
    if (speed === wanted) this.#drift += (integral * error * frameMs) / 1000;
    return speed;
  }
}
