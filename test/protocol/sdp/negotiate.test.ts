import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { type Negotiated, negotiate, warningValue } from '../../../protocol/sdp/negotiate.ts';
import { readOffer } from '../../../protocol/sdp/session-description.ts';
import { g722, offerOf, opus, pcma, pcmu } from './sdp-samples.ts';

const codecs = [opus, g722, pcmu, pcma];

function settle(
  offer: Parameters<typeof offerOf>[0],
  local: { ptimeMs?: number; direction?: 'sendonly' | 'inactive' } = {},
): Negotiated {
  return negotiate(readOffer(offerOf(offer)), { codecs, ...local });
}

test('gives everything an RTP session needs', () => {
  expect(settle({})).toEqual({
    codec: pcmu,
    remote: { address: '192.0.2.7', port: 49_170 },
    remoteRtcp: { address: '192.0.2.7', port: 49_171 },
    payloadTypeSend: 0,
    payloadTypeReceive: 0,
    dtmfPayloadTypeSend: 101,
    dtmfPayloadTypeReceive: 101,
    ptimeMs: 20,
    direction: 'sendrecv',
    rtcpMux: false,
    lineIndex: 0,
    comfortNoisePayloadType: 13,
    voipMetrics: false,
    remoteKey: undefined,
  });
});

describe('codec', () => {
  test.each([
    {
      name: 'the first of the offerer’s list, not of ours',
      formats: '18 8 0 9',
      lines: [],
      codec: 'pcma',
      type: 8,
    },
    {
      name: 'a dynamic number',
      formats: '97 0',
      lines: ['a=rtpmap:97 OPUS/48000/2'],
      codec: 'opus',
      type: 97,
    },
    { name: 'names in any case', formats: '96', lines: ['a=rtpmap:96 pcMu/8000/1'], codec: 'pcmu', type: 96 },
    {
      name: 'another clock rate is another codec',
      formats: '96 8',
      lines: ['a=rtpmap:96 PCMU/16000'],
      codec: 'pcma',
      type: 8,
    },
    {
      name: 'other channels are another codec',
      formats: '96 8',
      lines: ['a=rtpmap:96 opus/48000'],
      codec: 'pcma',
      type: 8,
    },
  ])('$name', ({ formats, lines, codec, type }) => {
    const settled = settle({ media: `m=audio 5000 RTP/AVP ${formats}`, lines });
    expect([settled.codec.name, settled.payloadTypeSend, settled.payloadTypeReceive]).toEqual([
      codec,
      type,
      type,
    ]);
  });

  test('telephone-event of the codec’s clock rate', () => {
    const lines = [
      'a=rtpmap:111 opus/48000/2',
      'a=rtpmap:101 telephone-event/8000',
      'a=rtpmap:102 telephone-event/48000',
    ];
    expect(settle({ media: 'm=audio 5000 RTP/AVP 111 0 101 102', lines }).dtmfPayloadTypeSend).toBe(102);
    expect(settle({ media: 'm=audio 5000 RTP/AVP 0 111 101 102', lines }).dtmfPayloadTypeSend).toBe(101);
    expect(settle({ media: 'm=audio 5000 RTP/AVP 111 0 101 102', lines }).dtmfClockRateHz).toBeUndefined();
  });

  test('telephone-event at 8 kHz beside Opus, of phones that know no other', () => {
    const lines = ['a=rtpmap:111 opus/48000/2', 'a=rtpmap:101 telephone-event/8000'];
    expect(settle({ media: 'm=audio 5000 RTP/AVP 111 101', lines })).toMatchObject({
      dtmfPayloadTypeSend: 101,
      dtmfPayloadTypeReceive: 101,
      dtmfClockRateHz: 8_000,
    });
  });

  test('no telephone-event of a clock rate that is neither', () => {
    const lines = ['a=rtpmap:111 opus/48000/2', 'a=rtpmap:101 telephone-event/16000'];
    expect(settle({ media: 'm=audio 5000 RTP/AVP 111 101', lines }).dtmfPayloadTypeSend).toBeUndefined();
  });

  test('the second audio line where the first cannot be served', () => {
    const media = 'm=audio 5000 RTP/SAVP 0\r\nm=audio 6000 RTP/AVP 18\r\nm=audio 7000 RTP/AVPF 8';
    expect(settle({ media, lines: [] })).toMatchObject({ lineIndex: 2, codec: pcma, remote: { port: 7000 } });
  });
});

test.each([
  { asked: [], ours: undefined, ptimeMs: 20 },
  { asked: [], ours: 40, ptimeMs: 40 },
  { asked: ['a=ptime:30'], ours: undefined, ptimeMs: 30 },
  { asked: ['a=ptime:10'], ours: 40, ptimeMs: 10 },
  { asked: ['a=ptime:5'], ours: undefined, ptimeMs: 10 },
  { asked: ['a=ptime:2.5'], ours: undefined, ptimeMs: 10 },
  { asked: ['a=ptime:25'], ours: undefined, ptimeMs: 20 },
  { asked: ['a=ptime:200'], ours: undefined, ptimeMs: 60 },
  { asked: ['a=ptime:40', 'a=maxptime:30'], ours: undefined, ptimeMs: 30 },
  { asked: ['a=maxptime:10'], ours: undefined, ptimeMs: 10 },
])('ptime $ptimeMs where $asked is asked and $ours ours', ({ asked, ours, ptimeMs }) => {
  expect(settle({ lines: asked }, ours === undefined ? {} : { ptimeMs: ours }).ptimeMs).toBe(ptimeMs);
});

