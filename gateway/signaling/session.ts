import type { Replaces } from '../../protocol/sip/header-values.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import type { ReferProgress } from '../../protocol/sip/refer.ts';
import type { RequestSeries } from '../../protocol/sip/request-series.ts';
import type { OutsideRequestOptions } from './outside-requests.ts';
import type { SipFlow } from './sip-flow.ts';
import type { SipTls } from './sip-tls.ts';

/** What the control plane sees of SIP: user agents and the INVITE sessions on them. Retransmissions,
 *  transactions, tags, ACKs, route sets and glare stay below this line. */

export type SipProtocol = 'udp' | 'tcp' | 'tls';

export interface SipAddress {
  readonly protocol: SipProtocol;
  readonly address: string;
  readonly port: number;
}

export interface UserAgent {
  /** Bound addresses, in the order of the configuration. */
  readonly listening: readonly SipAddress[];
  /** Places a call. The handlers get the outcome; nothing is thrown after the arguments were understood. */
  invite(options: InviteOptions, handlers: InviteSessionHandlers): InviteSession;
  /** A request outside any dialog, with its digest. Resolves with the final response; a local 408 or 503 where none came,
   *  its reason phrase telling why. Throws `ProtocolError` for addresses that are none. */
  request(options: OutsideRequestOptions): Promise<SipResponse>;
  /** For several requests that belong together, such as a registration and its refreshes. */
  createSeries(options: {
    readonly from: string;
    readonly to: string;
    readonly credentials?: { readonly username: string; readonly password: string } | undefined;
  }): RequestSeries;
  /** A new certificate, or other authorities, for the TLS connections to come; those that are open stay as they are. Throws
   *  the system's error where certificate and key do not fit, and keeps the old ones. */
  reloadTls(tls: SipTls): void;
  /** Live sessions, transactions and timers; all zero when nothing is left behind. */
  counts(): UserAgentCounts;
  /** Closes every socket. Sessions still open end with `cause: 'closed'`. */
  close(): Promise<void>;
}

export interface UserAgentCounts {
  readonly sessions: number;
  readonly transactions: number;
  readonly dialogs: number;
  readonly connections: number;
}

/** How a request outside dialogs came. */
export interface RequestSource {
  /** The way back: the source address of a datagram, or the connection. */
  readonly flow: SipFlow;
  /** Who proved by digest to be that user; undefined where none was asked for. */
  readonly username: string | undefined;
}

export interface OutsideReply {
  readonly status: number;
  readonly headers?: readonly SipHeader[];
  readonly body?: Uint8Array;
}

export interface UserAgentHandlers {
  /** A new INVITE outside any dialog, already checked (syntax, extensions, loops, merged requests) and answered
   *  with 100. Returns the handlers of the session; the callee decides with `progress`, `accept` or `end`. */
  invited(session: InviteSession): InviteSessionHandlers;
  /** An INVITE that is to take the place of `replaced`, a session of ours that it named rightly (RFC 3891): accept it and
   *  end the other, or refuse it. Without this handler the extension is not offered, and such an INVITE is `invited`. */
  replacing?(session: InviteSession, replaced: InviteSession): InviteSessionHandlers;
  /** Status that answers OPTIONS outside a dialog. 200, or 503 while draining. */
  readiness(): number;
  /** A request outside any dialog, of one of the `methodsServed`. */
  requestedOutside?(request: SipRequest, source: RequestSource): OutsideReply;
  /** Counts what was dropped or refused below the sessions: `code` is a metric label. */
  counted?(code: string): void;
  /** Every message in and out, for metrics and traces. `local` is ours; its address may be a wildcard. */
  traced?(
    direction: 'in' | 'out',
    message: SipRequest | SipResponse,
    peer: SipAddress,
    local: SipAddress,
  ): void;
}

export interface InviteOptions {
  /** Request-URI, `sip:user@host:port;transport=tcp`. */
  readonly target: string;
  /** From URI, or a whole name-addr without tag. */
  readonly from: string;
  readonly to?: string;
  /** SDP offer. Given the address that will face the peer, once that is known. */
  readonly offer: (localAddress: string) => string;
  readonly headers?: readonly SipHeader[];
  readonly credentials?: { readonly username: string; readonly password: string };
  /** CANCEL after so long without an answer; the session then ends as `unanswered`. Default: the far side decides. */
  readonly ringLimitMs?: number | undefined;
  /** Default 70. A call that goes on for another has one less than that one, so that a loop ends (RFC 7332). */
  readonly maxForwards?: number | undefined;
  /** Session-Expires (RFC 4028), in place of what all calls have; needs the user agent to have session timers. */
  readonly sessionExpiresSeconds?: number | undefined;
  /** Sent this way while it is open, wherever `target` points: to a phone that registered with us over it. */
  readonly flow?: SipFlow | undefined;
}

export interface InviteSession {
  readonly direction: 'inbound' | 'outbound';
  /** The INVITE that began it. For outbound sessions the one last sent. */
  readonly invite: SipRequest;
  /** The Call-ID header. */
  readonly sipCallId: string;
  /** Where the far side's requests come from, and our address that faces it. */
  readonly remote: SipAddress;
  readonly local: SipAddress;
  readonly state: 'early' | 'confirmed' | 'ended';
  /** SDP of the INVITE (inbound), undefined for a late offer. */
  readonly offer: string | undefined;

  /** Value for a Replaces or a Refer-To that names this session to its far side; undefined before there is a dialog. */
  readonly replacesValue: string | undefined;

