import type { Codec } from '../../codecs/codec.ts';
import { DigitMerger, type DigitMethod } from '../../protocol/digit-merger.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import { digitsOf } from '../../protocol/sip/info-digits.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import { sdpOf } from '../../protocol/sip/session-description.ts';
import type { Clock } from '../clock.ts';
import type { EndpointId, MediaEvent, RtpCounters } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  ReferOptions,
  ReferOutcome,
  Referral,
  SessionEnd,
} from '../signaling/session.ts';
import { type EndReason, endReasons, reasonHeader } from './end-reason.ts';
import type { Leg } from './leg.ts';
import { LegNegotiation } from './leg-negotiation.ts';
import { type LegAddresses, LegRtp } from './leg-rtp.ts';
import { type LegRole, refusalOf, sessionEndReason } from './session-ends.ts';

export interface SipLegSettings {
  readonly codecs: readonly Codec[];
  /** Bind address; an unspecified one is replaced in SDP by the address that faces the peer. */
  readonly rtpAddress: string;
  readonly externalAddress: string | undefined;
  readonly symmetric: 'off' | 'auto' | 'on';
  readonly srtp: SrtpPolicy;
}

export interface SipLegHandlers {
  /** The RTP port is bound; the leg can be answered, or placed. */
  opened(): void;
  /** Called by us: it rings. `media`: its audio is heard already. */
  ringing?(status: number, media: boolean): void;
  /** Called by us: it answered, and audio flows. */
  answered?(): void;
  /** Over by the phone's doing or by a failure. Not called after `end`. */
  ended(reason: EndReason, detail?: string): void;
  /** The RTP session is closed: the last event. */
  closed(): void;
  /** Something worth a line in the call's story. */
  told(message: string, fields: Record<string, unknown>): void;
  /** The phone put us on hold, or took us back. */
  held(held: boolean): void;
  /** A key was pressed; reported once, however many ways it came. Never to be logged. */
  digit(digit: LegDigit): void;
  /** REFER: the phone wants its end of the call to be another's. */
  referred(referral: Referral): Reply;
  /** INFO that carries no digits, or MESSAGE. Undefined: nobody takes it. */
  requested(request: SipRequest): Reply | undefined;
}

export interface LegDigit {
  readonly digit: string;
  readonly durationMs: number;
  readonly method: DigitMethod;
}

interface Reply {
  readonly status: number;
  readonly headers?: readonly SipHeader[];
}

export interface SipLegOptions {
  readonly endpointId: EndpointId;
  /** Of a phone that called us; one that is called gets its session from `place`. */
  readonly session?: InviteSession;
  /** Of a phone that is called: the host of its address, for the family of its audio. */
  readonly targetHost?: string;
  readonly settings: SipLegSettings;
  readonly clock: Clock;
  readonly handlers: SipLegHandlers;
  readonly sessionId: number;
}

/** One phone: an INVITE session and the RTP endpoint that belongs to it. Offer/answer of RFC 3264 is decided here. */
export class SipLeg implements Leg {
  readonly endpointId: string;
  readonly role: LegRole;
  readonly #options: SipLegOptions;
  readonly #handlers: SipLegHandlers;
  readonly #negotiation: LegNegotiation;
  readonly #digits = new DigitMerger();
  #session: InviteSession | undefined;
  #rtp: LegRtp | undefined;
  /** Ours that faces a phone that is called. */
  #facing: string | undefined;
  #held = false;
  #answered = false;
  #listensInBand = false;
  /** A REFER of ours was accepted: who hangs up now went to the new call. */
  #referring = false;
  #ended = false;

  /** Throws ProtocolError (400, 488) where the offer cannot be served; nothing has been opened then. */
  constructor(options: SipLegOptions) {
    const { session, settings } = options;
    this.endpointId = options.endpointId;
    this.role = session === undefined ? 'callee' : 'caller';
    this.#options = options;
    this.#handlers = options.handlers;
    this.#session = session;
    this.#negotiation = new LegNegotiation({
      codecs: settings.codecs,
      srtp: settings.srtp,
      symmetric: settings.symmetric,
      sessionId: options.sessionId,
      local: () => this.#rtp?.local ?? { address: settings.rtpAddress, port: 9, rtcpPort: 9 },
      remoteAddress: () => this.#addresses.peer,
    });
    if (session?.offer !== undefined) this.#negotiation.takeOffer(session.offer);
  }

  /** Host of the far side, for a URI at its place. */
  get peerHost(): string {
    const { peer } = this.#addresses;
    return peer.includes(':') ? `[${peer}]` : peer;
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
    return this.#rtp?.counters;
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
    this.#rtp = new LegRtp({
      endpointId: this.endpointId,
      media,
      settings: this.#options.settings,
      addresses: () => this.#addresses,
      handlers: {
        opened: () => {
          if (this.#ended) return;
          this.#listen();
          this.#handlers.opened();
        },
        failed: (reason, detail) =>
          this.#endedByPeer(
            reason === 'rtpTimeout' && this.role === 'callee' ? 'calleeLost' : reason,
            detail,
          ),
        closed: () => this.#handlers.closed(),
        told: (message, fields) => this.#handlers.told(message, fields),
      },
    });
    this.#rtp.open(this.#negotiation.agreed?.rtcpMux ?? false);
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
    if (!earlyMedia || this.#negotiation.agreed === undefined || this.#rtp?.ready !== true)
      return this.#session?.progress(180);
    this.#session?.progress(183, { sdp: this.#negotiation.writeAnswer() });
    this.#startRtp();
  }

  /** 200 with our answer, or with an offer where the INVITE had none. The session runs from here on. */
  answer(headers: readonly SipHeader[] = []): void {
    if (this.#ended || this.#rtp?.ready !== true) return;
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
    this.#rtp?.media.send({ type: 'sendDigits', endpointId: this.endpointId, digits });
  }

  end(reason: EndReason, detail?: string, moreHeaders: readonly SipHeader[] = []): void {
    if (!this.#ended) {
      this.#ended = true;
      const headers = [reasonHeader(reason, detail), ...moreHeaders];
      if (endReasons[reason].sipStatus === 503) headers.push({ name: 'Retry-After', value: '5' });
      this.#session?.end({ status: endReasons[reason].sipStatus, headers });
    }
    this.#rtp?.close();
  }

  receiveMedia(event: MediaEvent): void {
    if (event.type === 'digit') this.#press(event);
    else this.#rtp?.receiveMedia(event);
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

  #request(request: SipRequest): Reply {
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
    if (this.#negotiation.agreed !== undefined) this.#rtp?.setSession(this.#negotiation.rtpSessionUnanswered);
  }

  #startRtp(): void {
    const { agreed, held } = this.#negotiation;
    if (agreed === undefined || this.#rtp === undefined) return;
    this.#rtp.setSession(this.#negotiation.rtpSession);
    this.#listenInBand(agreed.dtmfPayloadTypeReceive === undefined);
    if (held === this.#held) return;
    this.#held = held;
    this.#handlers.held(held);
  }

  /** A phone that knows no telephone-event says its keys as tones. */
  #listenInBand(listens: boolean): void {
    if (listens === this.#listensInBand) return;
    this.#listensInBand = listens;
    const { endpointId } = this;
    this.#rtp?.media.send({ type: 'detectDigits', endpointId, listens, mutes: false });
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
