import { codecNamed } from '../../codecs/catalogue.ts';
import type { AudioDecoder, AudioEncoder, Codec, CodecName, EncoderSettings } from '../../codecs/codec.ts';
import { parseOpusFmtp } from '../../codecs/opus-fmtp.ts';

/** Frames that an Opus packet can have (RFC 6716 §2.1.4), of those that are multiples of 10 ms. */
const opusPtimesMs: readonly number[] = [10, 20, 40, 60];
/** Its own framing fills a packet as it likes, so any datagram may be one. */
const opusBytesMax = 1500;

/** What of an RTP session decides about encoder and decoder. */
export interface CoderSession {
  readonly codec: CodecName;
  readonly fmtpRemote?: string | undefined;
}

/** Encoder and decoder of one RTP session, at the PCM rate that the other side of the bridge has where the codec can
 *  do that, so that nothing needs to be resampled. */
export class CoderPair {
  readonly codec: Codec;
  readonly encoder: AudioEncoder;
  readonly decoder: AudioDecoder;
  readonly #wishedHz: number | undefined;
  readonly #fmtpRemote: string | undefined;

  /** Throws `RangeError` for a codec that this build does not have. */
  constructor(
    { codec: name, fmtpRemote }: CoderSession,
    wishedHz: number | undefined,
    settings?: EncoderSettings,
  ) {
    const codec = codecNamed(name);
    if (codec === undefined) throw new RangeError(`codec must be one of this build's, got ${name}`);
    this.codec = codec;
    this.#wishedHz = wishedHz;
    this.#fmtpRemote = fmtpRemote;
    this.encoder = codec.createEncoder(wishedHz, fmtpRemote, settings);
    this.decoder = codec.createDecoder(wishedHz);
  }

  /** Whether it is what a session with these wishes needs. */
  serves({ codec, fmtpRemote }: CoderSession, wishedHz: number | undefined): boolean {
    return codec === this.codec.name && fmtpRemote === this.#fmtpRemote && wishedHz === this.#wishedHz;
  }

  /** The nearest ptime below that the codec has frames of: a multiple of 10 from 10 to 60. */
  ptimeMs(wishedMs: number): number {
    const tens = Math.min(60, Math.max(10, Math.floor(wishedMs / 10) * 10));
    if (this.codec.name !== 'opus') return tens;
    const { minPtimeMs } = parseOpusFmtp(this.#fmtpRemote);
    const longEnough = opusPtimesMs.find((ptimeMs) => ptimeMs >= minPtimeMs) ?? 60;
    return Math.max(longEnough, opusPtimesMs.findLast((ptimeMs) => ptimeMs <= tens)!);
  }

  /** Longest payload to expect: of 60 ms, and for Opus whatever one datagram holds. */
  get receivedBytesMax(): number {
    return this.codec.name === 'opus' ? opusBytesMax : this.codec.payloadBytesMax * 3;
  }

  /** Gives native state back. */
  close(): void {
    this.encoder.close();
    this.decoder.close();
  }
}
