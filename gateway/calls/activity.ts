import type { EndReason } from './end-reason.ts';
import type { Leg } from './leg.ts';
import type { OutboundPhone } from './outbound-phone.ts';
import type { LegDigit } from './sip-leg-options.ts';

/** What a call is doing: one action of its programme, from its beginning to its end. It ends the call, or runs another
 *  programme, by itself; nothing but `stop` ends it from outside. */
export interface Activity {
  start(): void;
  /** Lets go of everything that it holds, and does nothing more. `replaced`: the call goes on with something else. */
  stop(reason: EndReason): void;
  /** The call's phone pressed a key. */
  digit?(digit: LegDigit): void;
  /** The call's phone put us on hold, or took us back. */
  held?(held: boolean): void;
  /** Joins the call's leg again, after something else was played to it or another leg took the place of `before`. */
  rejoin?(before?: Leg): void;
  /** A phone that has answered takes the place of the called party; false where there is none. */
  adoptPartner?(phone: OutboundPhone): boolean;
  /** The party that the call is joined with, for what is meant for it alone. */
  readonly partner?: Leg | undefined;
}
