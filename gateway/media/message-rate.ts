/** How many messages come: so many a second in the long run, and twice as many at once. */
export class MessageRate {
  readonly perSecond: number;
  #left: number;
  #countedMs = 0;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.#left = perSecond * 2;
  }

  /** Counts one; false where it is one too many. */
  take(nowMs: number): boolean {
    const regained = ((nowMs - this.#countedMs) / 1000) * this.perSecond;
    this.#left = Math.min(this.perSecond * 2, this.#left + regained);
    this.#countedMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
