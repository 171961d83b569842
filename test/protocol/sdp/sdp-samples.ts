import type { SdpCodec } from '../../../protocol/sdp/negotiate.ts';

export const pcmu: SdpCodec = {
  name: 'pcmu',
  encodingName: 'PCMU',
  rtpClockRateHz: 8000,
  channels: 1,
  payloadTypeStatic: 0,
};
export const pcma: SdpCodec = { ...pcmu, name: 'pcma', encodingName: 'PCMA', payloadTypeStatic: 8 };
export const g722: SdpCodec = { ...pcmu, name: 'g722', encodingName: 'G722', payloadTypeStatic: 9 };
export const opus: SdpCodec = {
  name: 'opus',
  encodingName: 'opus',
  rtpClockRateHz: 48_000,
  channels: 2,
  payloadTypeStatic: undefined,
  fmtp: 'minptime=10;useinbandfec=1',
};

export const local = {
  address: '192.0.2.1',
  port: 20_000,
  rtcpPort: 20_001,
  sessionId: '4711',
  sessionVersion: 1,
};

/** A description of one audio line; `lines` come after it, `session` before it. */
export function offerOf({
  media = 'm=audio 49170 RTP/AVP 0 8 101',
  lines = ['a=rtpmap:101 telephone-event/8000'],
  session = ['c=IN IP4 192.0.2.7'],
}: {
  readonly media?: string;
  readonly lines?: readonly string[];
  readonly session?: readonly string[];
} = {}): string {
  const start = ['v=0', 'o=- 2890844526 2890842807 IN IP4 192.0.2.7', 's=-', ...session, 't=0 0'];
  return [...start, media, ...lines, ''].join('\r\n');
}
