import type { Codec } from '../../codecs/codec.ts';
import { writeAnswer } from '../../protocol/sdp/answer.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import { type Negotiated, negotiate } from '../../protocol/sdp/negotiate.ts';
import { type LocalOffer, readAnswer, writeOffer } from '../../protocol/sdp/offer.ts';
import { type ContinuedSession, continueSession } from '../../protocol/sdp/payload-types.ts';
import type { MediaDirection, SdpAddress } from '../../protocol/sdp/remote-audio.ts';
import { type RemoteMedia, readDescription, readOffer } from '../../protocol/sdp/session-description.ts';
import type { RtpSession } from '../media/media-messages.ts';
import { SrtpLocalKeys } from '../srtp-local-keys.ts';

export interface LegNegotiationOptions {
  /** Accepted, and offered in this order. */
  readonly codecs: readonly Codec[];
  readonly srtp: SrtpPolicy;
  readonly symmetric: RtpSession['symmetric'];
  readonly sessionId: number;
  /** Where our RTP is reached, once it is bound. */
  readonly local: () => { readonly address: string; readonly port: number; readonly rtcpPort: number };
  /** Of the far side's signalling. */
  readonly remoteAddress: () => string;
}

/** Offers and answers of one leg, in the order in which they are made. What cannot be agreed on throws `ProtocolError`
 *  (400, 488) and leaves everything as it was. RFC 3264 §5–8. */
export class LegNegotiation {
  readonly #options: LegNegotiationOptions;
  readonly #keys = new SrtpLocalKeys();
  #remote: RemoteMedia | undefined;
  #agreed: Negotiated<Codec> | undefined;
  #continued: ContinuedSession | undefined;
  /** Of ours, and not answered yet. */
  #offered: LocalOffer<Codec> | undefined;
  #localSdp = '';
  #sessionVersion = 0;
  /** What we want, as seen from us: `sendonly` while we hold the far side. */
  #wish: MediaDirection = 'sendrecv';
  /** Where audio went before the far side put 0.0.0.0 in place of its address. */
  #addressesKnown: Pick<RtpSession, 'remote' | 'remoteRtcp'> | undefined;

  constructor(options: LegNegotiationOptions) {
    this.#options = options;
  }

  /** Undefined until offer and answer have met. */
  get agreed(): Negotiated<Codec> | undefined {
    return this.#agreed;
  }

  /** An offer of ours waits for its answer. */
  get offering(): boolean {
    return this.#offered !== undefined;
  }

  /** The far side does not listen: it put us on hold. */
  get held(): boolean {
    const { direction } = this.#agreed ?? {};
    const sends = direction === 'sendrecv' || direction === 'sendonly';
    return direction !== undefined && !sends && this.#wish !== 'recvonly' && this.#wish !== 'inactive';
  }

