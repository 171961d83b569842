/** Below the highest count that was seen. Requests of one client may overtake each other by so much. */
const windowSize = 32;

interface Use {
  readonly issuedMs: number;
  highest: number;
  /** Bit n: the count `highest - n` was used. */
  seen: number;
}

/** How often each nonce was used: every count once (RFC 7616 §3.4, `nc`). When the memory is full the nonce that was
 *  first used longest ago is forgotten, and with it the right to use any as old as that. */
export class NonceCounts {
  readonly #max: number;
  readonly #uses = new Map<string, Use>();
  #forgottenMs = Number.NEGATIVE_INFINITY;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#uses.size;
  }

  /** False for a count that was used, or that nobody can tell of any more. */
  use(nonce: string, count: number, issuedMs: number): boolean {
    if (count < 1) return false;
    const use = this.#uses.get(nonce);
    if (use !== undefined) return advance(use, count);
    if (issuedMs <= this.#forgottenMs) return false;
    this.#uses.set(nonce, { issuedMs, highest: count, seen: 1 });
    if (this.#uses.size > this.#max) this.#forgetFirst();
    return true;
  }

  /** Those issued earlier are refused for their age, without being looked for here. */
  forgetBefore(ms: number): void {
    for (const [nonce, { issuedMs }] of this.#uses) {
      // In order of first use: later ones may be older, but not by more than one lifetime.
      if (issuedMs >= ms) return;
      this.#uses.delete(nonce);
    }
  }

  #forgetFirst(): void {
    for (const [nonce, { issuedMs }] of this.#uses) {
      this.#uses.delete(nonce);
      this.#forgottenMs = Math.max(this.#forgottenMs, issuedMs);
      return;
    }
  }
}

function advance(use: Use, count: number): boolean {
  const ahead = count - use.highest;
  if (ahead > 0) {
    use.seen = ahead >= windowSize ? 1 : ((use.seen << ahead) | 1) >>> 0;
    use.highest = count;
    return true;
  }
  const behind = -ahead;
  if (behind >= windowSize || (use.seen & (1 << behind)) !== 0) return false;
  use.seen = (use.seen | (1 << behind)) >>> 0;
  return true;
}
