import { describe, expect, test } from 'vitest';
import type { SdpCodec } from '../../../protocol/sdp/negotiate.ts';
import { negotiate } from '../../../protocol/sdp/negotiate.ts';
import { readAnswer, writeOffer } from '../../../protocol/sdp/offer.ts';
import { assignPayloadTypes, continueSession } from '../../../protocol/sdp/payload-types.ts';
import { readDescription, readOffer } from '../../../protocol/sdp/session-description.ts';

const pcmu: SdpCodec = {
  name: 'pcmu',
  encodingName: 'PCMU',
  rtpClockRateHz: 8000,
  channels: 1,
  payloadTypeStatic: 0,
};
const opus: SdpCodec = {
  name: 'opus',
  encodingName: 'opus',
  rtpClockRateHz: 48_000,
  channels: 2,
  payloadTypeStatic: undefined,
};
const local = { address: '192.0.2.1', port: 4000, rtcpPort: 4001, sessionId: 1, sessionVersion: 2 };

/** A phone whose numbers are not ours: 111, our opus, is its telephone-event. */
const peerOffer = [
  'v=0',
  'o=- 1 1 IN IP4 192.0.2.9',
  's=-',
  'c=IN IP4 192.0.2.9',
  't=0 0',
  'm=video 5004 RTP/AVP 99',
  'a=rtpmap:99 H264/90000',
  'm=audio 5000 RTP/AVPF 96 0 111',
  'a=rtpmap:96 opus/48000/2',
  'a=rtpmap:111 telephone-event/8000',
  'm=application 5006 UDP/BFCP *',
  '',
].join('\r\n');

describe('our offer in a session that the peer began', () => {
  const remote = readOffer(peerOffer);
  const continues = continueSession(remote, negotiate(remote, { codecs: [opus, pcmu] }));
  const text = writeOffer({ ...local, codecs: [opus, pcmu], continues });

  test('has its m-lines in its order, the others refused, and its profile', () => {
    expect(text.match(/^m=.*$/gm)).toEqual([
      'm=video 0 RTP/AVP 99',
      'm=audio 4000 RTP/AVPF 96 0 110 111',
      'm=application 0 UDP/BFCP *',
    ]);
  });

  test('has its numbers, and no number twice', () => {
    expect(text.match(/^a=rtpmap:.*$/gm)).toEqual([
      'a=rtpmap:96 opus/48000/2',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:110 telephone-event/48000',
      'a=rtpmap:111 telephone-event/8000',
    ]);
  });

  test('is answered on the same line', () => {
    const answer = peerOffer
      .replace('m=video 5004', 'm=video 0')
      .replace('RTP/AVPF 96 0 111', 'RTP/AVPF 0 111')
      .replace('m=application 5006', 'm=application 0');
    expect(readAnswer(answer, { ...local, codecs: [opus, pcmu], continues })).toMatchObject({
      codec: pcmu,
      lineIndex: 1,
      payloadTypeReceive: 0,
      dtmfPayloadTypeReceive: 111,
    });
  });
});

test('numbers of earlier offers stay taken when the peer moves its own', () => {
  const before = continueSession(readDescription(peerOffer), { lineIndex: 1 });
  const moved = readDescription(peerOffer.replace('96 0 111', '98 0 111').replace(':96 opus', ':98 opus'));
  const { codecs } = assignPayloadTypes([opus], continueSession(moved, { lineIndex: 1 }, before));
  expect(codecs.get(opus)).toBe(96);
});

test('every codec gets a number where all the usual ones are taken', () => {
  const payloadTypes = new Map<string, number>(
    Array.from({ length: 16 }, (_, i) => [`x/${i}/1`, 112 + i] as const),
  );
  payloadTypes.set('y/1/1', 111);
  const { codecs, dtmf } = assignPayloadTypes([opus], { lines: [], lineIndex: 0, payloadTypes });
  expect([codecs.get(opus), dtmf.get(48_000)]).toEqual([98, 110]);
});
