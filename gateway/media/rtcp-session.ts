import type { Reception } from '../../protocol/rtp/reception.ts';
import { buildBye, buildReport, nextReportMs, readRtcp } from '../../protocol/rtp/rtcp.ts';
import type { RtpSender } from '../../protocol/rtp/sender.ts';
import type { VoipMetrics } from '../../protocol/rtp/voip-metrics.ts';

/** Reports both ways beside one RTP session, RFC 3550 §6. Builds and reads; the endpoint owns the socket. */
export class RtcpSession {
  readonly #cname: string;
  readonly #wallMsAtZero: number;
  readonly #random: () => number;
  readonly #sender: RtpSender;
  readonly #reception: Reception;
  #lastSenderReport:
    | { readonly ssrc: number; readonly ntpMiddle: number; readonly seenMs: number }
    | undefined;
  /** When the next report is due. */
  dueMs: number;
  rttMs: number | undefined;
  /** Of what we sent, by the peer's last report. */
  packetsLostRemote = 0;
  /** Since the report before that one, 0–1. */
  lossRemote = 0;
  /** How the peer hears us, 1–5, by its extended reports. */
  mosRemote: number | undefined;

  constructor(options: {
    readonly sender: RtpSender;
    readonly reception: Reception;
    readonly cname: string;
    readonly nowMs: number;
    readonly wallMs: number;
    readonly random?: () => number;
  }) {
    this.#sender = options.sender;
    this.#reception = options.reception;
    this.#cname = options.cname;
    this.#wallMsAtZero = options.wallMs - options.nowMs;
    this.#random = options.random ?? Math.random;
    this.dueMs = options.nowMs + nextReportMs(this.#random, true);
  }

  /** The report that is due, and the time of the next. */
  report(nowMs: number, voipMetrics?: VoipMetrics): Uint8Array {
    this.dueMs = nowMs + nextReportMs(this.#random);
    return buildReport({ ...this.#options(nowMs), voipMetrics });
  }

  bye(nowMs: number, voipMetrics?: VoipMetrics): Uint8Array {
    return buildBye({ ...this.#options(nowMs), voipMetrics });
  }

  /** Throws `ProtocolError` for what is no RTCP. */
  receive(datagram: Uint8Array, nowMs: number): void {
    const read = readRtcp(datagram, { ssrc: this.#sender.ssrc, wallMs: this.#wallMsAtZero + nowMs });
    if (read.senderReport !== undefined) {
      const { ssrc, ntpMiddle } = read.senderReport;
      this.#lastSenderReport = { ssrc, ntpMiddle, seenMs: nowMs };
    }
    if (read.report !== undefined) {
      this.packetsLostRemote = Math.max(0, read.report.packetsLost);
      this.lossRemote = read.report.fractionLost;
      this.rttMs = read.report.rttMs ?? this.rttMs;
    }
    this.mosRemote = read.voipMetrics?.mosConversation ?? read.voipMetrics?.mosListening ?? this.mosRemote;
  }

  #options(nowMs: number) {
    const last = this.#lastSenderReport;
    return {
      ssrc: this.#sender.ssrc,
      sender: this.#sender.info(nowMs),
      reception: this.#reception.takeReport(),
      lastSenderReport:
        last === undefined || last.ssrc !== this.#reception.ssrc
          ? undefined
          : { ntpMiddle: last.ntpMiddle, ageMs: nowMs - last.seenMs },
      cname: this.#cname,
      wallMs: this.#wallMsAtZero + nowMs,
    };
  }
}
