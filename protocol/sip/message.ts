/** SIP messages as values. RFC 3261 §7. Header names are compared without case and in their long form:
 *  the parser expands compact forms (`v` → `Via`), the serializer writes what it is given. */

/** One header line after unfolding. A line with several comma-separated values, where the header allows them,
 *  is split by the parser into one entry a value. */
export interface SipHeader {
  /** Canonical spelling for known headers (`Call-ID`, `CSeq`), as received for unknown ones. */
  readonly name: string;
  readonly value: string;
}

export interface SipRequest {
  readonly kind: 'request';
  readonly method: string;
  /** The Request-URI as received; parse it with `parseUri`. */
  readonly uri: string;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
}

export interface SipResponse {
  readonly kind: 'response';
  readonly status: number;
  readonly reasonPhrase: string;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
}

export type SipMessage = SipRequest | SipResponse;

export const emptyBody: Uint8Array = new Uint8Array(0);

/** First value of a header, undefined if absent. `name` in any case, long form. */
export function headerValue(message: SipMessage, name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const header of message.headers) {
    if (header.name.length === wanted.length && header.name.toLowerCase() === wanted) return header.value;
  }
  return undefined;
}

/** Every value of a header in order of appearance. */
export function headerValues(message: SipMessage, name: string): string[] {
  const wanted = name.toLowerCase();
  const values: string[] = [];
  for (const header of message.headers) {
    if (header.name.length === wanted.length && header.name.toLowerCase() === wanted)
      values.push(header.value);
  }
  return values;
}

export interface NewRequest {
  readonly method: string;
  readonly uri: string;
  /** In this order; Content-Length is the serializer's. */
  readonly headers: readonly SipHeader[];
  readonly body?: Uint8Array;
  /** Written as Content-Type where there is a body. */
  readonly contentType?: string;
}

export function createRequest({
  method,
  uri,
  headers,
  body = emptyBody,
  contentType,
}: NewRequest): SipRequest {
  return { kind: 'request', method, uri, headers: withContentType(headers, contentType, body), body };
}

/** The headers, with a Content-Type where there is a body. */
export function withContentType(
  headers: readonly SipHeader[],
  contentType: string | undefined,
  body: Uint8Array,
): readonly SipHeader[] {
  if (contentType === undefined || body.length === 0) return headers;
  return [...headers, { name: 'Content-Type', value: contentType }];
}