test('Opus has no frame of 30 ms', () => {
  const lines = ['a=rtpmap:96 opus/48000/2', 'a=ptime:30'];
  expect(settle({ media: 'm=audio 5000 RTP/AVP 96', lines }).ptimeMs).toBe(20);
});

test.each([
  { theirs: 'sendrecv', ours: 'sendrecv' },
  { theirs: 'sendonly', ours: 'recvonly' },
  { theirs: 'recvonly', ours: 'sendonly' },
  { theirs: 'inactive', ours: 'inactive' },
  { theirs: 'sendrecv', wish: 'sendonly' as const, ours: 'sendonly' },
  { theirs: 'sendonly', wish: 'sendonly' as const, ours: 'inactive' },
  { theirs: 'sendrecv', wish: 'inactive' as const, ours: 'inactive' },
])('they $theirs, we wish $wish: we $ours', ({ theirs, wish, ours }) => {
  expect(settle({ lines: [`a=${theirs}`] }, wish === undefined ? {} : { direction: wish }).direction).toBe(
    ours,
  );
});

describe('rtcp-mux', () => {
  test('puts RTCP on the RTP port, whatever a=rtcp says', () => {
    expect(settle({ lines: ['a=rtcp-mux', 'a=rtcp:9'] })).toMatchObject({
      rtcpMux: true,
      remoteRtcp: { port: 49_170 },
    });
  });

  test('not with payload types that look like RTCP', () => {
    const lines = ['a=rtpmap:72 PCMU/8000', 'a=rtcp-mux'];
    expect(settle({ media: 'm=audio 49170 RTP/AVP 72', lines })).toMatchObject({
      rtcpMux: false,
      remoteRtcp: { port: 49_171 },
    });
  });
});

describe('refusals carry what a Warning header needs', () => {
  test.each([
    {
      name: 'no common codec',
      offer: { media: 'm=audio 5000 RTP/AVP 18 3', lines: [] },
      warning:
        '305 gw "one of opus/48000/2, G722/8000, PCMU/8000, PCMA/8000 expected, got G729/8000, GSM/8000"',
    },
    {
      name: 'no codec known at all',
      offer: { media: 'm=audio 5000 RTP/AVP 96', lines: [] },
      warning: '305 gw "one of opus/48000/2, G722/8000, PCMU/8000, PCMA/8000 expected, got none known"',
    },
    {
      name: 'SRTP alone',
      offer: { media: 'm=audio 5000 RTP/SAVP 0' },
      warning: '302 gw "RTP/AVP or RTP/AVPF expected, got RTP/SAVP"',
    },
    {
      name: 'video alone',
      offer: { media: 'm=video 5000 RTP/AVP 31' },
      warning: '304 gw "an audio line over RTP expected, got video 5000 RTP/AVP"',
    },
    {
      name: 'a host name',
      offer: { session: ['c=IN IP4 phone.example'] },
      warning:
        '301 gw "an IP address expected (host names and multicast are not served), got \'phone.example\'"',
    },
  ])('$name', ({ offer, warning }) => {
    let refusal: unknown;
    try {
      settle(offer);
    } catch (error) {
      refusal = error;
    }
    if (!(refusal instanceof ProtocolError)) throw new Error('a ProtocolError expected');
    expect(refusal.status).toBe(488);
    expect(warningValue(refusal, 'gw')).toBe(warning);
  });

  test('and nothing that could end the header', () => {
    expect(warningValue(new ProtocolError('x', 'a"b\\c\r\nd\u0000é'), 'gw')).toBe('399 gw "a\'b\'c??d??"');
  });
});

test.each([
  { media: 'm=audio 5000 RTP/AVP 0 13', lines: [], type: 13 },
  { media: 'm=audio 5000 RTP/AVP 0', lines: [], type: 13 },
  { media: 'm=audio 5000 RTP/AVP 0 105', lines: ['a=rtpmap:105 cn/8000'], type: 105 },
  { media: 'm=audio 5000 RTP/AVP 0 105', lines: ['a=rtpmap:105 CN/16000'], type: 13 },
  { media: 'm=audio 5000 RTP/AVP 0 13', lines: ['a=rtpmap:13 other/8000'], type: undefined },
  { media: 'm=audio 5000 RTP/AVP 96', lines: ['a=rtpmap:96 opus/48000/2'], type: undefined },
])('comfort noise is $type of $media with $lines', ({ media, lines, type }) => {
  expect(settle({ media, lines }).comfortNoisePayloadType).toBe(type);
});

test.each([
  { lines: [], wanted: false },
  { lines: ['a=rtcp-xr:voip-metrics'], wanted: true },
  { lines: ['a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,jitt voip-metrics'], wanted: true },
  { lines: ['a=rtcp-xr:pkt-loss-rle'], wanted: false },
  { lines: ['a=rtcp-xr:no-voip-metrics'], wanted: false },
])('VoIP metrics wanted with $lines: $wanted', ({ lines, wanted }) => {
  expect(settle({ lines }).voipMetrics).toBe(wanted);
});

test('VoIP metrics are wanted of every line where the session asks for them', () => {
  expect(settle({ session: ['c=IN IP4 192.0.2.7', 'a=rtcp-xr:voip-metrics'] }).voipMetrics).toBe(true);
});
