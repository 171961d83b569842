/** Counts of values in milliseconds: steps of 0.01 ms up to 10 ms, of 1 % above, up to about 28 minutes. Values
 *  below zero count as zero. Fixed size, so that a run of hours costs what a run of seconds does. */

const LINEAR_MS = 10;
const LINEAR_STEPS_PER_MS = 100;
const LINEAR_BUCKETS = LINEAR_MS * LINEAR_STEPS_PER_MS;
const GROWTH = Math.log(1.01);
const BUCKETS = LINEAR_BUCKETS + 1200;

/** What `postMessage` and JSON can carry. */
export interface HistogramData {
  readonly counts: Float64Array;
  readonly count: number;
  readonly sum: number;
  readonly max: number;
  readonly min: number;
}

/** In milliseconds; all zero where nothing was counted. */
export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Non-empty buckets as [upper bound in ms, count], for charts. */
  readonly buckets: readonly (readonly [number, number])[];
}

export class Histogram {
  #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #max = 0;
  #min = Number.POSITIVE_INFINITY;

  static from(data: HistogramData): Histogram {
    const histogram = new Histogram();
    histogram.merge(data);
    return histogram;
  }

  get count(): number {
    return this.#count;
  }

  get max(): number {
    return this.#max;
  }

  record(valueMs: number): void {
    const value = Math.max(valueMs, 0);
    this.#counts[bucketOf(value)]!++;
    this.#count++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
    if (value < this.#min) this.#min = value;
  }

  /** The smallest bucket bound that at least `quantile` (0–1) of the values do not exceed, never above the
   *  largest value. 0 where nothing was counted. */
  quantile(quantile: number): number {
    if (this.#count === 0) return 0;
    const wanted = Math.max(1, Math.ceil(quantile * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted)
        return bucket === BUCKETS - 1 ? this.#max : Math.min(upperBoundMs(bucket), this.#max);
    }
    return this.#max;
  }

  merge(other: HistogramData): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#counts[bucket]! += other.counts[bucket] ?? 0;
    this.#count += other.count;
    this.#sum += other.sum;
    this.#max = Math.max(this.#max, other.max);
    if (other.count > 0) this.#min = Math.min(this.#min, other.min);
  }

  reset(): void {
    this.#counts = new Float64Array(BUCKETS);
    this.#count = 0;
    this.#sum = 0;
    this.#max = 0;
    this.#min = Number.POSITIVE_INFINITY;
  }

  data(): HistogramData {
    return {
      counts: this.#counts.slice(),
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
      min: this.#min,
    };
  }

  distribution(): Distribution {
    const buckets: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = this.#counts[bucket]!;
      if (count > 0) buckets.push([round(upperBoundMs(bucket)), count]);
    }
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : round(this.#sum / this.#count),
      min: this.#count === 0 ? 0 : round(this.#min),
      p50: round(this.quantile(0.5)),
      p90: round(this.quantile(0.9)),
      p99: round(this.quantile(0.99)),
      p999: round(this.quantile(0.999)),
      max: round(this.#max),
      buckets,
    };
  }
}

function bucketOf(valueMs: number): number {
  if (valueMs < LINEAR_MS) return Math.floor(valueMs * LINEAR_STEPS_PER_MS);
  return Math.min(BUCKETS - 1, LINEAR_BUCKETS + Math.floor(Math.log(valueMs / LINEAR_MS) / GROWTH));
}

function upperBoundMs(bucket: number): number {
  if (bucket < LINEAR_BUCKETS) return (bucket + 1) / LINEAR_STEPS_PER_MS;
  return LINEAR_MS * Math.exp((bucket - LINEAR_BUCKETS + 1) * GROWTH);
}

function round(valueMs: number): number {
  return Math.round(valueMs * 1000) / 1000;
}
