import type { SipMessage } from '../protocol/sip/message.ts';
import { parseMessage } from '../protocol/sip/parse.ts';
import { redactMessage } from '../protocol/sip/redact.ts';
import { serializeMessage } from '../protocol/sip/serialize.ts';

/** An INVITE as a softphone sends it through a proxy: 16 header lines and an SDP with five codecs. */
const inviteLines = [
  'INVITE sip:+4612345678@gw.example.com;user=phone SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK8f2a.6d1f7c45b1d9e3a2.0',
  'Via: SIP/2.0/UDP 10.11.12.13:5062;received=198.51.100.7;rport=49321;branch=z9hG4bK-524287-1---8b2c',
  'Record-Route: <sip:192.0.2.20;lr;ftag=as58f4201b;did=6a2.5f71>',
  'Max-Forwards: 69',
  'From: "Alice Example" <sip:alice@example.com>;tag=as58f4201b',
  'To: <sip:+4612345678@gw.example.com;user=phone>',
  'Contact: <sip:alice@198.51.100.7:49321;ob>',
  'Call-ID: 843817637684230-998sdasdh09@10.11.12.13',
  'CSeq: 31862 INVITE',
  'Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS',
  'Supported: replaces, 100rel, timer, norefersub',
  'Session-Expires: 1800',
  'Min-SE: 90',
  'User-Agent: Softphone 4.2',
  'P-Asserted-Identity: "Alice Example" <sip:+46701234567@example.com>',
  'Content-Type: application/sdp',
];
const sdp = [
  'v=0',
  'o=- 3902831021 3902831021 IN IP4 198.51.100.7',
  's=softphone',
  'c=IN IP4 198.51.100.7',
  't=0 0',
  'm=audio 40012 RTP/AVP 96 9 8 0 101',
  'a=rtcp:40013 IN IP4 198.51.100.7',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=sendrecv',
  '',
].join('\r\n');

/** The steps that every SIP message takes, and the message that they are measured with. */
export function sipSteps(): { readonly name: string; run(): void }[] {
  const bytes = Buffer.from([...inviteLines, `Content-Length: ${sdp.length}`, '', sdp].join('\r\n'));
  const message: SipMessage = parseMessage(bytes);
  return [
    { name: `parse an INVITE of ${bytes.length} bytes`, run: () => void parseMessage(bytes) },
    { name: 'serialize it', run: () => void serializeMessage(message) },
    { name: 'parse and serialize', run: () => void serializeMessage(parseMessage(bytes)) },
    { name: 'hide its secrets for a trace', run: () => void redactMessage(message) },
  ];
}
