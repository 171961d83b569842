import { type MediaAttributes, type MediaDescription, write } from 'sdp-transform';
import { type LocalCrypto, writeCryptoLine } from './crypto.ts';
import type { MediaDirection, MediaLine } from './remote-audio.ts';

/** Writing of session descriptions, ours of either kind. */

/** What an offer and an answer say about us besides codecs. */
export interface LocalMedia {
  /** Address literal that the peer can reach. */
  readonly address: string;
  readonly port: number;
  /** `port` where RTCP is multiplexed. */
  readonly rtcpPort: number;
  /** Decimal digits; the same for the life of a dialog. */
  readonly sessionId: string | number;
  /** One more whenever the description changes (RFC 3264 §8). */
  readonly sessionVersion: number;
  /** Of the o-line. Default `callwire`. */
  readonly username?: string;
}

export interface LocalFormat {
  readonly payloadType: number;
  readonly encodingName: string;
  readonly rtpClockRateHz: number;
  readonly channels: number;
  readonly fmtp: string | undefined;
}

export interface LocalAudio {
  /** `RTP/AVP` or what the offer said. */
  readonly protocol: string;
  readonly formats: readonly LocalFormat[];
  readonly ptimeMs: number;
  readonly direction: MediaDirection;
  readonly rtcpMux: boolean;
  /** a=rtcp-xr, which asks for VoIP metrics. */
  readonly voipMetrics: boolean;
  /** Keys of ours, in an answer only that of the tag chosen. */
  readonly crypto: readonly LocalCrypto[];
}

/** RFC 4733 §2.4.1: digits, star, pound and A–D. */
export function dtmfFormat(payloadType: number, rtpClockRateHz: number): LocalFormat {
  return { payloadType, encodingName: 'telephone-event', rtpClockRateHz, channels: 1, fmtp: '0-15' };
}

/** `lines` in the order of the offer: our audio, and the lines to refuse with port 0. */
export function writeDescription(local: LocalMedia, lines: readonly (LocalAudio | MediaLine)[]): string {
  const ipVer = local.address.includes(':') ? 6 : 4;
  return write({
    version: 0,
    origin: {
      username: local.username ?? 'callwire',
      sessionId: local.sessionId,
      sessionVersion: local.sessionVersion,
      netType: 'IN',
      ipVer,
      address: local.address,
    },
    name: '-',
    connection: { version: ipVer, ip: local.address },
    timing: { start: 0, stop: 0 },
    media: lines.map((line) => ('direction' in line ? audioLine(local, line) : refusedLine(line))),
  });
}

function refusedLine(line: MediaLine): MediaDescription {
  return {
    type: line.type,
    port: 0,
    protocol: line.protocol,
    payloads: line.formats.join(' '),
    rtp: [],
    fmtp: [],
  };
}

function audioLine(local: LocalMedia, audio: LocalAudio): MediaDescription {
  const { formats, rtcpMux } = audio;
  const line: MediaDescription & MediaAttributes = {
    type: 'audio',
    port: local.port,
    protocol: audio.protocol,
    payloads: formats.map((format) => format.payloadType).join(' '),
    rtp: formats.map((format) => ({
      payload: format.payloadType,
      codec: format.encodingName,
      rate: format.rtpClockRateHz,
      ...(format.channels === 1 ? {} : { encoding: format.channels }),
    })),
    fmtp: formats.flatMap(({ payloadType, fmtp }) =>
      fmtp === undefined ? [] : [{ payload: payloadType, config: fmtp }],
    ),
    ptime: audio.ptimeMs,
    direction: audio.direction,
  };
  // It knows no attribute of that name, and writes such as they are.
  if (audio.voipMetrics) line.invalid = [{ value: 'rtcp-xr:voip-metrics' }];
  if (audio.crypto.length > 0) line.crypto = audio.crypto.map(writeCryptoLine);
  if (rtcpMux) line.rtcpMux = 'rtcp-mux';
  else if (local.rtcpPort !== local.port + 1) line.rtcp = { port: local.rtcpPort };
  return line;
}
