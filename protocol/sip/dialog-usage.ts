import { AnswerRepeater } from './answer-repeater.ts';
import type { Dialog } from './dialog.ts';
import { DialogClient, type DialogOutcome } from './dialog-client.ts';
import type { Credentials } from './digest.ts';
import { emptyBody, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { createResponse } from './response.ts';
import type {
  OfferReply,
  RequestFailure,
  SessionAction,
  SessionEnding,
  SessionProfile,
} from './session-actions.ts';
import { sdpOf, sdpParts } from './session-description.ts';
import { capabilityHeaders, reasonHeader } from './session-headers.ts';

/** An INVITE session once it has a dialog: answers and their ACKs, BYE, and the requests of the far side; our own are
 *  in `dialog-client.ts`. The INVITE that began it is handled by its owners, `inbound-session.ts` and
 *  `outbound-session.ts`. RFC 3261 §12.2, §14.2, §15; RFC 3311; RFC 6086. */
export class DialogUsage {
  readonly dialog: Dialog;
  readonly #profile: SessionProfile;
  readonly #contact: string;
  readonly #client: DialogClient;
  #repeaters: AnswerRepeater[] = [];
  /** Of a BYE that waits for the ACK of our 2xx. */
  #byeHeaders: readonly SipHeader[] | undefined;
  #confirmed = false;
  #over = false;

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
    this.#client = new DialogClient(options);
  }

  /** Nothing more to wait for: the dialog can be forgotten. */
  get finished(): boolean {
    return this.#over && this.#byeHeaders === undefined && this.#repeaters.length === 0 && this.#client.idle;
  }

  get over(): boolean {
    return this.#over;
  }

  get deadlineMs(): number | undefined {
    let { deadlineMs } = this.#client;
    for (const repeater of this.#repeaters) {
      if (deadlineMs === undefined || repeater.deadlineMs < deadlineMs) deadlineMs = repeater.deadlineMs;
    }
    return deadlineMs;
  }

  // ---- requests of the far side

  /** 200 to an INVITE, repeated until its ACK. */
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
    const { sdp, offerIsOurs, initial } = options;
    const response = this.#success(request, sdp, options.headers);
    const { timings } = this.#profile;
    this.#repeaters.push(new AnswerRepeater({ request, response, offerIsOurs, initial }, timings, nowMs));
    this.#confirmed = true;
    return [{ do: 'respond', request, response }];
  }

  receiveRequest(request: SipRequest): SessionAction[] {
    if (request.method === 'ACK') return this.#receiveAck(request);
    // RFC 3261 §12.2.2. A request that comes again matches its transaction and never gets here.
    if (!this.dialog.acceptCSeq(request)) return [this.#respond(request, 500)];
    if (request.method === 'BYE') return this.#receiveBye(request);
    if (this.#over) return [this.#respond(request, 481)];
    switch (request.method) {
      case 'INVITE':
        return this.#receiveInvite(request);
      case 'UPDATE':
        return this.#receiveUpdate(request);
      case 'OPTIONS':
        return [{ do: 'respond', request, response: this.#success(request, '', []) }];
      case 'INFO':
      case 'MESSAGE':
      case 'NOTIFY':
      case 'REFER':
        return [{ do: 'report', report: { event: 'requested', request } }];
      default:
        return [this.#respond(request, 405, capabilityHeaders(this.#profile))];
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
    // A BYE of ours under way keeps waiting for its response; the far side answers it, or it times out.
    this.#repeaters = [];
    this.#byeHeaders = undefined;
    return [this.#respond(bye, 200), ...this.abandon(), ended({ cause: 'bye', request: bye })];
  }

  #receiveInvite(request: SipRequest): SessionAction[] {
    // RFC 3261 §14.2: the first INVITE is still open.
    if (!this.#confirmed) return [this.#respondLater(request)];
    const glare = this.#client.offering || this.#repeaters.some(({ offerIsOurs }) => offerIsOurs);
    if (glare) return [this.#respond(request, 491)];
    return [{ do: 'report', report: { event: 'offered', request, offer: sdpOf(request) } }];
  }

  #receiveUpdate(request: SipRequest): SessionAction[] {
    const offer = sdpOf(request);
    if (offer === undefined) {
      this.dialog.refreshTarget(request);
      return [{ do: 'respond', request, response: this.#success(request, '', []) }];
    }
    // RFC 3311 §5.2: one offer at a time.
    if (!this.#confirmed) return [this.#respondLater(request)];
    if (this.#client.offering) return [this.#respond(request, 491)];
    return [{ do: 'report', report: { event: 'offered', request, offer } }];
  }

  /** The owner's word on a re-INVITE or UPDATE that was reported as `offered`. */
  answerOffer(request: SipRequest, reply: OfferReply, nowMs: number): SessionAction[] {
    const invite = request.method === 'INVITE';
    if (this.#over) return [this.#respond(request, invite ? 487 : 481)];
    if ('status' in reply) return [this.#respond(request, reply.status, reply.headers)];
    this.dialog.refreshTarget(request);
    const sdp = reply.answer;
    if (!invite) return [{ do: 'respond', request, response: this.#success(request, sdp, []) }];
    const offerIsOurs = sdpOf(request) === undefined;
    return this.answerInvite(request, { sdp, headers: [], offerIsOurs, initial: false }, nowMs);
  }

  /** The owner's word on a request that was reported as `requested`. */
  answerRequest(request: SipRequest, status: number, headers: readonly SipHeader[] = []): SessionAction[] {
    return [this.#respond(request, status, headers)];
  }

  // ---- requests of ours

  /** The 2xx that made this dialog came. */
  acknowledge(invite: SipRequest): SessionAction[] {
    this.#confirmed = true;
    return this.#client.acknowledge(invite);
  }

  /** It came again. */
  acknowledgeAgain(invite: SipRequest): SessionAction[] {
    return this.#client.acknowledgeAgain(invite);
  }

  sendRequest(
    id: number,
    method: string,
    headers: readonly SipHeader[] = [],
    body = emptyBody,
  ): SessionAction[] {
    const possible = this.#confirmed && !this.#over;
    return possible
      ? this.#client.send(method, id, headers, body)
      : this.#client.fail(method, id, headers, body);
  }

  reinvite(id: number, offer: string, nowMs: number): SessionAction[] {
    return this.#client.reinvite(id, offer, this.#inviteOpen, nowMs);
  }

  /** Ends the dialog with BYE: at once, or after the ACK that is due (RFC 3261 §15). */
  bye(headers: readonly SipHeader[]): SessionAction[] {
    if (this.#over) return [];
    const actions = this.abandon();
    this.#byeHeaders = headers;
    if (!this.#repeaters.some(({ initial }) => initial)) actions.push(...this.#sendDueBye());
    return actions;
  }

  /** Ends it without BYE. */
  abandon(): SessionAction[] {
    if (this.#over) return [];
    this.#over = true;
    return this.#client.close();
  }

  receiveResponse(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    return this.#settle(this.#client.receiveResponse(request, response, nowMs));
  }

  /** No response came to a request of ours. */
  requestFailed(request: SipRequest, failure: RequestFailure): SessionAction[] {
    return this.#settle(this.#client.requestFailed(request, failure));
  }

  expire(nowMs: number): SessionAction[] {
    const actions: SessionAction[] = [];
    for (const repeater of [...this.#repeaters]) {
      const due = repeater.expire(nowMs);
      const { request, response } = repeater;
      if (due === 'repeat') actions.push({ do: 'respond', request, response });
      if (due === 'giveUp') actions.push(...this.#missAck(repeater));
    }
    return [...actions, ...this.#client.expire(this.#inviteOpen, nowMs)];
  }

  /** Nobody acknowledged our 2xx: RFC 3261 §13.3.1.4. */
  #missAck(repeater: AnswerRepeater): SessionAction[] {
    this.#repeaters = this.#repeaters.filter((other) => other !== repeater);
    if (this.#over) return this.#sendDueBye();
    return [...this.bye([reasonHeader(102, 'no ACK to the answer')]), ended({ cause: 'noAck' })];
  }

  #settle({ actions, lost }: DialogOutcome): SessionAction[] {
    if (lost === undefined || this.#over) return [...actions];
    return [
      ...actions,
      ...this.bye([reasonHeader(41, lost)]),
      ended({ cause: 'unreachable', message: lost }),
    ];
  }

  #sendDueBye(): SessionAction[] {
    const headers = this.#byeHeaders;
    if (headers === undefined) return [];
    this.#byeHeaders = undefined;
    return this.#client.send('BYE', undefined, headers);
  }

  /** An INVITE of theirs is not acknowledged, or not even answered. */
  get #inviteOpen(): boolean {
    return !this.#confirmed || this.#repeaters.length > 0;
  }

  #success(request: SipRequest, sdp: string, headers: readonly SipHeader[]): SipResponse {
    const parts = sdpParts(sdp);
    const contact = { name: 'Contact', value: this.#contact };
    const all = [contact, ...capabilityHeaders(this.#profile), ...headers, ...parts.headers];
    return this.#response(request, 200, all, parts.body);
  }

  #respond(request: SipRequest, status: number, headers: readonly SipHeader[] = []): SessionAction {
    return { do: 'respond', request, response: this.#response(request, status, headers, emptyBody) };
  }

  #respondLater(request: SipRequest): SessionAction {
    const seconds = Math.floor(this.#profile.random() * 11);
    return this.#respond(request, 500, [{ name: 'Retry-After', value: String(seconds) }]);
  }

  #response(
    request: SipRequest,
    status: number,
    headers: readonly SipHeader[],
    body: Uint8Array,
  ): SipResponse {
    const server = { name: 'Server', value: this.#profile.userAgentName };
    return createResponse(request, status, {
      toTag: this.dialog.localTag,
      headers: [...headers, server],
      body,
    });
  }
}

function ended(end: SessionEnding): SessionAction {
  return { do: 'report', report: { event: 'ended', end } };
}
