/** Keeps the time axis of what a phone says whole while it sends digits: an RFC 4733 event takes the place of audio, so
 *  its duration has to be given on as silence, or everything after it comes early. Works on RTP timestamps, in the
 *  order of the sequence. All times are in units of the RTP clock. */

/** Longer than this between a digit and the audio after it is silence suppression, which is nobody's loss. */
const gapMsMax = 300;
/** One event packet never stands for more; a forged duration is 8 s. */
const eventMsMax = 1000;

export class UplinkTimeline {
  readonly #ticksPerMs: number;
  /** Up to where the sinks have been served. */
  #until: number | undefined;
  #event: { readonly timestamp: number; ended: boolean } | undefined;

  constructor(rtpClockRateHz: number) {
    this.#ticksPerMs = rtpClockRateHz / 1000;
  }

  /** How far behind the end of what the sinks have a packet begins; negative where it is late. */
  ahead(timestamp: number): number | undefined {
    return this.#until === undefined ? undefined : (timestamp - this.#until) | 0;
  }

  /** An audio packet of `ticks` is about to be played: how much silence belongs before it; undefined where it is not
   *  to be played at all, as it is the sound of a digit whose time was given on as silence. */
  audio(timestamp: number, ticks: number): number | undefined {
    const event = this.#event;
    const gap = this.#until === undefined ? 0 : (timestamp - this.#until) | 0;
    const end = (timestamp + ticks) >>> 0;
    if (event !== undefined && !event.ended && gap < 0 && ((end - this.#until!) | 0) <= 0) {
      // Not where the phone's clock has stood still meanwhile: that would be silence without end.
      if (((timestamp - event.timestamp) | 0) >= 0) return undefined;
    }
    const afterEvent = event !== undefined;
    this.#event = undefined;
    this.#until = end;
    return afterEvent && gap > 0 && gap <= gapMsMax * this.#ticksPerMs ? gap : 0;
  }

  /** A packet of an event, its start and its duration so far: how much silence it adds. The repeats of an end add
   *  none. */
  event(timestamp: number, durationTicks: number, end: boolean): number {
    if (this.#event === undefined || this.#event.timestamp !== timestamp) {
      this.#event = { timestamp, ended: false };
      const gap = this.#until === undefined ? 0 : (timestamp - this.#until) | 0;
      const believed = gap <= gapMsMax * this.#ticksPerMs && gap >= -eventMsMax * this.#ticksPerMs;
      if (this.#until === undefined || !believed) this.#until = timestamp;
    }
    if (end) this.#event.ended = true;
    const until = (timestamp + durationTicks) >>> 0;
    const added = (until - this.#until!) | 0;
    if (added <= 0) return 0;
    this.#until = until;
    return Math.min(added, eventMsMax * this.#ticksPerMs);
  }

  /** A packet that was given up: true where it is to be concealed, which takes `ticks`. During an event it is not, as
   *  the next packet of the event says what time has passed. */
  lost(ticks: number): boolean {
    if (this.#event !== undefined && !this.#event.ended) return false;
    if (this.#until !== undefined) this.#until = (this.#until + ticks) >>> 0;
    return true;
  }

  /** The sender began anew. */
  reset(): void {
    this.#until = undefined;
    this.#event = undefined;
  }
}
