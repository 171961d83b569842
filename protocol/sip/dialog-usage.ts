import { AnswerRepeater } from './answer-repeater.ts';
import type { Dialog, RoutedRequest } from './dialog.ts';
import { type Credentials, DigestClient, withCredentials } from './digest.ts';
import { emptyBody, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { createResponse } from './response.ts';
import type {
  EndOptions,
  OfferReply,
  ReinviteOutcome,
  RequestFailure,
  SessionAction,
  SessionProfile,
} from './session-actions.ts';
import { sdpOf, sdpParts } from './session-description.ts';

/** A request of ours inside the dialog that waits for its final response. `id` is undefined where nobody asks. */
interface Pending {
  readonly id: number | undefined;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
  /** re-INVITE: how often 491 sent it back. */
  readonly attempt: number;
}

const reinviteAttemptsMax = 10;

/** An INVITE session once it has a dialog: ACKs, BYE, re-INVITE, UPDATE and other requests, both ways.
 *  RFC 3261 §12.2, §14, §15; RFC 3311; RFC 6086. The INVITE that began it is handled by its owners,
 *  `inbound-session.ts` and `outbound-session.ts`. */
/** Timer expiry, Q.850 cause 102 (RFC 3326). */
const missingAckReason: SipHeader = { name: 'Reason', value: 'Q.850;cause=102;text="no ACK to the answer"' };

export class DialogUsage {
  readonly dialog: Dialog;
  readonly #profile: SessionProfile;
  readonly #contact: string;
  /** The Call-ID is ours: decides the back-off after 491. */
  readonly #ownsCallId: boolean;
  readonly #digest: DigestClient;
  readonly #pending = new Map<SipRequest, Pending>();
  #repeaters: AnswerRepeater[] = [];
  /** By their INVITE, for as long as its transaction may bring the 2xx again. */
  readonly #acks = new WeakMap<SipRequest, RoutedRequest>();
  #retry: { readonly dueMs: number; readonly pending: Pending } | undefined;
  /** BYE waits for the ACK of our 2xx. */
  #byeHeaders: readonly SipHeader[] | undefined;
  #over = false;
  #confirmed = false;

  constructor(options: {
    readonly dialog: Dialog;
    readonly profile: SessionProfile;
    /** Contact value of ours. */
    readonly contact: string;
    readonly ownsCallId: boolean;
    readonly credentials?: Credentials | undefined;
  }) {
    this.dialog = options.dialog;
    this.#profile = options.profile;
    this.#contact = options.contact;
    this.#ownsCallId = options.ownsCallId;
    this.#digest = new DigestClient(options.credentials, () => options.profile.createToken());
  }

  /** Nothing more to wait for: the dialog can be forgotten. */
  get finished(): boolean {
    if (!this.#over || this.#byeHeaders !== undefined || this.#repeaters.length > 0) return false;
    return this.#pending.size === 0;
  }

  get over(): boolean {
    return this.#over;
  }

  get deadlineMs(): number | undefined {
    let deadlineMs = this.#retry?.dueMs;
    for (const repeater of this.#repeaters) {
      if (deadlineMs === undefined || repeater.deadlineMs < deadlineMs) deadlineMs = repeater.deadlineMs;
    }
    return deadlineMs;
  }

  /** Inbound: 200 to an INVITE, repeated until its ACK. */
  answerInvite(
    request: SipRequest,
    options: {
      readonly sdp: string;
      readonly headers: readonly SipHeader[];
      readonly offerIsOurs: boolean;
      readonly initial: boolean;
    },
    nowMs: number,
  ): SessionAction[] {
    const { headers, body } = sdpParts(options.sdp);
    const response = this.#respondWith(
      request,
      200,
      [...this.#contactHeaders(), ...options.headers, ...headers],
      body,
    );
    this.#repeaters.push(
      new AnswerRepeater(
        { request, response, offerIsOurs: options.offerIsOurs, initial: options.initial },
        this.#profile.timings,
        nowMs,
      ),
    );
    this.#confirmed = true;
    return [{ do: 'respond', request, response }];
  }

  /** Outbound: the 2xx that made this dialog came; its ACK. */
  acknowledge(invite: SipRequest): SessionAction[] {
    this.#confirmed = true;
    this.#acks.set(invite, this.dialog.createAck(invite));
    return this.acknowledgeAgain(invite);
  }

  /** Outbound: the same 2xx once more, because our ACK was lost. */
  acknowledgeAgain(invite: SipRequest): SessionAction[] {
    const ack = this.#acks.get(invite);
    return ack === undefined ? [] : [{ do: 'acknowledge', ...ack }];
  }

  // ---- requests of the far side

  receiveRequest(request: SipRequest): SessionAction[] {
    if (request.method === 'ACK') return this.#receiveAck(request);
    // RFC 3261 §12.2.2. A request that comes again matches its transaction and never gets here.
    if (!this.dialog.acceptCSeq(request)) return [this.#refuse(request, 500)];
    if (request.method === 'BYE') return this.#receiveBye(request);
    if (this.#over) return [this.#refuse(request, 481)];
    switch (request.method) {
      case 'INVITE':
        return this.#receiveInvite(request);
      case 'UPDATE':
        return this.#receiveUpdate(request);
      case 'OPTIONS':
        return [
          {
            do: 'respond',
            request,
            response: this.#respondWith(request, 200, [
              ...this.#contactHeaders(),
              { name: 'Accept', value: 'application/sdp' },
            ]),
          },
        ];
      case 'INFO':
      case 'MESSAGE':
      case 'NOTIFY':
      case 'REFER':
        return [{ do: 'report', report: { event: 'requested', request } }];
      default:
        return [this.#refuse(request, 405, this.#allowHeaders())];
    }
  }

  #receiveAck(ack: SipRequest): SessionAction[] {
    const cseq = this.dialog.cseqOf(ack);
    const index = this.#repeaters.findIndex(({ request }) => this.dialog.cseqOf(request) === cseq);
    const [repeater] = index < 0 ? [] : this.#repeaters.splice(index, 1);
    if (repeater === undefined) return [];
    const actions: SessionAction[] = [];
    if (repeater.initial || repeater.offerIsOurs) {
      const answer = repeater.offerIsOurs ? sdpOf(ack) : undefined;
      actions.push({ do: 'report', report: { event: 'confirmed', answer } });
    }
    return [...actions, ...this.#sendDueBye()];
  }

  #receiveBye(bye: SipRequest): SessionAction[] {
    const actions: SessionAction[] = [{ do: 'respond', request: bye, response: this.#respondWith(bye, 200) }];
    // A BYE of ours under way keeps waiting for its response; the far side answers it, or it times out.
    this.#repeaters = [];
    this.#byeHeaders = undefined;
    actions.push(...this.#close());
    actions.push({ do: 'report', report: { event: 'ended', end: { cause: 'bye', request: bye } } });
    return actions;
  }

  #receiveInvite(request: SipRequest): SessionAction[] {
    // RFC 3261 §14.2: the first INVITE is still open.
    if (!this.#confirmed) return [this.#refuseForAWhile(request)];
    const glare = this.#offering || this.#repeaters.some(({ offerIsOurs }) => offerIsOurs);
    if (glare) return [this.#refuse(request, 491)];
    return [{ do: 'report', report: { event: 'offered', request, offer: sdpOf(request) } }];
  }

  #receiveUpdate(request: SipRequest): SessionAction[] {
    const offer = sdpOf(request);
    if (offer === undefined) {
      this.dialog.refreshTarget(request);
      return [{ do: 'respond', request, response: this.#respondWith(request, 200, this.#contactHeaders()) }];
    }
    // RFC 3311 §5.2: one offer at a time.
    if (!this.#confirmed) return [this.#refuseForAWhile(request)];
    if (this.#offering) return [this.#refuse(request, 491)];
    return [{ do: 'report', report: { event: 'offered', request, offer } }];
  }

  /** The owner's word on a re-INVITE or UPDATE that was reported as `offered`. */
  answerOffer(request: SipRequest, reply: OfferReply, nowMs: number): SessionAction[] {
    if (this.#over) return [this.#refuse(request, request.method === 'INVITE' ? 487 : 481)];
    if ('status' in reply) return [this.#refuse(request, reply.status, reply.headers)];
    this.dialog.refreshTarget(request);
    if (request.method === 'INVITE') {
      const offerIsOurs = sdpOf(request) === undefined;
      return this.answerInvite(
        request,
        { sdp: reply.answer, headers: [], offerIsOurs, initial: false },
        nowMs,
      );
    }
    const { headers, body } = sdpParts(reply.answer);
    const response = this.#respondWith(request, 200, [...this.#contactHeaders(), ...headers], body);
    return [{ do: 'respond', request, response }];
  }

  /** The owner's word on a request that was reported as `requested`. */
  answerRequest(request: SipRequest, status: number, headers: readonly SipHeader[] = []): SessionAction[] {
    return [{ do: 'respond', request, response: this.#respondWith(request, status, headers) }];
  }

  // ---- requests of ours

  sendRequest(
    id: number,
    method: string,
    headers: readonly SipHeader[] = [],
    body: Uint8Array = emptyBody,
  ): SessionAction[] {
    const pending: Pending = { id, headers, body, attempt: 0 };
    if (this.#over || !this.#confirmed) {
      const { request } = this.dialog.createRequest(method, { headers, body });
      return this.#settle(request, pending, createResponse(request, 481));
    }
    return this.#send(method, pending);
  }

  reinvite(id: number, offer: string, nowMs: number): SessionAction[] {
    if (this.#over) return [reinvited(id, { status: 481 })];
    if (this.#inviting || this.#retry !== undefined) return [reinvited(id, { status: 491 })];
    const { headers, body } = sdpParts(offer);
    const pending: Pending = { id, headers: [...this.#contactHeaders(), ...headers], body, attempt: 0 };
    // RFC 3261 §14.1: not while another INVITE is open, in either direction.
    if (!this.#confirmed || this.#repeaters.length > 0) return this.#backOff(pending, nowMs);
    return this.#send('INVITE', pending);
  }

  /** Ends the dialog with BYE: at once, or after the ACK that is due (RFC 3261 §15). */
  bye(options: Pick<EndOptions, 'headers'>): SessionAction[] {
    if (this.#over) return [];
    const headers = options.headers ?? [];
    const actions = this.#close();
    this.#byeHeaders = headers;
    if (!this.#repeaters.some(({ initial }) => initial)) actions.push(...this.#sendDueBye());
    return actions;
  }

  /** Ends it without BYE: the INVITE was refused. */
  abandon(): SessionAction[] {
    return this.#over ? [] : this.#close();
  }

  receiveResponse(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    if (response.status < 200) return [];
    const pending = this.#pending.get(request);
    if (pending === undefined) return response.status < 300 ? this.acknowledgeAgain(request) : [];
    this.#pending.delete(request);
    const credentials = this.#digest.answer(request, response);
    if (credentials !== undefined && (!this.#over || request.method === 'BYE')) {
      return this.#send(request.method, {
        ...pending,
        headers: withCredentials(pending.headers, credentials),
      });
    }
    if (request.method === 'INVITE') return this.#receiveInviteResponse(request, pending, response, nowMs);
    if (response.status < 300 && request.method === 'UPDATE') this.dialog.refreshTarget(response);
    return [...this.#settle(request, pending, response), ...this.#endIfLost(request, response.status)];
  }

  #receiveInviteResponse(
    request: SipRequest,
    pending: Pending,
    response: SipResponse,
    nowMs: number,
  ): SessionAction[] {
    if (response.status < 300) {
      this.dialog.refreshTarget(response);
      return [...this.acknowledge(request), ...this.#settle(request, pending, response)];
    }
    if (response.status === 491 && !this.#over && pending.attempt < reinviteAttemptsMax) {
      return this.#backOff(pending, nowMs);
    }
    return [...this.#settle(request, pending, response), ...this.#endIfLost(request, response.status)];
  }

  /** No response came to a request of ours. */
  requestFailed(request: SipRequest, { why }: RequestFailure): SessionAction[] {
    const pending = this.#pending.get(request);
    if (pending === undefined) return [];
    this.#pending.delete(request);
    const response = createResponse(request, why === 'timeout' ? 408 : 503);
    return [...this.#settle(request, pending, response), ...this.#endIfLost(request, response.status)];
  }

  expire(nowMs: number): SessionAction[] {
    const actions: SessionAction[] = [];
    for (const repeater of [...this.#repeaters]) {
      const due = repeater.expire(nowMs);
      const { request, response } = repeater;
      if (due === 'repeat') actions.push({ do: 'respond', request, response });
      if (due === 'giveUp') actions.push(...this.#missAck(repeater));
    }
    const retry = this.#retry;
    if (retry !== undefined && retry.dueMs <= nowMs) {
      this.#retry = undefined;
      const open = !this.#confirmed || this.#repeaters.length > 0;
      actions.push(...(open ? this.#backOff(retry.pending, nowMs) : this.#send('INVITE', retry.pending)));
    }
    return actions;
  }

  /** Nobody acknowledged our 2xx: RFC 3261 §13.3.1.4. */
  #missAck(repeater: AnswerRepeater): SessionAction[] {
    this.#repeaters = this.#repeaters.filter((other) => other !== repeater);
    if (this.#over) return this.#sendDueBye();
    return [
      ...this.bye({ headers: [missingAckReason] }),
      { do: 'report', report: { event: 'ended', end: { cause: 'noAck' } } },
    ];
  }

  // ---- helpers

  get #inviting(): boolean {
    for (const request of this.#pending.keys()) if (request.method === 'INVITE') return true;
    return false;
  }

  /** An offer of ours waits for its answer. */
  get #offering(): boolean {
    for (const request of this.#pending.keys()) {
      if (request.method === 'INVITE' || (request.method === 'UPDATE' && request.body.length > 0))
        return true;
    }
    return false;
  }

  #send(method: string, pending: Pending): SessionAction[] {
    const { request, nextHop } = this.dialog.createRequest(method, {
      headers: pending.headers,
      body: pending.body,
    });
    this.#pending.set(request, pending);
    return [{ do: 'request', request, nextHop }];
  }

  #sendDueBye(): SessionAction[] {
    const headers = this.#byeHeaders;
    if (headers === undefined) return [];
    this.#byeHeaders = undefined;
    return this.#send('BYE', { id: undefined, headers, body: emptyBody, attempt: 0 });
  }

  /** RFC 3261 §14.1: the owner of the Call-ID waits 2.1–4 s, the other 0–2 s, in steps of 10 ms. */
  #backOff(pending: Pending, nowMs: number): SessionAction[] {
    const steps = this.#ownsCallId ? 210 + this.#profile.random() * 191 : this.#profile.random() * 201;
    this.#retry = {
      dueMs: nowMs + 10 * Math.floor(steps),
      pending: { ...pending, attempt: pending.attempt + 1 },
    };
    return [];
  }

  /** From here on no request is accepted and none but BYE sent. */
  #close(): SessionAction[] {
    this.#over = true;
    const retry = this.#retry;
    this.#retry = undefined;
    const actions: SessionAction[] = [];
    if (retry?.pending.id !== undefined) actions.push(reinvited(retry.pending.id, { status: 481 }));
    return actions;
  }

  #settle(request: SipRequest, { id }: Pending, response: SipResponse): SessionAction[] {
    if (id === undefined) return [];
    if (request.method !== 'INVITE') return [{ do: 'report', report: { event: 'responded', id, response } }];
    const answer = response.status < 300 ? sdpOf(response) : undefined;
    return [reinvited(id, answer === undefined ? { status: response.status } : { answer })];
  }

  /** RFC 3261 §12.2.1.2, RFC 5057: 481 to a request of the session, or silence to one that refreshes it, means that
   *  the far side lost the dialog. */
  #endIfLost({ method }: SipRequest, status: number): SessionAction[] {
    const refresh = method === 'INVITE' || method === 'UPDATE';
    const lost = (status === 481 && (refresh || method === 'INFO')) || (status === 408 && refresh);
    if (!lost || this.#over) return [];
    const message = `the far side answered ${method} with ${status}`;
    return [
      ...this.bye({}),
      { do: 'report', report: { event: 'ended', end: { cause: 'unreachable', message } } },
    ];
  }

  #contactHeaders(): SipHeader[] {
    return [{ name: 'Contact', value: this.#contact }, ...this.#allowHeaders()];
  }

  #allowHeaders(): SipHeader[] {
    const { allow, supported } = this.#profile;
    const headers = [{ name: 'Allow', value: allow.join(', ') }];
    if (supported.length > 0) headers.push({ name: 'Supported', value: supported.join(', ') });
    return headers;
  }

  #refuse(request: SipRequest, status: number, headers: readonly SipHeader[] = []): SessionAction {
    return { do: 'respond', request, response: this.#respondWith(request, status, headers) };
  }

  #refuseForAWhile(request: SipRequest): SessionAction {
    const seconds = Math.floor(this.#profile.random() * 11);
    return this.#refuse(request, 500, [{ name: 'Retry-After', value: String(seconds) }]);
  }

  #respondWith(
    request: SipRequest,
    status: number,
    headers: readonly SipHeader[] = [],
    body: Uint8Array = emptyBody,
  ): SipResponse {
    return createResponse(request, status, {
      toTag: this.dialog.localTag,
      headers: [...headers, { name: 'Server', value: this.#profile.userAgentName }],
      body,
    });
  }
}

function reinvited(id: number, outcome: ReinviteOutcome): SessionAction {
  return { do: 'report', report: { event: 'reinvited', id, outcome } };
}
