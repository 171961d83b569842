import { cseqNumber } from './dialog.ts';
import { parseCSeq } from './header-values.ts';
import { headerValue, type SipRequest, type SipResponse } from './message.ts';
import { tagOf } from './name-addr.ts';
import { branchCookie, parseVia } from './via.ts';

/** Finds the server transaction of a request that passed the request check. An ACK has the key of its INVITE, a CANCEL
 *  its own; `cancelledKey` leads to what it cancels. RFC 3261 §17.2.3. */
export function serverKey(request: SipRequest): string {
  return keyFor(request, request.method === 'ACK' ? 'INVITE' : request.method);
}

/** Key of the INVITE that a CANCEL is for. RFC 3261 §9.2. */
export function cancelledKey(cancel: SipRequest): string {
  return keyFor(cancel, 'INVITE');
}

function keyFor(request: SipRequest, method: string): string {
  const text = headerValue(request, 'Via') ?? '';
  const via = parseVia(text);
  if (via.branch?.startsWith(branchCookie)) {
    // Branches are unique only together with who made them: a careless or hostile client may take another's.
    return `${via.branch} ${via.host}:${via.port ?? ''} ${method}`;
  }
  // RFC 2543 knows no unique branch. The To tag is left out: an ACK carries one, its INVITE did not.
  const from = tagOf(headerValue(request, 'From') ?? '') ?? '';
  const callId = headerValue(request, 'Call-ID') ?? '';
  return JSON.stringify([request.uri, from, callId, cseqNumber(request), text, method]);
}

/** Requests that reached us on two ways have the same: RFC 3261 §8.2.2.2. Undefined inside a dialog. */
export function mergeKey(request: SipRequest): string | undefined {
  if (tagOf(headerValue(request, 'To') ?? '') !== undefined) return undefined;
  const from = tagOf(headerValue(request, 'From') ?? '') ?? '';
  return JSON.stringify([from, headerValue(request, 'Call-ID'), headerValue(request, 'CSeq')]);
}

/** Finds the client transaction of a response, by our branch and the method it answers. RFC 3261 §17.1.3. */
export function clientKey(message: SipRequest | SipResponse): string {
  const via = parseVia(headerValue(message, 'Via') ?? '');
  return `${via.branch ?? ''} ${parseCSeq(headerValue(message, 'CSeq') ?? '').method}`;
}

/** Finds a dialog: Call-ID, our tag, their tag. RFC 3261 §12. */
export function dialogKey(callId: string, localTag: string, remoteTag: string | undefined): string {
  return `${callId} ${localTag} ${remoteTag ?? ''}`;
}

/** The dialog a request claims to be in; undefined without a To tag. */
export function dialogKeyOf(request: SipRequest): string | undefined {
  const localTag = tagOf(headerValue(request, 'To') ?? '');
  if (localTag === undefined) return undefined;
  const remoteTag = tagOf(headerValue(request, 'From') ?? '');
  return dialogKey(headerValue(request, 'Call-ID') ?? '', localTag, remoteTag);
}
