import type { JitterBuffer } from '../../protocol/rtp/jitter-buffer.ts';
import type { LossBurstMeter } from '../../protocol/rtp/loss-bursts.ts';
import { type LegQuality, mosOf, QualityMeter, rating } from '../../protocol/rtp/quality.ts';
import type { Reception } from '../../protocol/rtp/reception.ts';
import type { RtpSender } from '../../protocol/rtp/sender.ts';
import type { VoipMetrics } from '../../protocol/rtp/voip-metrics.ts';
import type { LineFigures } from './audio-route.ts';
import type { RtpCounters } from './media-messages.ts';
import type { RtcpSession } from './rtcp-session.ts';

/** Where the numbers come from. */
export interface LegParts {
  readonly nowMs: number;
  readonly reception: Reception;
  readonly jitterBuffer: JitterBuffer;
  readonly sender: RtpSender;
  readonly rtcp: RtcpSession;
}

/** What was counted so far. */
interface LegTotals {
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

/** What is counted outside of it is left out. */
type MeteredCounters = Omit<
  RtpCounters,
  'bytesReceived' | 'packetsIgnored' | 'packetsRefused' | 'framesUnderrun'
>;

/** How one RTP leg sounds, measured every second. */
export class LegMeter {
  readonly #meter = new QualityMeter();
  /** For a peer that asked for extended reports. */
  bursts: LossBurstMeter | undefined;
  dueMs: number;
  readonly #parts: LegParts;
  #codec = '';
  #ptimeMs = 20;

  constructor(parts: LegParts) {
    this.#parts = parts;
    this.dueMs = parts.nowMs + intervalMs;
  }

  use(codec: string, ptimeMs: number): void {
    this.#codec = codec;
    this.#ptimeMs = ptimeMs;
  }

  get recent(): LegQuality | undefined {
    return this.#meter.recent;
  }

  get whole(): LegQuality | undefined {
    return this.#meter.whole;
  }

  /** As a source of audio is told of it. */
  get line(): LineFigures | undefined {
    const { recent } = this;
    if (recent === undefined) return undefined;
    const { lossIn, lossOut, jitterMs, rttMs, mos, codec } = recent;
    return { lossUp: lossIn, lossDown: lossOut, jitterMs, rttMs, mos, codec };
  }

  measure(nowMs: number): void {
    const totals = this.#totals();
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
  voipMetrics(): VoipMetrics | undefined {
    const { ssrc } = this.#parts.reception;
    if (this.bursts === undefined || ssrc === undefined) return undefined;
    const totals = this.#totals();
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

  #totals(): LegTotals {
    const { reception, jitterBuffer, sender, rtcp } = this.#parts;
    return {
      codec: this.#codec,
      ptimeMs: this.#ptimeMs,
      packetsReceived: reception.packetsReceived,
      packetsLost: reception.packetsLost,
      packetsLate: jitterBuffer.packetsLate,
      packetsSent: sender.packetCount,
      packetsLostRemote: rtcp.packetsLostRemote,
      lossRemote: rtcp.lossRemote,
      jitterMs: reception.jitterMs,
      rttMs: rtcp.rttMs,
    };
  }

  counters(): MeteredCounters {
    const { reception, jitterBuffer, sender, rtcp } = this.#parts;
    return {
      packetsReceived: reception.packetsReceived,
      packetsSent: sender.packetCount,
      bytesSent: sender.octetCount,
      packetsLost: reception.packetsLost,
      packetsDuplicate: reception.packetsDuplicate,
      packetsLate: jitterBuffer.packetsLate,
      jitterMs: reception.jitterMs,
      rttMs: rtcp.rttMs,
      packetsLostRemote: rtcp.packetsLostRemote,
      quality: this.recent,
      qualityWhole: this.whole,
      mosRemote: rtcp.mosRemote,
    };
  }
}
