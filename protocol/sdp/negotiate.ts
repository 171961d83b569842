import type { ProtocolError } from '../protocol-error.ts';
import { chooseCrypto, cryptoUnserved, type RemoteKey, type SrtpPolicy } from './crypto.ts';
import type { MediaDirection, RemoteAudio, RemoteFormat, SdpAddress } from './remote-audio.ts';
import { unserved } from './sdp-fields.ts';
import type { RemoteMedia } from './session-description.ts';

/** Which codec is chosen, and everything else that offer and answer settle. RFC 3264. */

/** What negotiation needs to know of a codec. */
export interface SdpCodec {
  readonly name: string;
  /** Of the rtpmap line; compared without case. */
  readonly encodingName: string;
  readonly rtpClockRateHz: number;
  readonly channels: number;
  /** RFC 3551, undefined where the payload type is dynamic. */
  readonly payloadTypeStatic: number | undefined;
  /** Parameters that we write into our offers and answers. */
  readonly fmtp?: string;
}

/** The outcome, as a media worker needs it. Directions are as seen from us. */
export interface Negotiated<C extends SdpCodec = SdpCodec> {
  readonly codec: C;
  readonly remote: SdpAddress;
  readonly remoteRtcp: SdpAddress;
  readonly payloadTypeSend: number;
  readonly payloadTypeReceive: number;
  /** Parameters that the peer wrote for what we send. */
  readonly fmtpRemote: string | undefined;
  readonly dtmfPayloadTypeSend: number | undefined;
  readonly dtmfPayloadTypeReceive: number | undefined;
  /** Of telephone-event, as its rtpmap says, where that is not the codec's clock. */
  readonly dtmfClockRateHz?: number | undefined;
  readonly ptimeMs: number;
  readonly direction: MediaDirection;
  readonly rtcpMux: boolean;
  /** Which m-line carries it. */
  readonly lineIndex: number;
  /** Of comfort noise that may come (RFC 3389); we send none, and do not ask for it. */
  readonly comfortNoisePayloadType: number | undefined;
  /** The peer wants VoIP metrics in RTCP extended reports. */
  readonly voipMetrics: boolean;
  /** Of SRTP; undefined where audio goes plain. */
  readonly remoteKey: RemoteKey | undefined;
}

export interface LocalPreferences<C extends SdpCodec> {
  /** Accepted codecs. Their order matters only where we offer. */
  readonly codecs: readonly C[];
  /** What we want, as seen from us. Default sendrecv. */
  readonly direction?: MediaDirection;
  /** What we send at where the peer asks for nothing, 10–60. Default 20. */
  readonly ptimeMs?: number;
  /** Default off. */
  readonly srtp?: SrtpPolicy;
}

export const ptimeMsDefault = 20;
/** RFC 3551 §6. */
const comfortNoiseStatic = 13;
const ptimeMsMin = 10;
const ptimeMsMax = 60;
const anyLengthsMs = [10, 20, 30, 40, 50, 60];
/** RFC 6716 §2.1.4: an Opus frame is 10, 20, 40 or 60 ms long (or shorter). */
const opusLengthsMs = [10, 20, 40, 60];

/** Settles an offer: the first codec in the offerer's order that we accept, on a line with SRTP before a plain one.
 *  Throws `ProtocolError` with status 488: `no-common-codec`, `profile-unsupported`, `srtp-required`,
 *  `crypto-unsupported`; `warningValue` makes its Warning header. */
export function negotiate<C extends SdpCodec>(offer: RemoteMedia, local: LocalPreferences<C>): Negotiated<C> {
  const served = servedLines(offer.audio, local.srtp ?? 'off');
  for (const { audio, remoteKey } of served) {
    for (const format of audio.formats) {
      const codec = local.codecs.find((candidate) => isFormatOf(format, candidate));
      if (codec === undefined) continue;
      const events = findDtmf(audio.formats, codec.rtpClockRateHz);
      const dtmf = events?.payloadType;
      const rtcpMux = audio.rtcpMux && canMux(format.payloadType, dtmf);
      return {
        codec,
        remote: audio.rtp,
        remoteRtcp: rtcpMux ? audio.rtp : audio.rtcp,
        payloadTypeSend: format.payloadType,
        payloadTypeReceive: format.payloadType,
        fmtpRemote: format.fmtp,
        dtmfPayloadTypeSend: dtmf,
        dtmfPayloadTypeReceive: dtmf,
        dtmfClockRateHz: otherClock(events, codec),
        ptimeMs: choosePtime(audio, codec, local.ptimeMs),
        direction: mirrorDirection(audio.direction, local.direction),
        rtcpMux,
        lineIndex: audio.index,
        comfortNoisePayloadType: findComfortNoise(audio.formats, codec.rtpClockRateHz),
        voipMetrics: audio.voipMetrics,
        remoteKey,
      };
    }
  }
  const lines = served.map(({ audio }) => audio);
  throw unserved('no-common-codec', describeCodecs(lines, local.codecs));
}

interface ServedLine {
  readonly audio: RemoteAudio;
  readonly remoteKey: RemoteKey | undefined;
}

/** At least one, the encrypted ones first: a peer that offers both ways of doing it wants the safer one (RFC 4568
 *  says nothing of such offers, phones make them as two lines, or as one of RTP/AVP with a=crypto). */
