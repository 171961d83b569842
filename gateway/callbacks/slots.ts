/** So many at a time; the others wait in line, up to a limit. */
export class Slots {
  readonly #waitingMax: number;
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number, waitingMax: number) {
    this.#free = count;
    this.#waitingMax = waitingMax;
  }

  /** Calls `run` as soon as there is room, perhaps at once; whoever ran calls `release` once. The answer leaves the
   *  line. Undefined where the line is full. */
  enter(run: () => void): (() => void) | undefined {
    if (this.#free > 0) {
      this.#free--;
      run();
      return () => {};
    }
    if (this.#waiting.size >= this.#waitingMax) return undefined;
    this.#waiting.add(run);
    return () => void this.#waiting.delete(run);
  }

  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      next();
      return;
    }
    this.#free++;
  }
}
