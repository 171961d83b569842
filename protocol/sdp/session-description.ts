import ipaddr from 'ipaddr.js';
import { type MediaDescription, parse, type SessionDescription } from 'sdp-transform';
import { ProtocolError } from '../protocol-error.ts';

/** A remote session description, checked. RFC 4566 (and its successor 8866), read for what RFC 3264 needs. */

export type MediaDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** `address` is an IPv4 or IPv6 literal, never a host name. */
export interface SdpAddress {
  readonly address: string;
  readonly port: number;
}

export interface SdpOrigin {
  readonly username: string;
  /** Decimal digits, up to 64 bits and more: not for arithmetic. */
  readonly sessionId: string;
  /** The same version as before means that nothing changed (RFC 3264 §8). */
  readonly sessionVersion: string;
  readonly address: string;
}

/** One m-line as written, kept for the answer. */
export interface MediaLine {
  readonly type: string;
  readonly port: number;
  readonly protocol: string;
  /** At least one. */
  readonly formats: readonly string[];
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
}

export interface RemoteMedia {
  readonly origin: SdpOrigin;
  readonly lines: readonly MediaLine[];
  /** Never empty. */
  readonly audio: readonly RemoteAudio[];
}

export const sdpBytesMax = 65_536;
const linesMax = 1000;
const mediaLinesMax = 64;
const formatsMax = 128;

/** Attributes that are handed on to sdp-transform. It tries some fifty expressions on each line that it does not
 *  know, so everything else is dropped first. */
const attributesRead =
  /^(?:(?:sendrecv|sendonly|recvonly|inactive|rtcp-mux)$|(?:rtpmap|fmtp|rtcp|ptime|maxptime|crypto):)/;

export function readOffer(text: string): RemoteMedia {
  return readDescription(text);
}

/** Reads an offer or an answer. Throws `ProtocolError` with status 400 for what breaks the grammar or a range, 488 for
 *  what is right and cannot be served (no audio, a host name, multicast). Lines may end in CRLF, LF or CR. */
export function readDescription(text: string): RemoteMedia {
  const { session, lines } = parseLines(text);
  const origin = readOrigin(session);
  const audio: RemoteAudio[] = [];
  let refusal: ProtocolError | undefined;
  for (const [index, line] of lines.entries()) {
    if (
      line.type.toLowerCase() !== 'audio' ||
      line.port === 0 ||
      !/(?:^|\/)RTP\/S?AVPF?$/i.test(line.protocol)
    )
      continue;
    try {
      audio.push(readAudio(session, index, line));
    } catch (error) {
      // One good line is enough; the bad ones are refused in the answer.
      if (!(error instanceof ProtocolError)) throw error;
      refusal ??= error;
    }
  }
  if (audio.length === 0) throw refusal ?? noAudio(lines);
  return { origin, lines, audio };
}

function noAudio(lines: readonly MediaLine[]): ProtocolError {
  const found = lines.map((line) => `${line.type} ${line.port} ${line.protocol}`).slice(0, 4);
  return new ProtocolError(
    'no-audio',
    `an audio line over RTP expected, got ${found.length === 0 ? 'no media line' : found.join(', ')}`,
    { status: 488 },
  );
}

function parseLines(text: string): { session: SessionDescription; lines: MediaLine[] } {
  if (text.length > sdpBytesMax)
    throw broken('sdp-too-long', `at most ${sdpBytesMax} characters expected, got ${text.length}`);
  const all = text.split(/\r\n|\r|\n/, linesMax + 1);
  if (all.length > linesMax) throw broken('too-many-lines', `at most ${linesMax} lines expected`);
  const kept: string[] = [];
  const lines: MediaLine[] = [];
  let versioned = false;
  for (const raw of all) {
    const line = raw.trimEnd();
    if (line === '') continue;
    if (line[1] !== '=') throw broken('bad-line', `<letter>=<value> expected, got "${clip(line)}"`);
    const content = line.slice(2);
    if (!versioned) {
      if (line !== 'v=0') throw broken('bad-version', `v=0 expected first, got "${clip(line)}"`);
      versioned = true;
    }
    if (line[0] === 'm') {
      if (lines.length === mediaLinesMax)
        throw broken('too-many-media', `at most ${mediaLinesMax} m-lines expected`);
      const media = readMediaLine(content);
      lines.push(media);
      kept.push(`m=audio ${media.port} RTP/AVP 0`);
    } else if (line[0] === 'c') {
      if (!/^IN IP[46] \S+$/.test(content))
        throw broken('bad-connection', `c=IN IP4|IP6 <address> expected, got "${clip(line)}"`);
      kept.push(line);
    } else if (line[0] === 'o' || (line[0] === 'a' && attributesRead.test(content))) {
      kept.push(line);
    }
  }
  if (!versioned) throw broken('bad-version', 'v=0 expected first, got nothing');
  return { session: parse(kept.join('\r\n')), lines };
}

