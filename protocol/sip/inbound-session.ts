import { Dialog } from './dialog.ts';
import { DialogUsage } from './dialog-usage.ts';
import type { SipHeader, SipRequest, SipResponse } from './message.ts';
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

  get finished(): boolean {
    return !this.#open && this.#usage.finished;
  }

  get deadlineMs(): number | undefined {
    return this.#open ? this.#progress?.repeatMs : this.#usage.deadlineMs;
  }

  progress(status: number, sdp: string, headers: readonly SipHeader[], nowMs: number): SessionAction[] {
    if (!this.#open || status <= 100 || status > 199) return [];
    const parts = sdpParts(sdp);
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
    return [{ do: 'respond', request: this.invite, response }];
  }

  accept(sdp: string, headers: readonly SipHeader[], nowMs: number): SessionAction[] {
    if (!this.#open) return [];
    this.#open = false;
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

  receiveRequest(request: SipRequest): SessionAction[] {
    const actions = this.#usage.receiveRequest(request);
    // RFC 3261 §15.1.2: BYE in the early dialog also ends the INVITE.
    if (this.#open && this.#usage.over)
      actions.push(...this.#refuse(487, undefined, [reasonHeader(16, 'caller gave up before the answer')]));
    return this.#once.filter(actions);
  }

  receiveResponse(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage.receiveResponse(request, response, nowMs));
  }

  requestFailed(request: SipRequest, failure: RequestFailure): SessionAction[] {
    return this.#once.filter(this.#usage.requestFailed(request, failure));
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

  reinvite(id: number, offer: string, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage.reinvite(id, offer, nowMs));
  }

  expire(nowMs: number): SessionAction[] {
    if (!this.#open) return this.#once.filter(this.#usage.expire(nowMs));
    const progress = this.#progress;
    if (progress === undefined || progress.repeatMs > nowMs) return [];
    this.#progress = { response: progress.response, repeatMs: nowMs + progressRepeatMs };
    return [{ do: 'respond', request: this.invite, response: progress.response }];
  }

  #refuse(status: number, reasonPhrase?: string, headers: readonly SipHeader[] = []): SessionAction[] {
    this.#open = false;
    const response = createResponse(this.invite, status, {
      toTag: this.dialog.localTag,
      ...(reasonPhrase === undefined ? {} : { reasonPhrase }),
      headers: [...headers, { name: 'Server', value: this.#profile.userAgentName }],
    });
    return [{ do: 'respond', request: this.invite, response }, ...this.#usage.abandon()];
  }
}
