import type { Call } from './calls/call.ts';
import type { CallSummary } from './control/http-server.ts';
import type { MediaReport } from './media/media-pool.ts';

/** A live call as `GET /calls` shows it, with what the media workers know of it. */
export function callSummary(call: Call, report: MediaReport): CallSummary {
  const { sip, stream } = call.endpointIds;
  const rtp = report.rtp.get(sip);
  const counters = stream === undefined ? undefined : report.streams.get(stream);
  return {
    callId: call.callId,
    direction: call.direction,
    from: call.party.from,
    to: call.party.to,
    state: call.state,
    codec: call.codec,
    startedAt: new Date(call.startedWallMs).toISOString(),
    answeredAt: call.answeredWallMs === undefined ? undefined : new Date(call.answeredWallMs).toISOString(),
    durationSeconds: call.durationSeconds,
    stream:
      call.streamEndpoint === undefined
        ? undefined
        : {
            endpoint: call.streamEndpoint,
            sampleRate: call.sampleRateHz ?? 0,
            bufferedMs: counters?.bufferedMs ?? 0,
          },
    quality: rtp && {
      jitterMs: rtp.jitterMs,
      rttMs: rtp.rttMs,
      lossIn: rtp.quality?.lossIn,
      lossOut: rtp.quality?.lossOut,
      mos: rtp.quality?.mos,
      mosRemote: rtp.mosRemote,
      codec: rtp.quality?.codec,
      packetsLost: rtp.packetsLost,
      packetsReceived: rtp.packetsReceived,
      packetsSent: rtp.packetsSent,
    },
  };
}
