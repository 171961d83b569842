/** What every codec offers to the media path. PCM is signed 16-bit, mono, host order, in `Int16Array`s.
 *  Nothing here allocates per packet: the caller brings the buffers. */

/** `l16` has 16 kHz, `l16-8000` what its name says. */
export type CodecName = 'pcmu' | 'pcma' | 'g722' | 'opus' | 'l16' | 'l16-8000';

/** What the operator wishes of encoders that have a choice; the peer's parameters may ask for less. */
export interface EncoderSettings {
  /** Bits per second. */
  readonly bitrate?: number | undefined;
  /** 0 (cheapest) to 10. */
  readonly complexity?: number | undefined;
  /** Whether silence may be left out for peers that want that. */
  readonly dtx?: boolean | undefined;
}

export interface AudioEncoder {
  /** PCM rate that `encode` wants. */
  readonly sampleRateHz: number;
  /** Encodes `samples` samples from `pcm[pcmOffset]` into `payload[payloadOffset…]`; returns the bytes written. */
  encode(
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
    payload: Uint8Array,
    payloadOffset: number,
  ): number;
  reset(): void;
  /** Gives native state back for the next call; call it once when the leg ends, and nothing afterwards. A second
   *  time does nothing. */
  close(): void;
}

export interface AudioDecoder {
  /** PCM rate that `decode` gives. */
  readonly sampleRateHz: number;
  /** Decodes `sizeBytes` bytes from `payload[payloadOffset]` into `pcm[pcmOffset…]`; returns the samples written.
   *  Never throws: a payload that cannot be decoded gives 0. */
  decode(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
  ): number;
  /** Writes `samples` samples that stand in for a lost packet; silence where the codec knows nothing better. */
  conceal(pcm: Int16Array, pcmOffset: number, samples: number): number;
  /** Instead of `conceal`, where the packet behind the lost one is at hand, and before that one is decoded: writes what
   *  it says of the lost one (in-band FEC), `samples` long; 0 where it says nothing. */
  recover?(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
  ): number;
  reset(): void;
  /** As that of an encoder. */
  close(): void;
}

export interface Codec {
  readonly name: CodecName;
  /** RTP encoding name of the SDP rtpmap line (`PCMU`). */
  readonly encodingName: string;
  /** RFC 3551 static payload type, undefined where it is dynamic. */
  readonly payloadTypeStatic: number | undefined;
  /** RTP timestamp clock. G.722 says 8000 and means 16000 (RFC 3551 §4.5.2). */
  readonly rtpClockRateHz: number;
  /** Native PCM rate. */
  readonly sampleRateHz: number;
  /** SDP channel count, where it must be written. */
  readonly channels: number;
  /** Longest payload of 20 ms. */
  readonly payloadBytesMax: number;
  /** Parameters that we write into our offers and answers. */
  readonly fmtp?: string;
  /** `sampleRateHz` is a wish: a codec with one PCM rate ignores it, so read the rate that came of it. `fmtpRemote` is
   *  the parameters that the peer wrote for what it receives. */
  createEncoder(sampleRateHz?: number, fmtpRemote?: string, settings?: EncoderSettings): AudioEncoder;
  createDecoder(sampleRateHz?: number): AudioDecoder;
}
