import { codecs as catalogue, codecNamed } from '../../codecs/catalogue.ts';
import type { Codec, CodecName } from '../../codecs/codec.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SrtpSuite } from '../../protocol/rtp/srtp-keys.ts';
import { writeAnswer } from '../../protocol/sdp/answer.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import { type Negotiated, negotiate } from '../../protocol/sdp/negotiate.ts';
import { type LocalOffer, readAnswer, writeOffer } from '../../protocol/sdp/offer.ts';
import { readDescription } from '../../protocol/sdp/session-description.ts';
import type { AudioDirection, RtpSession } from '../media/media-messages.ts';
import { SrtpLocalKeys } from '../srtp-local-keys.ts';

export interface PhoneNegotiationOptions {
  /** In order of preference. */
  readonly codecs: readonly Codec[];
  readonly ptimeMs?: number;
  readonly rtcpMux?: boolean;
  /** Default off. */
  readonly srtp?: SrtpPolicy;
  /** What it offers, in this order. Default: all. */
  readonly srtpSuites?: readonly SrtpSuite[];
  readonly port: number;
  /** Decimal digits. */
  readonly sessionId: string;
}

/** Offers and answers of one call of the phone, in the order in which they are made. */
export class PhoneNegotiation {
  readonly #options: PhoneNegotiationOptions;
  readonly #keys = new SrtpLocalKeys();
  #localAddress = '';
  #sessionVersion = 0;
  #offer: LocalOffer<Codec> | undefined;
  #negotiated: Negotiated<Codec> | undefined;

  constructor(options: PhoneNegotiationOptions) {
    this.#options = options;
  }

  /** Undefined until offer and answer have met. */
  get codec(): Codec | undefined {
    return this.#negotiated?.codec;
  }

  get srtpSuite(): SrtpSuite | undefined {
    return this.#negotiated?.remoteKey?.key.suite;
  }

  /** As the audio needs it; call it only when there is a codec. */
  get rtpSession(): RtpSession {
    const { codec, lineIndex: _, remoteKey, ...session } = this.#negotiated!;
    return { ...session, codec: codec.name, symmetric: 'off', srtp: this.#keys.session(remoteKey) };
  }

  /** SDP of our INVITE. */
  writeOffer(localAddress: string): string {
    this.#localAddress = localAddress;
    return this.#write(this.#options.codecs, 'sendrecv');
  }

  /** SDP of a re-INVITE: the codec stays. */
  writeReoffer(direction: AudioDirection): string {
    return this.#write(this.codec === undefined ? this.#options.codecs : [this.codec], direction);
  }

  /** Throws `ProtocolError` for an answer that cannot be used. */
  takeAnswer(answer: string): void {
    this.#negotiated = readAnswer(answer, this.#offer!);
  }

  /** The answer to a re-INVITE that was to keep the session alive, and by which the far side may have moved. False where
   *  it repeats a description that was no offer of ours, or cannot be used: the session then goes on as it was. */
  takeRefresh(answer: string): boolean {
    if (this.#offer === undefined) return false;
    try {
      this.takeAnswer(answer);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return false;
    }
  }

  /** SDP of our 200. Throws `ProtocolError` where nothing fits. */
  writeAnswer(offerText: string, localAddress = this.#localAddress): string {
    this.#localAddress = localAddress;
    const offer = readDescription(offerText);
    const { codecs, ptimeMs, srtp = 'off' } = this.#options;
    const negotiated = negotiate(offer, { codecs, srtp, ...(ptimeMs === undefined ? {} : { ptimeMs }) });
    this.#negotiated = negotiated;
    this.#offer = undefined;
    return writeAnswer(offer, negotiated, this.#nextMedia(), this.#keys.answer(negotiated.remoteKey));
  }

  #write(codecs: readonly Codec[], direction: AudioDirection): string {
    const { ptimeMs, rtcpMux = true, srtp = 'off', srtpSuites } = this.#options;
    this.#offer = {
      ...this.#nextMedia(),
      codecs,
      direction,
      rtcpMux,
      voipMetrics: true,
      srtp,
      crypto: srtp === 'off' ? [] : this.#keys.offer(srtpSuites),
      ...(ptimeMs === undefined ? {} : { ptimeMs }),
    };
    return writeOffer(this.#offer);
  }

  #nextMedia() {
    const { port, sessionId } = this.#options;
    this.#sessionVersion++;
    return {
      address: this.#localAddress,
      port,
      rtcpPort: port,
      sessionId,
      sessionVersion: this.#sessionVersion,
    };
  }
}

/** Every codec of this build where none is named. RangeError for one that is not in this build. */
export function codecsOf(names: readonly CodecName[] | undefined): readonly Codec[] {
  if (names === undefined) return catalogue;
  return names.map((name) => {
    const codec = codecNamed(name);
    if (codec === undefined)
      throw new RangeError(
        `codec ${name} is not in this build, which has ${catalogue.map((known) => known.name).join(', ')}`,
      );
    return codec;
  });
}
