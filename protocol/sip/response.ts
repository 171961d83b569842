import { emptyBody, type SipHeader, type SipRequest, type SipResponse, withContentType } from './message.ts';
import { reasonPhraseOf } from './reason-phrases.ts';

export interface ResponseParts {
  /** The usual one by default. */
  readonly reasonPhrase?: string;
  /** Added to To where the request brought no tag and the status is not 100. */
  readonly toTag?: string | undefined;
  /** Beyond those copied from the request. */
  readonly headers?: readonly SipHeader[];
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/** The response with what must be copied from its request: Via, From, To, Call-ID, CSeq; Timestamp in 100;
 *  Record-Route where a dialog begins. The top Via is copied as it is: stamp it on receipt (`stampSource`).
 *  RFC 3261 §8.2.6, §12.1.1. */
export function createResponse(request: SipRequest, status: number, parts: ResponseParts = {}): SipResponse {
  const { reasonPhrase = reasonPhraseOf(status), toTag, body = emptyBody, contentType } = parts;
  const startsDialog = status > 100 && status < 300;
  const headers: SipHeader[] = [];
  for (const header of request.headers) {
    switch (header.name) {
      case 'Via':
      case 'From':
      case 'Call-ID':
      case 'CSeq':
        headers.push(header);
        break;
      case 'To': {
        const needsTag = toTag !== undefined && status !== 100 && !hasTag(header.value);
        headers.push(needsTag ? { name: 'To', value: `${header.value};tag=${toTag}` } : header);
        break;
      }
      case 'Record-Route':
        if (startsDialog) headers.push(header);
        break;
      case 'Timestamp':
        if (status === 100) headers.push(header);
        break;
    }
  }
  if (parts.headers !== undefined) headers.push(...parts.headers);
  return {
    kind: 'response',
    status,
    reasonPhrase,
    headers: withContentType(headers, contentType, body),
    body,
  };
}

/** Also on values that do not parse, since bad requests are answered too. */
function hasTag(to: string): boolean {
  return /;\s*tag\s*=/i.test(to.slice(to.lastIndexOf('>') + 1));
}
