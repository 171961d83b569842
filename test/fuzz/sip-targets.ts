import { writeAnswer } from '../../protocol/sdp/answer.ts';
import { negotiate } from '../../protocol/sdp/negotiate.ts';
import { readDescription, readOffer } from '../../protocol/sdp/session-description.ts';
import { SipFramer } from '../../protocol/sip/framer.ts';
import { splitList } from '../../protocol/sip/header-scanner.ts';
import {
  isCallId,
  parseAuthValue,
  parseCSeq,
  parseExpires,
  parseMediaType,
  parseRAck,
  parseReason,
  parseReplaces,
  parseRetryAfter,
  parseSessionExpires,
} from '../../protocol/sip/header-values.ts';
import type { SipMessage } from '../../protocol/sip/message.ts';
import { parseNameAddr } from '../../protocol/sip/name-addr.ts';
import { parseMessage } from '../../protocol/sip/parse.ts';
import { checkRequest, isSoundResponse } from '../../protocol/sip/request-check.ts';
import { createResponse } from '../../protocol/sip/response.ts';
import { serializeMessage } from '../../protocol/sip/serialize.ts';
import { checkAnyUri, parseHostPort, parseUri } from '../../protocol/sip/uri.ts';
import { parseVia } from '../../protocol/sip/via.ts';
import { local, opus, pcma, pcmu } from '../protocol/sdp/sdp-samples.ts';
import { hostileSdp, sdpWith } from '../support/hostile-sdp.ts';
import { bytesOf, type FuzzTarget } from './target.ts';

const capabilities = {
  methodsAllowed: ['INVITE', 'OPTIONS', 'BYE'],
  extensions: ['timer', '100rel'],
  contentTypes: ['application/sdp'],
};

const sdp = sdpWith();
const invite = [
  'INVITE sip:echo@gw.example SIP/2.0',
  'Via: SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKa7;rport;received=192.0.2.1, SIP/2.0/TCP a.example',
  'Max-Forwards: 70',
  'From: "A \\"B\\" C" <sip:a%20b:pw@h.example;lr?Subject=x>;tag=f1',
  't: <sip:echo@gw.example>',
  'i: 3848276298220188511@h.example',
  'CSeq: 314159 INVITE',
  'm: <sip:a@192.0.2.1:5060;transport=tcp>;expires=60',
  'Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>',
  'Require: timer',
  'Session-Expires: 1800;refresher=uac',
  'Proxy-Authorization: Digest username="a", realm="r, s", nonce="n", uri="sip:x", response="0123456789abcdef0123456789abcdef", qop=auth, nc=00000001, cnonce="c"',
  'Subject: first',
  ' second line of it',
  'c: application/sdp',
  `l: ${sdp.length}`,
  '',
  sdp,
].join('\r\n');

const response = [
  'SIP/2.0 200 OK',
  'Via: SIP/2.0/UDP h.example;branch=z9hG4bKb',
  'From: <tel:+46-8-1;phone-context=x>;tag=1',
  'To: <sip:b@c>;tag=2',
  'Call-ID: x',
  'CSeq: 2 BYE',
  'Reason: Q.850;cause=16;text="done"',
  'Content-Length: 0',
  '',
  '',
].join('\r\n');

const words = bytesOf(
  '\r\n',
  ': ',
  ';',
  ',',
  '"',
  '\\"',
  '<',
  '>',
  '%00',
  '%',
  'SIP/2.0',
  'sip:',
  'sips:',
  'tel:',
  '[::1]',
  ';tag=',
  ';lr',
  'Content-Length: 18446744073709551616\r\n',
  'Content-Length: -1\r\n',
  'CSeq: 4294967296 INVITE\r\n',
  '\r\n\r\n',
  '\0',
  'Via: ',
  'multipart/mixed;boundary=x',
  'é',
  '(((',
  ')',
  '=?',
  '*',
);

function receive(input: Uint8Array): void {
  const message = parseMessage(input);
  if (message.kind === 'response') isSoundResponse(message);
  else {
    checkRequest(message, capabilities);
    serializeMessage(createResponse(message, 200, { toTag: 'x' }));
  }
  const again = parseMessage(serializeMessage(message));
  // The length of the body is written anew.
  const others = ({ headers }: SipMessage) => headers.filter(({ name }) => name !== 'Content-Length').length;
  if (again.kind !== message.kind || others(again) !== others(message)) {
    throw new Error('what was serialized reads otherwise');
  }
}

