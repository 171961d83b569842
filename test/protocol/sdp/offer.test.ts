import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { writeAnswer } from '../../../protocol/sdp/answer.ts';
import { negotiate } from '../../../protocol/sdp/negotiate.ts';
import { readAnswer, writeOffer } from '../../../protocol/sdp/offer.ts';
import { readOffer } from '../../../protocol/sdp/session-description.ts';
import { g722, local, offerOf, opus, pcma, pcmu } from './sdp-samples.ts';

const offer = { ...local, codecs: [opus, pcmu, pcma] };

test('our offer, line by line', () => {
  expect(writeOffer({ ...offer, username: 'gw', direction: 'sendonly', ptimeMs: 40, rtcpPort: 30_000 })).toBe(
    [
      'v=0',
      'o=gw 4711 1 IN IP4 192.0.2.1',
      's=-',
      'c=IN IP4 192.0.2.1',
      't=0 0',
      'm=audio 20000 RTP/AVP 111 0 8 110 101',
      'a=rtpmap:111 opus/48000/2',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:110 telephone-event/48000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:111 minptime=10;useinbandfec=1',
      'a=fmtp:110 0-15',
      'a=fmtp:101 0-15',
      'a=rtcp:30000',
      'a=ptime:40',
      'a=sendonly',
      '',
    ].join('\r\n'),
  );
});

test('over IPv6, with RTCP multiplexed', () => {
  const text = writeOffer({ ...offer, address: '2001:db8::1', rtcpPort: 20_000, rtcpMux: true });
  expect(text).toContain('c=IN IP6 2001:db8::1\r\n');
  expect(text).toContain('a=rtcp-mux\r\n');
  expect(text).not.toContain('a=rtcp:');
});

test('a codec keeps its number whatever is offered beside it', () => {
  const numberOf = (codecs: (typeof opus)[], name: string) =>
    new RegExp(`rtpmap:(\\d+) ${name}/`).exec(writeOffer({ ...offer, codecs }))?.[1];
  for (const codecs of [[opus], [pcmu, opus], [pcma, g722, opus]])
    expect(numberOf(codecs, 'opus')).toBe('111');
  expect(numberOf([{ ...opus, encodingName: 'new' }, opus], 'new')).toBe('112');
});

describe('the answer to it', () => {
  const answerOf = (media: string, lines: string[] = []) => offerOf({ media, lines });

  test.each([
    {
      name: 'one codec',
      media: 'm=audio 5000 RTP/AVP 8 101',
      lines: ['a=rtpmap:101 telephone-event/8000'],
      settled: {
        codec: pcma,
        payloadTypeSend: 8,
        payloadTypeReceive: 8,
        dtmfPayloadTypeSend: 101,
        dtmfPayloadTypeReceive: 101,
      },
    },
    {
      name: 'telephone-event at 8 kHz beside Opus, both of which we offered',
      media: 'm=audio 5000 RTP/AVP 111 101',
      lines: ['a=rtpmap:111 opus/48000/2', 'a=rtpmap:101 telephone-event/8000'],
      settled: { codec: opus, dtmfPayloadTypeSend: 101, dtmfPayloadTypeReceive: 101 },
    },
    {
      name: 'several: the first that we offered',
      media: 'm=audio 5000 RTP/AVP 9 8 0',
      settled: { codec: pcma, dtmfPayloadTypeSend: undefined, dtmfPayloadTypeReceive: undefined },
    },
    {
      name: 'other numbers than ours',
      media: 'm=audio 5000 RTP/AVP 99 98',
      lines: ['a=rtpmap:99 opus/48000/2', 'a=rtpmap:98 telephone-event/48000'],
      settled: {
        codec: opus,
        payloadTypeSend: 99,
        payloadTypeReceive: 111,
        dtmfPayloadTypeSend: 98,
        dtmfPayloadTypeReceive: 110,
      },
    },
    {
      name: 'on hold',
      media: 'm=audio 5000 RTP/AVP 0',
      lines: ['a=sendonly'],
      settled: { direction: 'recvonly' },
    },
    {
      name: 'a multiplexing that we did not offer',
      media: 'm=audio 5000 RTP/AVP 0',
      lines: ['a=rtcp-mux'],
      settled: { rtcpMux: false, remoteRtcp: { address: '192.0.2.7', port: 5001 } },
    },
  ])('$name', ({ media, lines, settled }) => {
    expect(readAnswer(answerOf(media, lines), offer)).toMatchObject(settled);
  });

  test.each([
    { name: 'refused', text: answerOf('m=audio 0 RTP/AVP 0'), refusal: '488 no-audio' },
    {
      name: 'nothing that we offered',
      text: answerOf('m=audio 5000 RTP/AVP 9'),
      refusal: '488 no-common-codec',
    },
    { name: 'another profile', text: answerOf('m=audio 5000 RTP/SAVP 0'), refusal: '488 no-audio' },
    {
      name: 'audio in another place',
      text: answerOf('m=video 0 RTP/AVP 31\r\nm=audio 5000 RTP/AVP 0'),
      refusal: '488 no-audio',
    },
    { name: 'broken', text: 'v=0\r\nm=audio', refusal: '400 bad-port' },
  ])('$name', ({ text, refusal }) => {
    try {
      readAnswer(text, offer);
      throw new Error('a refusal expected');
    } catch (error) {
      expect(error instanceof ProtocolError && `${error.status} ${error.code}`).toBe(refusal);
    }
  });
});

