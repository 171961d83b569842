import { DigitMerger } from '../../protocol/digit-merger.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { digitsOf } from '../../protocol/sip/info-digits.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import { sdpOf } from '../../protocol/sip/session-description.ts';
import type { EndpointId, MediaEvent, RtpCounters } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  ReferOptions,
  ReferOutcome,
  SessionEnd,
} from '../signaling/session.ts';
import { type EndReason, endReasons, reasonHeader } from './end-reason.ts';
import type { Leg } from './leg.ts';
import { LegAudio } from './leg-audio.ts';
import { LegNegotiation } from './leg-negotiation.ts';
import type { LegAddresses } from './leg-rtp.ts';
import { type LegRole, refusalOf, sessionEndReason } from './session-ends.ts';
import type { LegDigit, LegReply, SipLegHandlers, SipLegOptions } from './sip-leg-options.ts';

/** One phone: an INVITE session and the RTP endpoint that belongs to it. Offer/answer of RFC 3264 is decided here. */
export class SipLeg implements Leg {
  readonly role: LegRole;
  readonly #options: SipLegOptions;
  readonly #handlers: SipLegHandlers;
  readonly #negotiation: LegNegotiation;
  readonly #digits = new DigitMerger();
  readonly #audio: LegAudio;
  #session: InviteSession | undefined;
  /** Ours that faces a phone that is called. */
  #facing: string | undefined;
  #held = false;
  #answered = false;
  /** A REFER of ours was accepted: who hangs up now went to the new call. */
  #referring = false;
  #ended = false;

