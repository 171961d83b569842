import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Dialog } from '../../protocol/sip/dialog.ts';
import type { InboundSession } from '../../protocol/sip/inbound-session.ts';
import {
  headerValue,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from '../../protocol/sip/message.ts';
import type { OutboundSession } from '../../protocol/sip/outbound-session.ts';
import { serializeReplaces } from '../../protocol/sip/refer.ts';
import { createResponse } from '../../protocol/sip/response.ts';
import type {
  OfferReply,
  ReinviteOutcome,
  RequestFailure,
  SessionAction,
  SessionReport,
} from '../../protocol/sip/session-actions.ts';
import { sdpOf } from '../../protocol/sip/session-description.ts';
import { reasonHeader } from '../../protocol/sip/session-headers.ts';
import type { Clock, Timer } from '../clock.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { InvitePlacement } from './invite-placement.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  ReferOptions,
  ReferOutcome,
  SessionEnd,
  SipAddress,
} from './session.ts';
import type { SipFlow } from './sip-flow.ts';
import { Transfers } from './transfers.ts';

/** What a session asks of its user agent. */
export interface SessionHost {
  readonly clock: Clock;
  respond(request: SipRequest, response: SipResponse, session: LiveSession): void;
  send(request: SipRequest, nextHop: string, session: LiveSession): void;
  sendAck(request: SipRequest, nextHop: string, session: LiveSession): void;
  cancel(invite: SipRequest, headers: readonly SipHeader[]): void;
  abandon(invite: SipRequest): void;
  /** After every step: the dialog may be new, or the session finished. */
  changed(session: LiveSession): void;
  /** A handler of the session's owner threw. */
  handlerFailed(error: unknown, session: LiveSession): void;
}

export interface LiveSessionOptions {
  readonly host: SessionHost;
  readonly machine: InboundSession | OutboundSession;
  /** Where the INVITE came from, or goes to. */
  readonly flow: SipFlow | undefined;
  readonly remote: SipAddress;
  readonly local: SipAddress;
  /** Outbound: gives up so long from now, where nobody has answered. */
  readonly ringLimitMs?: number | undefined;
}

/** The face of one INVITE session: runs its state machine of `protocol/sip/`, carries out what that asks for and tells
 *  the owner. */
export class LiveSession implements InviteSession {
  readonly machine: InboundSession | OutboundSession;
  readonly sipCallId: string;
  readonly direction: 'inbound' | 'outbound';
  /** The way the INVITE took, preferred for what follows. */
  flow: SipFlow | undefined;
  /** Next hops that are reached over `flow`, whatever their address says. */
  readonly flowHops = new Set<string>();
  /** The far side is a phone that registered over `flow`: its Contact may lead nowhere. */
  keepsFlow = false;
  /** Of an INVITE of ours: what it says of our address. */
  placement: InvitePlacement | undefined;
  /** Under which the user agent finds it, and the dialogs that they stand for. */
  dialogKeys: readonly string[] = [];
  dialogsListed: readonly Dialog[] = [];
  remote: SipAddress;
  local: SipAddress;
  readonly #host: SessionHost;
  readonly #timer: DeadlineTimer;
  #handlers: InviteSessionHandlers | undefined;
  #queue: SessionAction[] = [];
  #running = false;
  #closed = false;
  #nextId = 1;
  #ringLimit: Timer | undefined;
  #unanswered = false;
  readonly #transfers: Transfers;
  readonly #requests = new Map<number, (response: SipResponse) => void>();
  readonly #reinvites = new Map<number, (outcome: ReinviteOutcome) => void>();

  constructor(options: LiveSessionOptions) {
    this.#host = options.host;
    this.machine = options.machine;
    this.sipCallId = headerValue(options.machine.invite, 'Call-ID') ?? '';
    this.direction = options.machine.direction;
    this.flow = options.flow;
    this.remote = options.remote;
    this.local = options.local;
    const { clock } = options.host;
    this.#timer = new DeadlineTimer(clock, () => this.run(this.machine.expire(this.#nowMs)));
    this.#transfers = new Transfers({ clock, request: (method, parts) => this.request(method, parts) });
    if (options.ringLimitMs !== undefined)
      this.#ringLimit = clock.after(options.ringLimitMs, () => this.#giveUp());
  }

  get invite(): SipRequest {
    return this.machine.invite;
  }