function servedLines(audio: readonly RemoteAudio[], policy: SrtpPolicy): ServedLine[] {
  const plain = audio.filter(isPlain).map((line) => ({ audio: line, remoteKey: undefined }));
  const encrypted: ServedLine[] = [];
  const refusals: string[] = [];
  if (policy !== 'off') {
    for (const line of audio) {
      if (!isEncrypted(line) && !(isPlain(line) && line.crypto.length > 0)) continue;
      const chosen = chooseCrypto(line);
      if ('refused' in chosen) refusals.push(chosen.refused);
      else encrypted.push({ audio: line, remoteKey: chosen });
    }
  }
  const served = policy === 'required' ? encrypted : [...encrypted, ...plain];
  if (served.length > 0) return served;
  if (refusals.length > 0) throw cryptoUnserved(refusals);
  const profiles = audio.map((line) => line.protocol).join(', ');
  if (policy === 'required')
    throw unserved('srtp-required', `RTP/SAVP with an a=crypto line expected, got ${profiles}`);
  throw unserved('profile-unsupported', `RTP/AVP or RTP/AVPF expected, got ${profiles}`);
}

/** Value of the Warning header (RFC 3261 §20.43) that goes with a refusal; `agent` is our host or a pseudonym. */
export function warningValue(error: ProtocolError, agent: string): string {
  const warnCode = warnCodes[error.code] ?? 399;
  const text = error.message.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'");
  return `${warnCode} ${agent} "${text}"`;
}

const warnCodes: Readonly<Record<string, number>> = {
  'address-unsupported': 301,
  'profile-unsupported': 302,
  'srtp-required': 302,
  'no-audio': 304,
  'no-common-codec': 305,
};

/** RTP without protection. */
export function isPlain(audio: RemoteAudio): boolean {
  return /^RTP\/AVPF?$/i.test(audio.protocol);
}

/** SRTP with keys in the description; `UDP/TLS/RTP/SAVP` has them elsewhere. */
export function isEncrypted(audio: RemoteAudio): boolean {
  return /^RTP\/SAVPF?$/i.test(audio.protocol);
}

export function isFormatOf(format: RemoteFormat, codec: SdpCodec): boolean {
  return (
    format.rtpClockRateHz === codec.rtpClockRateHz &&
    format.channels === codec.channels &&
    format.encodingName.toLowerCase() === codec.encodingName.toLowerCase()
  );
}

/** RFC 4733 §2.1: at the clock rate of the audio that it stands in for. Some phones write 8 kHz beside Opus too
 *  (baresip 1.0): what they send counts in the clock of the audio all the same. */
export function findDtmf(formats: readonly RemoteFormat[], rtpClockRateHz: number): RemoteFormat | undefined {
  const events = formats.filter(({ encodingName }) => encodingName.toLowerCase() === 'telephone-event');
  return (
    events.find((format) => format.rtpClockRateHz === rtpClockRateHz) ??
    events.find((format) => format.rtpClockRateHz === telephoneClockRateHz)
  );
}

const telephoneClockRateHz = 8_000;

/** The clock rate of `events` where it is not the codec's. */
export function otherClock(events: RemoteFormat | undefined, codec: SdpCodec): number | undefined {
  return events?.rtpClockRateHz === codec.rtpClockRateHz ? undefined : events?.rtpClockRateHz;
}

/** The static type 13 is accepted unasked, as some gateways send it whatever was agreed, unless the peer uses that
 *  number for something else. */
export function findComfortNoise(
  formats: readonly RemoteFormat[],
  rtpClockRateHz: number,
): number | undefined {
  const offered = formats.find(
    (format) => format.rtpClockRateHz === rtpClockRateHz && format.encodingName.toLowerCase() === 'cn',
  );
  if (offered !== undefined) return offered.payloadType;
  const taken = formats.some((format) => format.payloadType === comfortNoiseStatic);
  return rtpClockRateHz === 8000 && !taken ? comfortNoiseStatic : undefined;
}

/** What we send at: the peer's a=ptime within 10–60 ms and its a=maxptime, in whole 10 ms, and of a length that the
 *  codec has. */
export function choosePtime(audio: RemoteAudio, codec: SdpCodec, ours: number = ptimeMsDefault): number {
  const wantedMs = Math.min(audio.ptimeMs ?? ours, audio.ptimeMsMax ?? ptimeMsMax, ptimeMsMax);
  const lengthsMs = codec.encodingName.toLowerCase() === 'opus' ? opusLengthsMs : anyLengthsMs;
  return lengthsMs.findLast((lengthMs) => lengthMs <= wantedMs) ?? ptimeMsMin;
}

/** Our direction from theirs and our wish, RFC 3264 §6.1. */
export function mirrorDirection(theirs: MediaDirection, wish: MediaDirection = 'sendrecv'): MediaDirection {
  const send = receives(theirs) && sends(wish);
  const receive = sends(theirs) && receives(wish);
  if (send) return receive ? 'sendrecv' : 'sendonly';
  return receive ? 'recvonly' : 'inactive';
}

function sends(direction: MediaDirection): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

function receives(direction: MediaDirection): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

/** Payload types 64–95 with the marker look like RTCP, so they rule multiplexing out (RFC 5761 §4). */
export function canMux(...payloadTypes: (number | undefined)[]): boolean {
  return payloadTypes.every((type) => type === undefined || type < 64 || type > 95);
}

function describeCodecs(served: readonly RemoteAudio[], codecs: readonly SdpCodec[]): string {
  const offered = served.flatMap((audio) => audio.formats.map(describeFormat)).slice(0, 8);
  const accepted = codecs.map(describeFormat);
  return `one of ${accepted.join(', ')} expected, got ${offered.length === 0 ? 'none known' : offered.join(', ')}`;
}

function describeFormat(format: {
  readonly encodingName: string;
  readonly rtpClockRateHz: number;
  readonly channels: number;
}): string {
  const channels = format.channels === 1 ? '' : `/${format.channels}`;
  return `${format.encodingName.slice(0, 24)}/${format.rtpClockRateHz}${channels}`;
}
