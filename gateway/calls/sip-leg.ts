import { isIPv6 } from 'node:net';
import type { Codec } from '../../codecs/codec.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { writeAnswer } from '../../protocol/sdp/answer.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import { type Negotiated, negotiate, warningValue } from '../../protocol/sdp/negotiate.ts';
import { readAnswer, writeOffer } from '../../protocol/sdp/offer.ts';
import { type RemoteMedia, readOffer } from '../../protocol/sdp/session-description.ts';
import { reasonText } from '../../protocol/sip/caller-facts.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import type { MediaEvent, RtpCounters } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import { advertisedAddress } from '../signaling/advertised-address.ts';
import { interfaceAddressFor } from '../signaling/local-address.ts';
import type { InviteSession, InviteSessionHandlers, SessionEnd } from '../signaling/session.ts';
import { isWildcard } from '../signaling/sip-flow.ts';
import { SrtpLocalKeys } from '../srtp-local-keys.ts';
import { type EndReason, endReasons, reasonHeader } from './end-reason.ts';

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
}

/** One phone: an INVITE session and the RTP endpoint that belongs to it. Offer/answer of RFC 3264 is decided here. */
export class SipLeg {
  readonly endpointId: string;
  readonly #session: InviteSession;
  readonly #settings: SipLegSettings;
  readonly #handlers: SipLegHandlers;
  readonly #media: MediaGroup;
  /** The caller's offer and what came of it; undefined until the ACK answers an offer of ours. */
  #offer: RemoteMedia | undefined;
  #negotiated: Negotiated<Codec> | undefined;
  readonly #keys = new SrtpLocalKeys();
  #rtp: { readonly port: number; readonly rtcpPort: number } | undefined;
  #sessionId: number;
  #sessionVersion = 1;
  #boundAddress = '0.0.0.0';
  /** The last SDP of ours, to be said again where the far side asks for an offer. */
  #localSdp = '';
  #ended = false;
  #rtpState: 'none' | 'open' | 'closing' = 'none';
  counters: RtpCounters | undefined;

  /** Throws ProtocolError (400, 488) where the offer cannot be served; nothing has been opened then. */
  constructor(options: {
    readonly endpointId: string;
    readonly session: InviteSession;
    readonly media: MediaGroup;
    readonly settings: SipLegSettings;
    readonly handlers: SipLegHandlers;
    readonly sessionId: number;
  }) {
    this.endpointId = options.endpointId;
    this.#session = options.session;
    this.#media = options.media;
    this.#settings = options.settings;
    this.#handlers = options.handlers;
    this.#sessionId = options.sessionId;
    if (options.session.offer !== undefined) {
      this.#offer = readOffer(options.session.offer);
      this.#negotiated = negotiate(this.#offer, this.#settings);
    }
  }

  get codec(): string | undefined {
    return this.#negotiated?.codec.name;
  }

  /** Of SRTP; undefined for plain RTP. */
  get srtpSuite(): string | undefined {
    return this.#negotiated?.remoteKey?.key.suite;
  }

