import { ProtocolError } from '../protocol-error.ts';
import { Dialog } from './dialog.ts';
import { DialogUsage } from './dialog-usage.ts';
import type { SipHeader, SipRequest, SipResponse } from './message.ts';
import { ReliableProgress, reliability } from './reliable-progress.ts';
import { createResponse } from './response.ts';
import {
  EndOnce,
  type EndOptions,
  type OfferReply,
  type RequestFailure,
  type SessionAction,
  type SessionProfile,
} from './session-actions.ts';
import { sdpOf, sdpParts } from './session-description.ts';
import { capabilityHeaders, reasonHeader } from './session-headers.ts';

/** RFC 3261 §13.3.1.1: proxies give up on an INVITE after three minutes without a provisional response. */
const progressRepeatMs = 60_000;

/** An INVITE session as its callee. The INVITE passed the request check and was answered with 100. */
export class InboundSession {
  readonly direction = 'inbound';
  readonly invite: SipRequest;
  readonly #profile: SessionProfile;
  readonly #contact: string;
  readonly #usage: DialogUsage;
  readonly #once = new EndOnce();
  /** No final response was sent. */
  #open = true;
  #progress: { readonly response: SipResponse; readonly repeatMs: number } | undefined;
  #reliable: ReliableProgress | undefined;
  /** A 2xx that has to wait for a PRACK. */
  #held: { readonly sdp: string; readonly headers: readonly SipHeader[] } | undefined;

