import type { ProtocolError } from '../protocol-error.ts';
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
  readonly dtmfPayloadTypeSend: number | undefined;
  readonly dtmfPayloadTypeReceive: number | undefined;
  readonly ptimeMs: number;
  readonly direction: MediaDirection;
  readonly rtcpMux: boolean;
  /** Which m-line carries it. */
  readonly lineIndex: number;
}

export interface LocalPreferences<C extends SdpCodec> {
  /** Accepted codecs. Their order matters only where we offer. */
  readonly codecs: readonly C[];
  /** What we want, as seen from us. Default sendrecv. */
  readonly direction?: MediaDirection;
  /** What we send at where the peer asks for nothing, 10–60. Default 20. */
  readonly ptimeMs?: number;
}

export const ptimeMsDefault = 20;
const ptimeMsMin = 10;
const ptimeMsMax = 60;
const anyLengthsMs = [10, 20, 30, 40, 50, 60];
/** RFC 6716 §2.1.4: an Opus frame is 10, 20, 40 or 60 ms long (or shorter). */
const opusLengthsMs = [10, 20, 40, 60];

/** Settles an offer: the first codec in the offerer's order that we accept. Throws `ProtocolError` with status 488:
 *  `no-common-codec`, `profile-unsupported`; `warningValue` makes its Warning header. */
export function negotiate<C extends SdpCodec>(offer: RemoteMedia, local: LocalPreferences<C>): Negotiated<C> {
  const served = offer.audio.filter((audio) => isServed(audio));
  if (served.length === 0) {
    const profiles = offer.audio.map((audio) => audio.protocol).join(', ');
    throw unserved('profile-unsupported', `RTP/AVP or RTP/AVPF expected, got ${profiles}`);
  }
  for (const audio of served) {
    for (const format of audio.formats) {
      const codec = local.codecs.find((candidate) => isFormatOf(format, candidate));
      if (codec === undefined) continue;
      const dtmf = findDtmf(audio.formats, codec.rtpClockRateHz)?.payloadType;
      const rtcpMux = audio.rtcpMux && canMux(format.payloadType, dtmf);
      return {
        codec,
        remote: audio.rtp,
        remoteRtcp: rtcpMux ? audio.rtp : audio.rtcp,
        payloadTypeSend: format.payloadType,
        payloadTypeReceive: format.payloadType,
        dtmfPayloadTypeSend: dtmf,
        dtmfPayloadTypeReceive: dtmf,
        ptimeMs: choosePtime(audio, codec, local.ptimeMs),
        direction: mirrorDirection(audio.direction, local.direction),
        rtcpMux,
        lineIndex: audio.index,
      };
    }
  }
  throw unserved('no-common-codec', describeCodecs(served, local.codecs));
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
  'no-audio': 304,
  'no-common-codec': 305,
};

/** Profiles that are answered. SRTP is not among them yet. */
export function isServed(audio: RemoteAudio): boolean {
  return /^RTP\/AVPF?$/i.test(audio.protocol);
}

export function isFormatOf(format: RemoteFormat, codec: SdpCodec): boolean {
  return (
    format.rtpClockRateHz === codec.rtpClockRateHz &&
    format.channels === codec.channels &&
    format.encodingName.toLowerCase() === codec.encodingName.toLowerCase()
  );
}

/** RFC 4733 §2.1: at the clock rate of the audio that it stands in for. */
export function findDtmf(formats: readonly RemoteFormat[], rtpClockRateHz: number): RemoteFormat | undefined {
  return formats.find(
    (format) =>
      format.rtpClockRateHz === rtpClockRateHz && format.encodingName.toLowerCase() === 'telephone-event',
  );
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
