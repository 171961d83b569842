/** Which packet indexes of one source have come, RFC 3711 §3.3.2. An index is a whole number below 2^48. */

const windowPackets = 128;

export class ReplayWindow {
  /** Highest index so far; -1 before the first. */
  highest = -1;
  /** Lower 32 bits of the index seen last at each place of the window. */
  readonly #seen = new Uint32Array(windowPackets);

  constructor() {
    // An index that belongs to another place, so that no place begins as seen.
    for (let place = 0; place < windowPackets; place++) this.#seen[place] = place ^ 1;
  }

  /** `late` where the index is so old that nobody remembers. */
  check(index: number): 'new' | 'replayed' | 'late' {
    if (index > this.highest) return 'new';
    if (index <= this.highest - windowPackets) return 'late';
    return this.#seen[index % windowPackets] === index % 0x1_0000_0000 ? 'replayed' : 'new';
  }

  /** Only for an index that is `new`, and only once its packet has been authenticated. */
  note(index: number): void {
    this.#seen[index % windowPackets] = index;
    if (index > this.highest) this.highest = index;
  }
}
