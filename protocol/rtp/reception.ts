import type { RtpHeader } from './packet.ts';
import { SequenceTracker, type SequenceVerdict } from './sequence.ts';

/** What became of a packet. Only `accepted` and `restarted` are to be played. `restarted`: a new SSRC, or a sender
 *  that began its sequence anew: flush the jitter buffer and the telephone-event receiver before this packet.
 *  `jumped`: not believed until the next packet confirms it (RFC 3550 A.1). */
export type ReceptionVerdict = 'accepted' | 'duplicate' | 'restarted' | 'probation' | 'jumped';

/** What a report block says about a source, RFC 3550 §6.4.1. */
export interface ReceptionReport {
  readonly ssrc: number;
  /** Of the interval since the last report, in 1/256. */
  readonly fractionLost: number;
  /** Since the source began; may be negative where packets were repeated. */
  readonly packetsLost: number;
  /** Extended highest sequence number, 32 bits. */
  readonly extendedSequence: number;
  /** In RTP timestamp units. */
  readonly jitter: number;
}

const historyPackets = 128;
const neverReceived = -0x80000000;
/** A step of the transit time beyond this is a sender that set its timestamp anew, not a delay. */
const transitStepMsMax = 3000;
/** So many packets behind others, in order and over so much time, are a sender that began anew. */
const behindInRowMin = 5;
const behindMsMin = 60;

/** Statistics of one received stream, RFC 3550 §6.4.1, A.3 and A.8. One per RTP session, whatever SSRCs follow one
 *  another in it: totals go on, the state of the source starts anew. */
export class Reception {
  /** Of the source received now; undefined before the first packet. */
  ssrc: number | undefined = undefined;
  packetsDuplicate = 0;

  #rtpClockRateHz: number;
  readonly #tracker: SequenceTracker;
  readonly #history = new Int32Array(historyPackets);
  /** Totals of the sources before this one. */
  #receivedBefore = 0;
  #lostBefore = 0;
  /** Of this source. Repeated packets count as received, as RFC 3550 A.3 has it. */
  #received = 0;
  #duplicate = 0;
  #expectedReported = 0;
  #receivedReported = 0;
  #jitter = 0;
  #timestampLast = 0;
  #arrivalMsLast = 0;
  #timed = false;
  /** Packets in a row, in order, that came behind others: which one would be next, and since when. */
  #behindInRow = 0;
  #behindNext = 0;
  #behindSinceMs = 0;

  constructor(options: { readonly rtpClockRateHz: number; readonly probationPackets?: number }) {
    this.#rtpClockRateHz = options.rtpClockRateHz;
    this.#tracker = new SequenceTracker(options);
  }

