/** Hands out the even ports of a range, each with the odd one above it (RFC 3550 §11). In turn, so that a port that
 *  was freed is the last to be used again and the stragglers of its old call meet nobody. */
export class RtpPorts {
  readonly #first: number;
  readonly #count: number;
  readonly #used = new Set<number>();
  readonly #random: () => number;
  #next = 0;

  /** `[first, last]`, both included; `[0, 0]` lets the system choose. It begins anywhere in the range, as `random`
   *  (0–1) says: another gateway on the machine, or this one before a restart, has its calls elsewhere. */
  constructor([first, last]: readonly [number, number], random: () => number = Math.random) {
    this.#random = random;
    this.#first = first + (first % 2);
    this.#count = first === 0 ? 0 : Math.max(0, Math.floor((last - this.#first + 1) / 2));
    this.jump();
  }

  get inUse(): number {
    return this.#used.size;
  }

  /** Pairs in the range; 0 where the system chooses. */
  get count(): number {
    return this.#count;
  }

  /** Undefined where all are in use. */
  take(): number | undefined {
    for (let tried = 0; tried < this.#count; tried++) {
      const port = this.#first + 2 * this.#next;
      this.#next = (this.#next + 1) % this.#count;
      if (!this.#used.has(port)) {
        this.#used.add(port);
        return port;
      }
    }
    return undefined;
  }

  /** Goes on somewhere else in the range: where one port is held by another program its neighbours are too. */
  jump(): void {
    this.#next = Math.floor(this.#random() * this.#count);
  }

  free(port: number): void {
    this.#used.delete(port);
  }
}

/** The share of worker `index` in the range of all. Throws `RangeError` where there is not a pair for each. */
export function portShare(
  [first, last]: readonly [number, number],
  workers: number,
  index: number,
): readonly [number, number] {
  if (first === 0 && last === 0) return [0, 0];
  const firstEven = first + (first % 2);
  const pairs = Math.floor((last - firstEven + 1) / 2);
  const share = Math.floor(pairs / workers);
  if (share < 1) {
    throw new RangeError(
      `rtp.ports must have two ports for each of ${workers} workers, got ${first}-${last}`,
    );
  }
  const from = firstEven + 2 * share * index;
  return [from, index === workers - 1 ? last : from + 2 * share - 1];
}
