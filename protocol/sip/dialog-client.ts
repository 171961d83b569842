import type { Dialog, RoutedRequest } from './dialog.ts';
import { type Credentials, DigestClient, withCredentials } from './digest.ts';
import { emptyBody, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { createResponse } from './response.ts';
import type { ReinviteOutcome, RequestFailure, SessionAction, SessionProfile } from './session-actions.ts';
import { sdpOf, sdpParts } from './session-description.ts';
import { capabilityHeaders } from './session-headers.ts';

/** A request of ours that waits for its final response. */
interface Pending {
  /** Of the one who asks; undefined for a BYE. */
  readonly id: number | undefined;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
  /** re-INVITE: how often 491 sent it back. */
  readonly attempt: number;
}

/** What a response, or its absence, brings. */
export interface DialogOutcome {
  readonly actions: readonly SessionAction[];
  /** The far side no longer knows the dialog: the session must end. */
  readonly lost?: string;
}

const reinviteAttemptsMax = 10;

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
  #retry: { readonly dueMs: number; readonly pending: Pending } | undefined;
  #closed = false;

  constructor(options: {
    readonly dialog: Dialog;
    readonly profile: SessionProfile;
    readonly contact: string;
    readonly ownsCallId: boolean;
    readonly credentials?: Credentials | undefined;
  }) {
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
      if (method === 'INVITE' || (method === 'UPDATE' && body.length > 0)) return true;
    }
    return false;
  }

  get deadlineMs(): number | undefined {
    return this.#retry?.dueMs;
  }

  send(
    method: string,
    id: number | undefined,
    headers: readonly SipHeader[],
    body = emptyBody,
  ): SessionAction[] {
    return this.#send(method, { id, headers, body, attempt: 0 });
  }

  /** The outcome of a request that cannot be sent. */
  fail(method: string, id: number, headers: readonly SipHeader[], body = emptyBody): SessionAction[] {
    const { request } = this.#dialog.createRequest(method, { headers, body });
    return this.#settle(request, id, createResponse(request, 481));
  }

  /** `blocked`: another INVITE is open (§14.1), so this one waits as after a 491. */
  reinvite(id: number, offer: string, blocked: boolean, nowMs: number): SessionAction[] {
    if (this.#closed) return [reinvited(id, { status: 481 })];
    if (this.#inviting || this.#retry !== undefined) return [reinvited(id, { status: 491 })];
    const pending: Pending = { id, ...sdpParts(offer), attempt: 0 };
    return blocked ? this.#backOff(pending, nowMs) : this.#send('INVITE', pending);
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
    if (request.method === 'INVITE' && response.status === 491 && pending.attempt < reinviteAttemptsMax) {
      if (!this.#closed) return { actions: this.#backOff(pending, nowMs) };
    }
    return this.#finish(request, pending, response);
  }

  /** No response came. */
  requestFailed(request: SipRequest, { why }: RequestFailure): DialogOutcome {
    const pending = this.#pending.get(request);
    if (pending === undefined) return { actions: [] };
    this.#pending.delete(request);
    return this.#finish(request, pending, createResponse(request, why === 'timeout' ? 408 : 503));
  }

  #finish(request: SipRequest, { id }: Pending, response: SipResponse): DialogOutcome {
    const { method } = request;
    const actions: SessionAction[] = [];
    if (response.status < 300 && (method === 'INVITE' || method === 'UPDATE')) {
      this.#dialog.refreshTarget(response);
      if (method === 'INVITE') actions.push(...this.acknowledge(request));
    }
    actions.push(...this.#settle(request, id, response));
    if (!meansLost(method, response.status)) return { actions };
    return { actions, lost: `the far side answered ${method} with ${response.status}` };
  }

  expire(blocked: boolean, nowMs: number): SessionAction[] {
    const retry = this.#retry;
    if (retry === undefined || retry.dueMs > nowMs) return [];
    this.#retry = undefined;
    return blocked ? this.#backOff(retry.pending, nowMs) : this.#send('INVITE', retry.pending);
  }

  /** The session is over: none but BYE is sent from here on. */
  close(): SessionAction[] {
    this.#closed = true;
    const id = this.#retry?.pending.id;
    this.#retry = undefined;
    return id === undefined ? [] : [reinvited(id, { status: 481 })];
  }

  get #inviting(): boolean {
    for (const { method } of this.#pending.keys()) if (method === 'INVITE') return true;
    return false;
  }

  #send(method: string, pending: Pending): SessionAction[] {
    const headers: SipHeader[] = [];
    if (contactMethods.has(method)) headers.push({ name: 'Contact', value: this.#contact });
    if (method === 'INVITE') headers.push(...capabilityHeaders(this.#profile));
    headers.push({ name: 'User-Agent', value: this.#profile.userAgentName }, ...pending.headers);
    const { request, nextHop } = this.#dialog.createRequest(method, { headers, body: pending.body });
    this.#pending.set(request, pending);
    return [{ do: 'request', request, nextHop }];
  }

  /** §14.1: the owner of the Call-ID waits 2.1–4 s, the other 0–2 s, in steps of 10 ms. */
  #backOff(pending: Pending, nowMs: number): SessionAction[] {
    const steps = this.#ownsCallId ? 210 + this.#profile.random() * 191 : this.#profile.random() * 201;
    const dueMs = nowMs + 10 * Math.floor(steps);
    this.#retry = { dueMs, pending: { ...pending, attempt: pending.attempt + 1 } };
    return [];
  }

  #settle({ method }: SipRequest, id: number | undefined, response: SipResponse): SessionAction[] {
    if (id === undefined) return [];
    if (method !== 'INVITE') return [{ do: 'report', report: { event: 'responded', id, response } }];
    const answer = response.status < 300 ? sdpOf(response) : undefined;
    return [reinvited(id, answer === undefined ? { status: response.status } : { answer })];
  }
}

/** RFC 3261 §12.2.1.2, RFC 5057: 481 to a request of the session, or silence to one that refreshes it. */
function meansLost(method: string, status: number): boolean {
  const refreshes = method === 'INVITE' || method === 'UPDATE';
  return (status === 481 && (refreshes || method === 'INFO')) || (status === 408 && refreshes);
}

function reinvited(id: number, outcome: ReinviteOutcome): SessionAction {
  return { do: 'report', report: { event: 'reinvited', id, outcome } };
}
