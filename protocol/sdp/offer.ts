import { chooseCrypto, cryptoUnserved, type LocalCrypto, type RemoteKey, type SrtpPolicy } from './crypto.ts';
import {
  dtmfFormat,
  type LocalAudio,
  type LocalFormat,
  type LocalMedia,
  writeDescription,
} from './local-description.ts';
import {
  canMux,
  choosePtime,
  findComfortNoise,
  findDtmf,
  isEncrypted,
  isFormatOf,
  isPlain,
  mirrorDirection,
  type Negotiated,
  otherClock,
  ptimeMsDefault,
  type SdpCodec,
} from './negotiate.ts';
import { assignPayloadTypes, type ContinuedSession } from './payload-types.ts';
import type { MediaDirection, RemoteAudio } from './remote-audio.ts';
import { unserved } from './sdp-fields.ts';
import { readDescription } from './session-description.ts';

/** What we offer. Keep it until the answer comes. */
export interface LocalOffer<C extends SdpCodec = SdpCodec> extends LocalMedia {
  /** In our order of preference, at least one. */
  readonly codecs: readonly C[];
  /** Default 20. */
  readonly ptimeMs?: number;
  /** As seen from us. Default sendrecv. */
  readonly direction?: MediaDirection;
  /** Default false. */
  readonly rtcpMux?: boolean;
  /** Asks for VoIP metrics in RTCP extended reports. Default false. */
  readonly voipMetrics?: boolean;
  /** Default off. `required` makes the line RTP/SAVP; `optional` leaves it RTP/AVP, so that those who know nothing of
   *  a=crypto answer plainly. */
  readonly srtp?: SrtpPolicy;
  /** Keys of ours, in our order of preference, at least one unless `srtp` is off. */
  readonly crypto?: readonly LocalCrypto[];
  /** Within a session: what it goes on from. */
  readonly continues?: ContinuedSession | undefined;
}

/** One audio line with every codec and a telephone-event for each of their clock rates; within a session in its old place,
 *  among the others with port 0. Ends in CRLF. */
export function writeOffer<C extends SdpCodec>(offer: LocalOffer<C>): string {
  const { continues } = offer;
  const { codecs, dtmf } = assignPayloadTypes(offer.codecs, continues);
  const formats: LocalFormat[] = [...codecs].map(([codec, payloadType]) => ({
    payloadType,
    encodingName: codec.encodingName,
    rtpClockRateHz: codec.rtpClockRateHz,
    channels: codec.channels,
    fmtp: codec.fmtp,
  }));
  for (const [rtpClockRateHz, payloadType] of dtmf) formats.push(dtmfFormat(payloadType, rtpClockRateHz));
  const before = continues?.lines[continues.lineIndex];
  const audio: LocalAudio = {
    protocol: before?.protocol ?? (offer.srtp === 'required' ? 'RTP/SAVP' : 'RTP/AVP'),
    formats,
    ptimeMs: offer.ptimeMs ?? ptimeMsDefault,
    direction: offer.direction ?? 'sendrecv',
    rtcpMux: offer.rtcpMux ?? false,
    voipMetrics: offer.voipMetrics ?? false,
    crypto: offersSrtp(offer) ? (offer.crypto ?? []) : [],
  };
  const lines = continues?.lines.map((line, index) => (index === continues.lineIndex ? audio : line));
  return writeDescription(offer, lines ?? [audio]);
}

/** Settles the answer to our offer: the first codec of its list that we offered. Throws `ProtocolError`: status 400
 *  for a broken one, 488 with code `no-audio` (refused with port 0), `no-common-codec`, `srtp-required` or
 *  `crypto-unsupported`. The call must then be ended with ACK and BYE, as an answer cannot be refused. */
export function readAnswer<C extends SdpCodec>(answerText: string, offer: LocalOffer<C>): Negotiated<C> {
  const answer = readDescription(answerText);
  const audio = answer.audio.find(
    (candidate) =>
      candidate.index === (offer.continues?.lineIndex ?? 0) &&
      (isPlain(candidate) || (offersSrtp(offer) && isEncrypted(candidate))),
  );
  if (audio === undefined)
    throw unserved(
      'no-audio',
      'our audio line accepted over the profile that we offered expected, got it refused',
    );
  const remoteKey = readAnswerKey(audio, offer);
  const assigned = assignPayloadTypes(offer.codecs, offer.continues);
  for (const format of audio.formats) {
    const codec = offer.codecs.find((candidate) => isFormatOf(format, candidate));
    const payloadTypeReceive = codec && assigned.codecs.get(codec);
    if (codec === undefined || payloadTypeReceive === undefined) continue;
    const events = findDtmf(audio.formats, codec.rtpClockRateHz);
    const dtmfPayloadTypeReceive = events && assigned.dtmf.get(events.rtpClockRateHz);
    // What we did not offer cannot have been accepted.
    const dtmfPayloadTypeSend = dtmfPayloadTypeReceive === undefined ? undefined : events?.payloadType;
    const rtcpMux =
      offer.rtcpMux === true && audio.rtcpMux && canMux(format.payloadType, dtmfPayloadTypeSend);
    return {
      codec,
      remote: audio.rtp,
      remoteRtcp: rtcpMux ? audio.rtp : audio.rtcp,
      payloadTypeSend: format.payloadType,
      payloadTypeReceive,
      fmtpRemote: format.fmtp,
      dtmfPayloadTypeSend,
      dtmfPayloadTypeReceive,
      dtmfClockRateHz: dtmfPayloadTypeReceive === undefined ? undefined : otherClock(events, codec),
      ptimeMs: choosePtime(audio, codec, offer.ptimeMs),
      direction: mirrorDirection(audio.direction, offer.direction),
      rtcpMux,
      lineIndex: audio.index,
      comfortNoisePayloadType: findComfortNoise(audio.formats, codec.rtpClockRateHz),
      voipMetrics: audio.voipMetrics,
      remoteKey,
    };
  }
  throw unserved('no-common-codec', 'one of the codecs that we offered expected in the answer, got none');
}

function offersSrtp({ srtp = 'off' }: LocalOffer): boolean {
  return srtp !== 'off';
}

/** The answer repeats the tag and suite of one of our lines, with the key of the answerer (RFC 4568 §5.1.3). */
function readAnswerKey(audio: RemoteAudio, offer: LocalOffer): RemoteKey | undefined {
  if (!offersSrtp(offer)) return undefined;
  if (isPlain(audio) && audio.crypto.length === 0) {
    if (offer.srtp === 'required')
      throw unserved(
        'srtp-required',
        `RTP/SAVP with an a=crypto line expected in the answer, got ${audio.protocol}`,
      );
    return undefined;
  }
  const chosen = chooseCrypto(audio, (tag, suite) =>
    (offer.crypto ?? []).some((local) => local.tag === tag && local.key.suite === suite),
  );
  if ('refused' in chosen) throw cryptoUnserved([chosen.refused]);
  return chosen;
}