  /** Throws ProtocolError (400, 488) where the offer cannot be served; nothing has been opened then. */
  constructor(options: SipLegOptions) {
    const { session, settings } = options;
    this.role = session === undefined ? 'callee' : 'caller';
    this.#options = options;
    this.#handlers = options.handlers;
    this.#session = session;
    this.#negotiation = new LegNegotiation({
      codecs: settings.codecs,
      srtp: settings.srtp,
      symmetric: settings.symmetric,
      sessionId: options.sessionId,
      local: () => this.#audio.local,
      remoteAddress: () => this.#addresses.peer,
    });
    this.#audio = new LegAudio({
      settings,
      addresses: () => this.#addresses,
      opened: () => {
        if (this.#ended) return;
        this.#listen();
        this.#handlers.opened();
      },
      failed: (reason, detail) =>
        this.#endedByPeer(reason === 'rtpTimeout' && this.role === 'callee' ? 'calleeLost' : reason, detail),
      closed: (endpointId) => this.#handlers.closed(endpointId),
      told: (message, fields) => this.#handlers.told(message, fields),
    });
    if (session?.offer !== undefined) this.#negotiation.takeOffer(session.offer);
  }

  /** Host of the far side, for a URI at its place. */
  get peerHost(): string {
    const { peer } = this.#addresses;
    return peer.includes(':') ? `[${peer}]` : peer;
  }

  get endpointId(): EndpointId {
    return this.#audio.endpointId ?? this.#options.endpointId;
  }

  get codec(): string | undefined {
    return this.#negotiation.agreed?.codec.name;
  }

  get sampleRateHz(): number {
    return this.#negotiation.agreed?.codec.sampleRateHz ?? 8_000;
  }

  /** Of SRTP; undefined for plain RTP. */
  get srtpSuite(): string | undefined {
    return this.#negotiation.agreed?.remoteKey?.key.suite;
  }

  get counters(): RtpCounters | undefined {
    return this.#audio.counters;
  }

  get sipCallId(): string | undefined {
    return this.#session?.sipCallId;
  }

  /** Names this dialog to others; undefined before there is one. */
  get replacesValue(): string | undefined {
    return this.#session?.replacesValue;
  }

  /** Its caller's offer is known, so that audio can be sent to it before it is answered. */
  get canHearEarly(): boolean {
    return this.#negotiation.agreed !== undefined;
  }

  /** It was ended, by us or by the phone. */
  get over(): boolean {
    return this.#ended;
  }

  isOn(session: InviteSession): boolean {
    return this.#session === session;
  }

  /** Binds the RTP port; `opened` or `ended` follows. */
  open(media: MediaGroup): void {
    this.#audio.open(this.#options.endpointId, media, this.#negotiation.agreed?.rtcpMux ?? false);
  }

  /** The phone's audio comes to another worker from now on, to this endpoint: a new port, told in a re-INVITE. False where
   *  there is none, or the phone refused; then nothing changed. */
  async moveTo(endpointId: EndpointId, media: MediaGroup): Promise<boolean> {
    const session = this.#session;
    const { agreed } = this.#negotiation;
    if (this.#ended || session === undefined || agreed === undefined) return false;
    const opened = await this.#audio.openNext(endpointId, media, agreed.rtcpMux);
    if (!opened || this.#ended) {
      this.#audio.settleNext(false);
      return false;
    }
    const outcome = await session.reinvite(this.#negotiation.writeOffer());
    const accepted = !this.#ended && 'answer' in outcome;
    this.#audio.settleNext(accepted);
    if (accepted) return this.#takeAnswer(outcome.answer);
    this.#negotiation.forgetOffer();
    return false;
  }

  /** Calls the phone, once `opened`: `invite` sends the INVITE with this offer and these handlers. Throws what it
   *  throws. */
  place(
    invite: (offer: (localAddress: string) => string, handlers: InviteSessionHandlers) => InviteSession,
  ): InviteSession {
    this.#session = invite((localAddress) => {
      this.#facing = localAddress;
      return this.#negotiation.writeOffer();
    }, this.sessionHandlers);
    return this.#session;
  }

  /** 180; with `earlyMedia` 183 with our answer, and RTP from here on. */
  ring(earlyMedia = false): void {
    if (this.#ended) return;
    if (!earlyMedia || this.#negotiation.agreed === undefined || !this.#audio.ready)
      return this.#session?.progress(180);
    this.#session?.progress(183, { sdp: this.#negotiation.writeAnswer() });
    this.#startRtp();
  }

  /** 200 with our answer, or with an offer where the INVITE had none. The session runs from here on. */
  answer(headers: readonly SipHeader[] = []): void {
    if (this.#ended || !this.#audio.ready) return;
    const negotiation = this.#negotiation;
    const agreed = negotiation.agreed !== undefined;
    const sdp = agreed ? negotiation.writeAnswer() : negotiation.writeOffer();
    this.#answered = true;
    if (agreed) this.#startRtp();
    this.#session?.accept({ sdp, headers });
  }

  /** Puts the phone on hold, or takes it back: false where it refused, and nothing changed. */
  async hold(on: boolean): Promise<boolean> {
    const session = this.#session;
    if (this.#ended || session === undefined || this.#negotiation.agreed === undefined) return false;
    const outcome = await session.reinvite(this.#negotiation.writeOffer(on ? 'sendonly' : 'sendrecv'));
    if (this.#ended) return false;
    if ('status' in outcome) {
      this.#negotiation.forgetOffer();
      return false;
    }
    return this.#takeAnswer(outcome.answer);
  }

  /** Asks the phone to call somebody else; the leg goes on until its owner ends it. Throws as `InviteSession.refer`. */
  async refer(target: string, options: ReferOptions = {}): Promise<ReferOutcome> {
    const accepted = (): void => {
      this.#referring = true;
      options.accepted?.();
    };
    if (this.#session === undefined)
      return { outcome: 'failed', status: 481, reasonPhrase: 'Call Does Not Exist' };
    const outcome = await this.#session.refer(target, { ...options, accepted });
    if (outcome.outcome === 'failed') this.#referring = false;
    return outcome;
  }

  /** `0-9 * # A-D`, `w` for 500 ms. */
  sendDigits(digits: string): void {
    this.#audio.send({ type: 'sendDigits', endpointId: this.endpointId, digits });
  }

  end(reason: EndReason, detail?: string, moreHeaders: readonly SipHeader[] = []): void {
    if (!this.#ended) {
      this.#ended = true;
      const headers = [reasonHeader(reason, detail), ...moreHeaders];
      if (endReasons[reason].sipStatus === 503) headers.push({ name: 'Retry-After', value: '5' });
      this.#session?.end({ status: endReasons[reason].sipStatus, headers });
    }
    this.#audio.close();
  }

  receiveMedia(event: MediaEvent): void {
    if (event.type === 'digit') this.#press(event);
    else this.#audio.receiveMedia(event);
  }

  readonly sessionHandlers: InviteSessionHandlers = {
    progressed: (response) => this.#progressed(response),
    accepted: (_response, answer) => this.#accepted(answer),
    confirmed: (answer) => this.#confirm(answer),
    offered: (offer) => this.#reoffer(offer),
    refreshed: (answer) => this.#refresh(answer),
    referred: (referral) => this.#handlers.referred(referral),
    requested: (request) => this.#request(request),
    ended: (end) => this.#sessionEnded(end),
  };

  /** A phone that is called rings; where its response brings an answer, it is heard from here on. */
  #progressed(response: SipResponse): void {
    if (this.#ended) return;
    const answer = sdpOf(response);
    let media = this.#negotiation.agreed !== undefined;
    if (answer !== undefined) {
      try {
        this.#negotiation.takeAnswer(answer);
        this.#startRtp();
        media = true;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        // The 200 will bring another, or end the call.
        this.#handlers.told('early answer not understood', { detail: error.message });
      }
    }
    this.#handlers.ringing?.(response.status, media);
  }

  #accepted(answer: string | undefined): void {
    if (this.#ended) return;
    this.#answered = true;
    if (answer === undefined && this.#negotiation.agreed === undefined)
      return this.#endedByPeer('calleeNoCodec', 'the 200 must carry an answer to our offer');
    if (answer !== undefined && !this.#takeAnswer(answer)) return;
    this.#handlers.answered?.();
  }

  /** The ACK of a late offer brings the answer; the ACK of an ordinary 200 brings nothing. */
  #confirm(answer: string | undefined): void {
    if (this.#ended || !this.#negotiation.offering) return;
    if (answer !== undefined) {
      this.#takeAnswer(answer);
    } else if (this.#negotiation.agreed === undefined) {
      this.#endedByPeer('noCodec', 'the ACK to an INVITE without SDP must carry an answer');
    } else {
      this.#negotiation.forgetOffer();
    }
  }

  /** An answer cannot be refused: one that nobody can use ends the leg. */
  #takeAnswer(answer: string): boolean {
    try {
      this.#negotiation.takeAnswer(answer);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#endedByPeer(this.role === 'callee' ? 'calleeNoCodec' : 'noCodec', error.message);
      return false;
    }
    this.#startRtp();
    return true;
  }

  /** re-INVITE or UPDATE, without an offer where the far side wants ours. */
  #reoffer(text: string | undefined): ReturnType<NonNullable<InviteSessionHandlers['offered']>> {
    if (text === undefined) return { answer: this.#negotiation.writeOffer() };
    try {
      const answer = this.#negotiation.answer(text);
      this.#startRtp();
      this.#handlers.told('session changed by caller', {
        codec: this.codec,
        direction: this.#negotiation.agreed?.direction,
        srtp: this.srtpSuite,
      });
      return { answer };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return refusalOf(error);
    }
  }

  #refresh(answer: string): void {
    try {
      if (this.#negotiation.takeRefresh(answer)) this.#startRtp();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // The session before was good, and nobody asked for another.
      this.#handlers.told('answer to a session refresh not understood', { detail: error.message });
    }
  }

  #request(request: SipRequest): LegReply {
    if (request.method === 'NOTIFY') return { status: 489 };
    const digits = request.method === 'INFO' ? digitsOf(request) : undefined;
    if (digits !== undefined) {
      for (const digit of digits) this.#press({ ...digit, method: 'info' });
      return { status: 200 };
    }
    const reply = this.#handlers.requested(request);
    if (reply !== undefined) return reply;
    // An empty INFO asks whether we are there (RFC 6086 §4.2.2).
    if (request.method === 'INFO') return { status: request.body.length === 0 ? 200 : 415 };
    return { status: 405 };
  }

  #press({ digit, durationMs, method }: LegDigit): void {
    if (!this.#digits.report(digit, method, this.#options.clock.nowMs())) return;
    this.#handlers.digit({ digit, durationMs, method });
  }

  /** Before anything is answered: whoever reads the 200 talks at once, and the worker may be behind. */
  #listen(): void {
    if (this.#negotiation.agreed !== undefined)
      this.#audio.setSession(this.#negotiation.rtpSessionUnanswered, false);
  }

  #startRtp(): void {
    const { agreed, held } = this.#negotiation;
    if (agreed === undefined) return;
    // A phone that knows no telephone-event says its keys as tones.
    this.#audio.setSession(this.#negotiation.rtpSession, agreed.dtmfPayloadTypeReceive === undefined);
    if (held === this.#held) return;
    this.#held = held;
    this.#handlers.held(held);
  }

  #sessionEnded(end: SessionEnd): void {
    const found = sessionEndReason(end, this.role, this.#answered);
    if (found === undefined) return;
    const transferred = end.cause === 'bye' && this.#referring;
    this.#endedByPeer(transferred ? 'transferred' : found.reason, found.detail);
  }

  #endedByPeer(reason: EndReason, detail?: string): void {
    if (!this.#ended) this.#handlers.ended(reason, detail);
  }

  get #addresses(): LegAddresses {
    const { session, targetHost, settings } = this.#options;
    const peer = session?.remote.address ?? this.#session?.remote.address ?? targetHost ?? '';
    const local = session?.local.address ?? this.#facing ?? settings.rtpAddress;
    return {
      mediaPeer: this.#negotiation.agreed?.remote.address ?? (session === undefined ? peer : local),
      peer,
      local,
    };
  }
}
