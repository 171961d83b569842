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
import { SessionRefresher } from './session-refresher.ts';
import { SessionTimer } from './session-timer.ts';

/** An INVITE session once it has a dialog: answers and their ACKs, BYE, and the requests of the far side; our own are
 *  in `dialog-client.ts`. The INVITE that began it is handled by its owners, `inbound-session.ts` and
 *  `outbound-session.ts`. RFC 3261 §12.2, §14.2, §15; RFC 3311; RFC 4028; RFC 6086. */
export class DialogUsage {
  readonly dialog: Dialog;
  readonly #profile: SessionProfile;
  readonly #contact: string;
  readonly #client: DialogClient;
  #repeaters: AnswerRepeater[] = [];
  /** Of a BYE that waits for the ACK of our 2xx. */
  #byeHeaders: readonly SipHeader[] | undefined;
  readonly #timer: SessionTimer;
  /** `early`: requests may pass, a 2xx is not there yet. `settled`: nor is it, but offer and answer have met, in a
   *  reliable provisional response. */
  #state: 'new' | 'early' | 'settled' | 'confirmed' = 'new';
  #over = false;
  readonly #refresher: SessionRefresher;

  constructor(options: {
    readonly dialog: Dialog;
    readonly profile: SessionProfile;
    /** Contact value of ours. */
    readonly contact: string;
    readonly ownsCallId: boolean;
    readonly credentials?: Credentials | undefined;
    /** Least session interval that a 422 to the INVITE asked for. */
    readonly minSeSeconds?: number;
  }) {
    this.dialog = options.dialog;
    this.#profile = options.profile;
    this.#contact = options.contact;
    this.#timer = new SessionTimer(options.profile.sessionTimer, options.minSeSeconds);
    this.#client = new DialogClient({ ...options, timer: this.#timer });
    this.#refresher = new SessionRefresher(this.#timer, this.#client);
  }

  /** Why the INVITE that begins it has to be refused: the headers of a 422. */
  refuseTimer(invite: SipRequest): readonly SipHeader[] | undefined {
    return this.#timer.refuse(invite);
  }