  /** Binds the RTP port; `opened` or `ended` follows. */
  open(): void {
    this.#rtpState = 'open';
    this.#boundAddress = this.#chooseBindAddress();
    this.#media.send({
      type: 'openRtp',
      endpointId: this.endpointId,
      address: this.#boundAddress,
      rtcpMux: this.#negotiated?.rtcpMux ?? false,
    });
  }

  ring(): void {
    this.#session.progress(180);
  }

  /** 200 with our answer, or with an offer where the INVITE had none. The session runs from here on. */
  answer(headers: readonly SipHeader[] = []): void {
    if (this.#ended || this.#rtp === undefined) return;
    if (this.#offer !== undefined && this.#negotiated !== undefined) {
      this.#localSdp = this.#writeAnswer(this.#offer, this.#negotiated);
      this.#startRtp();
    } else {
      this.#localSdp = writeOffer(this.#localOffer());
    }
    this.#session.accept({ sdp: this.#localSdp, headers });
  }

  /** Final response, BYE or nothing, as the session's state wants, and the end of RTP. Idempotent. */
  end(reason: EndReason, detail?: string): void {
    if (!this.#ended) {
      this.#ended = true;
      const headers = [reasonHeader(reason, detail)];
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
        if (!this.#ended) this.#handlers.opened();
        return;
      case 'rtpFailed':
        this.#rtpState = 'none';
        this.#handlers.closed();
        this.#endedByPeer(event.code === 'PORTSUSED' ? 'overload' : 'mediaFailed', event.message);
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
      case 'notice':
        this.#handlers.told(event.message, { code: event.code });
        return;
      case 'rtpTimeout':
        this.#endedByPeer('rtpTimeout');
        return;
      case 'rtpClosed':
        this.counters = event.counters;
        this.#rtpState = 'none';
        this.#handlers.closed();
        // Unasked for: its worker died.
        this.#endedByPeer('mediaFailed');
        return;
      default:
    }
  }

  readonly sessionHandlers: InviteSessionHandlers = {
    confirmed: (answer) => this.#confirm(answer),
    offered: (offer) => this.#reoffer(offer),
    ended: (end) => this.#sessionEnded(end),
  };

  /** The ACK of a late offer brings the answer; the ACK of an ordinary 200 brings nothing. */
  #confirm(answer: string | undefined): void {
    if (this.#ended || this.#negotiated !== undefined) return;
    try {
      if (answer === undefined)
        throw new ProtocolError('no-answer', 'the ACK to an INVITE without SDP must carry an answer');
      this.#negotiated = readAnswer(answer, this.#localOffer());
      this.#startRtp();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#endedByPeer('noCodec', error.message);
    }
  }

  /** re-INVITE or UPDATE: the new session replaces the old one whole, or nothing changes (RFC 3261 §14.2). */
  #reoffer(text: string | undefined): ReturnType<NonNullable<InviteSessionHandlers['offered']>> {
    if (text === undefined) return { answer: this.#localSdp };
    try {
      const offer = readOffer(text);
      const negotiated = negotiate(offer, this.#settings);
      this.#offer = offer;
      this.#negotiated = negotiated;
      this.#sessionVersion++;
      this.#localSdp = this.#writeAnswer(offer, negotiated);
      this.#startRtp();
      this.#handlers.told('session changed by caller', {
        codec: negotiated.codec.name,
        direction: negotiated.direction,
        srtp: this.srtpSuite,
      });
      return { answer: this.#localSdp };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return refusalOf(error);
    }
  }

  #startRtp(): void {
    const negotiated = this.#negotiated;
    if (negotiated === undefined) return;
    const { codec, lineIndex: _, remoteKey, ...rest } = negotiated;
    const srtp = this.#keys.session(remoteKey);
    this.#media.send({
      type: 'setRtpSession',
      endpointId: this.endpointId,
      session: { ...rest, codec: codec.name, symmetric: this.#settings.symmetric, srtp },
    });
  }

  #writeAnswer(offer: RemoteMedia, negotiated: Negotiated<Codec>): string {
    return writeAnswer(offer, negotiated, this.#localMedia(), this.#keys.answer(negotiated.remoteKey));
  }

  #sessionEnded(end: SessionEnd): void {
    if (end.cause === 'local') return;
    const reason = sessionEndReasons[end.cause];
    this.#endedByPeer(reason, detailOf(end));
  }

  #endedByPeer(reason: EndReason, detail?: string): void {
    if (!this.#ended) this.#handlers.ended(reason, detail);
  }

  /** Audio may be of another family than signalling, with a proxy between them that speaks both. */
  get #mediaPeer(): string {
    return this.#negotiated?.remote.address ?? this.#session.local.address;
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
    const rtp = this.#rtp ?? { port: 9, rtcpPort: 9 };
    return {
      address: this.#sdpAddress(),
      port: rtp.port,
      rtcpPort: rtp.rtcpPort,
      sessionId: this.#sessionId,
      sessionVersion: this.#sessionVersion,
    };
  }

  #localOffer() {
    return {
      ...this.#localMedia(),
      codecs: this.#settings.codecs,
      ptimeMs: 20,
      direction: 'sendrecv' as const,
      rtcpMux: false,
      srtp: this.#settings.srtp,
      crypto: this.#settings.srtp === 'off' ? [] : this.#keys.offer(),
    };
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
