/** How much is cut at a time, and how often at most: a sixth of a syllable, some 6 % faster than it was spoken. */
const cutMs = 10;
const cutEveryMs = 160;
/** What a source is judged by. */
const windowMs = 1_000;
/** Left waiting: a server that stalled once does it again. */
const cushionMs = 40;
/** A longer gap is a pause of the server's, not a stall. */
const gapMsMax = 5_000;

/** A server that freezes for a second in mid-speech leaves a second of silence, and then all that it says comes a
 *  second late: nothing of it may be dropped, and while it goes on talking in real time the queue never empties. This
 *  decides when a little of that debt is cut out again. Only silence that we had to insert counts as debt, so what a
 *  server sends ahead on purpose is left alone, and it is only paid while audio comes at the pace at which it is
 *  played, so speech sent in one piece is played untouched. */
export class CatchUp {
  #debtMs = 0;
  /** Silence inserted since the queue ran dry in mid-speech; undefined while it did not. */
  #gapMs: number | undefined;
  #receivedMs = 0;
  #takenMs = 0;
  #queuedMsMin = Number.POSITIVE_INFINITY;
  /** The least that waited in the last whole window before the queue ran dry. */
  #usualMs = 0;
  /** Something was played since the start or the last clear; the silence before that is nobody's debt. */
  #begun = false;
  /** Undefined until a whole window was seen. */
  #paced: boolean | undefined;
  #sinceCutMs = 0;

  received(ms: number): void {
    this.#receivedMs += ms;
  }

  /** A frame was due. `queuedMs` is what waits behind it; `missingMs` is what of the frame was silence. Returns how
   *  much to cut out of what waits, 0 nearly always. */
  frame(frameMs: number, missingMs: number, queuedMs: number): number {
    if (missingMs > 0) this.#runDry(missingMs);
    else if (this.#gapMs !== undefined) this.#resume(queuedMs);
    else this.#begun = true;
    this.#takenMs += frameMs;
    if (queuedMs < this.#queuedMsMin) this.#queuedMsMin = queuedMs;
    if (this.#takenMs >= windowMs) this.#judge();
    if (this.#debtMs < cutMs || this.#paced !== true) return 0;
    this.#sinceCutMs += frameMs;
    if (this.#sinceCutMs < cutEveryMs || queuedMs < cushionMs + 3 * cutMs) return 0;
    this.#sinceCutMs = 0;
    return cutMs;
  }

  cut(ms: number): void {
    this.#debtMs -= ms;
  }

  /** Nothing of what was waits any more. */
  clear(): void {
    this.#debtMs = 0;
    this.#gapMs = undefined;
    this.#paced = undefined;
    this.#begun = false;
    this.#openWindow();
  }

  #runDry(missingMs: number): void {
    // Only a source that kept the pace until now can be late; one that sent everything ahead has simply finished.
    if (this.#gapMs === undefined && this.#paced === false) return;
    if (!this.#begun) return;
    this.#gapMs = (this.#gapMs ?? 0) + missingMs;
    if (this.#gapMs > gapMsMax) this.clear();
  }

  /** What waits now beyond what usually did is the late audio. */
  #resume(queuedMs: number): void {
    const lateMs = queuedMs - Math.max(cushionMs, this.#usualMs);
    this.#debtMs += Math.max(0, Math.min(lateMs, this.#gapMs ?? 0));
    this.#gapMs = undefined;
    this.#openWindow();
  }

  #judge(): void {
    const share = this.#receivedMs / this.#takenMs;
    this.#paced = share > 0.85 && share < 1.15;
    if (this.#paced && this.#debtMs === 0) this.#usualMs = this.#queuedMsMin;
    this.#openWindow();
  }

  #openWindow(): void {
    this.#receivedMs = 0;
    this.#takenMs = 0;
    this.#queuedMsMin = Number.POSITIVE_INFINITY;
  }
}
