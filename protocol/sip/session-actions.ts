import type { SipHeader, SipRequest, SipResponse } from './message.ts';
import type { SessionTimerSettings } from './session-timer.ts';
import type { SipTimings } from './transaction-tables.ts';

/** What an INVITE session asks of the edge, in this order. Requests come without Via: the transport adds it. */
export type SessionAction =
  /** Through the server transaction of `request`. A 2xx of an INVITE comes here again for every repeat. */
  | { readonly do: 'respond'; readonly request: SipRequest; readonly response: SipResponse }
  /** In a new client transaction. Its responses go to `receiveResponse`, its failure to `requestFailed`, with this
   *  same object. `nextHop` is the URI to send to. */
  | { readonly do: 'request'; readonly request: SipRequest; readonly nextHop: string }
  /** ACK of a 2xx: outside any transaction. */
  | { readonly do: 'acknowledge'; readonly request: SipRequest; readonly nextHop: string }
  /** CANCEL of this INVITE, where it went, with its branch. */
  | { readonly do: 'cancel'; readonly invite: SipRequest; readonly headers: readonly SipHeader[] }
  /** Forget the client transaction of this INVITE: no final response will come (RFC 3261 §9.1). */
  | { readonly do: 'abandon'; readonly invite: SipRequest }
  | { readonly do: 'report'; readonly report: SessionReport };

export type SessionReport =
  | { readonly event: 'progressed'; readonly response: SipResponse }
  | { readonly event: 'accepted'; readonly response: SipResponse; readonly answer: string | undefined }
  | { readonly event: 'confirmed'; readonly answer: string | undefined }
  /** Wants `answerOffer` with the same request. */
  | { readonly event: 'offered'; readonly request: SipRequest; readonly offer: string | undefined }
  /** Wants `answerRequest` with the same request. */
  | { readonly event: 'requested'; readonly request: SipRequest }
  /** Outcome of `sendRequest`: the final response, or 408 / 503 made here. */
  | { readonly event: 'responded'; readonly id: number; readonly response: SipResponse }
  /** The answer to a re-INVITE that only asked whether the session still lives. */
  | { readonly event: 'refreshed'; readonly answer: string }
  /** Outcome of `reoffer`. */
  | { readonly event: 'reinvited'; readonly id: number; readonly outcome: ReinviteOutcome }
  | { readonly event: 'ended'; readonly end: SessionEnding };

export type ReinviteOutcome = { readonly answer: string } | { readonly status: number };

export type OfferReply =
  | { readonly answer: string }
  | { readonly status: number; readonly headers?: readonly SipHeader[] };

export type SessionEnding =
  | { readonly cause: 'local' }
  | { readonly cause: 'bye'; readonly request: SipRequest }
  | { readonly cause: 'cancel'; readonly request: SipRequest }
  | { readonly cause: 'refused'; readonly response: SipResponse }
  | { readonly cause: 'unreachable'; readonly message: string }
  | { readonly cause: 'noAck' };

export interface EndOptions {
  readonly status: number;
  readonly reasonPhrase?: string;
  readonly headers?: readonly SipHeader[];
}

/** Why a request of ours got no response from the far side. */
export interface RequestFailure {
  readonly why: 'timeout' | 'transport';
  readonly message: string;
}

/** What all sessions of a user agent share. */
export interface SessionProfile {
  /** Into User-Agent and Server. */
  readonly userAgentName: string;
  readonly allow: readonly string[];
  readonly supported: readonly string[];
  readonly timings: SipTimings;
  /** Undefined: no session timers. */
  readonly sessionTimer: SessionTimerSettings | undefined;
  /** Unguessable and unique, for tags and nonces of ours. */
  createToken(): string;
  /** 0 ≤ x < 1, for back-off. */
  random(): number;
}

/** Lets the `ended` report of a session through once, and only as its last report. */
export class EndOnce {
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  filter(actions: readonly SessionAction[]): SessionAction[] {
    const kept: SessionAction[] = [];
    let ending: SessionAction | undefined;
    for (const action of actions) {
      if (action.do !== 'report') kept.push(action);
      else if (action.report.event === 'ended') ending ??= this.#ended ? undefined : action;
      // What was asked for before the end is still answered after it: nobody waits for ever.
      else if (!this.#ended || isOutcome(action.report)) kept.push(action);
    }
    if (ending !== undefined) {
      this.#ended = true;
      kept.push(ending);
    }
    return kept;
  }
}

function isOutcome(report: SessionReport): boolean {
  return report.event === 'responded' || report.event === 'reinvited';
}
