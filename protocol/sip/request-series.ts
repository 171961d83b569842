import { type Credentials, DigestClient, withCredentials } from './digest.ts';
import { emptyBody, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { parseNameAddr, serializeNameAddr, withTag } from './name-addr.ts';

export interface RequestSeriesOptions {
  /** From URI, or a whole name-addr without tag. */
  readonly from: string;
  readonly to: string;
  readonly credentials?: Credentials | undefined;
  readonly userAgentName: string;
  createToken(): string;
}

export interface SeriesRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers?: readonly SipHeader[];
  readonly body?: Uint8Array;
}

/** Requests outside any dialog that belong together: one Call-ID, one From, rising CSeq, one memory of challenges.
 *  RFC 3261 §8.1.1; for REGISTER §10.2 asks for just that. */
export class RequestSeries {
  readonly #options: RequestSeriesOptions;
  readonly #digest: DigestClient;
  readonly #callId: string;
  readonly #from: string;
  readonly #to: string;
  #sequence = 0;

  /** Throws `ProtocolError` where an address is none. */
  constructor(options: RequestSeriesOptions) {
    this.#options = options;
    this.#digest = new DigestClient(options.credentials, () => options.createToken());
    this.#callId = options.createToken();
    this.#from = serializeNameAddr(withTag(parseNameAddr(bracketed(options.from)), options.createToken()));
    this.#to = serializeNameAddr(parseNameAddr(bracketed(options.to)));
  }

  get callId(): string {
    return this.#callId;
  }

  /** The next request, without Via; with credentials where the far side asked for them before. */
  next({ method, uri, headers = [], body = emptyBody }: SeriesRequest): SipRequest {
    const request: SipRequest = {
      kind: 'request',
      method,
      uri,
      headers: [
        { name: 'Max-Forwards', value: '70' },
        { name: 'From', value: this.#from },
        { name: 'To', value: this.#to },
        { name: 'Call-ID', value: this.#callId },
        { name: 'CSeq', value: `${++this.#sequence} ${method}` },
        { name: 'User-Agent', value: this.#options.userAgentName },
        ...headers,
      ],
      body,
    };
    const credentials = this.#digest.ahead(request);
    if (credentials === undefined) return request;
    return { ...request, headers: withCredentials(request.headers, credentials) };
  }

  /** To be called with every final response: the request with what a challenge asks for, undefined where the response
   *  stands. */
  retry(request: SipRequest, response: SipResponse): SipRequest | undefined {
    const credentials = this.#digest.answer(request, response);
    if (credentials === undefined) return undefined;
    const cseq: SipHeader = { name: 'CSeq', value: `${++this.#sequence} ${request.method}` };
    return {
      ...request,
      headers: withCredentials(request.headers, credentials).map((header) =>
        header.name === 'CSeq' ? cseq : header,
      ),
    };
  }
}

/** A bare URI with parameters would lose them to the header. */
function bracketed(address: string): string {
  return address.includes('<') ? address : `<${address}>`;
}