  /** As a media worker needs it; call it only when something is agreed. */
  get rtpSession(): RtpSession {
    const { codec, lineIndex: _, remoteKey, ...rest } = this.#agreed!;
    const session = {
      ...rest,
      codec: codec.name,
      symmetric: this.#options.symmetric,
      signalingAddress: this.#options.remoteAddress(),
      srtp: this.#keys.session(remoteKey),
    };
    if (!isUnspecified(rest.remote)) return session;
    // Hold as of RFC 2543: nothing is sent, and RTCP must not go to ourselves.
    const address = this.#options.remoteAddress();
    const guessed = { remote: { ...rest.remote, address }, remoteRtcp: { ...rest.remoteRtcp, address } };
    return { ...session, ...(this.#addressesKnown ?? guessed) };
  }

  /** The same before our answer is sent: the far side may talk as soon as it has that, and whoever is to listen has to
   *  know before. */
  get rtpSessionUnanswered(): RtpSession {
    return { ...this.rtpSession, unanswered: true };
  }

  /** The first offer came. The answer is written when the port is known. */
  takeOffer(text: string): void {
    const remote = readOffer(text);
    this.#take(remote, negotiate(remote, this.#preferences));
  }

  /** The answer to the offer that was taken last. */
  writeAnswer(): string {
    const remote = this.#remote!;
    const agreed = this.#agreed!;
    const key = this.#keyFor(agreed);
    // Said again in a 200 after a 183, it is the same description.
    const text = writeAnswer(remote, agreed, this.#localMedia(Math.max(1, this.#sessionVersion)), key);
    this.#sessionVersion = Math.max(1, this.#sessionVersion);
    this.#localSdp = text;
    return text;
  }

  /** Another offer in mid-call: the answer. The new session replaces the old one whole (RFC 3261 §14.2). */
  answer(text: string): string {
    const remote = readOffer(text);
    const agreed = negotiate(remote, this.#preferences);
    const key = this.#keyFor(agreed);
    const before = this.#localSdp;
    const unchanged = writeAnswer(remote, agreed, this.#localMedia(this.#sessionVersion), key);
    this.#take(remote, agreed);
    // RFC 3264 §8: the version tells whether anything is new.
    if (unchanged === before) return before;
    this.#sessionVersion++;
    this.#localSdp = writeAnswer(remote, agreed, this.#localMedia(this.#sessionVersion), key);
    return this.#localSdp;
  }

  /** An offer of ours, in mid-call with the codec in use first. `wish`: from now on, once it is agreed. */
  writeOffer(wish: MediaDirection = this.#wish): string {
    this.#sessionVersion++;
    this.#offered = this.#localOffer(wish);
    this.#localSdp = writeOffer(this.#offered);
    return this.#localSdp;
  }

  /** The answer to the offer that was written last. */
  takeAnswer(text: string): void {
    const offered = this.#offered ?? this.#localOffer(this.#wish);
    const agreed = readAnswer(text, offered);
    this.#wish = offered.direction ?? 'sendrecv';
    this.#offered = undefined;
    this.#take(readDescription(text), agreed);
  }

  /** The offer was refused: the session is what it was. */
  forgetOffer(): void {
    this.#offered = undefined;
  }

  /** Our last description was said again, to keep the session alive, and answered again. True where the answer is
   *  another one than before. */
  takeRefresh(text: string): boolean {
    const remote = readDescription(text);
    const known = this.#remote?.origin;
    const { sessionId, sessionVersion } = remote.origin;
    if (known?.sessionId === sessionId && known.sessionVersion === sessionVersion) return false;
    this.#take(remote, readAnswer(text, this.#localOffer(this.#wish)));
    return true;
  }

  /** Ours; a new one where the far side's audio has moved, whose rollover counter nobody there knows. */
  #keyFor(agreed: Negotiated<Codec>) {
    if (!isUnspecified(agreed.remote)) this.#keys.goTo(agreed.remote);
    return this.#keys.answer(agreed.remoteKey);
  }

  #take(remote: RemoteMedia, agreed: Negotiated<Codec>): void {
    this.#continued = continueSession(remote, agreed, this.#continued);
    this.#remote = remote;
    this.#agreed = agreed;
    if (!isUnspecified(agreed.remote)) {
      this.#addressesKnown = { remote: agreed.remote, remoteRtcp: agreed.remoteRtcp };
    }
  }

  get #preferences() {
    const { codecs, srtp } = this.#options;
    return { codecs, srtp, direction: this.#wish };
  }

  #localOffer(direction: MediaDirection): LocalOffer<Codec> {
    const { codecs, srtp } = this.#options;
    const current = this.#agreed?.codec;
    const others = codecs.filter((codec) => codec !== current);
    return {
      ...this.#localMedia(this.#sessionVersion),
      codecs: current === undefined ? codecs : [current, ...others],
      ptimeMs: 20,
      direction,
      rtcpMux: this.#agreed?.rtcpMux ?? false,
      srtp,
      crypto: srtp === 'off' ? [] : this.#keys.offer(),
      continues: this.#continued,
    };
  }

  #localMedia(sessionVersion: number) {
    return { ...this.#options.local(), sessionId: this.#options.sessionId, sessionVersion };
  }
}

function isUnspecified({ address }: SdpAddress): boolean {
  return address === '0.0.0.0' || address === '::';
}
