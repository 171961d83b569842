import type { CallerFacts } from '../../protocol/sip/caller-facts.ts';
import type { SipRequest } from '../../protocol/sip/message.ts';
import type { CalloutSvaml } from '../../protocol/svaml/callout.ts';
import type { AudioLibrary } from '../audio/audio-library.ts';
import type { Endpoint } from '../callbacks/callback-messages.ts';
import type { Callbacks } from '../callbacks/callbacks.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { StreamLimits } from '../media/media-messages.ts';
import type { MediaPool } from '../media/media-pool.ts';
import type { Recordings } from '../recording/recordings.ts';
import type { Destinations } from '../routing/destinations.ts';
import type { EndpointGuard } from '../routing/endpoint-guard.ts';
import type { OutboundGuard } from '../routing/outbound-guard.ts';
import type { RouteDecision } from '../routing/router.ts';
import type { Referral, UserAgent } from '../signaling/session.ts';
import type { Call } from './call.ts';
import type { ControlEvent } from './call-control.ts';
import type { Conferences } from './conferences.ts';
import type { LegDigit, SipLegSettings } from './sip-leg-options.ts';
import type { StreamAccess } from './stream-access.ts';

/** What surrounds a call: who it is for, what it works with, who hears of it. */

/** What the caller asked for, read from the INVITE once; of a call of ours, what we ask for. */
export interface CallParty {
  /** User part of the From URI, or its host where it has none. */
  readonly from: string;
  /** User part of the Request-URI. */
  readonly to: string;
  /** X- headers of the INVITE, by the name as received. */
  readonly sipHeaders: Readonly<Record<string, string>>;
  /** Max-Forwards of the INVITE; undefined of a call of ours. */
  readonly maxForwards?: number | undefined;
  /** What else the INVITE tells of the caller and its way here. */
  readonly facts: CallerFacts;
}

/** Whose call it is, and what its application wants to hear of it. */
export interface CallOwner {
  readonly applicationKey: string;
  /** The operator's own configuration decided: its endpoints need no guard, and no application is asked. */
  readonly trusted: boolean;
  readonly asksAce: boolean;
  readonly tellsDice: boolean;
  /** Also decides whether PIEs are sent. */
  readonly asksPie: boolean;
  readonly custom?: string | undefined;
  /** A REFER of a phone is followed by the gateway itself. */
  readonly followsTransfers: boolean;
  /** In place of the application's callbackUrl. */
  readonly ace?: CalloutSvaml | undefined;
  readonly pie?: CalloutSvaml | undefined;
  /** Called party, as callbacks name it. */
  readonly to: Endpoint;
  /** Seconds from the answer, for the whole call. */
  readonly maxDuration?: number | undefined;
}

export interface CallContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly pool: MediaPool;
  readonly sip: SipLegSettings;
  readonly streamLimits: StreamLimits;
  readonly streamAccess: StreamAccess;
  /** Of calls that no application owns. */
  readonly applicationKey: string;
  readonly callbacks: Callbacks;
  readonly audio: AudioLibrary;
  readonly recordings: Recordings;
  readonly guard: EndpointGuard;
  readonly destinations: Destinations;
  readonly outbound: OutboundGuard;
  readonly conferences: Conferences;
  route(party: CallParty): Promise<RouteDecision>;
  /** Places a call. Throws where no user agent runs. */
  invite: UserAgent['invite'];
  /** A refusal or a failure that is no call's end, by its code. */
  counted(code: string): void;
  /** News for those who watch calls. */
  happened(event: ControlEvent): void;
}

export interface CallHandlers {
  started(call: Call): void;
  /** A SIP dialog belongs to the call: its Call-ID header. */
  named?(call: Call, sipCallId: string): void;
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
