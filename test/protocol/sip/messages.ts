import {
  emptyBody,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from '../../../protocol/sip/message.ts';
import { createResponse } from '../../../protocol/sip/response.ts';

export interface RequestOptions {
  readonly uri?: string;
  readonly branch?: string;
  readonly cseq?: number;
  readonly callId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly contact?: string;
  readonly routes?: readonly string[];
  readonly headers?: readonly SipHeader[];
  readonly body?: Uint8Array;
}

/** A request as alice@a.example sends it to bob@b.example. */
export function createRequest(method: string, options: RequestOptions = {}): SipRequest {
  const { contact } = options;
  return {
    kind: 'request',
    method,
    uri: options.uri ?? 'sip:bob@b.example',
    headers: [
      { name: 'Via', value: `SIP/2.0/UDP a.example;branch=${options.branch ?? 'z9hG4bK-1'}` },
      ...(options.routes ?? []).map((value) => ({ name: 'Route', value })),
      { name: 'Max-Forwards', value: '70' },
      { name: 'From', value: options.from ?? '<sip:alice@a.example>;tag=alice' },
      { name: 'To', value: options.to ?? '<sip:bob@b.example>' },
      { name: 'Call-ID', value: options.callId ?? 'call-1' },
      { name: 'CSeq', value: `${options.cseq ?? 1} ${method}` },
      ...(contact === undefined ? [] : [{ name: 'Contact', value: contact }]),
      ...(options.headers ?? []),
    ],
    body: options.body ?? emptyBody,
  };
}

export function createTestResponse(
  request: SipRequest,
  status: number,
  toTag: string,
  headers: readonly SipHeader[] = [],
): SipResponse {
  return createResponse(request, status, { toTag, headers });
}