  /** Inbound, early: a provisional response (101–199). It is sent reliably (RFC 3262) where the caller insists, or
   *  where it can and there is `sdp`; a 200 then waits for the PRACK. No `sdp` where the INVITE had none. */
  progress(
    status: number,
    options?: { readonly sdp?: string; readonly headers?: readonly SipHeader[] },
  ): void;
  /** Inbound, early: 200 with the answer (or with an offer where the INVITE had none), repeated until ACK. */
  accept(options: { readonly sdp: string; readonly headers?: readonly SipHeader[] }): void;
  /** Ends it whatever the state: a final response with `status` (inbound, early), CANCEL (outbound, early), BYE
   *  (confirmed; after the ACK where that is still due). `headers` carries Reason and the like. Idempotent. A status
   *  below 300 refuses with 480. The handler `ended` is called before this returns, unless another handler runs. */
  end(options: {
    readonly status: number;
    readonly reasonPhrase?: string;
    readonly headers?: readonly SipHeader[];
  }): void;
  /** A request inside the dialog (INFO, NOTIFY, UPDATE), also an early one: of the phone that rang last. Resolves with the final response, a local 408
   *  or 503 where none came. */
  request(
    method: string,
    options?: { readonly headers?: readonly SipHeader[]; readonly body?: Uint8Array },
  ): Promise<SipResponse>;
  /** Confirmed: re-INVITE with this offer. Resolves with the SDP answer or the refusal; 491 is retried as
   *  RFC 3261 §14.1 says. */
  reinvite(offer: string): Promise<{ readonly answer: string } | { readonly status: number }>;
  /** The same with UPDATE (RFC 3311), for which no person is asked; also early, once a reliable answer came. */
  update(offer: string): Promise<{ readonly answer: string } | { readonly status: number }>;
  /** Confirmed: asks the far side to call `target` in place of this call, and follows what becomes of that. The session
   *  goes on; its owner ends it. Throws `ProtocolError` for a bad URI, `TypeError` for line breaks. */
  refer(target: string, options?: ReferOptions): Promise<ReferOutcome>;
}

export interface ReferOptions {
  /** `replacesValue` of the session whose far side is `target`: attended transfer. */
  readonly replaces?: string;
  /** name-addr, RFC 3892. */
  readonly referredBy?: string;
  readonly headers?: readonly SipHeader[];
  /** REFER was accepted. */
  readonly accepted?: () => void;
  /** Provisional news. */
  readonly progressed?: (progress: ReferProgress) => void;
  /** Longest wait for the outcome after REFER was accepted. Default 180 s. */
  readonly limitMs?: number;
}

export type ReferOutcome =
  /** The new call was answered. */
  | { readonly outcome: 'succeeded'; readonly status: number; readonly reasonPhrase: string }
  /** REFER was refused, or the new call failed. */
  | { readonly outcome: 'failed'; readonly status: number; readonly reasonPhrase: string }
  /** REFER was accepted, then: the session ended first, nothing final was said, or it was agreed to say nothing. */
  | { readonly outcome: 'unknown'; readonly why: 'hungUp' | 'silence' | 'notFollowed' };

/** A REFER of the far side. */
export interface Referral {
  /** Whom to call. */
  readonly target: string;
  /** The call at `target` that the new one replaces. */
  readonly replaces: Replaces | undefined;
  readonly referredBy: string | undefined;
  readonly request: SipRequest;
  /** What becomes of it, told to the far side. A final status is the last. */
  report(status: number, reasonPhrase?: string): void;
}

export interface InviteSessionHandlers {
  /** Outbound: a provisional response but 100. */
  progressed?(response: SipResponse): void;
  /** Outbound: the first 2xx; ACK has been sent. `answer` is its SDP. */
  accepted?(response: SipResponse, answer: string | undefined): void;
  /** Inbound: the ACK came, with the SDP answer if the offer was ours. */
  confirmed?(answer: string | undefined): void;
  /** re-INVITE or UPDATE with an offer from the far side. 491 glare is handled below. */
  offered?(
    offer: string | undefined,
  ): { readonly answer: string } | { readonly status: number; readonly headers?: readonly SipHeader[] };
  /** The answer to a re-INVITE that only kept the session alive (RFC 4028): to our last description, as if it were an
   *  offer. */
  refreshed?(answer: string): void;
  /** REFER inside the dialog. A status below 300 accepts it (202); what becomes of it goes into `referral.report`. */
  referred?(referral: Referral): { readonly status: number; readonly headers?: readonly SipHeader[] };
  /** INFO, MESSAGE, NOTIFY inside the dialog, REFER without the handler above; the status to answer with. Unhandled: 405 or 501. */
  requested?(request: SipRequest): { readonly status: number; readonly headers?: readonly SipHeader[] };
  /** The last event, exactly one a session, also after `end`. */
  ended(end: SessionEnd): void;
}

/** Why an INVITE session is over. */
export type SessionEnd =
  /** `end` was called. */
  | { readonly cause: 'local' }
  /** The far side sent BYE. */
  | { readonly cause: 'bye'; readonly request: SipRequest }
  /** Inbound: the caller sent CANCEL before the final answer (487 has been sent). */
  | { readonly cause: 'cancel'; readonly request: SipRequest }
  /** Outbound: refused with a final response of 300 or more. */
  | { readonly cause: 'refused'; readonly response: SipResponse }
  /** Outbound: no final response within `ringLimitMs`; CANCEL has been sent. */
  | { readonly cause: 'unanswered' }
  /** Outbound: nobody answered at all (timer B), or the transport failed. In mid-call: the far side no longer knows the
   *  dialog, or did not refresh it in time. */
  | { readonly cause: 'unreachable'; readonly message: string }
  /** Inbound: no ACK within 64·T1; BYE has been sent. Or no PRACK; 504 has been sent. */
  | { readonly cause: 'noAck' }
  /** The user agent was closed. */
  | { readonly cause: 'closed' };