function readMediaLine(content: string): MediaLine {
  const [type = '', portText = '', protocol = '', ...formats] = content.split(/[ \t]+/, formatsMax + 4);
  const shown = `"m=${clip(content)}"`;
  if (!/^[\w!#$%&'*+.^`{|}~-]+$/.test(type) || protocol === '' || formats.length === 0)
    throw broken('bad-media', `m=<media> <port> <protocol> <format>… expected, got ${shown}`);
  if (formats.length > formatsMax)
    throw broken('too-many-formats', `at most ${formatsMax} formats on a media line expected`);
  // `49170/2` stands for two ports of a layered stream; the first is the one to send to.
  const port = readInteger(portText.replace(/\/\d{1,5}$/, ''), 0, 65_535);
  if (port === undefined) throw broken('bad-port', `port of 0-65535 expected, got ${shown}`);
  return { type, port, protocol, formats };
}

function readOrigin(session: SessionDescription): SdpOrigin {
  const origin = session.origin as Partial<SessionDescription['origin']> | undefined;
  const sessionId = String(origin?.sessionId ?? '');
  const sessionVersion = String(origin?.sessionVersion ?? '');
  if (!/^\d{1,40}$/.test(sessionId) || !/^\d{1,40}$/.test(sessionVersion))
    throw broken('bad-origin', 'o=<user> <id> <version> IN IP4|IP6 <address> expected');
  return {
    username: String(origin?.username ?? '-'),
    sessionId,
    sessionVersion,
    address: String(origin?.address ?? ''),
  };
}

function readAudio(session: SessionDescription, index: number, line: MediaLine): RemoteAudio {
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
    crypto: (media.crypto ?? []).slice(0, 16).map((line) => ({
      tag: line.id,
      suite: line.suite,
      keyParameters: line.config,
      sessionParameters: line.sessionConfig,
    })),
  };
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

/** An address literal of the version named. A host name is refused rather than resolved: resolving it would let any
 *  caller make us send lookups, and hold the call for as long as they take. */
function readAddress(address: string, version: number | undefined): string {
  if (address.length > 45) throw broken('bad-address', `an IP address expected, got "${clip(address)}"`);
  if (version === 4 && ipaddr.IPv4.isValidFourPartDecimal(address))
    return checkRange(ipaddr.IPv4.parse(address), address);
  if (version === 6 && !address.includes('%') && ipaddr.IPv6.isValid(address))
    return checkRange(ipaddr.IPv6.parse(address), address);
  if (/^[\d.]+$|:/.test(address) && !address.includes('/'))
    throw broken('bad-address', `an IPv${version} address expected, got "${clip(address)}"`);
  throw new ProtocolError(
    'address-unsupported',
    `an IP address expected, host names and multicast are not supported, got "${clip(address)}"`,
    { status: 488 },
  );
}

function checkRange(parsed: ipaddr.IPv4 | ipaddr.IPv6, address: string): string {
  const range = parsed.range();
  if (range === 'multicast' || range === 'broadcast') {
    throw new ProtocolError('address-unsupported', `a unicast address expected, got ${address}`, {
      status: 488,
    });
  }
  return address;
}

function readDirection(value: string | undefined, address: string): MediaDirection {
  const direction = (value ?? 'sendrecv') as MediaDirection;
  if (address !== '0.0.0.0' && !/^[0:]+$/.test(address)) return direction;
  return direction === 'sendrecv' || direction === 'sendonly' ? 'sendonly' : 'inactive';
}

/** The RTP grammar allows fractions (`ptime:2.5`); they are rounded up, as RFC 7587 §6.1 does. */
function readPtime(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const ptimeMs = /^\d{1,4}(?:\.\d{1,6})?$/.test(String(value)) ? Math.ceil(Number(value)) : 0;
  if (ptimeMs < 1 || ptimeMs > 1000)
    throw broken('bad-ptime', `${name} must be 1-1000 ms, got ${clip(String(value))}`);
  return ptimeMs;
}

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
      fmtp: fmtp && String(fmtp),
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

function readInteger(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,7}$/.test(text)) return undefined;
  const value = Number(text);
  return value < min || value > max ? undefined : value;
}

function broken(code: string, message: string): ProtocolError {
  return new ProtocolError(code, message, { status: 400 });
}

/** As much of the peer's text as an error message should carry. */
function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
