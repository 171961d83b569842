import { type RtpFields, writeRtpHeader } from './packet.ts';

/** What a sender report says about us, RFC 3550 §6.4.1. */
export interface SenderInfo {
  readonly ssrc: number;
  /** RTP timestamp of the moment the report is made. */
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  /** Payload bytes, without headers. */
  readonly octetCount: number;
}

/** Sequence, timestamp and counts of the one stream that we send in a session. SSRC and first values come from the
 *  caller and should be random (RFC 3550 §5.1). */
export class RtpSender implements RtpFields {
  readonly ssrc: number;
  /** Of the packet written last; only for `writeRtpHeader`. */
  marker = false;
  payloadType = 0;
  sequence: number;
  timestamp: number;
  packetCount = 0;
  octetCount = 0;

  #rtpClockRateHz: number;
  #sequenceNext: number;
  #timestampNext: number;
  #talkspurt = true;
  #timestampSent = 0;
  #sentMs: number | undefined = undefined;

  constructor(options: {
    readonly ssrc: number;
    readonly sequence: number;
    readonly timestamp: number;
    readonly rtpClockRateHz: number;
  }) {
    this.ssrc = options.ssrc >>> 0;
    this.sequence = options.sequence & 0xffff;
    this.timestamp = options.timestamp >>> 0;
    this.#sequenceNext = this.sequence;
    this.#timestampNext = this.timestamp;
    this.#rtpClockRateHz = options.rtpClockRateHz;
  }

  /** Another codec: sequence, timestamp and counts go on from where they are, and it begins with a marker. */
  changeClock(rtpClockRateHz: number): void {
    if (rtpClockRateHz === this.#rtpClockRateHz) return;
    this.#rtpClockRateHz = rtpClockRateHz;
    this.#talkspurt = true;
    this.#sentMs = undefined;
  }

  /** RTP timestamp of the frame that is due now: what a telephone-event that starts now is stamped with. */
  get timestampNext(): number {
    return this.#timestampNext;
  }

  /** Writes the 12-byte header of an audio packet at `into[offset…]` and moves on by `ticks`, the frame's length in
   *  RTP clock units. The first packet after a start or a pause carries the marker (RFC 3551 §4.1). */
  writeAudioHeader(
    into: Uint8Array,
    offset: number,
    payloadType: number,
    payloadBytes: number,
    ticks: number,
    nowMs: number,
  ): void {
    this.marker = this.#talkspurt;
    this.#talkspurt = false;
    this.timestamp = this.#timestampNext;
    this.#write(into, offset, payloadType, payloadBytes);
    this.#timestampSent = this.#timestampNext;
    this.#sentMs = nowMs;
    this.#timestampNext = (this.#timestampNext + ticks) >>> 0;
  }

  /** The same for a telephone-event packet that takes the place of a frame: stamped with the event's start, while
   *  time goes on by `ticks` (RFC 4733 §2.5.1). */
  writeEventHeader(
    into: Uint8Array,
    offset: number,
    payloadType: number,
    payloadBytes: number,
    ticks: number,
    event: { readonly marker: boolean; readonly timestamp: number },
  ): void {
    this.marker = event.marker;
    this.timestamp = event.timestamp;
    this.#write(into, offset, payloadType, payloadBytes);
    this.#timestampNext = (this.#timestampNext + ticks) >>> 0;
  }

  /** A frame's time passed and nothing was sent (hold): the sequence stands still, the timestamp does not. */
  skip(ticks: number): void {
    this.#timestampNext = (this.#timestampNext + ticks) >>> 0;
    this.#talkspurt = true;
  }

  /** For an SR made at `nowMs`; undefined before the first audio packet. */
  info(nowMs: number): SenderInfo | undefined {
    if (this.#sentMs === undefined) return undefined;
    const ticksSince = Math.round(((nowMs - this.#sentMs) * this.#rtpClockRateHz) / 1000);
    return {
      ssrc: this.ssrc,
      rtpTimestamp: (this.#timestampSent + ticksSince) >>> 0,
      packetCount: this.packetCount,
      octetCount: this.octetCount,
    };
  }

  #write(into: Uint8Array, offset: number, payloadType: number, payloadBytes: number): void {
    this.payloadType = payloadType;
    this.sequence = this.#sequenceNext;
    writeRtpHeader(into, offset, this);
    this.#sequenceNext = (this.#sequenceNext + 1) & 0xffff;
    this.packetCount = (this.packetCount + 1) >>> 0;
    this.octetCount = (this.octetCount + payloadBytes) >>> 0;
  }
}
