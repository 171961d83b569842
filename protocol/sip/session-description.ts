import { Buffer } from 'node:buffer';
import { ProtocolError } from '../protocol-error.ts';
import { emptyBody, headerValue, type SipHeader, type SipMessage } from './message.ts';
import { parseMultipart } from './multipart.ts';

/** The SDP that a message carries, alone or as the first such part of several; undefined without a body. A body of another
 *  type is none. */
export function sdpOf(message: SipMessage): string | undefined {
  if (message.body.length === 0) return undefined;
  // A body without Content-Type is taken for SDP: nothing else is accepted in an INVITE (415 before we get here).
  const type = headerValue(message, 'Content-Type') ?? 'application/sdp';
  const body = /^\s*application\s*\/\s*sdp\s*(;|$)/i.test(type) ? message.body : sdpPart(type, message.body);
  if (body === undefined) return undefined;
  const { buffer, byteOffset, byteLength } = body;
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
}

/** Carriers put ISUP or a location beside it (RFC 5621). */
function sdpPart(contentType: string, body: Uint8Array): Uint8Array | undefined {
  if (!/^\s*multipart\s*\//i.test(contentType)) return undefined;
  try {
    return parseMultipart(contentType, body).find(({ type }) => type === 'application/sdp')?.body;
  } catch (error) {
    // A request like that was refused before; of a response and an ACK nothing can be made.
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** Body and its header for a message that is to carry `sdp`; nothing for the empty text. */
export function sdpParts(sdp: string): { readonly headers: readonly SipHeader[]; readonly body: Uint8Array } {
  if (sdp === '') return { headers: [], body: emptyBody };
  return { headers: [{ name: 'Content-Type', value: 'application/sdp' }], body: Buffer.from(sdp) };
}
