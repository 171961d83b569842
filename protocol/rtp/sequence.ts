/** Sequence numbers beyond 16 bits, and whether a packet belongs to the stream at all. RFC 3550 A.1. */

/** `first`: the stream begins with this packet. `next`: as expected, or after a hole. `behind`: reordered or
 *  repeated. `restarted`: the sender began anew with the packet before; everything is reset. `probation`: not yet
 *  trusted. `jumped`: so far off that it is not believed until the packet after it confirms it. The last two are not
 *  to be used. */
export type SequenceVerdict = 'first' | 'next' | 'behind' | 'restarted' | 'probation' | 'jumped';

const dropoutMax = 3000;
const misorderMax = 100;
const sequenceRange = 65_536;

export class SequenceTracker {
  /** Extended number of the earliest packet that counted; below 0 where that came after a later one. */
  extendedFirst = 0;
  /** Highest extended number so far. */
  extendedMax = 0;
  /** Extended number of the packet given last, where its verdict was `first`, `next`, `behind` or `restarted`. */
  extended = 0;
  /** After `restarted`: how many packets the stream before it should have had. */
  expectedBefore = 0;

  readonly #probationPackets: number;
  #probationLeft: number;
  #started = false;
  #confirming = -1;

  /** `probationPackets`: how many consecutive packets it takes to believe in a new source; 1 believes at once, which
   *  is right where the source address was checked already. */
  constructor({ probationPackets = 1 }: { readonly probationPackets?: number } = {}) {
    this.#probationPackets = probationPackets;
    this.#probationLeft = probationPackets;
  }

  /** Forgets the stream; the next packet is its first. */
  reset(): void {
    this.#started = false;
    this.#probationLeft = this.#probationPackets;
    this.#confirming = -1;
  }

  /** The caller knows by other means that the stream began anew with this packet: as if the verdict had been `restarted`. */
  restart(sequence: number): void {
    this.#start(sequence);
  }

  receive(sequence: number): SequenceVerdict {
    if (!this.#started) return this.#begin(sequence);
    const ahead = (sequence - this.extendedMax) & 0xffff;
    if (ahead !== 0 && ahead < dropoutMax) {
      this.extendedMax += ahead;
      this.extended = this.extendedMax;
      this.#confirming = -1;
      return 'next';
    }
    const behind = (sequenceRange - ahead) & 0xffff;
    if (behind < misorderMax) {
      this.extended = this.extendedMax - behind;
      // The first packets may be the reordered ones; without this they would hide a loss.
      if (this.extended < this.extendedFirst) this.extendedFirst = this.extended;
      return 'behind';
    }
    // Two consecutive packets after a jump > 3000 are a restarted sender, not loss (RFC 3550 A.1).
    if (sequence === this.#confirming) {
      this.#start(sequence);
      return 'restarted';
    }
    this.#confirming = (sequence + 1) & 0xffff;
    return 'jumped';
  }

  #begin(sequence: number): SequenceVerdict {
    const consecutive = sequence === this.#confirming;
    this.#confirming = (sequence + 1) & 0xffff;
    this.#probationLeft = (consecutive ? this.#probationLeft : this.#probationPackets) - 1;
    if (this.#probationLeft > 0) return 'probation';
    this.#start(sequence);
    return 'first';
  }

  #start(sequence: number): void {
    this.expectedBefore = this.#started ? this.extendedMax - this.extendedFirst + 1 : 0;
    this.#started = true;
    this.#confirming = -1;
    this.extendedFirst = sequence;
    this.extendedMax = sequence;
    this.extended = sequence;
  }
}
