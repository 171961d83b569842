import type { Reception } from '../../protocol/rtp/reception.ts';
import {
  buildBye,
  buildReport,
  nextReportMs,
  type ReportOptions,
  readRtcp,
  type SenderReportSeen,
} from '../../protocol/rtp/rtcp.ts';
import type { RtpSender } from '../../protocol/rtp/sender.ts';
import type { Clock, Timer } from '../clock.ts';

export interface PhoneRtcpOptions {
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly reception: Reception;
  /** The source that we send now, undefined before the first packet. */
  readonly currentSender: () => RtpSender | undefined;
  readonly send: (datagram: Uint8Array) => void;
}

/** The reports of a phone's RTP session, about every five seconds, and its goodbye. */
export class PhoneRtcp {
  /** From the far side's last report about us. */
  rttMs: number | undefined;
  packetsLostRemote = 0;
  /** How the far side hears us, 1–5, by its extended reports. */
  mosRemote: number | undefined;
  byeReceived = false;
  readonly #options: PhoneRtcpOptions;
  /** Wall clock once, monotonic after, so that a clock that is set does not spoil the round trip. */
  readonly #wallOffsetMs: number;
  #lastReport: { readonly report: SenderReportSeen; readonly atMs: number } | undefined;
  #timer: Timer;

  constructor(options: PhoneRtcpOptions) {
    this.#options = options;
    this.#wallOffsetMs = options.clock.wallMs() - options.clock.nowMs();
    this.#timer = this.#arm(true);
  }

  receive(datagram: Uint8Array, nowMs: number): void {
    const ssrc = this.#options.currentSender()?.ssrc ?? 0;
    let read: ReturnType<typeof readRtcp>;
    try {
      read = readRtcp(datagram, { ssrc, wallMs: this.#wallOffsetMs + nowMs });
    } catch {
      return;
    }
    if (read.senderReport !== undefined) this.#lastReport = { report: read.senderReport, atMs: nowMs };
    if (read.report !== undefined) {
      this.rttMs = read.report.rttMs ?? this.rttMs;
      this.packetsLostRemote = read.report.packetsLost;
    }
    this.mosRemote = read.voipMetrics?.mosConversation ?? this.mosRemote;
    if (read.byes.length > 0) this.byeReceived = true;
  }

  close(): void {
    this.#timer.cancel();
    const options = this.#reportOptions();
    if (options !== undefined) this.#options.send(buildBye(options));
  }

  #arm(first: boolean): Timer {
    const { clock, random } = this.#options;
    return clock.after(nextReportMs(random, first), () => {
      const options = this.#reportOptions();
      if (options !== undefined) this.#options.send(buildReport(options));
      this.#timer = this.#arm(false);
    });
  }

  #reportOptions(): ReportOptions | undefined {
    const { clock, reception, currentSender } = this.#options;
    const sender = currentSender();
    if (sender === undefined) return undefined;
    const nowMs = clock.nowMs();
    const block = reception.takeReport();
    const last = this.#lastReport;
    return {
      ssrc: sender.ssrc,
      sender: sender.info(nowMs),
      reception: block,
      lastSenderReport:
        last === undefined || last.report.ssrc !== block?.ssrc
          ? undefined
          : { ntpMiddle: last.report.ntpMiddle, ageMs: nowMs - last.atMs },
      cname: 'phone@callwire.invalid',
      wallMs: this.#wallOffsetMs + nowMs,
    };
  }
}
