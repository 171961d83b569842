import { expect, test } from 'vitest';
import { writeAnswer } from '../../../protocol/sdp/answer.ts';
import { negotiate } from '../../../protocol/sdp/negotiate.ts';
import { readAnswer, writeOffer } from '../../../protocol/sdp/offer.ts';
import { readOffer } from '../../../protocol/sdp/session-description.ts';

const pcmu = { name: 'pcmu', encodingName: 'PCMU', rtpClockRateHz: 8000, channels: 1, payloadTypeStatic: 0 };
const opus = {
  name: 'opus',
  encodingName: 'opus',
  rtpClockRateHz: 48000,
  channels: 2,
  payloadTypeStatic: undefined,
  fmtp: 'minptime=10;useinbandfec=1',
};
const local = { address: '192.0.2.1', port: 20000, rtcpPort: 20001, sessionId: '1', sessionVersion: 1 };
test('an offer of ours, answered by us, leaves both sides alike', () => {
  const codecs = [opus, pcmu];
  const offer = { codecs, ...local };
  const text = writeOffer(offer);
  const remote = readOffer(text);
  const n = negotiate(remote, { codecs });
  const answer = writeAnswer(remote, n, local);
  expect(readAnswer(answer, offer)).toEqual(n);
});
