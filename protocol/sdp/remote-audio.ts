import type { MediaDescription, SessionDescription } from 'sdp-transform';
import { broken, clip, isUnspecified, readAddress, readInteger } from './sdp-fields.ts';

/** One audio line of a remote description, checked. */

export type MediaDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** `address` is an IPv4 or IPv6 literal, never a host name. */
export interface SdpAddress {
  readonly address: string;
  readonly port: number;
}

/** An RTP payload type of an audio line: from its rtpmap, or from RFC 3551 where it has none. */
export interface RemoteFormat {
  readonly payloadType: number;
  readonly encodingName: string;
  readonly rtpClockRateHz: number;
  readonly channels: number;
  readonly fmtp: string | undefined;
}

export interface RemoteCrypto {
  readonly tag: number;
  readonly suite: string;
  readonly keyParameters: string;
  /** Separated by commas. */
  readonly sessionParameters: string | undefined;
}

/** An audio line that is not refused (port not 0) and speaks RTP. */
export interface RemoteAudio {
  /** Place among `RemoteMedia.lines`. */
  readonly index: number;
  /** `RTP/AVP`, `RTP/AVPF`, `RTP/SAVP`, `RTP/SAVPF`, or something in front of these (`UDP/TLS/…`). */
  readonly protocol: string;
  readonly rtp: SdpAddress;
  /** Where RTCP goes unless multiplexing is agreed: a=rtcp (RFC 3605), or the next port. */
  readonly rtcp: SdpAddress;
  readonly rtcpMux: boolean;
  /** In the peer's order. Payload types without a usable rtpmap are left out. */
  readonly formats: readonly RemoteFormat[];
  readonly ptimeMs: number | undefined;
  readonly ptimeMsMax: number | undefined;
  /** As the peer sees it. An address of 0.0.0.0 or :: counts as a peer that does not receive (RFC 3264 §8.4). */
  readonly direction: MediaDirection;
  readonly crypto: readonly RemoteCrypto[];
  /** It wants RTCP extended reports with VoIP metrics (RFC 3611 §5.1). */
  readonly voipMetrics: boolean;
}

/** An m-line as written. */
export interface MediaLine {
  readonly type: string;
  readonly port: number;
  readonly protocol: string;
  /** At least one. */
  readonly formats: readonly string[];
}

/** Checks the m-line at `index` of what sdp-transform read. Throws `ProtocolError` with status 400 or 488. */
export function readAudio(session: SessionDescription, index: number, line: MediaLine): RemoteAudio {
  const media = session.media[index]!;
  const connection = media.connection ?? session.connection;
  if (connection === undefined)
    throw broken('missing-connection', 'a c= line for the session or the audio expected, got none');
  const address = readAddress(String(connection.ip), connection.version);
  const rtp = { address, port: line.port };
  return {
    index,
    protocol: line.protocol,
    rtp,
    rtcp: readRtcp(media, rtp),
    rtcpMux: media.rtcpMux !== undefined,
    formats: readFormats(media, line.formats),
    ptimeMs: readPtime('ptime', media.ptime),
    ptimeMsMax: readPtime('maxptime', media.maxptime),
    direction: readDirection(media.direction ?? session.direction, address),
    crypto: readCrypto(media),
    voipMetrics: [...(media.invalid ?? []), ...(session.invalid ?? [])].some(({ value }) =>
      /^rtcp-xr:(?:.* )?voip-metrics(?: |$)/.test(value),
    ),
  };
}

function readCrypto(media: MediaDescription): RemoteCrypto[] {
  const lines: RemoteCrypto[] = [];
  for (const { id, suite, config, sessionConfig } of media.crypto ?? []) {
    const tag = readInteger(String(id), 0, 9_999_999);
    if (tag === undefined || lines.length === cryptoLinesMax) continue;
    lines.push({
      tag,
      suite: String(suite),
      keyParameters: String(config),
      sessionParameters: sessionConfig === undefined ? undefined : String(sessionConfig),
    });
  }
  return lines;
}

