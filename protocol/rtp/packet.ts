/** RTP packets by offset, RFC 3550 §5.1 and §5.3.1. Nothing here allocates: one `RtpHeader` is read into again and
 *  again, and the payload stays where it arrived. */

/** The fixed header without CSRCs and extension, as we always send it. */
export const rtpHeaderBytes = 12;

/** What a sender decides for each packet. `sequence` is 16 bits, `timestamp` and `ssrc` are unsigned 32 bits. */
export interface RtpFields {
  readonly marker: boolean;
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
}

/** A view that is filled by `readRtpHeader` and valid until the next call. */
export class RtpHeader implements RtpFields {
  marker = false;
  payloadType = 0;
  sequence = 0;
  timestamp = 0;
  ssrc = 0;
  /** First byte of the payload, after CSRCs and header extension. */
  payloadOffset = 0;
  /** Payload without padding; may be 0. */
  payloadBytes = 0;

  copyFrom(other: RtpHeader): void {
    this.marker = other.marker;
    this.payloadType = other.payloadType;
    this.sequence = other.sequence;
    this.timestamp = other.timestamp;
    this.ssrc = other.ssrc;
    this.payloadOffset = other.payloadOffset;
    this.payloadBytes = other.payloadBytes;
  }
}

/** Fills `into` from `datagram[0 … sizeBytes]` and returns true, or returns false where that is no RTP packet: shorter
 *  than its own header says, another version, an extension or padding that does not fit. Never throws. After a false,
 *  `into` is unchanged. Sort out RTCP with `isRtcp` first where both share a port. */
export function readRtpHeader(
  datagram: Uint8Array,
  into: RtpHeader,
  sizeBytes: number = datagram.length,
): boolean {
  if (sizeBytes < rtpHeaderBytes) return false;
  const first = datagram[0]!;
  if (first >> 6 !== 2) return false;
  let payloadOffset = rtpHeaderBytes + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) {
    if (payloadOffset + 4 > sizeBytes) return false;
    const extensionWords = (datagram[payloadOffset + 2]! << 8) | datagram[payloadOffset + 3]!;
    payloadOffset += 4 + extensionWords * 4;
  }
  if (payloadOffset > sizeBytes) return false;
  let payloadBytes = sizeBytes - payloadOffset;
  if ((first & 0x20) !== 0) {
    // The last byte counts the padding and itself, so 0 is as wrong as more than there is.
    const paddingBytes = datagram[sizeBytes - 1]!;
    if (paddingBytes === 0 || paddingBytes > payloadBytes) return false;
    payloadBytes -= paddingBytes;
  }
  const second = datagram[1]!;
  into.marker = second > 127;
  into.payloadType = second & 0x7f;
  into.sequence = (datagram[2]! << 8) | datagram[3]!;
  into.timestamp = ((datagram[4]! << 24) | (datagram[5]! << 16) | (datagram[6]! << 8) | datagram[7]!) >>> 0;
  into.ssrc = ((datagram[8]! << 24) | (datagram[9]! << 16) | (datagram[10]! << 8) | datagram[11]!) >>> 0;
  into.payloadOffset = payloadOffset;
  into.payloadBytes = payloadBytes;
  return true;
}

/** Writes 12 bytes at `into[offset…]`: version 2, no padding, no extension, no CSRC. */
export function writeRtpHeader(into: Uint8Array, offset: number, fields: RtpFields): void {
  const { sequence, timestamp, ssrc } = fields;
  into[offset] = 0x80;
  into[offset + 1] = (fields.marker ? 0x80 : 0) | (fields.payloadType & 0x7f);
  into[offset + 2] = sequence >> 8;
  into[offset + 3] = sequence;
  into[offset + 4] = timestamp >>> 24;
  into[offset + 5] = timestamp >>> 16;
  into[offset + 6] = timestamp >>> 8;
  into[offset + 7] = timestamp;
  into[offset + 8] = ssrc >>> 24;
  into[offset + 9] = ssrc >>> 16;
  into[offset + 10] = ssrc >>> 8;
  into[offset + 11] = ssrc;
}

/** True where a datagram on a shared port is RTCP: its second byte is 192–223, which no RTP packet has while payload
 *  types 64–95 stay unused (RFC 5761 §4). */
export function isRtcp(datagram: Uint8Array): boolean {
  if (datagram.length < 4) return false;
  const second = datagram[1]!;
  return datagram[0]! >> 6 === 2 && second >= 192 && second <= 223;
}