test('whatever we offer and we answer, both sides agree', () => {
  const direction = fc.constantFrom('sendrecv', 'sendonly', 'recvonly', 'inactive');
  fc.assert(
    fc.property(
      fc.shuffledSubarray([opus, g722, pcmu, pcma], { minLength: 1 }),
      fc.shuffledSubarray([opus, g722, pcmu, pcma], { minLength: 1 }),
      fc.constantFrom(10, 20, 40, 60),
      fc.boolean(),
      direction,
      direction,
      (ours, theirs, ptimeMs, rtcpMux, wishA, wishB) => {
        const offered = { ...local, codecs: ours, ptimeMs, rtcpMux, direction: wishA };
        const remote = readOffer(writeOffer(offered));
        if (!ours.some((codec) => theirs.includes(codec))) {
          expect(() => negotiate(remote, { codecs: theirs })).toThrow(ProtocolError);
          return;
        }
        const b = negotiate(remote, { codecs: theirs, direction: wishB });
        const media = { ...local, address: '192.0.2.2', port: 30_000, rtcpPort: 30_007 };
        const a = readAnswer(writeAnswer(remote, b, media), offered);
        expect(a.codec).toBe(b.codec);
        expect(a.codec).toBe(ours.find((codec) => theirs.includes(codec)));
        expect([a.payloadTypeSend, a.dtmfPayloadTypeSend]).toEqual([
          b.payloadTypeReceive,
          b.dtmfPayloadTypeReceive,
        ]);
        expect([a.payloadTypeReceive, a.dtmfPayloadTypeReceive]).toEqual([
          b.payloadTypeSend,
          b.dtmfPayloadTypeSend,
        ]);
        expect([a.ptimeMs, a.rtcpMux]).toEqual([b.ptimeMs, b.rtcpMux]);
        expect([a.ptimeMs, a.rtcpMux]).toEqual([ptimeMs, rtcpMux]);
        expect(a.remoteRtcp.port).toBe(rtcpMux ? 30_000 : 30_007);
        const mirrored = {
          sendrecv: 'sendrecv',
          sendonly: 'recvonly',
          recvonly: 'sendonly',
          inactive: 'inactive',
        };
        expect(a.direction).toBe(mirrored[b.direction]);
      },
    ),
    { seed: 3264 },
  );
});
