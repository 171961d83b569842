import type { LossBurstMeter } from '../../protocol/rtp/loss-bursts.ts';
import { type LegQuality, mosOf, QualityMeter, rating } from '../../protocol/rtp/quality.ts';
import type { VoipMetrics } from '../../protocol/rtp/voip-metrics.ts';

/** What an endpoint has counted so far. */
export interface LegTotals {
  readonly codec: string;
  readonly ptimeMs: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsLate: number;
  readonly packetsSent: number;
  readonly packetsLostRemote: number;
  /** In the peer's last report, 0–1. */
  readonly lossRemote: number;
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
}

const intervalMs = 1000;
/** How long `JitterBuffer` waits for a hole; what comes in order does not wait. */
const holeMsMax = 120;

/** How one RTP leg sounds, measured every second. */
export class LegMeter {
  readonly #meter = new QualityMeter();
  /** For a peer that asked for extended reports. */
  bursts: LossBurstMeter | undefined;
  dueMs: number;

  constructor(nowMs: number) {
    this.dueMs = nowMs + intervalMs;
  }

  get recent(): LegQuality | undefined {
    return this.#meter.recent;
  }

  get whole(): LegQuality | undefined {
    return this.#meter.whole;
  }

  measure(nowMs: number, totals: LegTotals): void {
    this.dueMs = Math.max(this.dueMs + intervalMs, nowMs);
    const { packetsSent, packetsLostRemote } = totals;
    this.#meter.add({
      ...totals,
      packetsExpected: totals.packetsReceived + totals.packetsLost,
      lossOut: totals.lossRemote,
      lossOutWhole: packetsSent === 0 ? 0 : Math.min(1, packetsLostRemote / packetsSent),
    });
  }

  /** About the source that we hear; undefined for a peer that did not ask. */
  voipMetrics(ssrc: number | undefined, totals: LegTotals): VoipMetrics | undefined {
    if (this.bursts === undefined || ssrc === undefined) return undefined;
    const { codec, packetsLost, packetsLate, ptimeMs, jitterMs, rttMs } = totals;
    const expected = Math.max(1, totals.packetsReceived + packetsLost);
    const { burstDensity, gapDensity, burstPackets, gapPackets } = this.bursts.measured;
    const loss = (packetsLost + packetsLate) / expected;
    const listening = rating({ codec, delayMs: 0, loss });
    const conversation = rating({ codec, delayMs: (rttMs ?? 0) / 2 + ptimeMs + 2 * jitterMs, loss });
    return {
      ssrc,
      lossRate: packetsLost / expected,
      discardRate: packetsLate / expected,
      burstDensity,
      gapDensity,
      burstMs: burstPackets * ptimeMs,
      gapMs: gapPackets * ptimeMs,
      rttMs,
      endSystemDelayMs: undefined,
      rating: conversation,
      mosListening: mosOf(listening),
      mosConversation: mosOf(conversation),
      bufferMs: 0,
      bufferMsMax: holeMsMax,
    };
  }
}
