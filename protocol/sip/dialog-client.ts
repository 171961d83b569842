import type { Dialog, RoutedRequest } from './dialog.ts';
import { type Credentials, DigestClient, withCredentials } from './digest.ts';
import { emptyBody, headerValue, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { createResponse } from './response.ts';
import type { ReinviteOutcome, RequestFailure, SessionAction, SessionProfile } from './session-actions.ts';
import { sdpOf, sdpParts } from './session-description.ts';
import { capabilityHeaders } from './session-headers.ts';
import type { SessionTimer } from './session-timer.ts';

/** Who asked: the owner's number, the session timer, or nobody who waits (BYE, PRACK). */
type Asker = number | 'refresh' | undefined;

/** Offers that wait for their turn, and are sent again after 491. */
type OfferMethod = 'INVITE' | 'UPDATE';

/** A request of ours that waits for its final response. */
interface Pending {
  readonly id: Asker;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
  /** An offer is answered with a session description, and comes again after 491. */
  readonly wants: 'response' | 'answer';
  /** How often 491 sent it back. */
  readonly attempt: number;
}

/** What a response, or its absence, brings. */
export interface DialogOutcome {
  readonly actions: readonly SessionAction[];
  /** The far side no longer knows the dialog: the session must end. */
  readonly lost?: string;
  /** A request of ours and its final response, where that settled it. */
  readonly settled?: { readonly request: SipRequest; readonly response: SipResponse; readonly id: Asker };
}

const reinviteAttemptsMax = 10;
const overtakenMax = 10;

/** Requests that name where we are: RFC 3261 §12.2, RFC 3311, RFC 3515, RFC 6665. */
const contactMethods = new Set(['INVITE', 'UPDATE', 'REFER', 'SUBSCRIBE', 'NOTIFY']);

/** Our own requests inside a dialog, with credentials where they are asked for, the back-off of a re-INVITE that met
 *  one, and the ACKs of 2xx. RFC 3261 §12.2.1, §14.1, §13.2.2.4. */
export class DialogClient {
  readonly #dialog: Dialog;
  readonly #profile: SessionProfile;
  readonly #contact: string;
  /** The Call-ID is ours: decides the back-off after 491. */
  readonly #ownsCallId: boolean;
  readonly #digest: DigestClient;
  readonly #pending = new Map<SipRequest, Pending>();
  /** By their INVITE, for as long as its transaction may bring the 2xx again. */
  readonly #acks = new WeakMap<SipRequest, RoutedRequest>();
  readonly #timer: SessionTimer;
  #retry: { readonly dueMs: number; readonly method: OfferMethod; readonly pending: Pending } | undefined;
  #closed = false;

  constructor(options: {
    readonly dialog: Dialog;
    readonly profile: SessionProfile;
    readonly contact: string;
    readonly ownsCallId: boolean;
    readonly timer: SessionTimer;
    readonly credentials?: Credentials | undefined;
  }) {
    this.#timer = options.timer;
    this.#dialog = options.dialog;
    this.#profile = options.profile;
    this.#contact = options.contact;
    this.#ownsCallId = options.ownsCallId;
    this.#digest = new DigestClient(options.credentials, () => options.profile.createToken());
  }

  /** No response is awaited. */
  get idle(): boolean {
    return this.#pending.size === 0;
  }

  /** An offer of ours waits for its answer. */
  get offering(): boolean {
    for (const { method, body } of this.#pending.keys()) {
      if (isOffer(method, body)) return true;
    }
    return false;
  }

  get deadlineMs(): number | undefined {
    return this.#retry?.dueMs;
  }

  send(method: string, id: Asker, headers: readonly SipHeader[], body = emptyBody): SessionAction[] {
    return this.#send(method, { id, headers, body, wants: 'response', attempt: 0 });
  }

  /** The outcome of a request that cannot be sent. */
  fail(method: string, id: number, headers: readonly SipHeader[], body = emptyBody): SessionAction[] {
    const { request } = this.#dialog.createRequest(method, { headers, body });
    return [responded(id, createResponse(request, 481))];
  }

  /** `blocked`: another INVITE is open (§14.1), so this one waits as after a 491. */
  reoffer(
    method: OfferMethod,
    id: number | 'refresh',
    offer: string,
    blocked: boolean,
    nowMs: number,
  ): SessionAction[] {
    if (this.#closed) return reinvited(id, { status: 481 });
    if (this.offering || this.#retry !== undefined) return reinvited(id, { status: 491 });
    const pending: Pending = { id, ...sdpParts(offer), wants: 'answer', attempt: 0 };
    return blocked ? this.#backOff(method, pending, nowMs) : this.#send(method, pending);
  }

  /** Something of ours waits that will refresh the session as well. */
  get busy(): boolean {
    return this.offering || this.#retry !== undefined;
  }

  /** The 2xx of an INVITE came; its ACK. */
  acknowledge(invite: SipRequest): SessionAction[] {
    this.#acks.set(invite, this.#dialog.createAck(invite));
    return this.acknowledgeAgain(invite);
  }

  /** The same 2xx came once more, because our ACK was lost. */
  acknowledgeAgain(invite: SipRequest): SessionAction[] {
    const ack = this.#acks.get(invite);
    return ack === undefined ? [] : [{ do: 'acknowledge', ...ack }];
  }

  receiveResponse(request: SipRequest, response: SipResponse, nowMs: number): DialogOutcome {
    if (response.status < 200) return { actions: [] };
    const pending = this.#pending.get(request);
    if (pending === undefined)
      return { actions: response.status < 300 ? this.acknowledgeAgain(request) : [] };
    this.#pending.delete(request);
    const credentials = this.#digest.answer(request, response);
    if (credentials !== undefined && (!this.#closed || request.method === 'BYE')) {
      const headers = withCredentials(pending.headers, credentials);
      return { actions: this.#send(request.method, { ...pending, headers }) };
    }
    const { method, body } = request;
    if (!this.#closed && response.status === 422 && this.#timer.raise(response))
      return { actions: this.#send(method, pending) };
    if (!this.#closed && response.status === 491 && pending.wants === 'answer' && isOffer(method, body)) {
      if (pending.attempt < reinviteAttemptsMax) return { actions: this.#backOff(method, pending, nowMs) };
    }
    if (!this.#closed && this.#wasOvertaken(request, response) && pending.attempt < overtakenMax)
      return { actions: this.#send(method, { ...pending, attempt: pending.attempt + 1 }) };
    return this.#finish(request, pending, response, nowMs);
  }

  /** It was lost, and came again when a later one of ours had passed: the far side had to refuse it (§12.2.2). */
  #wasOvertaken(request: SipRequest, response: SipResponse): boolean {
    if (response.status !== 500 || headerValue(response, 'Retry-After') !== undefined) return false;
    return (this.#dialog.cseqOf(request) ?? 0) < this.#dialog.localCSeq;
  }

  /** No response came. */
  requestFailed(request: SipRequest, { why }: RequestFailure, nowMs: number): DialogOutcome {
    const pending = this.#pending.get(request);
    if (pending === undefined) return { actions: [] };
    this.#pending.delete(request);
    return this.#finish(request, pending, createResponse(request, why === 'timeout' ? 408 : 503), nowMs);
  }

  #finish(request: SipRequest, pending: Pending, response: SipResponse, nowMs: number): DialogOutcome {
    const { method } = request;
    const { id } = pending;
    const actions: SessionAction[] = [];
    if (response.status < 300 && (method === 'INVITE' || method === 'UPDATE')) {
      this.#dialog.refreshTarget(response);
      this.#timer.confirm(response, nowMs);
      if (method === 'INVITE') actions.push(...this.acknowledge(request));
    }
    actions.push(...this.#settle(pending, response));
    const settled = { request, response, id };
    if (!meansLost(method, response.status)) return { actions, settled };
    return { actions, settled, lost: `the far side answered ${method} with ${response.status}` };
  }

  expire(blocked: boolean, nowMs: number): SessionAction[] {
    const retry = this.#retry;
    if (retry === undefined || retry.dueMs > nowMs) return [];
    this.#retry = undefined;
    const { method, pending } = retry;
    return blocked ? this.#backOff(method, pending, nowMs) : this.#send(method, pending);
  }

  /** The session is over: none but BYE is sent from here on. */
  close(): SessionAction[] {
    this.#closed = true;
    const id = this.#retry?.pending.id;
    this.#retry = undefined;
    return id === undefined ? [] : reinvited(id, { status: 481 });
  }

  #send(method: string, pending: Pending): SessionAction[] {
    const headers: SipHeader[] = [];
    if (contactMethods.has(method)) headers.push({ name: 'Contact', value: this.#contact });
    if (method === 'INVITE' || method === 'UPDATE') {
      headers.push(...capabilityHeaders(this.#profile), ...this.#timer.requestHeaders());
    }
    headers.push({ name: 'User-Agent', value: this.#profile.userAgentName }, ...pending.headers);
    const { request, nextHop } = this.#dialog.createRequest(method, { headers, body: pending.body });
    this.#pending.set(request, pending);
    return [{ do: 'request', request, nextHop }];
  }

  /** §14.1: the owner of the Call-ID waits 2.1–4 s, the other 0–2 s, in steps of 10 ms. */
  #backOff(method: OfferMethod, pending: Pending, nowMs: number): SessionAction[] {
    const steps = this.#ownsCallId ? 210 + this.#profile.random() * 191 : this.#profile.random() * 201;
    const dueMs = nowMs + 10 * Math.floor(steps);
    this.#retry = { dueMs, method, pending: { ...pending, attempt: pending.attempt + 1 } };
    return [];
  }

  #settle({ id, wants }: Pending, response: SipResponse): SessionAction[] {
    if (typeof id !== 'number') return [];
    if (wants === 'response') return [responded(id, response)];
    const answer = response.status < 300 ? sdpOf(response) : undefined;
    return reinvited(id, answer === undefined ? { status: response.status } : { answer });
  }
}

function isOffer(method: string, body: Uint8Array): method is OfferMethod {
  return method === 'INVITE' || (method === 'UPDATE' && body.length > 0);
}

/** RFC 3261 §12.2.1.2, RFC 5057: 481 to a request of the session, or silence to one that refreshes it. */
function meansLost(method: string, status: number): boolean {
  const refreshes = method === 'INVITE' || method === 'UPDATE';
  return (status === 481 && (refreshes || method === 'INFO')) || (status === 408 && refreshes);
}

function responded(id: number, response: SipResponse): SessionAction {
  return { do: 'report', report: { event: 'responded', id, response } };
}

function reinvited(id: Asker, outcome: ReinviteOutcome): SessionAction[] {
  if (typeof id !== 'number') return [];
  return [{ do: 'report', report: { event: 'reinvited', id, outcome } }];
}
