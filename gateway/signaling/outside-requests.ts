import type { Credentials } from '../../protocol/sip/digest.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import { RequestSeries } from '../../protocol/sip/request-series.ts';
import { createResponse } from '../../protocol/sip/response.ts';
import type { RequestFailure } from '../../protocol/sip/session-actions.ts';
import { checkText } from './live-session.ts';
import { contactFor, isSecureUri, type NextServer, type RequestSender } from './request-sender.ts';
import type { SipFlow } from './sip-flow.ts';

/** A request outside any dialog. */
export interface OutsideRequestOptions {
  readonly method: string;
  /** Request-URI; also where it is sent. */
  readonly target: string;
  /** From URI, or a whole name-addr without tag. Taken from `series` where that is given. */
  readonly from?: string;
  readonly to?: string;
  /** Given the Contact that leads to us over the flow that was found. */
  readonly headers?: readonly SipHeader[] | ((contact: string) => readonly SipHeader[]);
  readonly body?: Uint8Array;
  /** User part of that Contact. */
  readonly contactUser?: string;
  readonly credentials?: Credentials;
  /** Continues an earlier one: the same Call-ID and From, the next CSeq, its challenges remembered. */
  readonly series?: RequestSeries;
  /** Sent this way while it is open, wherever `target` points. */
  readonly flow?: SipFlow;
}

export interface OutsideRequestsOptions {
  readonly sender: RequestSender;
  readonly externalAddress: string | undefined;
  readonly userAgentName: string;
  createToken(): string;
  counted(code: string): void;
}

interface Pending {
  readonly options: OutsideRequestOptions;
  readonly series: RequestSeries;
  flow: SipFlow | undefined;
  /** The last that was sent, or would have been. */
  request: SipRequest | undefined;
  settle(response: SipResponse): void;
}

/** Requests of ours outside dialogs: REGISTER, OPTIONS, MESSAGE. Found, sent, repeated with credentials where the far
 *  side wants some. */
export class OutsideRequests {
  readonly #options: OutsideRequestsOptions;
  readonly #pending = new Set<Pending>();
  #open = true;

  constructor(options: OutsideRequestsOptions) {
    this.#options = options;
  }

  createSeries(options: {
    readonly from: string;
    readonly to: string;
    readonly credentials?: Credentials | undefined;
  }): RequestSeries {
    const { userAgentName, createToken } = this.#options;
    return new RequestSeries({ ...options, userAgentName, createToken });
  }

  /** Resolves with the final response; a 408 made here where none came, a 503 where the far side cannot be reached, its
   *  reason phrase telling why. Throws `ProtocolError` for addresses that are none. */
  request(options: OutsideRequestOptions): Promise<SipResponse> {
    const series =
      options.series ??
      this.createSeries({
        from: options.from ?? 'sip:anonymous@anonymous.invalid',
        to: options.to ?? options.target,
        credentials: options.credentials,
      });
    return new Promise((resolve) => {
      const pending: Pending = {
        options,
        series,
        flow: options.flow,
        request: undefined,
        settle: (response) => {
          if (this.#pending.delete(pending)) resolve(response);
        },
      };
      this.#pending.add(pending);
      if (this.#open) this.#locate(pending);
      else this.#fail(pending, { why: 'transport', message: 'the user agent is closed' });
    });
  }

  close(): void {
    this.#open = false;
    for (const pending of [...this.#pending])
      this.#fail(pending, { why: 'transport', message: 'the user agent is closed' });
  }

  #locate(pending: Pending): void {
    const { flow, options } = pending;
    const { sender } = this.#options;
    const found = (ready: SipFlow, next?: NextServer): void =>
      this.#guarded(pending, () => this.#send(pending, ready, next));
    const failed = (failure: RequestFailure): void => this.#fail(pending, failure);
    if (flow?.open) sender.locateOver(flow, found, failed);
    else sender.locate(options.target, found, failed);
  }

  #send(pending: Pending, flow: SipFlow, next: NextServer | undefined): void {
    if (!this.#pending.has(pending)) return;
    const { method, target, body } = pending.options;
    pending.flow = flow;
    const request =
      pending.request ??
      pending.series.next({
        method,
        uri: target,
        headers: this.#headersFor(pending, flow),
        ...(body && { body }),
      });
    for (const { name, value } of request.headers) checkText(name + value);
    pending.request = request;
    this.#options.sender.send(
      request,
      flow,
      {
        received: (response) => this.#guarded(pending, () => this.#receive(pending, request, response)),
        failed: (failure) => this.#fail(pending, failure),
        moved: (other) => this.#move(pending, request, other),
      },
      { next, keepsFlow: pending.options.flow === flow },
    );
  }

  #headersFor({ options }: Pending, flow: SipFlow): readonly SipHeader[] {
    const { headers = [], contactUser = '' } = options;
    if (typeof headers !== 'function') return headers;
    const { externalAddress } = this.#options;
    return headers(
      contactFor(flow, { user: contactUser, externalAddress, secure: isSecureUri(options.target) }),
    );
  }

  /** The same request to another server, with the Contact that leads to us from there. */
  #move(pending: Pending, request: SipRequest, flow: SipFlow): SipRequest | undefined {
    if (!this.#pending.has(pending)) return undefined;
    pending.flow = flow;
    const fresh = this.#headersFor(pending, flow).find(({ name }) => name === 'Contact');
    if (fresh === undefined) return request;
    const moved = {
      ...request,
      headers: request.headers.map((header) => (header.name === 'Contact' ? fresh : header)),
    };
    pending.request = moved;
    return moved;
  }

  #receive(pending: Pending, request: SipRequest, response: SipResponse): void {
    if (response.status < 200) return;
    const again = this.#open ? pending.series.retry(request, response) : undefined;
    if (again === undefined) return pending.settle(response);
    pending.request = again;
    this.#locate(pending);
  }

  #fail(pending: Pending, { why, message }: RequestFailure): void {
    const { method, target } = pending.options;
    const request = pending.request ?? pending.series.next({ method, uri: target });
    const status = why === 'timeout' ? 408 : 503;
    pending.settle(createResponse(request, status, { reasonPhrase: message.replace(/[\r\n]+/g, ' ') }));
  }

  /** A mistake in one request must not leave its sender waiting. */
  #guarded(pending: Pending, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.counted('request-failed');
      this.#fail(pending, {
        why: 'transport',
        message: error instanceof Error ? error.message : String(error),
      });
    }
  }
}
