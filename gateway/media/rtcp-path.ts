import type { VoipMetrics } from '../../protocol/rtp/voip-metrics.ts';
import type { UdpSocket } from '../network.ts';
import type { SrtpSession } from '../srtp-session.ts';
import type { RtpSession } from './media-messages.ts';
import type { RtcpSession } from './rtcp-session.ts';
import type { SourceLock } from './source-lock.ts';
import { StrangerGuard } from './stranger-guard.ts';

/** Where the reports of one leg come from and go to: over the socket beside RTP, or over RTP's own. */
export class RtcpPath {
  readonly #reports: RtcpSession;
  readonly #source: SourceLock;
  readonly #guard = new StrangerGuard();
  #rtpSocket: UdpSocket | undefined;
  #socket: UdpSocket | undefined;
  #session: RtpSession | undefined;
  #srtp: SrtpSession | undefined;
  #port = 0;

  constructor(reports: RtcpSession, source: SourceLock) {
    this.#reports = reports;
    this.#source = source;
  }

  attach(rtp: UdpSocket, rtcp: UdpSocket | undefined): void {
    this.#rtpSocket = rtp;
    this.#socket = rtcp;
    this.#guard.attach(rtcp);
  }

  /** At the start of a session, and whenever it changed. */
  use(session: RtpSession, srtp: SrtpSession | undefined): void {
    this.#session = session;
    this.#srtp = srtp;
    this.#port = session.remoteRtcp.port;
    this.#guard.follow(this.#settled);
  }

  get #peerAddress(): string {
    return this.#source.locked ? this.#source.address : this.#session!.remoteRtcp.address;
  }

  get #settled(): { readonly address: string } | undefined {
    return this.#source.settled === undefined ? undefined : { address: this.#peerAddress };
  }

  /** False for a datagram that is somebody else's, or no RTCP. */
  receive(datagram: Uint8Array, address: string, port: number, nowMs: number): boolean {
    const { remote } = this.#session!;
    const source = this.#source;
    if (address !== this.#peerAddress) {
      // Over a shared socket RTP decides.
      if (!this.#session!.rtcpMux) this.#guard.refused(this.#settled);
      return false;
    }
    const sizeBytes = this.#srtp === undefined ? datagram.length : this.#srtp.unprotectRtcp(datagram);
    if (sizeBytes === 0) return true;
    try {
      this.#reports.receive(datagram.subarray(0, sizeBytes), nowMs);
    } catch {
      return false;
    }
    // Behind the NAT from which its RTP was learned, the peer's RTCP has another port than it knows.
    if (source.address !== remote.address) this.#port = port;
    return true;
  }

  /** When the next report is. */
  get dueMs(): number {
    return this.#reports.dueMs;
  }

  report(nowMs: number, voipMetrics: VoipMetrics | undefined): void {
    this.#send(this.#reports.report(nowMs, voipMetrics));
  }

  /** The last report, where there was a session. */
  bye(nowMs: number, voipMetrics: VoipMetrics | undefined): void {
    if (this.#session !== undefined) this.#send(this.#reports.bye(nowMs, voipMetrics));
  }

  #send(plain: Uint8Array): void {
    const { remote, remoteRtcp, rtcpMux } = this.#session!;
    const report = this.#srtp === undefined ? plain : this.#srtp.protectRtcp(plain);
    if (report === undefined) return;
    const source = this.#source;
    const address = source.address === remote.address ? remoteRtcp.address : source.address;
    if (rtcpMux) this.#rtpSocket?.send(report, 0, report.length, source.port, address);
    else this.#socket?.send(report, 0, report.length, this.#port, address);
  }

  close(): void {
    this.#socket?.close();
  }
}