  get state(): 'early' | 'confirmed' | 'ended' {
    return this.#closed ? 'ended' : this.machine.state;
  }

  get localTag(): string | undefined {
    return this.machine.dialog?.localTag;
  }

  get offer(): string | undefined {
    return this.direction === 'inbound' ? sdpOf(this.machine.invite) : undefined;
  }

  get replacesValue(): string | undefined {
    const dialog = this.machine.dialog ?? this.machine.dialogs.at(-1);
    if (dialog === undefined) return undefined;
    const { callId, localTag, remoteTag } = dialog;
    return serializeReplaces({ callId, toTag: remoteTag ?? '0', fromTag: localTag, earlyOnly: false });
  }

  /** The owner is known; what was reported so far reaches it now. */
  attach(handlers: InviteSessionHandlers): void {
    this.#handlers = handlers;
    this.run([]);
  }

  // ---- the owner's side

  progress(
    status: number,
    options: { readonly sdp?: string; readonly headers?: readonly SipHeader[] } = {},
  ): void {
    if (this.machine.direction !== 'inbound') return;
    const headers = checkHeaders(options.headers);
    this.run(this.machine.progress(status, options.sdp ?? '', headers, this.#nowMs));
  }

  accept(options: { readonly sdp: string; readonly headers?: readonly SipHeader[] }): void {
    if (this.machine.direction !== 'inbound') return;
    this.run(this.machine.accept(options.sdp, checkHeaders(options.headers), this.#nowMs));
  }

  end(options: {
    readonly status: number;
    readonly reasonPhrase?: string;
    readonly headers?: readonly SipHeader[];
  }): void {
    checkHeaders(options.headers);
    if (options.reasonPhrase !== undefined) checkText(options.reasonPhrase);
    this.run(this.machine.end(options, this.#nowMs));
  }

  request(
    method: string,
    options: { readonly headers?: readonly SipHeader[]; readonly body?: Uint8Array } = {},
  ): Promise<SipResponse> {
    // These have rules of their own, and methods of their own above.
    if (/^(?:INVITE|ACK|CANCEL|BYE)$/.test(method) || !/^[A-Za-z0-9.!%*_+`'~-]+$/.test(method)) {
      throw new TypeError(`expected a method such as INFO or NOTIFY, got ${JSON.stringify(method)}`);
    }
    const headers = checkHeaders(options.headers);
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#requests.set(id, resolve);
      this.run(this.machine.sendRequest(id, method, headers, options.body));
    });
  }

  reinvite(offer: string): Promise<ReinviteOutcome> {
    return this.#reoffer('INVITE', offer);
  }

  update(offer: string): Promise<ReinviteOutcome> {
    return this.#reoffer('UPDATE', offer);
  }

  #reoffer(method: 'INVITE' | 'UPDATE', offer: string): Promise<ReinviteOutcome> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#reinvites.set(id, resolve);
      this.run(this.machine.reoffer(method, id, offer, this.#nowMs));
    });
  }

  refer(target: string, options: ReferOptions = {}): Promise<ReferOutcome> {
    checkHeaders(options.headers);
    for (const text of [target, options.replaces, options.referredBy]) checkText(text ?? '');
    return this.#transfers.refer(target, options);
  }

  #giveUp(): void {
    if (this.state !== 'early') return;
    this.#unanswered = true;
    this.end({ status: 487, headers: [reasonHeader(19, 'no answer in time')] });
  }

  // ---- the network's side

  receiveRequest(request: SipRequest): void {
    this.run(this.machine.receiveRequest(request, this.#nowMs));
  }

  /** CANCEL of the INVITE that began it. */
  cancelled(cancel: SipRequest): void {
    if (this.machine.direction === 'inbound') this.run(this.machine.cancelled(cancel));
  }

  receiveResponse(request: SipRequest, response: SipResponse): void {
    try {
      this.run(this.machine.receiveResponse(request, response, this.#nowMs));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // A provisional response that nobody understands is as good as none.
      if (response.status < 200) return;
      this.requestFailed(request, { why: 'transport', message: error.message });
    }
  }

  requestFailed(request: SipRequest, failure: RequestFailure): void {
    this.run(this.machine.requestFailed(request, failure, this.#nowMs));
  }

  /** The user agent closes: no message is sent any more. */
  close(): void {
    if (this.#closed) return;
    const open = this.machine.state !== 'ended';
    this.#closed = true;
    this.#timer.cancel();
    this.#ringLimit?.cancel();
    this.#transfers.end();
    this.#queue = [];
    const unanswered = createResponse(this.machine.invite, 503);
    for (const resolve of this.#requests.values()) resolve(unanswered);
    this.#requests.clear();
    for (const resolve of this.#reinvites.values()) resolve({ status: 503 });
    this.#reinvites.clear();
    if (open) this.#tell(() => this.#handlers?.ended({ cause: 'closed' }));
  }

  /** Carries out actions in order. What handlers ask for meanwhile comes after them. */
  run(actions: readonly SessionAction[]): void {
    if (this.#closed) return;
    this.#queue.push(...actions);
    if (this.#running) return;
    this.#running = true;
    try {
      for (;;) {
        const action = this.#queue[0];
        // Reports wait for their reader, and the rest behind them.
        if (action === undefined || (action.do === 'report' && this.#handlers === undefined)) break;
        this.#queue.shift();
        this.#perform(action);
      }
    } finally {
      this.#running = false;
    }
    if (this.#closed) return;
    this.#timer.arm(this.machine.deadlineMs);
    this.#host.changed(this);
  }

  #perform(action: SessionAction): void {
    switch (action.do) {
      case 'respond':
        return this.#host.respond(action.request, action.response, this);
      case 'request':
        return this.#host.send(action.request, action.nextHop, this);
      case 'acknowledge':
        return this.#host.sendAck(action.request, action.nextHop, this);
      case 'cancel':
        return this.#host.cancel(action.invite, action.headers);
      case 'abandon':
        return this.#host.abandon(action.invite);
      case 'report':
        return this.#tell(() => this.#report(action.report));
    }
  }

  #report(report: SessionReport): void {
    const handlers = this.#handlers;
    switch (report.event) {
      case 'progressed':
        return handlers?.progressed?.(report.response);
      case 'accepted':
        this.#ringLimit?.cancel();
        return handlers?.accepted?.(report.response, report.answer);
      case 'confirmed':
        return handlers?.confirmed?.(report.answer);
      case 'refreshed':
        return handlers?.refreshed?.(report.answer);
      case 'ended':
        return this.#ended(report.end);
      case 'offered':
        return this.#offered(report.request, report.offer);
      case 'requested':
        return this.#requested(report.request);
      case 'responded':
        this.#requests.get(report.id)?.(report.response);
        this.#requests.delete(report.id);
        return;
      case 'reinvited':
        this.#reinvites.get(report.id)?.(report.outcome);
        this.#reinvites.delete(report.id);
    }
  }

  #ended(end: SessionEnd): void {
    this.#ringLimit?.cancel();
    this.#transfers.end();
    this.#handlers?.ended(end.cause === 'local' && this.#unanswered ? { cause: 'unanswered' } : end);
  }

  #offered(request: SipRequest, offer: string | undefined): void {
    let reply: OfferReply = { status: 500 };
    this.#tell(() => {
      reply = this.#handlers?.offered?.(offer) ?? { status: 488 };
    });
    this.run(this.machine.answerOffer(request, reply, this.#nowMs));
  }

  #requested(request: SipRequest): void {
    let reply: { readonly status: number; readonly headers?: readonly SipHeader[] } = { status: 500 };
    let begin = (): void => {};
    this.#tell(() => {
      const { referred, requested } = this.#handlers ?? {};
      if (request.method === 'REFER' && referred !== undefined) {
        ({ reply, begin } = this.#transfers.receiveRefer(request, referred));
        return;
      }
      const notified = request.method === 'NOTIFY' ? this.#transfers.receiveNotify(request) : undefined;
      reply = notified ?? requested?.(request) ?? { status: 405 };
    });
    this.run(this.machine.answerRequest(request, reply.status, reply.headers));
    begin();
  }

  /** An error of the owner is the owner's: the protocol goes on. */
  #tell(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#host.handlerFailed(error, this);
    }
  }

  get #nowMs(): number {
    return this.#host.clock.nowMs();
  }
}

function checkHeaders(headers: readonly SipHeader[] = []): readonly SipHeader[] {
  for (const { name, value } of headers) {
    checkText(name);
    checkText(value);
  }
  return headers;
}

/** A line break would start a header of its own. */
export function checkText(text: string): void {
  if (/[\r\n\0]/.test(text))
    throw new TypeError(`expected text without line breaks, got ${JSON.stringify(text)}`);
}
