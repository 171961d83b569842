import { createHmac, randomBytes } from 'node:crypto';
import { serializeBriefly } from '../../protocol/sip/brief-response.ts';
import {
  headerValue,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from '../../protocol/sip/message.ts';
import type { SipParseError } from '../../protocol/sip/parse.ts';
import { checkRequest } from '../../protocol/sip/request-check.ts';
import { createResponse } from '../../protocol/sip/response.ts';
import type { SessionProfile } from '../../protocol/sip/session-actions.ts';
import { dialogKeyOf } from '../../protocol/sip/transaction-key.ts';
import { parseVia, serializeVia, stampSource } from '../../protocol/sip/via.ts';
import { isLoopback } from './address-ranges.ts';
import type { Admission } from './admission.ts';
import type { LiveSession } from './live-session.ts';
import type { OutsideReply, RequestSource } from './session.ts';
import type { SipFlow } from './sip-flow.ts';
import type { SipTransport } from './sip-transport.ts';
import type { Transactions } from './transactions.ts';

export interface RequestReceiverOptions {
  readonly transport: SipTransport;
  readonly transactions: Transactions;
  readonly profile: SessionProfile;
  readonly transactionsMax: number;
  readonly admission: Admission;
  /** Methods outside dialogs, besides those of calls, that `requested` answers. */
  readonly methodsServed: readonly string[];
  /** A request of such a method, from somebody who was let in. Its transaction is open. */
  requested(request: SipRequest, source: RequestSource): OutsideReply;
  /** The session of that dialog. */
  inDialog(key: string): LiveSession | undefined;
  /** The session that this INVITE began. */
  ofInvite(invite: SipRequest): LiveSession | undefined;
  /** A new INVITE; its transaction is open and 100 was sent. */
  invited(invite: SipRequest, flow: SipFlow): void;
  /** CANCEL of an INVITE whose session is not there yet. */
  cancelledEarly(invite: SipRequest): void;
  full(): boolean;
  readiness(): number;
  counted(code: string): void;
}

/** Refused INVITEs of one peer without ACK. Beyond it nobody listens there, and no more is remembered for it. */
const unacknowledgedMax = 100;
/** Methods that mean something without a dialog. */
const methodsOutside = ['INVITE', 'ACK', 'CANCEL', 'OPTIONS', 'BYE'];
/** Methods that belong to a dialog and are answered 481 without one. */
const methodsInside = new Set(['BYE', 'UPDATE', 'INFO', 'PRACK']);

/** Decides what a request is: refused, one that came again, part of a transaction or a dialog, or new. What needs no
 *  state is answered without any (RFC 3261 §8.2.7), so that strangers cannot make us remember them. */
export class RequestReceiver {
  readonly #options: RequestReceiverOptions;
  readonly #tagSecret = randomBytes(16);
  readonly #methodsAllowed: readonly string[];

  constructor(options: RequestReceiverOptions) {
    this.#options = options;
    this.#methodsAllowed = [...options.profile.allow, ...options.methodsServed];
  }

  /** Bytes that were no message, but perhaps the start of a request. */
  reject(error: SipParseError, flow: SipFlow): void {
    const { partial, status } = error;
    this.#options.counted(error.code);
    if (partial === undefined || status === undefined || partial.method === 'ACK') return;
    if (!this.#options.admission.hears(flow.remote)) return;
    this.#refuse(partial, flow, status, []);
  }

  receive(received: SipRequest, flow: SipFlow): void {
    const { transactions, counted } = this.#options;
    const refusal = checkRequest(received, this.#capabilities(received));
    if (refusal !== undefined) {
      counted(refusal.code);
      if (received.method === 'ACK' || !this.#options.admission.hears(flow.remote)) return;
      return this.#refuse(received, flow, refusal.status, refusal.headers);
    }
    const request = stamp(received, flow);
    if (transactions.receiveRequest(request)) return;
    if (request.method === 'ACK') return this.#receiveAck(request);
    if (request.method === 'CANCEL') return this.#receiveCancel(request, flow);
    const key = dialogKeyOf(request);
    if (key !== undefined) return this.#receiveInDialog(request, key, flow);
    this.#receiveOutside(request, flow);
  }

  #capabilities({ method, body, headers }: SipRequest): Parameters<typeof checkRequest>[1] {
    const { supported } = this.#options.profile;
    const sessionMethod = method === 'INVITE' || method === 'UPDATE';
    // Elsewhere the body is for whoever handles the request.
    const ownType = headers.find(({ name }) => name === 'Content-Type')?.value.split(';', 1)[0] ?? '';
    const contentTypes = ['application/sdp', 'multipart/mixed'];
    if (!sessionMethod && body.length > 0) contentTypes.push(ownType.trim().toLowerCase());
    return {
      methodsAllowed: this.#methodsAllowed,
      extensions: supported,
      contentTypes,
    };
  }

  #receiveAck(ack: SipRequest): void {
    const key = dialogKeyOf(ack);
    const session = key === undefined ? undefined : this.#options.inDialog(key);
    if (session === undefined) this.#options.counted('stray-ack');
    else session.receiveRequest(ack);
  }

  /** RFC 3261 §9.2. */
  #receiveCancel(cancel: SipRequest, flow: SipFlow): void {
    const { transactions, admission } = this.#options;
    const invite = transactions.cancelled(cancel);
    if (invite === undefined) {
      if (admission.hears(flow.remote)) this.#refuse(cancel, flow, 481, []);
      return;
    }
    const session = this.#options.ofInvite(invite);
    const toTag = session?.localTag ?? this.tagFor(invite);
    transactions.openServer(cancel, flow);
    transactions.respond(cancel, createResponse(cancel, 200, { toTag, headers: this.#serverHeaders() }));
    if (session === undefined) this.#options.cancelledEarly(invite);
    else session.cancelled(cancel);
  }

  #receiveInDialog(request: SipRequest, key: string, flow: SipFlow): void {
    const session = this.#options.inDialog(key);
    if (session === undefined) {
      this.#options.counted('no-dialog');
      if (this.#options.admission.hears(flow.remote)) this.#refuse(request, flow, 481, []);
      return;
    }
    if (!this.#open(request, flow)) return;
    session.receiveRequest(request);
  }

  #receiveOutside(request: SipRequest, flow: SipFlow): void {
    const { transactions, counted, admission, methodsServed } = this.#options;
    const served = methodsServed.includes(request.method);
    if (request.method !== 'INVITE' && !served) {
      if (admission.hears(flow.remote)) this.#answerUnserved(request, flow);
      return;
    }
    const admitted = admission.judge(request, flow.remote, (headers) =>
      this.#refuse(request, flow, 401, headers),
    );
    if (admitted === undefined) return;
    if (transactions.isMerged(request)) {
      counted('merged-request');
      return this.#refuse(request, flow, 482, []);
    }
    if (served) this.#receiveServed(request, { flow, username: admitted.username });
    else this.#receiveInvite(request, flow);
  }

  #receiveInvite(request: SipRequest, flow: SipFlow): void {
    const { transactions, counted, invited, full } = this.#options;
    if (transactions.unacknowledged(flow.remote) >= unacknowledgedMax) {
      counted('unacknowledged-limit');
      return this.#refuse(request, flow, 503, [{ name: 'Retry-After', value: '10' }]);
    }
    if (full()) {
      counted('session-limit');
      return this.#refuse(request, flow, 503, [{ name: 'Retry-After', value: '10' }]);
    }
    if (this.#open(request, flow)) invited(request, flow);
  }

  #receiveServed(request: SipRequest, source: RequestSource): void {
    const { transactions, requested } = this.#options;
    if (!this.#open(request, source.flow)) return;
    const { status, headers = [], body } = requested(request, source);
    const response = createResponse(request, status, {
      toTag: this.tagFor(request),
      headers: [...headers, ...this.#serverHeaders()],
      ...(body && { body }),
    });
    transactions.respond(request, response);
  }

  /** OPTIONS, what belongs to a dialog but comes without one, and what nobody here understands. */
  #answerUnserved(request: SipRequest, flow: SipFlow): void {
    const { counted, methodsServed } = this.#options;
    if (request.method === 'OPTIONS') return this.#answerOptions(request, flow);
    if (methodsInside.has(request.method)) {
      counted('no-dialog');
      return this.#refuse(request, flow, 481, []);
    }
    counted('method-not-allowed');
    const allow = [...methodsOutside, ...methodsServed].join(', ');
    this.#refuse(request, flow, 405, [{ name: 'Allow', value: allow }]);
  }

  /** The server transaction, for an INVITE with its 100. */
  #open(request: SipRequest, flow: SipFlow): boolean {
    const { transactions, transactionsMax, counted } = this.#options;
    if (transactions.size >= transactionsMax) {
      counted('transaction-limit');
      this.#refuse(request, flow, 503, [{ name: 'Retry-After', value: '10' }]);
      return false;
    }
    transactions.openServer(request, flow);
    if (request.method === 'INVITE') transactions.respond(request, createResponse(request, 100));
    return true;
  }

  /** RFC 3261 §11.2. */
  #answerOptions(request: SipRequest, flow: SipFlow): void {
    const { profile, readiness } = this.#options;
    const status = readiness();
    this.#refuse(request, flow, status, [
      { name: 'Allow', value: this.#methodsAllowed.join(', ') },
      { name: 'Accept', value: 'application/sdp, multipart/mixed' },
      { name: 'Accept-Encoding', value: 'identity' },
      { name: 'Supported', value: profile.supported.join(', ') },
      ...(status === 503 ? [{ name: 'Retry-After', value: '10' }] : []),
    ]);
  }

  /** Without a transaction: where the request comes again, so does the same answer. */
  #refuse(request: SipRequest, flow: SipFlow, status: number, headers: readonly SipHeader[]): void {
    const stamped = stamp(request, flow);
    const response: SipResponse = createResponse(stamped, status, {
      toTag: this.tagFor(stamped),
      headers: [...headers, ...this.#serverHeaders()],
    });
    const { transport, admission, counted } = this.#options;
    if (flow.receivedBytes === undefined || !admission.isStranger(flow.remote)) {
      return transport.respond(response, flow);
    }
    const bytes = serializeBriefly(response, flow.receivedBytes);
    // On loopback nobody can be forged; a small test client shall get its answer.
    if (bytes.length > flow.receivedBytes && !isLoopback(flow.remote.address)) {
      return counted('answer-too-large');
    }
    transport.respond(response, flow, bytes);
  }

  #serverHeaders(): SipHeader[] {
    return [{ name: 'Server', value: this.#options.profile.userAgentName }];
  }

  /** The same for the same request, RFC 3261 §8.2.7, and nobody else can make it. */
  tagFor(request: SipRequest): string {
    const facts = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => headerValue(request, name) ?? '');
    return createHmac('sha256', this.#tagSecret)
      .update(JSON.stringify(facts))
      .digest('base64url')
      .slice(0, 12);
  }
}

/** With the source in the top Via. A Via that cannot be read stays as it is. */
function stamp(request: SipRequest, flow: SipFlow): SipRequest {
  const index = request.headers.findIndex(({ name }) => name === 'Via');
  const header = request.headers[index];
  if (header === undefined) return request;
  try {
    const { address, port } = flow.remote;
    const value = serializeVia(stampSource(parseVia(header.value), address, port));
    return { ...request, headers: request.headers.with(index, { name: 'Via', value }) };
  } catch {
    return request;
  }
}