  /** A provisional response with our tag, or theirs, has been seen. `settled`: offer and answer have met. */
  progress(settled: boolean): void {
    if (this.#state === 'new') this.#state = 'early';
    if (this.#state === 'early' && settled) this.#state = 'settled';
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
    const timerMs = this.#over ? undefined : this.#timer.deadlineMs;
    if (timerMs !== undefined && (deadlineMs === undefined || timerMs < deadlineMs)) deadlineMs = timerMs;
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
    this.#refresher.learn(request);
    const headers = [...this.#timer.accept(request, nowMs), ...options.headers];
    const response = this.#success(request, sdp, headers);
    const { timings } = this.#profile;
    this.#repeaters.push(new AnswerRepeater({ request, response, offerIsOurs, initial }, timings, nowMs));
    this.#state = 'confirmed';
    this.#refresher.localSdp = sdp;
    return [{ do: 'respond', request, response }];
  }

  receiveRequest(request: SipRequest, nowMs: number): SessionAction[] {
    if (request.method === 'ACK') return this.#receiveAck(request);
    // RFC 3261 §12.2.2. A request that comes again matches its transaction and never gets here.
    if (!this.dialog.acceptCSeq(request)) return [this.#respond(request, 500)];
    if (request.method === 'BYE') return this.#receiveBye(request);
    if (this.#over) return [this.#respond(request, 481)];
    switch (request.method) {
      case 'INVITE':
        return this.#receiveInvite(request);
      case 'UPDATE':
        return this.#receiveUpdate(request, nowMs);
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
    if (this.#state !== 'confirmed') return [this.#respondLater(request)];
    const refusal = this.#timer.refuse(request);
    if (refusal !== undefined) return [this.#respond(request, 422, refusal)];
    if (this.#offerOpen) return [this.#respond(request, 491)];
    return [{ do: 'report', report: { event: 'offered', request, offer: sdpOf(request) } }];
  }

  #receiveUpdate(request: SipRequest, nowMs: number): SessionAction[] {
    const offer = sdpOf(request);
    const refusal = this.#timer.refuse(request);
    if (refusal !== undefined) return [this.#respond(request, 422, refusal)];
    if (offer === undefined) {
      this.dialog.refreshTarget(request);
      return [this.#acceptUpdate(request, '', nowMs)];
    }
    // RFC 3311 §5.2: one offer at a time.
    if (this.#state !== 'confirmed' && this.#state !== 'settled') return [this.#respondLater(request)];
    if (this.#offerOpen) return [this.#respond(request, 491)];
    return [{ do: 'report', report: { event: 'offered', request, offer } }];
  }

  #acceptUpdate(request: SipRequest, sdp: string, nowMs: number): SessionAction {
    this.#refresher.learn(request);
    const timer =
      this.#state === 'confirmed' && request.method === 'UPDATE' ? this.#timer.accept(request, nowMs) : [];
    return { do: 'respond', request, response: this.#success(request, sdp, timer) };
  }

  /** An offer of ours has no answer yet. */
  get #offerOpen(): boolean {
    return this.#client.offering || this.#repeaters.some(({ offerIsOurs }) => offerIsOurs);
  }

  /** The owner's word on a re-INVITE, UPDATE or PRACK that was reported as `offered`. */
  answerOffer(request: SipRequest, reply: OfferReply, nowMs: number): SessionAction[] {
    const invite = request.method === 'INVITE';
    if (this.#over) return [this.#respond(request, invite ? 487 : 481)];
    if ('status' in reply) return [this.#respond(request, reply.status, reply.headers)];
    this.dialog.refreshTarget(request);
    const sdp = reply.answer;
    if (!invite) {
      this.#refresher.localSdp = sdp;
      return [this.#acceptUpdate(request, sdp, nowMs)];
    }
    const offerIsOurs = sdpOf(request) === undefined;
    return this.answerInvite(request, { sdp, headers: [], offerIsOurs, initial: false }, nowMs);
  }

  /** The owner's word on a request that was reported as `requested`. */
  answerRequest(request: SipRequest, status: number, headers: readonly SipHeader[] = []): SessionAction[] {
    return [this.#respond(request, status, headers)];
  }

  // ---- requests of ours

  /** The 2xx that made this dialog, or confirmed an early one, came. */
  acknowledge(invite: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    if (this.#state !== 'new') this.dialog.confirm(response);
    this.#state = 'confirmed';
    this.#refresher.localSdp = sdpOf(invite) ?? '';
    this.#refresher.learn(response);
    this.#timer.confirm(response, nowMs);
    return this.#client.acknowledge(invite);
  }

  /** PRACK of a reliable provisional response, with its RAck. Nobody waits for the outcome: it is repeated by its
   *  transaction, and where it fails, so does the INVITE. */
  prack(rack: string): SessionAction[] {
    return this.#over ? [] : this.#client.send('PRACK', undefined, [{ name: 'RAck', value: rack }]);
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
    const possible = this.#state !== 'new' && !this.#over;
    return possible
      ? this.#client.send(method, id, headers, body)
      : this.#client.fail(method, id, headers, body);
  }

  /** An UPDATE, and only that, may be sent before the 2xx. */
  reoffer(method: 'INVITE' | 'UPDATE', id: number, offer: string, nowMs: number): SessionAction[] {
    const possible = this.#state === 'confirmed' || (this.#state === 'settled' && method === 'UPDATE');
    if (!possible) return [{ do: 'report', report: { event: 'reinvited', id, outcome: { status: 481 } } }];
    const blocked = method === 'INVITE' ? this.#inviteOpen : this.#offerOpen;
    return this.#client.reoffer(method, id, offer, blocked, nowMs);
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
    return this.#settle(this.#client.receiveResponse(request, response, nowMs), nowMs);
  }

  /** No response came to a request of ours. */
  requestFailed(request: SipRequest, failure: RequestFailure, nowMs: number): SessionAction[] {
    return this.#settle(this.#client.requestFailed(request, failure, nowMs), nowMs);
  }

  expire(nowMs: number): SessionAction[] {
    const actions: SessionAction[] = [];
    for (const repeater of [...this.#repeaters]) {
      const due = repeater.expire(nowMs);
      const { request, response } = repeater;
      if (due === 'repeat') actions.push({ do: 'respond', request, response });
      if (due === 'giveUp') actions.push(...this.#missAck(repeater));
    }
    return [...actions, ...this.#client.expire(this.#inviteOpen, nowMs), ...this.#expireTimer(nowMs)];
  }

  #expireTimer(nowMs: number): SessionAction[] {
    if (this.#over) return [];
    const due = this.#timer.expire(nowMs);
    if (due === 'refresh') return this.#refresher.refresh(this.#inviteOpen, nowMs);
    if (due === undefined) return [];
    const message = 'the session was not refreshed in time';
    return [...this.bye([reasonHeader(102, message)]), ended({ cause: 'unreachable', message })];
  }

  /** Nobody acknowledged our 2xx: RFC 3261 §13.3.1.4. */
  #missAck(repeater: AnswerRepeater): SessionAction[] {
    this.#repeaters = this.#repeaters.filter((other) => other !== repeater);
    if (this.#over) return this.#sendDueBye();
    return [...this.bye([reasonHeader(102, 'no ACK to the answer')]), ended({ cause: 'noAck' })];
  }

  #settle({ actions: carried, lost, settled }: DialogOutcome, nowMs: number): SessionAction[] {
    const actions = [...carried];
    if (settled !== undefined && settled.response.status < 300) {
      this.#refresher.learn(settled.response);
      this.#refresher.localSdp = sdpOf(settled.request) ?? this.#refresher.localSdp;
    }
    if (this.#over) return actions;
    if (lost === undefined) {
      if (settled?.id === 'refresh') {
        const { request, response } = settled;
        actions.push(...this.#refresher.receiveResponse(request, response, this.#inviteOpen, nowMs));
      }
      return actions;
    }
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
    return this.#state !== 'confirmed' || this.#repeaters.length > 0;
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
