import type { CallerFacts } from '../../protocol/sip/caller-facts.ts';
import type { SipRequest } from '../../protocol/sip/message.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { StreamLimits } from '../media/media-messages.ts';
import type { MediaPool } from '../media/media-pool.ts';
import type { RouteDecision } from '../routing/router.ts';
import type { Referral } from '../signaling/session.ts';
import type { Call } from './call.ts';
import type { LegDigit, SipLegSettings } from './sip-leg.ts';

/** What surrounds a call: who it is for, what it works with, who hears of it. */

/** What the caller asked for, read from the INVITE once. */
export interface CallParty {
  /** User part of the From URI, or its host where it has none. */
  readonly from: string;
  /** User part of the Request-URI. */
  readonly to: string;
  /** X- headers of the INVITE, by the name as received. */
  readonly sipHeaders: Readonly<Record<string, string>>;
  /** What else the INVITE tells of the caller and its way here. */
  readonly facts: CallerFacts;
}

export interface CallContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly pool: MediaPool;
  readonly sip: SipLegSettings;
  readonly streamLimits: StreamLimits;
  readonly applicationKey: string;
  route(party: CallParty): Promise<RouteDecision>;
}

export interface CallHandlers {
  started(call: Call): void;
  answered(call: Call): void;
  /** The outcome is known; media may still be closing. Exactly once a call. */
  ending(call: Call): void;
  /** Nothing of it is left. Exactly once a call, the last event. */
  ended(call: Call): void;
  /** A key was pressed. */
  digit?(call: Call, digit: LegDigit): void;
  /** The phone put the call on hold, or took it back. */
  held?(call: Call, held: boolean): void;
  /** The phone asks to be replaced by somebody else (REFER). Without an owner who takes it: 603. */
  referred?(call: Call, referral: Referral): { readonly status: number };
  /** An INFO without digits, or a MESSAGE. Undefined, or no handler: nobody takes it. */
  requested?(call: Call, request: SipRequest): { readonly status: number } | undefined;
}
