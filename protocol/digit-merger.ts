/** One press of a key may come three ways at once: as RFC 4733 events, as its tone in the audio, as a SIP INFO. It is
 *  reported once, by whichever way was first. */

export type DigitMethod = 'rfc4733' | 'inband' | 'info';

interface Press {
  readonly digit: string;
  readonly atMs: number;
  readonly methods: Set<DigitMethod>;
}

/** How far apart two ways can report the same press: INFO goes through proxies and may be sent again. */
const spreadMsMax = 1500;
const pressesMax = 64;

export class DigitMerger {
  #presses: Press[] = [];
  /** Reports that were the same press once more. */
  merged = 0;

  /** True where `digit` is a press that was not reported yet. The same way never reports a press twice, so a second 5
   *  that comes by the same way is a second press; one that comes by another way belongs to the earliest press that
   *  has not come by it. */
  report(digit: string, method: DigitMethod, nowMs: number): boolean {
    this.#presses = this.#presses.filter(({ atMs }) => nowMs - atMs <= spreadMsMax);
    const same = this.#presses.find((press) => press.digit === digit && !press.methods.has(method));
    if (same !== undefined) {
      same.methods.add(method);
      this.merged++;
      return false;
    }
    if (this.#presses.length === pressesMax) this.#presses.shift();
    this.#presses.push({ digit, atMs: nowMs, methods: new Set([method]) });
    return true;
  }
}
