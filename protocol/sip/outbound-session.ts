import { Dialog } from './dialog.ts';
import { DialogUsage } from './dialog-usage.ts';
import { type Credentials, DigestClient, withCredentials } from './digest.ts';
import { emptyBody, headerValue, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { tagOf } from './name-addr.ts';
import { ReliableReception } from './reliable-progress.ts';
import { createResponse } from './response.ts';
import {
  EndOnce,
  type EndOptions,
  type OfferReply,
  type RequestFailure,
  type SessionAction,
  type SessionEnding,
  type SessionProfile,
} from './session-actions.ts';
import { sdpOf, sdpParts } from './session-description.ts';
import { capabilityHeaders, reasonHeader } from './session-headers.ts';
import { SessionTimer } from './session-timer.ts';

/** Legs of a forked INVITE that are answered and hung up. */
const forksMax = 16;

export interface OutboundOptions {
  readonly profile: SessionProfile;
  /** Request-URI; also the next hop. */
  readonly target: string;
  /** Whole From value, with our tag. */
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly headers: readonly SipHeader[];
  /** Max-Forwards, default 70. */
  readonly maxForwards?: number | undefined;
  readonly credentials?: Credentials | undefined;
}

interface EarlyDialog {
  readonly usage: DialogUsage;
  readonly reception: ReliableReception;
  /** SDP of a provisional response, for a 2xx that forgot its own. */
  answer: string | undefined;
}

/** An INVITE session as its caller. RFC 3261 §13.2. 3xx is not followed. */
export class OutboundSession {
  readonly direction = 'outbound';
  readonly #options: OutboundOptions;
  readonly #digest: DigestClient;
  readonly #once = new EndOnce();
  #invite: SipRequest;
  #cseq = 1;
  #contact = '';
  /** `calling`: not even a provisional response came, so CANCEL has to wait (§9.1). */
  #phase: 'idle' | 'calling' | 'proceeding' | 'answered' | 'over' = 'idle';
  /** `end` was called before the answer: what CANCEL, or BYE where the answer was faster, shall say. */
  #ending: EndOptions | undefined;
  #giveUpMs: number | undefined;
  #usage: DialogUsage | undefined;
  /** Dialogs that a provisional response began, one a phone that rings, by their tag. RFC 3261 §12.1.2. */
  readonly #early = new Map<string | undefined, EarlyDialog>();
  /** Dialogs of the other branches of a fork, answered and hung up, by their tag. */
  readonly #forks = new Map<string | undefined, DialogUsage>();
  #dialogs: readonly Dialog[] = [];
  readonly #timer: SessionTimer;

  constructor(options: OutboundOptions) {
    this.#options = options;
    this.#timer = new SessionTimer(options.profile.sessionTimer);
    this.#digest = new DigestClient(options.credentials, () => options.profile.createToken());
    this.#invite = this.#buildInvite([], emptyBody);
  }

  /** The INVITE last sent. */
  get invite(): SipRequest {
    return this.#invite;
  }

  get state(): 'early' | 'confirmed' | 'ended' {
    return this.#once.ended ? 'ended' : this.#phase === 'answered' ? 'confirmed' : 'early';
  }

  /** Undefined until the first 2xx. */
  get dialog(): Dialog | undefined {
    return this.#usage?.dialog;
  }

  /** Every dialog of the session, the early ones too. A new array whenever they change. */
  get dialogs(): readonly Dialog[] {
    return this.#dialogs;
  }

  get finished(): boolean {
    if (this.#phase === 'answered') return this.#usage?.finished ?? true;
    return this.#phase === 'over' || (this.#phase === 'idle' && this.#once.ended);
  }

  get deadlineMs(): number | undefined {
    if (this.#phase === 'answered') return this.#usage?.deadlineMs;
    let deadlineMs = this.#giveUpMs;
    for (const { usage } of this.#early.values()) {
      const earlyMs = usage.deadlineMs;
      if (earlyMs !== undefined && (deadlineMs === undefined || earlyMs < deadlineMs)) deadlineMs = earlyMs;
    }
    return deadlineMs;
  }

  /** Sends the INVITE, now that our Contact and the offer are known. */
  start(contact: string, sdp: string): SessionAction[] {
    if (this.#phase !== 'idle' || this.#once.ended) return [];
    this.#contact = contact;
    const { headers, body } = sdpParts(sdp);
    this.#invite = this.#buildInvite(headers, body);
    this.#phase = 'calling';
    return [{ do: 'request', request: this.#invite, nextHop: this.#options.target }];
  }

  /** It never got to `start`: the target cannot be reached. */
  fail(message: string): SessionAction[] {
    return this.#over({ cause: 'unreachable', message });
  }

  end(options: EndOptions, nowMs: number): SessionAction[] {
    if (this.#once.ended) return [];
    const actions =
      this.#phase === 'answered' ? this.#usage!.bye(options.headers ?? []) : this.#cancel(options, nowMs);
    return this.#once.filter([
      ...actions,
      { do: 'report', report: { event: 'ended', end: { cause: 'local' } } },
    ]);
  }

  #cancel(options: EndOptions, nowMs: number): SessionAction[] {
    this.#ending = options;
    if (this.#phase !== 'proceeding') return [];
    this.#giveUpMs = nowMs + 64 * this.#options.profile.timings.t1Ms;
    return [{ do: 'cancel', invite: this.#invite, headers: options.headers ?? [] }];
  }

  receiveResponse(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    if (request.method !== 'INVITE' || cseqOf(request) > this.#cseq || this.#phase === 'idle') {
      return this.#carry(this.#receiveInDialog(request, response, nowMs), nowMs);
    }
    if (request !== this.#invite) return [];
    if (response.status < 200) return this.#receiveProvisional(response, nowMs);
    return response.status < 300 ? this.#receiveSuccess(response, nowMs) : this.#receiveFailure(response);
  }

  #receiveInDialog(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    const actions: SessionAction[] = [];
    for (const usage of this.#usages) actions.push(...usage.receiveResponse(request, response, nowMs));
    return actions;
  }

  /** All of them; a response is known to the one that sent its request. */
  get #usages(): DialogUsage[] {
    const early = [...this.#early.values()].map(({ usage }) => usage);
    return [...(this.#usage === undefined ? [] : [this.#usage]), ...early, ...this.#forks.values()];
  }

  #receiveProvisional(response: SipResponse, nowMs: number): SessionAction[] {
    if (this.#phase !== 'calling' && this.#phase !== 'proceeding') return [];
    const first = this.#phase === 'calling';
    this.#phase = 'proceeding';
    if (this.#ending !== undefined) return first ? this.#cancel(this.#ending, nowMs) : [];
    if (response.status === 100) return [];
    const early = this.#earlyDialog(response);
    const reliable = early?.reception.receive(this.#invite, response);
    if (reliable === 'again') return [];
    const answer = sdpOf(response);
    if (early !== undefined) {
      early.answer = answer ?? early.answer;
      early.usage.progress(reliable !== undefined && answer !== undefined);
    }
    const acknowledged =
      early !== undefined && reliable !== undefined ? early.usage.prack(reliable.rack) : [];
    return [...acknowledged, { do: 'report', report: { event: 'progressed', response } }];
  }

  /** The dialog that a provisional response belongs to, or begins; undefined for one without a tag. */
  #earlyDialog(response: SipResponse): EarlyDialog | undefined {
    const remoteTag = toTagOf(response);
    const known = this.#early.get(remoteTag);
    if (known !== undefined || remoteTag === undefined || this.#early.size >= forksMax) return known;
    const early = {
      usage: this.#createUsage(response),
      reception: new ReliableReception(),
      answer: undefined,
    };
    early.usage.progress(false);
    this.#early.set(remoteTag, early);
    this.#listDialogs();
    return early;
  }

  #createUsage(response: SipResponse): DialogUsage {
    return new DialogUsage({
      dialog: Dialog.fromResponse(this.#invite, response),
      profile: this.#options.profile,
      contact: this.#contact,
      ownsCallId: true,
      credentials: this.#options.credentials,
      minSeSeconds: this.#timer.minSeSeconds,
    });
  }

  #listDialogs(): void {
    this.#dialogs = this.#usages.map(({ dialog }) => dialog);
  }

  #receiveSuccess(response: SipResponse, nowMs: number): SessionAction[] {
    const remoteTag = toTagOf(response);
    const known = this.#usage?.dialog.remoteTag === remoteTag ? this.#usage : this.#forks.get(remoteTag);
    if (known !== undefined) return known.acknowledgeAgain(this.#invite);
    const early = this.#early.get(remoteTag);
    const usage = early?.usage ?? this.#createUsage(response);
    this.#early.delete(remoteTag);
    if (this.#phase === 'answered') return this.#hangUpFork(usage, response, nowMs);
    this.#phase = 'answered';
    this.#giveUpMs = undefined;
    this.#usage = usage;
    this.#listDialogs();
    const acknowledged = usage.acknowledge(this.#invite, response, nowMs);
    // The answer crossed our CANCEL (§9.1, §15).
    if (this.#ending !== undefined) return [...acknowledged, ...usage.bye(this.#ending.headers ?? [])];
    // Some put it into a provisional response only.
    const answer = sdpOf(response) ?? early?.answer ?? this.#anyEarlyAnswer;
    return [...acknowledged, { do: 'report', report: { event: 'accepted', response, answer } }];
  }

  get #anyEarlyAnswer(): string | undefined {
    return [...this.#early.values()].findLast(({ answer }) => answer !== undefined)?.answer;
  }

  /** A second phone answered: §13.2.2.4. */
  #hangUpFork(usage: DialogUsage, response: SipResponse, nowMs: number): SessionAction[] {
    if (this.#forks.size >= forksMax) return [];
    this.#forks.set(toTagOf(response), usage);
    this.#listDialogs();
    return [
      ...usage.acknowledge(this.#invite, response, nowMs),
      ...usage.bye([reasonHeader(26, 'answered elsewhere')]),
    ];
  }

  #receiveFailure(response: SipResponse): SessionAction[] {
    if (this.#phase === 'answered') return [];
    const { headers } = this.#invite;
    const credentials = this.#ending === undefined ? this.#digest.answer(this.#invite, response) : undefined;
    if (credentials !== undefined) return this.#inviteAgain(withCredentials(headers, credentials));
    if (this.#ending === undefined && response.status === 422 && this.#timer.raise(response)) {
      const others = headers.filter(({ name }) => name !== 'Session-Expires' && name !== 'Min-SE');
      return this.#inviteAgain([...others, ...this.#timer.requestHeaders()]);
    }
    return this.#over({ cause: 'refused', response });
  }

  /** An early dialog may be lost; then so is the session, and the INVITE has to be called back. */
  #carry(actions: readonly SessionAction[], nowMs: number): SessionAction[] {
    const kept = this.#once.filter(actions);
    const open = this.#phase === 'calling' || this.#phase === 'proceeding';
    if (!this.#once.ended || !open || this.#ending !== undefined) return kept;
    return [...kept, ...this.#cancel({ status: 487 }, nowMs)];
  }

  /** Under the next CSeq, what it rang so far forgotten. */
  #inviteAgain(headers: readonly SipHeader[]): SessionAction[] {
    this.#cseq++;
    this.#invite = {
      ...this.#invite,
      headers: headers.map((header) =>
        header.name === 'CSeq' ? { name: 'CSeq', value: `${this.#cseq} INVITE` } : header,
      ),
    };
    this.#phase = 'calling';
    this.#early.clear();
    this.#listDialogs();
    return [{ do: 'request', request: this.#invite, nextHop: this.#options.target }];
  }

  requestFailed(request: SipRequest, failure: RequestFailure, nowMs: number): SessionAction[] {
    if (request === this.#invite && this.#phase !== 'answered') {
      return this.#over({ cause: 'unreachable', message: failure.message });
    }
    const actions: SessionAction[] = [];
    for (const usage of this.#usages) actions.push(...usage.requestFailed(request, failure, nowMs));
    return this.#carry(actions, nowMs);
  }

  receiveRequest(request: SipRequest, nowMs: number): SessionAction[] {
    const usage = this.#usageOf(request);
    // §15: a callee must not hang up before it answered.
    const possible = usage !== undefined && (this.#phase === 'answered' || request.method !== 'BYE');
    if (possible) return this.#once.filter(usage.receiveRequest(request, nowMs));
    return [{ do: 'respond', request, response: createResponse(request, 481) }];
  }

  answerOffer(request: SipRequest, reply: OfferReply, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usageOf(request)?.answerOffer(request, reply, nowMs) ?? []);
  }

  answerRequest(request: SipRequest, status: number, headers?: readonly SipHeader[]): SessionAction[] {
    return this.#once.filter(this.#usageOf(request)?.answerRequest(request, status, headers) ?? []);
  }

  /** The one of its dialog: the far side's tag tells. */
  #usageOf(request: SipRequest): DialogUsage | undefined {
    const remoteTag = tagOf(headerValue(request, 'From') ?? '');
    return this.#usages.find(({ dialog }) => dialog.remoteTag === remoteTag);
  }

  /** The dialog for requests of ours: the answered one, or the one that rang last. */
  get #current(): DialogUsage | undefined {
    return this.#usage ?? [...this.#early.values()].at(-1)?.usage;
  }

  sendRequest(
    id: number,
    method: string,
    headers?: readonly SipHeader[],
    body?: Uint8Array,
  ): SessionAction[] {
    const usage = this.#once.ended ? this.#usage : this.#current;
    if (usage !== undefined) return this.#once.filter(usage.sendRequest(id, method, headers, body));
    const response = createResponse(this.#invite, 481);
    return [{ do: 'report', report: { event: 'responded', id, response } }];
  }

  reoffer(method: 'INVITE' | 'UPDATE', id: number, offer: string, nowMs: number): SessionAction[] {
    const usage = this.#once.ended ? this.#usage : this.#current;
    if (usage !== undefined) return this.#once.filter(usage.reoffer(method, id, offer, nowMs));
    return [{ do: 'report', report: { event: 'reinvited', id, outcome: { status: 481 } } }];
  }

  expire(nowMs: number): SessionAction[] {
    if (this.#phase === 'answered') return this.#once.filter(this.#usage?.expire(nowMs) ?? []);
    const actions: SessionAction[] = [];
    for (const { usage } of this.#early.values()) actions.push(...usage.expire(nowMs));
    if (this.#giveUpMs === undefined || nowMs < this.#giveUpMs) return this.#once.filter(actions);
    this.#phase = 'over';
    this.#giveUpMs = undefined;
    return this.#once.filter([...actions, { do: 'abandon', invite: this.#invite }]);
  }

  #over(end: SessionEnding): SessionAction[] {
    this.#phase = 'over';
    this.#giveUpMs = undefined;
    return this.#once.filter([{ do: 'report', report: { event: 'ended', end } }]);
  }

  #buildInvite(headers: readonly SipHeader[], body: Uint8Array): SipRequest {
    const { target, from, to, callId, profile, maxForwards = 70 } = this.#options;
    const contact = this.#contact === '' ? [] : [{ name: 'Contact', value: this.#contact }];
    return {
      kind: 'request',
      method: 'INVITE',
      uri: target,
      headers: [
        { name: 'Max-Forwards', value: String(maxForwards) },
        { name: 'From', value: from },
        { name: 'To', value: to },
        { name: 'Call-ID', value: callId },
        { name: 'CSeq', value: `${this.#cseq} INVITE` },
        ...contact,
        ...capabilityHeaders(profile),
        ...this.#timer.requestHeaders(),
        { name: 'User-Agent', value: profile.userAgentName },
        ...this.#options.headers,
        ...headers,
      ],
      body,
    };
  }
}

function cseqOf(request: SipRequest): number {
  return Number.parseInt(headerValue(request, 'CSeq') ?? '0', 10);
}

function toTagOf(response: SipResponse): string | undefined {
  return tagOf(headerValue(response, 'To') ?? '');
}
