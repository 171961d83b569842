import type { Codec } from '../../codecs/codec.ts';
import type { DigitMethod } from '../../protocol/digit-merger.ts';
import type { SrtpPolicy } from '../../protocol/sdp/crypto.ts';
import type { SipHeader, SipRequest } from '../../protocol/sip/message.ts';
import type { Clock } from '../clock.ts';
import type { EndpointId } from '../media/media-messages.ts';
import type { InviteSession, Referral } from '../signaling/session.ts';
import type { EndReason } from './end-reason.ts';

/** What a phone's leg is made of, and whom it tells what the phone does. */

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
  /** An RTP session of it is closed. The last event, but for those of a leg that moves. */
  closed(endpointId: EndpointId): void;
  /** Something worth a line in the call's story. */
  told(message: string, fields: Record<string, unknown>): void;
  /** The phone put us on hold, or took us back. */
  held(held: boolean): void;
  /** A key was pressed; reported once, however many ways it came. Never to be logged. */
  digit(digit: LegDigit): void;
  /** REFER: the phone wants its end of the call to be another's. */
  referred(referral: Referral): LegReply;
  /** INFO that carries no digits, or MESSAGE. Undefined: nobody takes it. */
  requested(request: SipRequest): LegReply | undefined;
}

export interface LegDigit {
  readonly digit: string;
  readonly durationMs: number;
  readonly method: DigitMethod;
}

export interface LegReply {
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
