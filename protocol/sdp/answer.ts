import type { LocalCrypto } from './crypto.ts';
import { dtmfFormat, type LocalFormat, type LocalMedia, writeDescription } from './local-description.ts';
import type { Negotiated, SdpCodec } from './negotiate.ts';
import type { RemoteMedia } from './session-description.ts';

/** The answer to `offer`: its m-lines in its order, the negotiated one with one codec (and telephone-event), every
 *  other refused with port 0. RFC 3264 §6. `crypto` is our key under the tag of `negotiated.remoteKey`, undefined where
 *  there is none. Ends in CRLF. */
export function writeAnswer(
  offer: RemoteMedia,
  negotiated: Negotiated<SdpCodec>,
  local: LocalMedia,
  crypto?: LocalCrypto,
): string {
  const { codec } = negotiated;
  const formats: LocalFormat[] = [
    {
      payloadType: negotiated.payloadTypeReceive,
      encodingName: codec.encodingName,
      rtpClockRateHz: codec.rtpClockRateHz,
      channels: codec.channels,
      fmtp: codec.fmtp,
    },
  ];
  if (negotiated.dtmfPayloadTypeReceive !== undefined)
    formats.push(
      dtmfFormat(negotiated.dtmfPayloadTypeReceive, negotiated.dtmfClockRateHz ?? codec.rtpClockRateHz),
    );
  return writeDescription(
    local,
    offer.lines.map((line, index) =>
      index === negotiated.lineIndex
        ? {
            protocol: line.protocol,
            formats,
            ptimeMs: negotiated.ptimeMs,
            direction: negotiated.direction,
            rtcpMux: negotiated.rtcpMux,
            voipMetrics: negotiated.voipMetrics,
            crypto: crypto === undefined ? [] : [crypto],
          }
        : line,
    ),
  );
}
