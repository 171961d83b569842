import { expect, test } from 'vitest';
import { writeAnswer } from '../../../protocol/sdp/answer.ts';
import { negotiate } from '../../../protocol/sdp/negotiate.ts';
import { readOffer } from '../../../protocol/sdp/session-description.ts';
import { local, offerOf, opus, pcma, pcmu } from './sdp-samples.ts';

function answer(text: string, ours: Partial<typeof local> = {}): string[] {
  const offer = readOffer(text);
  return writeAnswer(offer, negotiate(offer, { codecs: [opus, pcmu, pcma] }), { ...local, ...ours }).split(
    '\r\n',
  );
}

test('one codec, telephone-event, ptime and direction', () => {
  expect(
    answer(
      offerOf({
        lines: ['a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-16', 'a=ptime:30', 'a=sendonly'],
      }),
    ),
  ).toEqual([
    'v=0',
    'o=callwire 4711 1 IN IP4 192.0.2.1',
    's=-',
    'c=IN IP4 192.0.2.1',
    't=0 0',
    'm=audio 20000 RTP/AVP 0 101',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:30',
    'a=recvonly',
    '',
  ]);
});

test('telephone-event beside Opus at the clock rate that was offered', () => {
  const lines = ['a=rtpmap:96 opus/48000/2', 'a=rtpmap:101 telephone-event/8000'];
  expect(answer(offerOf({ media: 'm=audio 5000 RTP/AVP 96 101', lines }))).toContain(
    'a=rtpmap:101 telephone-event/8000',
  );
});

test('every m-line in its place, all but one refused as it was written', () => {
  const text = offerOf({
    media: [
      'm=video 51372 RTP/AVP 31 32',
      'm=audio 5000 RTP/SAVP 0',
      'm=audio 6000 RTP/AVPF 8',
      'm=audio 7000 RTP/AVP 0',
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      'm=image 0 udptl t38',
      'm=x-new/+ 5 a.b-c 0',
    ].join('\r\n'),
    lines: [],
  });
  // A type with a slash is outside the grammar's letters, and comes back as it was all the same.
  expect(answer(text).filter((line) => line.startsWith('m='))).toEqual([
    'm=video 0 RTP/AVP 31 32',
    'm=audio 0 RTP/SAVP 0',
    'm=audio 20000 RTP/AVPF 8',
    'm=audio 0 RTP/AVP 0',
    'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
    'm=image 0 udptl t38',
    'm=x-new/+ 0 a.b-c 0',
  ]);
});

test('the offerer’s number of a dynamic payload type, and our own parameters', () => {
  const lines = answer(
    offerOf({
      media: 'm=audio 5000 RTP/AVP 107',
      lines: ['a=rtpmap:107 opus/48000/2', 'a=fmtp:107 stereo=1'],
    }),
  );
  expect(lines).toContain('a=rtpmap:107 opus/48000/2');
  expect(lines).toContain('a=fmtp:107 minptime=10;useinbandfec=1');
});

test('RTCP: multiplexed where offered, named where it is not the next port', () => {
  expect(answer(offerOf({ lines: ['a=rtcp-mux'] }))).toContain('a=rtcp-mux');
  expect(answer(offerOf({}), { rtcpPort: 20_003 })).toContain('a=rtcp:20003');
  expect(answer(offerOf({})).filter((line) => line.startsWith('a=rtcp'))).toEqual([]);
});

test('over IPv6', () => {
  const lines = answer(offerOf({ session: ['c=IN IP6 2001:db8::7'] }), { address: '2001:db8::1' });
  expect(lines).toContain('c=IN IP6 2001:db8::1');
  expect(lines).toContain('o=callwire 4711 1 IN IP6 2001:db8::1');
});
