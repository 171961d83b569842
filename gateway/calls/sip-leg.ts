import { isIPv6 } from 'node:net';
import type { Codec } from '../../codecs/codec.ts';
import { DigitMerger, type DigitMethod } from '../../protocol/digit-merger.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import { warningValue } from '../../protocol/sdp/negotiate.ts';
import { reasonText } from '../../protocol/sip/caller-facts.ts';
import { digitsOf } from '../../protocol/sip/info-digits.ts';
import type { SipHeader, SipRequest } from '../../protocol/sip/message.ts';
import type { Clock } from '../clock.ts';
import type { MediaEvent, RtpCounters } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import { advertisedAddress } from '../signaling/advertised-address.ts';
import { interfaceAddressFor } from '../signaling/local-address.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  ReferOptions,
  ReferOutcome,
  Referral,
  SessionEnd,
} from '../signaling/session.ts';
import { isWildcard } from '../signaling/sip-flow.ts';
import { type EndReason, endReasons, reasonHeader } from './end-reason.ts';
import { LegNegotiation } from './leg-negotiation.ts';

/** Codes of a worker that has no port, or no descriptor or memory for one: 503, so that the peer may try elsewhere. */
const usedUp: ReadonlySet<string> = new Set(['PORTSUSED', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

export interface SipLegSettings {
  readonly codecs: readonly Codec[];
  /** Bind address; an unspecified one is replaced in SDP by the address that faces the peer. */
  readonly rtpAddress: string;
  readonly externalAddress: string | undefined;
  readonly symmetric: 'off' | 'auto' | 'on';
  readonly srtp: SrtpPolicy;
}

export interface SipLegHandlers {
  /** The RTP port is bound; the leg can be answered. */
  opened(): void;
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

/** One phone: an INVITE session and the RTP endpoint that belongs to it. Offer/answer of RFC 3264 is decided here. */
export class SipLeg {
  readonly endpointId: string;
  readonly #session: InviteSession;
  readonly #clock: Clock;
  readonly #settings: SipLegSettings;
  readonly #handlers: SipLegHandlers;
  readonly #media: MediaGroup;
  readonly #negotiation: LegNegotiation;
  #rtp: { readonly port: number; readonly rtcpPort: number } | undefined;
  #boundAddress = '0.0.0.0';
  readonly #digits = new DigitMerger();
  #held = false;
  /** A REFER of ours was accepted: who hangs up now went to the new call. */
  #referring = false;
  #ended = false;
  #rtpState: 'none' | 'open' | 'closing' = 'none';
  counters: RtpCounters | undefined;

  /** Throws ProtocolError (400, 488) where the offer cannot be served; nothing has been opened then. */
  constructor(options: {
    readonly endpointId: string;
    readonly session: InviteSession;
    readonly media: MediaGroup;
    readonly settings: SipLegSettings;
    readonly clock: Clock;
    readonly handlers: SipLegHandlers;
    readonly sessionId: number;
  }) {
    this.endpointId = options.endpointId;
    this.#session = options.session;
    this.#media = options.media;
    this.#settings = options.settings;
    this.#clock = options.clock;
    this.#handlers = options.handlers;
    const { codecs, srtp, symmetric } = options.settings;
    this.#negotiation = new LegNegotiation({
      codecs,
      srtp,
      symmetric,
      sessionId: options.sessionId,
      local: () => this.#localMedia(),
      remoteAddress: options.session.remote.address,
    });
    if (options.session.offer !== undefined) this.#negotiation.takeOffer(options.session.offer);
  }

  get codec(): string | undefined {
    return this.#negotiation.agreed?.codec.name;
  }

  /** Of SRTP; undefined for plain RTP. */
  get srtpSuite(): string | undefined {
    return this.#negotiation.agreed?.remoteKey?.key.suite;
  }

  /** Binds the RTP port; `opened` or `ended` follows. */
  open(): void {
    this.#rtpState = 'open';
    this.#boundAddress = this.#chooseBindAddress();
    this.#media.send({
      type: 'openRtp',
      endpointId: this.endpointId,
      address: this.#boundAddress,
      rtcpMux: this.#negotiation.agreed?.rtcpMux ?? false,
    });
  }

  /** 180; with `earlyMedia` 183 with our answer, and RTP from here on. */
  ring(earlyMedia = false): void {
    if (!earlyMedia || this.#negotiation.agreed === undefined || this.#rtp === undefined)
      return this.#session.progress(180);
    this.#session.progress(183, { sdp: this.#negotiation.writeAnswer() });
    this.#startRtp();
  }

  /** 200 with our answer, or with an offer where the INVITE had none. The session runs from here on. */
  answer(headers: readonly SipHeader[] = []): void {
    if (this.#ended || this.#rtp === undefined) return;
    const negotiation = this.#negotiation;
    const agreed = negotiation.agreed !== undefined;
    const sdp = agreed ? negotiation.writeAnswer() : negotiation.writeOffer();
    if (agreed) this.#startRtp();
    this.#session.accept({ sdp, headers });
  }

  /** Puts the phone on hold, or takes it back: false where it refused, and nothing changed. */
  async hold(on: boolean): Promise<boolean> {
    if (this.#ended || this.#negotiation.agreed === undefined) return false;
    const outcome = await this.#session.reinvite(this.#negotiation.writeOffer(on ? 'sendonly' : 'sendrecv'));
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
    const outcome = await this.#session.refer(target, { ...options, accepted });
    if (outcome.outcome === 'failed') this.#referring = false;
    return outcome;
  }

  /** Final response, BYE or nothing, as the session's state wants, and the end of RTP. Idempotent. */
  end(reason: EndReason, detail?: string, moreHeaders: readonly SipHeader[] = []): void {
    if (!this.#ended) {
      this.#ended = true;
      const headers = [reasonHeader(reason, detail), ...moreHeaders];
      if (endReasons[reason].sipStatus === 503) headers.push({ name: 'Retry-After', value: '5' });
      this.#session.end({ status: endReasons[reason].sipStatus, headers });
    }
    if (this.#rtpState === 'open') {
      this.#rtpState = 'closing';
      this.#media.send({ type: 'closeRtp', endpointId: this.endpointId });
    }
  }

  receiveMedia(event: MediaEvent): void {
    switch (event.type) {
      case 'rtpOpened':
        this.#rtp = { port: event.port, rtcpPort: event.rtcpPort };
        if (this.#ended) return;
        this.#listen();
        return this.#handlers.opened();
      case 'rtpFailed':
        this.#rtpState = 'none';
        // Before it is closed, and forgotten: the phone has still to be told.
        this.#endedByPeer(usedUp.has(event.code) ? 'overload' : 'mediaFailed', event.message);
        this.#handlers.closed();
        return;
      case 'rtpStarted':
        this.#handlers.told('caller audio started', {
          source: `${event.source.address}:${event.source.port}`,
        });
        return;
      case 'rtpStopped':
        this.#handlers.told('caller audio stopped', { silentMs: Math.round(event.silentMs) });
        return;
      case 'rtpResumed':
        this.#handlers.told('caller audio resumed', { silentMs: Math.round(event.silentMs) });
        return;
      case 'digit':
        return this.#press({ digit: event.digit, durationMs: event.durationMs, method: event.method });
      case 'notice':
        this.#handlers.told(event.message, { code: event.code });
        return;
      case 'rtpTimeout':
        this.#endedByPeer('rtpTimeout');
        return;
      case 'rtpClosed':
        this.counters = event.counters;
        this.#rtpState = 'none';
        // Unasked for: its worker died.
        this.#endedByPeer('mediaFailed');
        this.#handlers.closed();
        return;
      default:
    }
  }

  readonly sessionHandlers: InviteSessionHandlers = {
    confirmed: (answer) => this.#confirm(answer),
    offered: (offer) => this.#reoffer(offer),
    refreshed: (answer) => this.#refresh(answer),
    referred: (referral) => this.#handlers.referred(referral),
    requested: (request) => this.#request(request),
    ended: (end) => this.#sessionEnded(end),
  };

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
      this.#endedByPeer('noCodec', error.message);
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

  #press(digit: LegDigit): void {
    if (this.#digits.report(digit.digit, digit.method, this.#clock.nowMs())) this.#handlers.digit(digit);
  }

  /** Before anything is answered: whoever reads the 200 talks at once, and the worker may be behind. */
  #listen(): void {
    if (this.#negotiation.agreed === undefined) return;
    const { rtpSessionUnanswered: session } = this.#negotiation;
    this.#media.send({ type: 'setRtpSession', endpointId: this.endpointId, session });
  }

  #startRtp(): void {
    if (this.#negotiation.agreed === undefined) return;
    this.#media.send({
      type: 'setRtpSession',
      endpointId: this.endpointId,
      session: this.#negotiation.rtpSession,
    });
    const { held } = this.#negotiation;
    if (held === this.#held) return;
    this.#held = held;
    this.#handlers.held(held);
  }

  #sessionEnded(end: SessionEnd): void {
    if (end.cause === 'local') return;
    const reason = end.cause === 'bye' && this.#referring ? 'transferred' : sessionEndReasons[end.cause];
    this.#endedByPeer(reason, detailOf(end));
  }

  #endedByPeer(reason: EndReason, detail?: string): void {
    if (!this.#ended) this.#handlers.ended(reason, detail);
  }

  /** Audio may be of another family than signalling, with a proxy between them that speaks both. */
  get #mediaPeer(): string {
    return this.#negotiation.agreed?.remote.address ?? this.#session.local.address;
  }

  #chooseBindAddress(): string {
    const { rtpAddress } = this.#settings;
    const { local } = this.#session;
    const isOfFamily = (address: string): boolean => isIPv6(address) === isIPv6(this.#mediaPeer);
    // A bind address of the other family cannot reach this peer: the one that faces it can.
    return [rtpAddress, local.address].find(isOfFamily) ?? (isIPv6(this.#mediaPeer) ? '::' : '0.0.0.0');
  }

  #sdpAddress(): string {
    const { local, remote } = this.#session;
    const bound = this.#boundAddress;
    const facing = isIPv6(local.address) === isIPv6(bound) ? local.address : undefined;
    return advertisedAddress({
      local: isWildcard(bound) ? (facing ?? interfaceAddressFor(this.#mediaPeer) ?? bound) : bound,
      peer: remote.address,
      external: this.#settings.externalAddress,
    });
  }

  #localMedia() {
    const { port, rtcpPort } = this.#rtp ?? { port: 9, rtcpPort: 9 };
    return { address: this.#sdpAddress(), port, rtcpPort };
  }
}

/** What its row does not say: why a phone hung up, or how it was lost. */
function detailOf(end: SessionEnd): string | undefined {
  switch (end.cause) {
    case 'bye':
    case 'cancel':
      return reasonText(end.request);
    case 'unreachable':
      return end.message;
    default:
      return undefined;
  }
}

/** What the end of an inbound INVITE session means for the call. */
const sessionEndReasons = {
  bye: 'callerHangup',
  cancel: 'cancelled',
  noAck: 'noAck',
  closed: 'shutdown',
  // Outbound sessions only.
  refused: 'internalError',
  unanswered: 'internalError',
  // The phone no longer knows the dialog, or did not refresh it in time.
  unreachable: 'legLost',
} as const satisfies Record<Exclude<SessionEnd['cause'], 'local'>, EndReason>;

/** How a session description that cannot be served is refused: 488 names why in a Warning (RFC 3261 §20.43). */
export function refusalOf(error: ProtocolError): {
  readonly status: number;
  readonly headers: readonly SipHeader[];
} {
  return {
    status: error.status ?? 488,
    headers: [{ name: 'Warning', value: warningValue(error, 'callwire') }],
  };
}
