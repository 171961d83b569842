/** What a suite does to packets, in place. The packet's numbers come from the caller: nothing here remembers any.
 *  `high` and `low` are the packet index: of RTP its rollover counter and sequence number, of RTCP the upper and the lower
 *  16 bits of the SRTCP index. */
export interface SrtpTransform {
  /** Bytes that protecting adds. */
  readonly growthBytes: number;
  readonly rtcpGrowthBytes: number;
  /** Encrypts from `from` on and writes the tag behind; returns the new size. */
  protect(
    packet: Uint8Array,
    from: number,
    sizeBytes: number,
    ssrc: number,
    high: number,
    low: number,
  ): number;
  /** Checks the tag, then decrypts; returns the new size, or -1 where the tag is wrong: nothing has been changed then. */
  unprotect(
    packet: Uint8Array,
    from: number,
    sizeBytes: number,
    ssrc: number,
    high: number,
    low: number,
  ): number;
  protectRtcp(packet: Uint8Array, sizeBytes: number, ssrc: number, index: number): number;
  /** The same with the word of E-flag and index as it was received. */
  unprotectRtcp(packet: Uint8Array, sizeBytes: number, ssrc: number, indexWord: number): number;
  /** Where the word of E-flag and index stands in a protected RTCP packet. */
  rtcpIndexOffset(sizeBytes: number): number;
}

/** Of the header and SSRC of an RTCP packet, which stay readable. */
export const rtcpClearBytes = 8;
/** The packet is encrypted (RFC 3711 §3.4). */
export const encryptedFlag = 0x8000_0000;
