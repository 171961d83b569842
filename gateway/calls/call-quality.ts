import type { RtpCounters, StreamCounters } from '../media/media-messages.ts';

/** Fields of the last log line of a call, as far as they are known. */
export function qualityFields(
  rtp: RtpCounters | undefined,
  stream: StreamCounters | undefined,
): Record<string, unknown> {
  return {
    ...(rtp && {
      packetsReceived: rtp.packetsReceived,
      packetsSent: rtp.packetsSent,
      packetsLost: rtp.packetsLost,
      packetsRefused: rtp.packetsRefused,
      jitterMs: Math.round(rtp.jitterMs * 10) / 10,
      rttMs: rtp.rttMs,
      ...(rtp.qualityWhole && {
        lossIn: rounded(rtp.qualityWhole.lossIn, 4),
        lossOut: rounded(rtp.qualityWhole.lossOut, 4),
        mos: rounded(rtp.qualityWhole.mos, 2),
      }),
      mosRemote: rtp.mosRemote,
    }),
    ...(stream && { framesSent: stream.framesSent, droppedMs: stream.droppedMs, clears: stream.clears }),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