  constructor(options: {
    readonly invite: SipRequest;
    readonly profile: SessionProfile;
    /** Contact value of ours. */
    readonly contact: string;
    readonly localTag: string;
  }) {
    this.invite = options.invite;
    this.#profile = options.profile;
    this.#contact = options.contact;
    this.#usage = new DialogUsage({
      dialog: Dialog.fromRequest(options.invite, options.localTag),
      profile: options.profile,
      contact: options.contact,
      ownsCallId: false,
    });
  }

  get state(): 'early' | 'confirmed' | 'ended' {
    return this.#once.ended ? 'ended' : this.#open ? 'early' : 'confirmed';
  }

  get dialog(): Dialog {
    return this.#usage.dialog;
  }

  get dialogs(): readonly Dialog[] {
    return [this.#usage.dialog];
  }

  /** Headers of the 422 that the INVITE deserves (RFC 4028 §9), undefined for any other. */
  get timerRefusal(): readonly SipHeader[] | undefined {
    return this.#usage.refuseTimer(this.invite);
  }

  get finished(): boolean {
    return !this.#open && this.#usage.finished;
  }

  get deadlineMs(): number | undefined {
    const { deadlineMs } = this.#usage;
    return this.#open
      ? earliest(earliest(this.#progress?.repeatMs, this.#reliable?.deadlineMs), deadlineMs)
      : deadlineMs;
  }

  progress(status: number, sdp: string, headers: readonly SipHeader[], nowMs: number): SessionAction[] {
    if (!this.#open || this.#held !== undefined || status <= 100 || status > 199) return [];
    // Without an offer there is nothing to answer yet; our offer goes into the 200.
    const parts = sdpParts(sdpOf(this.invite) === undefined ? '' : sdp);
    const response = createResponse(this.invite, status, {
      toTag: this.dialog.localTag,
      headers: [
        { name: 'Contact', value: this.#contact },
        ...capabilityHeaders(this.#profile),
        { name: 'Server', value: this.#profile.userAgentName },
        ...headers,
        ...parts.headers,
      ],
      body: parts.body,
    });
    this.#progress = { response, repeatMs: nowMs + progressRepeatMs };
    this.#usage.progress(false);
    return this.#sendProgress(response, nowMs);
  }

  /** With PRACK where the caller insists, or where it can and there is a session description to get through. */
  #sendProgress(response: SipResponse, nowMs: number): SessionAction[] {
    const wish = reliability(this.invite);
    if (wish !== 'required' && !(wish === 'supported' && response.body.length > 0))
      return [this.#respond(response)];
    const { timings } = this.#profile;
    this.#reliable ??= new ReliableProgress(
      this.invite,
      timings,
      1 + Math.floor(this.#profile.random() * 1e9),
    );
    return this.#reliable.send(response, nowMs).map((sent) => this.#respond(sent));
  }

  /** RFC 3262 §3. */
  #receivePrack(prack: SipRequest, nowMs: number): SessionAction[] {
    if (!this.dialog.acceptCSeq(prack)) return this.#usage.answerRequest(prack, 500);
    const settles = this.#reliable?.holdsAnswer === true;
    let next: SipResponse[] | undefined;
    try {
      next = this.#reliable?.acknowledge(prack, nowMs);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.#usage.answerRequest(prack, 400);
    }
    if (next === undefined) return this.#usage.answerRequest(prack, 481);
    if (settles) this.#usage.progress(true);
    const offer = sdpOf(prack);
    const actions: SessionAction[] =
      offer === undefined || !settles
        ? this.#usage.answerRequest(prack, 200)
        : [{ do: 'report', report: { event: 'offered', request: prack, offer } }];
    actions.push(...next.map((response) => this.#respond(response)));
    const held = this.#held;
    if (held === undefined || this.#reliable?.holdsAnswer) return actions;
    this.#held = undefined;
    return [...actions, ...this.accept(held.sdp, held.headers, nowMs)];
  }

  #respond(response: SipResponse): SessionAction {
    return { do: 'respond', request: this.invite, response };
  }

  accept(sdp: string, headers: readonly SipHeader[], nowMs: number): SessionAction[] {
    if (!this.#open || this.#held !== undefined) return [];
    if (this.#reliable?.holdsAnswer) {
      this.#held = { sdp, headers };
      return [];
    }
    this.#open = false;
    this.#reliable?.stop();
    const offerIsOurs = sdpOf(this.invite) === undefined;
    return this.#usage.answerInvite(this.invite, { sdp, headers, offerIsOurs, initial: true }, nowMs);
  }

  end(options: EndOptions): SessionAction[] {
    if (this.#once.ended) return [];
    const ended: SessionAction = { do: 'report', report: { event: 'ended', end: { cause: 'local' } } };
    // A hang-up (200) that meets a call not yet answered refuses it.
    const refusal = options.status >= 300 && options.status <= 699 ? options.status : 480;
    const actions = this.#open
      ? this.#refuse(refusal, options.reasonPhrase, options.headers)
      : this.#usage.bye(options.headers ?? []);
    return this.#once.filter([...actions, ended]);
  }

  /** CANCEL of the INVITE; the edge has answered it. Too late after a final response. RFC 3261 §9.2. */
  cancelled(cancel: SipRequest): SessionAction[] {
    if (!this.#open) return [];
    const actions = this.#refuse(487, undefined, [reasonHeader(16, 'caller gave up before the answer')]);
    return this.#once.filter([
      ...actions,
      { do: 'report', report: { event: 'ended', end: { cause: 'cancel', request: cancel } } },
    ]);
  }

  receiveRequest(request: SipRequest, nowMs: number): SessionAction[] {
    if (request.method === 'PRACK') return this.#once.filter(this.#receivePrack(request, nowMs));
    const actions = this.#usage.receiveRequest(request, nowMs);
    // RFC 3261 §15.1.2: BYE in the early dialog also ends the INVITE.
    if (this.#open && this.#usage.over)
      actions.push(...this.#refuse(487, undefined, [reasonHeader(16, 'caller gave up before the answer')]));
    return this.#once.filter(actions);
  }

  receiveResponse(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage.receiveResponse(request, response, nowMs));
  }

  requestFailed(request: SipRequest, failure: RequestFailure, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage.requestFailed(request, failure, nowMs));
  }

  answerOffer(request: SipRequest, reply: OfferReply, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage.answerOffer(request, reply, nowMs));
  }

  answerRequest(request: SipRequest, status: number, headers?: readonly SipHeader[]): SessionAction[] {
    return this.#once.filter(this.#usage.answerRequest(request, status, headers));
  }

  sendRequest(
    id: number,
    method: string,
    headers?: readonly SipHeader[],
    body?: Uint8Array,
  ): SessionAction[] {
    return this.#once.filter(this.#usage.sendRequest(id, method, headers, body));
  }

  reoffer(method: 'INVITE' | 'UPDATE', id: number, offer: string, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage.reoffer(method, id, offer, nowMs));
  }

  expire(nowMs: number): SessionAction[] {
    const actions = this.#usage.expire(nowMs);
    if (this.#open) actions.push(...this.#expireReliable(nowMs));
    if (this.#open) actions.push(...this.#repeatProgress(nowMs));
    return this.#once.filter(actions);
  }

  #expireReliable(nowMs: number): SessionAction[] {
    const due = this.#reliable?.expire(nowMs);
    if (due === undefined) return [];
    if (due !== 'giveUp') return [this.#respond(due)];
    return [
      ...this.#refuse(504, undefined, [reasonHeader(102, 'no PRACK to a provisional response')]),
      { do: 'report', report: { event: 'ended', end: { cause: 'noAck' } } },
    ];
  }

  #repeatProgress(nowMs: number): SessionAction[] {
    const progress = this.#progress;
    if (progress === undefined || progress.repeatMs > nowMs || this.#held !== undefined) return [];
    const { response } = progress;
    this.#progress = { response, repeatMs: nowMs + progressRepeatMs };
    // A reliable one was acknowledged; what comes now is a new one, without the session description.
    return reliability(this.invite) === 'required'
      ? this.progress(response.status, '', [], nowMs)
      : [this.#respond(response)];
  }

  #refuse(status: number, reasonPhrase?: string, headers: readonly SipHeader[] = []): SessionAction[] {
    this.#open = false;
    this.#held = undefined;
    this.#reliable?.stop();
    const response = createResponse(this.invite, status, {
      toTag: this.dialog.localTag,
      ...(reasonPhrase === undefined ? {} : { reasonPhrase }),
      headers: [...headers, { name: 'Server', value: this.#profile.userAgentName }],
    });
    return [{ do: 'respond', request: this.invite, response }, ...this.#usage.abandon()];
  }
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}
