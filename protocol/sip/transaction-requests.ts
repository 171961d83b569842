import { emptyBody, headerValue, type SipHeader, type SipRequest, type SipResponse } from './message.ts';

/** ACK of a final response other than 2xx, inside the INVITE's own transaction. RFC 3261 §17.1.1.3. */
export function buildAck(invite: SipRequest, response: SipResponse): SipRequest {
  const to = headerValue(response, 'To') ?? headerValue(invite, 'To') ?? '';
  return followInvite(invite, 'ACK', to, []);
}

/** CANCEL of `invite` as it was sent. RFC 3261 §9.1. */
export function buildCancel(invite: SipRequest, headers: readonly SipHeader[]): SipRequest {
  return followInvite(invite, 'CANCEL', headerValue(invite, 'To') ?? '', headers);
}

/** Same branch, same way, same CSeq number. */
function followInvite(
  invite: SipRequest,
  method: string,
  to: string,
  headers: readonly SipHeader[],
): SipRequest {
  const number = Number.parseInt(headerValue(invite, 'CSeq') ?? '0', 10);
  return {
    kind: 'request',
    method,
    uri: invite.uri,
    headers: [
      { name: 'Via', value: headerValue(invite, 'Via') ?? '' },
      ...invite.headers.filter(({ name }) => name === 'Route'),
      { name: 'Max-Forwards', value: '70' },
      { name: 'From', value: headerValue(invite, 'From') ?? '' },
      { name: 'To', value: to },
      { name: 'Call-ID', value: headerValue(invite, 'Call-ID') ?? '' },
      { name: 'CSeq', value: `${number} ${method}` },
      ...headers,
    ],
    body: emptyBody,
  };
}
