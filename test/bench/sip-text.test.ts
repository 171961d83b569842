import { describe, expect, test } from 'vitest';
import {
  ackText,
  byeText,
  inviteText,
  offerSdp,
  readAnswerSdp,
  responseText,
  SipText,
} from '../../bench/sip-text.ts';

const dialog = {
  callId: 'bench-7-ab@127.0.0.1:40000',
  fromTag: 'ab7',
  user: 'bench-7',
  local: '127.0.0.1:40000',
  target: 'sip:echo@127.0.0.1:5060',
};

const media = { address: '127.0.0.1', port: 40_002, rtcpPort: 40_001, payloadType: 0, rtpmap: 'PCMU/8000' };

describe('messages', () => {
  test('an INVITE counts its body and names its call', () => {
    const sdp = offerSdp(media);
    const invite = SipText.parse(inviteText(dialog, 'x1', sdp))!;
    expect(invite).toMatchObject({ status: 0, method: 'INVITE', body: sdp });
    expect(invite.value('content-length')).toBe(String(sdp.length));
    expect(invite.value('x-bench-call')).toBe('bench-7');
    expect(sdp).toContain(
      'm=audio 40002 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:40001\r\n',
    );
  });

  test('requests inside the dialog follow the route set and the contact', () => {
    const answer = SipText.parse(
      'SIP/2.0 200 OK\r\nRecord-Route: <sip:b;lr>, <sip:a;lr>\r\nt: <sip:echo@h>;tag=9\r\nm: "Echo" <sip:echo@10.0.0.1:5080>;x=1\r\nCSeq: 1 INVITE\r\nCall-ID: c\r\n\r\n',
    )!;
    expect(answer).toMatchObject({ status: 200, method: 'INVITE' });
    const remote = answer.remoteFacts()!;
    expect(remote).toEqual({
      to: '<sip:echo@h>;tag=9',
      contact: 'sip:echo@10.0.0.1:5080',
      routes: ['<sip:a;lr>', '<sip:b;lr>'],
    });
    expect(ackText(dialog, remote, 'x2')).toMatch(
      /^ACK sip:echo@10.0.0.1:5080 SIP\/2.0\r\nRoute: <sip:a;lr>\r\nRoute: <sip:b;lr>\r\n/,
    );
    expect(byeText(dialog, remote, 'x3')).toContain('CSeq: 2 BYE\r\n');
  });

  test('a response copies what must be copied', () => {
    const bye = SipText.parse(
      'BYE sip:x SIP/2.0\r\nVia: a\r\nVia: b\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 5 BYE\r\n\r\n',
    )!;
    expect(responseText(bye, '200 OK')).toBe(
      'SIP/2.0 200 OK\r\nVia: a\r\nVia: b\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 5 BYE\r\nContent-Length: 0\r\n\r\n',
    );
  });

  test.each(['', 'hello\r\n\r\n', 'SIP/2.0 abc\r\n\r\n', 'INVITE sip:x SIP/2.0\r\n'])(
    '%j is no message',
    (text) => {
      expect(SipText.parse(text)).toBeUndefined();
    },
  );
});

test.each([
  ['v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n', { address: '10.0.0.1', port: 4000 }],
  ['v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::1\r\n', { address: '::1', port: 4000 }],
  ['v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n', undefined],
  ['v=0\r\nc=IN IP4 10.0.0.1\r\n', undefined],
  ['', undefined],
])('answer %j', (sdp, expected) => {
  expect(readAnswerSdp(sdp)).toEqual(expected);
});
