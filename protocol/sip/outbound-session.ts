import { Dialog } from './dialog.ts';
import { DialogUsage } from './dialog-usage.ts';
import { type Credentials, DigestClient, withCredentials } from './digest.ts';
import { emptyBody, headerValue, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { tagOf } from './name-addr.ts';
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
  readonly credentials?: Credentials | undefined;
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
  /** SDP of a provisional response, for a 2xx that forgot its own. */
  #earlyAnswer: string | undefined;
  #usage: DialogUsage | undefined;
  /** Dialogs of the other branches of a fork, by their tag. */
  readonly #forks = new Map<string | undefined, DialogUsage>();

  constructor(options: OutboundOptions) {
    this.#options = options;
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

  get finished(): boolean {
    if (this.#phase === 'answered') return this.#usage?.finished ?? true;
    return this.#phase === 'over' || (this.#phase === 'idle' && this.#once.ended);
  }

  get deadlineMs(): number | undefined {
    return this.#phase === 'answered' ? this.#usage?.deadlineMs : this.#giveUpMs;
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
      return this.#once.filter(this.#receiveInDialog(request, response, nowMs));
    }
    if (request !== this.#invite) return [];
    if (response.status < 200) return this.#receiveProvisional(response, nowMs);
    return response.status < 300 ? this.#receiveSuccess(response) : this.#receiveFailure(response);
  }

  #receiveInDialog(request: SipRequest, response: SipResponse, nowMs: number): SessionAction[] {
    for (const fork of this.#forks.values()) fork.receiveResponse(request, response, nowMs);
    return this.#usage?.receiveResponse(request, response, nowMs) ?? [];
  }

  #receiveProvisional(response: SipResponse, nowMs: number): SessionAction[] {
    if (this.#phase !== 'calling' && this.#phase !== 'proceeding') return [];
    const first = this.#phase === 'calling';
    this.#phase = 'proceeding';
    if (this.#ending !== undefined) return first ? this.#cancel(this.#ending, nowMs) : [];
    if (response.status === 100) return [];
    this.#earlyAnswer = sdpOf(response) ?? this.#earlyAnswer;
    return [{ do: 'report', report: { event: 'progressed', response } }];
  }

  #receiveSuccess(response: SipResponse): SessionAction[] {
    const remoteTag = toTagOf(response);
    const known = this.#usage?.dialog.remoteTag === remoteTag ? this.#usage : this.#forks.get(remoteTag);
    if (known !== undefined) return known.acknowledgeAgain(this.#invite);
    const usage = new DialogUsage({
      dialog: Dialog.fromResponse(this.#invite, response),
      profile: this.#options.profile,
      contact: this.#contact,
      ownsCallId: true,
      credentials: this.#options.credentials,
    });
    if (this.#phase === 'answered') return this.#hangUpFork(usage, remoteTag);
    this.#phase = 'answered';
    this.#giveUpMs = undefined;
    this.#usage = usage;
    const acknowledged = usage.acknowledge(this.#invite);
    // The answer crossed our CANCEL (§9.1, §15).
    if (this.#ending !== undefined) return [...acknowledged, ...usage.bye(this.#ending.headers ?? [])];
    const answer = sdpOf(response) ?? this.#earlyAnswer;
    return [...acknowledged, { do: 'report', report: { event: 'accepted', response, answer } }];
  }

  /** A second phone answered: §13.2.2.4. */
  #hangUpFork(usage: DialogUsage, remoteTag: string | undefined): SessionAction[] {
    if (this.#forks.size >= forksMax) return [];
    this.#forks.set(remoteTag, usage);
    return [...usage.acknowledge(this.#invite), ...usage.bye([reasonHeader(26, 'answered elsewhere')])];
  }

  #receiveFailure(response: SipResponse): SessionAction[] {
    if (this.#phase === 'answered') return [];
    const credentials = this.#digest.answer(this.#invite, response);
    if (credentials !== undefined && this.#ending === undefined) {
      this.#cseq++;
      this.#invite = {
        ...this.#invite,
        headers: withCredentials(this.#invite.headers, credentials).map((header) =>
          header.name === 'CSeq' ? { name: 'CSeq', value: `${this.#cseq} INVITE` } : header,
        ),
      };
      this.#phase = 'calling';
      return [{ do: 'request', request: this.#invite, nextHop: this.#options.target }];
    }
    return this.#over({ cause: 'refused', response });
  }

  requestFailed(request: SipRequest, failure: RequestFailure): SessionAction[] {
    if (request === this.#invite && this.#phase !== 'answered') {
      return this.#over({ cause: 'unreachable', message: failure.message });
    }
    for (const fork of this.#forks.values()) fork.requestFailed(request, failure);
    return this.#once.filter(this.#usage?.requestFailed(request, failure) ?? []);
  }

  receiveRequest(request: SipRequest): SessionAction[] {
    if (this.#usage !== undefined) return this.#once.filter(this.#usage.receiveRequest(request));
    return [{ do: 'respond', request, response: createResponse(request, 481) }];
  }

  answerOffer(request: SipRequest, reply: OfferReply, nowMs: number): SessionAction[] {
    return this.#once.filter(this.#usage?.answerOffer(request, reply, nowMs) ?? []);
  }

  answerRequest(request: SipRequest, status: number, headers?: readonly SipHeader[]): SessionAction[] {
    return this.#once.filter(this.#usage?.answerRequest(request, status, headers) ?? []);
  }

  sendRequest(
    id: number,
    method: string,
    headers?: readonly SipHeader[],
    body?: Uint8Array,
  ): SessionAction[] {
    if (this.#usage !== undefined)
      return this.#once.filter(this.#usage.sendRequest(id, method, headers, body));
    const response = createResponse(this.#invite, 481);
    return [{ do: 'report', report: { event: 'responded', id, response } }];
  }

  reinvite(id: number, offer: string, nowMs: number): SessionAction[] {
    if (this.#usage !== undefined) return this.#once.filter(this.#usage.reinvite(id, offer, nowMs));
    return [{ do: 'report', report: { event: 'reinvited', id, outcome: { status: 481 } } }];
  }

  expire(nowMs: number): SessionAction[] {
    if (this.#phase === 'answered') return this.#once.filter(this.#usage?.expire(nowMs) ?? []);
    if (this.#giveUpMs === undefined || nowMs < this.#giveUpMs) return [];
    this.#phase = 'over';
    this.#giveUpMs = undefined;
    return [{ do: 'abandon', invite: this.#invite }];
  }

  #over(end: SessionEnding): SessionAction[] {
    this.#phase = 'over';
    this.#giveUpMs = undefined;
    return this.#once.filter([{ do: 'report', report: { event: 'ended', end } }]);
  }

  #buildInvite(headers: readonly SipHeader[], body: Uint8Array): SipRequest {
    const { target, from, to, callId, profile } = this.#options;
    const contact = this.#contact === '' ? [] : [{ name: 'Contact', value: this.#contact }];
    return {
      kind: 'request',
      method: 'INVITE',
      uri: target,
      headers: [
        { name: 'Max-Forwards', value: '70' },
        { name: 'From', value: from },
        { name: 'To', value: to },
        { name: 'Call-ID', value: callId },
        { name: 'CSeq', value: `${this.#cseq} INVITE` },
        ...contact,
        ...capabilityHeaders(profile),
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