function readRtcp(media: MediaDescription, rtp: SdpAddress): SdpAddress {
  if (media.rtcp === undefined) {
    // Port 65535 has no next one; RTCP sent to the RTP port is told apart there (RFC 5761), or dropped.
    return { address: rtp.address, port: Math.min(rtp.port + 1, 65_535) };
  }
  const port = readInteger(String(media.rtcp.port), 1, 65_535);
  if (port === undefined) throw broken('bad-port', `a=rtcp port of 1-65535 expected, got ${media.rtcp.port}`);
  const { address, ipVer } = media.rtcp;
  return { address: address === undefined ? rtp.address : readAddress(String(address), ipVer), port };
}

function readDirection(direction: MediaDirection = 'sendrecv', address: string): MediaDirection {
  if (!isUnspecified(address)) return direction;
  return direction === 'sendrecv' || direction === 'sendonly' ? 'sendonly' : 'inactive';
}

/** The grammar allows fractions (`ptime:2.5`); they are rounded up, as RFC 7587 §6.1 does. */
function readPtime(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const ptimeMs = /^\d{1,4}(?:\.\d{1,6})?$/.test(String(value)) ? Math.ceil(Number(value)) : 0;
  if (ptimeMs < 1 || ptimeMs > 1000)
    throw broken('bad-ptime', `${name} must be 1-1000 ms, got ${clip(String(value))}`);
  return ptimeMs;
}

const cryptoLinesMax = 16;

/** RFC 3551 §6: audio payload types that mean something without an rtpmap. */
const staticFormats: Readonly<Record<number, readonly [string, number, number]>> = {
  0: ['PCMU', 8000, 1],
  3: ['GSM', 8000, 1],
  4: ['G723', 8000, 1],
  5: ['DVI4', 8000, 1],
  6: ['DVI4', 16000, 1],
  7: ['LPC', 8000, 1],
  8: ['PCMA', 8000, 1],
  9: ['G722', 8000, 1],
  10: ['L16', 44100, 2],
  11: ['L16', 44100, 1],
  12: ['QCELP', 8000, 1],
  13: ['CN', 8000, 1],
  14: ['MPA', 90000, 1],
  15: ['G728', 8000, 1],
  16: ['DVI4', 11025, 1],
  17: ['DVI4', 22050, 1],
  18: ['G729', 8000, 1],
};

function readFormats(media: MediaDescription, formats: readonly string[]): RemoteFormat[] {
  const maps = new Map<number, MediaDescription['rtp'][number]>();
  for (const map of media.rtp) if (!maps.has(map.payload)) maps.set(map.payload, map);
  const parameters = new Map<number, string>();
  for (const line of media.fmtp) if (!parameters.has(line.payload)) parameters.set(line.payload, line.config);
  const read = new Map<number, RemoteFormat>();
  for (const text of formats) {
    const payloadType = readInteger(text, 0, 127);
    if (payloadType === undefined)
      throw broken('bad-payload-type', `payload type of 0-127 expected, got "${clip(text)}"`);
    if (read.has(payloadType)) continue;
    const known = readRtpmap(maps.get(payloadType)) ?? staticFormats[payloadType];
    if (known === undefined) continue;
    const [encodingName, rtpClockRateHz, channels] = known;
    const fmtp = parameters.get(payloadType);
    read.set(payloadType, {
      payloadType,
      encodingName,
      rtpClockRateHz,
      channels,
      fmtp: fmtp === undefined ? undefined : String(fmtp),
    });
  }
  return [...read.values()];
}

function readRtpmap(
  map: MediaDescription['rtp'][number] | undefined,
): readonly [string, number, number] | undefined {
  if (map === undefined) return undefined;
  const encodingName = String(map.codec);
  const rtpClockRateHz = readInteger(String(map.rate ?? ''), 1, 1_000_000);
  const channels = readInteger(String(map.encoding ?? '1'), 1, 255);
  if (encodingName === '' || rtpClockRateHz === undefined || channels === undefined) return undefined;
  return [encodingName, rtpClockRateHz, channels];
}
