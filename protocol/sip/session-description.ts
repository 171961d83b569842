import { Buffer } from 'node:buffer';
import { emptyBody, headerValue, type SipHeader, type SipMessage } from './message.ts';

/** The SDP that a message carries, undefined without a body. A body of another type is none. */
export function sdpOf(message: SipMessage): string | undefined {
  if (message.body.length === 0) return undefined;
  // A body without Content-Type is taken for SDP: nothing else is accepted in an INVITE (415 before we get here).
  const type = headerValue(message, 'Content-Type') ?? 'application/sdp';
  if (!/^\s*application\s*\/\s*sdp\s*(;|$)/i.test(type)) return undefined;
  const { buffer, byteOffset, byteLength } = message.body;
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
}

/** Body and its header for a message that is to carry `sdp`; nothing for the empty text. */
export function sdpParts(sdp: string): { readonly headers: readonly SipHeader[]; readonly body: Uint8Array } {
  if (sdp === '') return { headers: [], body: emptyBody };
  return { headers: [{ name: 'Content-Type', value: 'application/sdp' }], body: Buffer.from(sdp) };
}
