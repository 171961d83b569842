/** What a phone heard, laid out on the time axis of the sender's RTP timestamps: a lost packet is a hole of
 *  silence, a reordered one is in its place. */
export class HeardAudio {
  readonly #sampleRateHz: number;
  readonly #rtpClockRateHz: number;
  readonly #samplesMax: number;
  #pcm: Int16Array;
  #samples = 0;
  #startedMs: number | undefined;
  #ssrc = 0;
  #anchorTimestamp = 0;
  #anchorSample = 0;

  constructor(options: {
    readonly sampleRateHz: number;
    readonly rtpClockRateHz: number;
    readonly secondsMax: number;
  }) {
    this.#sampleRateHz = options.sampleRateHz;
    this.#rtpClockRateHz = options.rtpClockRateHz;
    this.#samplesMax = Math.round(options.secondsMax * options.sampleRateHz);
    this.#pcm = new Int16Array(Math.min(this.#samplesMax, options.sampleRateHz * 4));
  }

  /** Arrival of the first packet, on the clock of `place`. */
  get startedMs(): number | undefined {
    return this.#startedMs;
  }

  /** Everything so far, a copy. */
  get pcm(): Int16Array {
    return this.#pcm.slice(0, this.#samples);
  }

  place(pcm: Int16Array, samples: number, ssrc: number, rtpTimestamp: number, nowMs: number): void {
    if (this.#startedMs === undefined) {
      this.#startedMs = nowMs;
      this.#ssrc = ssrc;
      this.#anchorTimestamp = rtpTimestamp;
    }
    let at = this.#positionOf(rtpTimestamp);
    const atByArrival = Math.round(((nowMs - this.#startedMs) * this.#sampleRateHz) / 1_000);
    // A new source, or a clock that jumped by more than any network holds a packet back: what follows is placed
    // from where it arrived.
    if (ssrc !== this.#ssrc || Math.abs(at - atByArrival) > 2 * this.#sampleRateHz) {
      this.#ssrc = ssrc;
      this.#anchorTimestamp = rtpTimestamp;
      this.#anchorSample = Math.max(this.#samples, atByArrival);
      at = this.#anchorSample;
    }
    if (at < 0) return;
    const count = Math.min(samples, this.#samplesMax - at);
    if (count <= 0) return;
    this.#grow(at + count);
    this.#pcm.set(pcm.subarray(0, count), at);
    this.#samples = Math.max(this.#samples, at + count);
  }

  #positionOf(rtpTimestamp: number): number {
    const elapsed = (rtpTimestamp - this.#anchorTimestamp) | 0;
    return this.#anchorSample + Math.round((elapsed * this.#sampleRateHz) / this.#rtpClockRateHz);
  }

  #grow(samples: number): void {
    if (samples <= this.#pcm.length) return;
    const grown = new Int16Array(Math.min(this.#samplesMax, Math.max(samples, this.#pcm.length * 2)));
    grown.set(this.#pcm);
    this.#pcm = grown;
  }
}
