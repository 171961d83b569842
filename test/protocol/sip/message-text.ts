import { ProtocolError } from '../../../protocol/protocol-error.ts';
import type { SipMessage } from '../../../protocol/sip/message.ts';

const body = [
  'v=0',
  'o=- 20518 0 IN IP4 192.0.2.1',
  's=-',
  'c=IN IP4 192.0.2.1',
  't=0 0',
  'm=audio 49170 RTP/AVP 0 101',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  '',
].join('\r\n');

/** An INVITE as a phone sends it. */
export const inviteText = [
  'INVITE sip:echo@192.0.2.2 SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK776asdhds;rport',
  'Max-Forwards: 70',
  'From: "Alice" <sip:alice@192.0.2.1>;tag=1928301774',
  'To: <sip:echo@192.0.2.2>',
  'Call-ID: a84b4c76e66710@192.0.2.1',
  'CSeq: 314159 INVITE',
  'Contact: <sip:alice@192.0.2.1:5062>',
  'Allow: INVITE, ACK, CANCEL, OPTIONS, BYE',
  'Supported: replaces, timer',
  'User-Agent: phone/1.0',
  'Content-Type: application/sdp',
  `Content-Length: ${body.length}`,
  '',
  body,
].join('\r\n');

/** Lines with CRLF after each and an empty one at the end. */
export function messageBytes(...lines: string[]): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

/** The serializer writes Content-Length last, wherever it stood. */
export function withoutContentLength(message: SipMessage): SipMessage {
  return { ...message, headers: message.headers.filter(({ name }) => name !== 'Content-Length') };
}

/** The code of the ProtocolError that `run` throws, undefined if it throws nothing; another error goes through. */
export function codeThrownBy(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}