const valueParsers: readonly ((text: string) => unknown)[] = [
  parseUri,
  checkAnyUri,
  parseHostPort,
  parseNameAddr,
  parseVia,
  parseCSeq,
  parseExpires,
  parseRetryAfter,
  parseReason,
  parseMediaType,
  parseRAck,
  parseReplaces,
  parseSessionExpires,
  parseAuthValue,
  splitList,
  isCallId,
];

export const sipTargets: readonly FuzzTarget[] = [
  {
    name: 'sip',
    seeds: bytesOf(invite, response, invite.replace('INVITE sip', 'OPTIONS sip')),
    words,
    run: receive,
  },
  {
    name: 'sip-framer',
    seeds: bytesOf(`\r\n\r\n${invite}\r\n${response}\r\n\r\n`, response + response + invite),
    words,
    run(input) {
      const whole = new SipFramer().push(input, 0);
      const framer = new SipFramer();
      const pieces: typeof whole = [];
      for (let at = 0; at < input.length; at += 7)
        pieces.push(...framer.push(input.subarray(at, at + 7), at));
      if (framer.pendingBytes > 200_000) throw new Error(`holds ${framer.pendingBytes} bytes`);
      // Pings that come at once are answered as one.
      const kinds = (frames: typeof whole): string =>
        frames
          .map(({ kind }) => kind)
          .filter((kind, at, all) => kind !== 'ping' || all[at - 1] !== 'ping')
          .join();
      if (kinds(whole) !== kinds(pieces))
        throw new Error(`${kinds(whole)} at once, ${kinds(pieces)} in pieces`);
      for (const frame of whole) if (frame.kind === 'message') parseMessage(frame.bytes);
    },
  },
  {
    name: 'sip-values',
    seeds: bytesOf(
      'sip:a%20b:c@[2001:db8::1]:5060;transport=udp;lr?Subject=x&To=y',
      '"A \\" B" <sip:a@b;lr>;tag=x;y="z"',
      'SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;rport=1;received=192.0.2.1;ttl=1',
      '120 (in a (big) meeting);duration=60',
      'Q.850;cause=16;text="x"',
      'Digest realm="a, b", nonce="x", qop="auth", stale=true',
      'a@b;to-tag=1;from-tag=2;early-only',
      '90;refresher=uac',
    ),
    words,
    run(input) {
      const text = Buffer.from(input).toString('latin1');
      for (const parse of valueParsers) {
        try {
          parse(text);
        } catch (error) {
          if ((error as Error).name !== 'ProtocolError') throw error;
        }
      }
    },
  },
  {
    name: 'sdp',
    seeds: bytesOf(
      sdp,
      sdpWith({
        media: 'm=audio 4000 RTP/SAVP 111 9 0 8 101 13',
        lines: [
          'a=rtpmap:111 opus/48000/2',
          'a=fmtp:111 useinbandfec=1;maxplaybackrate=16000',
          'a=rtpmap:101 telephone-event/8000',
          'a=ptime:20',
          'a=rtcp:4001 IN IP4 127.0.0.1',
          'a=rtcp-mux',
          'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP',
          'a=rtcp-xr:voip-metrics',
          'm=video 0 RTP/AVP 31',
        ],
      }),
      ...hostileSdp.flatMap(({ body }) => (typeof body === 'string' && body.length < 2_000 ? [body] : [])),
    ),
    words: bytesOf(
      '\r\n',
      'a=',
      'm=audio 1 RTP/AVP 0\r\n',
      'c=IN IP4 1.2.3.4\r\n',
      'a=crypto:1 ',
      'a=rtpmap:',
      '1e9',
      '-1',
      '65536',
      '__proto__',
    ),
    run(input) {
      const text = Buffer.from(input).toString('utf8');
      for (const srtp of ['off', 'optional'] as const) {
        const offer = readOffer(text);
        const agreed = negotiate(offer, { codecs: [opus, pcmu, pcma], srtp, direction: 'sendrecv' });
        if (srtp === 'off') readDescription(writeAnswer(offer, agreed, { ...local, sessionId: 1 }));
      }
    },
  },
];