  /** Another codec of the same source: numbers and totals go on. */
  changeClock(rtpClockRateHz: number): void {
    if (rtpClockRateHz === this.#rtpClockRateHz) return;
    this.#jitter *= rtpClockRateHz / this.#rtpClockRateHz;
    this.#rtpClockRateHz = rtpClockRateHz;
    this.#timed = false;
  }

  /** Takes every packet of the session, telephone-events too, as they share the sequence. `nowMs` is the arrival. */
  receive(header: RtpHeader, nowMs: number): ReceptionVerdict {
    let changed = false;
    if (header.ssrc !== this.ssrc) {
      changed = this.ssrc !== undefined;
      this.#beginSource(header.ssrc, this.#expectedNow());
      this.#tracker.reset();
    }
    const verdict = this.#receiveNumber(header.sequence, nowMs);
    if (verdict === 'probation' || verdict === 'jumped') return verdict;
    if (verdict === 'restarted') {
      this.#beginSource(header.ssrc, this.#tracker.expectedBefore);
      changed = true;
    }
    this.#received++;
    const extended = this.#tracker.extended;
    const place = extended & (historyPackets - 1);
    if (verdict === 'behind' && this.#history[place] === extended) {
      this.#duplicate++;
      this.packetsDuplicate++;
      return 'duplicate';
    }
    this.#history[place] = extended;
    this.#measureJitter(header.timestamp, nowMs);
    return changed ? 'restarted' : 'accepted';
  }

  /** A sender that jumps back by less than what could be reordered would be taken for late until it has caught up. Late
   *  packets come in a burst, or between new ones; these come one after another in their own time. */
  #receiveNumber(sequence: number, nowMs: number): SequenceVerdict {
    const verdict = this.#tracker.receive(sequence);
    if (verdict !== 'behind') {
      this.#behindInRow = 0;
      return verdict;
    }
    if (this.#behindInRow === 0 || sequence !== this.#behindNext) {
      this.#behindInRow = 0;
      this.#behindSinceMs = nowMs;
    }
    this.#behindInRow++;
    this.#behindNext = (sequence + 1) & 0xffff;
    if (this.#behindInRow < behindInRowMin || nowMs - this.#behindSinceMs < behindMsMin) return verdict;
    this.#behindInRow = 0;
    this.#tracker.restart(sequence);
    return 'restarted';
  }

  /** Received and not repeated, of all sources. */
  get packetsReceived(): number {
    return this.#receivedBefore + this.#received - this.#duplicate;
  }

  get packetsExpected(): number {
    return this.packetsReceived + this.packetsLost;
  }

  /** Those that should have come and did not, of all sources. */
  get packetsLost(): number {
    return this.#lostBefore + this.#lostNow();
  }

  get jitterMs(): number {
    return (this.#jitter * 1000) / this.#rtpClockRateHz;
  }

  /** Report block about the source received now, and the start of the next interval; undefined where nothing came
   *  since the last one (RFC 3550 §6.4: such a source is left out). */
  takeReport(): ReceptionReport | undefined {
    if (this.ssrc === undefined || this.#received === this.#receivedReported) return undefined;
    const expected = this.#expectedNow();
    const expectedInterval = expected - this.#expectedReported;
    const lostInterval = expectedInterval - (this.#received - this.#receivedReported);
    this.#expectedReported = expected;
    this.#receivedReported = this.#received;
    return {
      ssrc: this.ssrc,
      fractionLost:
        expectedInterval <= 0 || lostInterval <= 0
          ? 0
          : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval)),
      packetsLost: expected - this.#received,
      extendedSequence: this.#tracker.extendedMax >>> 0,
      jitter: Math.floor(this.#jitter),
    };
  }

  #expectedNow(): number {
    return this.#received === 0 ? 0 : this.#tracker.extendedMax - this.#tracker.extendedFirst + 1;
  }

  #lostNow(): number {
    return this.#lostOf(this.#expectedNow());
  }

  #lostOf(expected: number): number {
    return Math.max(0, expected - (this.#received - this.#duplicate));
  }

  #beginSource(ssrc: number, expectedBefore: number): void {
    this.#lostBefore += this.#lostOf(expectedBefore);
    this.#receivedBefore += this.#received - this.#duplicate;
    this.ssrc = ssrc;
    this.#received = 0;
    this.#duplicate = 0;
    this.#expectedReported = 0;
    this.#receivedReported = 0;
    this.#history.fill(neverReceived);
    this.#timed = false;
  }

  #measureJitter(timestamp: number, nowMs: number): void {
    if (this.#timed) {
      const ticks = (timestamp - this.#timestampLast) | 0;
      // Packets of one telephone-event share its start as timestamp and say nothing about delay.
      if (ticks === 0) return;
      const step = Math.abs(((nowMs - this.#arrivalMsLast) * this.#rtpClockRateHz) / 1000 - ticks);
      if (step * 1000 <= transitStepMsMax * this.#rtpClockRateHz) this.#jitter += (step - this.#jitter) / 16;
    }
    this.#timed = true;
    this.#timestampLast = timestamp;
    this.#arrivalMsLast = nowMs;
  }
}
