import {
  ReceptionReport as Block,
  ByePacket,
  CompoundPacket,
  ReceiverReportPacket,
  type RtcpPacket,
  SdesChunk,
  SdesPacket,
  SenderReportPacket,
} from 'rtp.js/packets';
import { ProtocolError } from '../protocol-error.ts';
import type { ReceptionReport } from './reception.ts';
import type { SenderInfo } from './sender.ts';
import { buildVoipMetrics, packetTypeXr, readVoipMetrics, type VoipMetrics } from './voip-metrics.ts';

/** RTCP reports, RFC 3550 §6, on rtp.js. `wallMs` is milliseconds since 1970; it only has to run evenly, so a
 *  monotonic clock plus a constant is best. */

/** The sender report that a report block of ours refers to. */
export interface SenderReportSeen {
  readonly ssrc: number;
  /** Middle 32 bits of its NTP time. */
  readonly ntpMiddle: number;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
}

/** What the peer reports about the stream that we send. */
export interface RemoteReport {
  /** Since its last report, 0–1. */
  readonly fractionLost: number;
  readonly packetsLost: number;
  /** In RTP timestamp units of our stream. */
  readonly jitter: number;
  /** Undefined where the peer had no sender report of ours yet, or the result makes no sense. */
  readonly rttMs: number | undefined;
}

export interface RtcpRead {
  readonly senderReport: SenderReportSeen | undefined;
  readonly report: RemoteReport | undefined;
  /** How our stream is heard, where the peer sends extended reports. */
  readonly voipMetrics: VoipMetrics | undefined;
  /** SSRCs that said goodbye. */
  readonly byes: readonly number[];
}

export interface ReportOptions {
  /** Ours, also where we sent nothing. */
  readonly ssrc: number;
  /** `RtpSender.info(nowMs)`; undefined makes a receiver report. */
  readonly sender: SenderInfo | undefined;
  /** `Reception.takeReport()`. */
  readonly reception: ReceptionReport | undefined;
  /** The last sender report of the source that `reception` is about. */
  readonly lastSenderReport?: { readonly ntpMiddle: number; readonly ageMs: number } | undefined;
  readonly cname: string;
  readonly wallMs: number;
  /** Sent along as an extended report, for a peer that asked for it (RFC 3611 §5). */
  readonly voipMetrics?: VoipMetrics | undefined;
}

const packetTypeSr = 200;
const packetTypeRr = 201;
const packetTypeBye = 203;
const rtcpBytesMax = 2048;
const blockBytes = 24;
const rttMsMax = 60_000;
const rttMsSlack = 5;
/** rtp.js declares its SdesItemType in types alone. */
const sdesCname = 1;

/** Compound packet to send: SR or RR, and SDES with the CNAME (RFC 3550 §6.1). */
export function buildReport(options: ReportOptions): Uint8Array {
  return join(serialize(reportPackets(options), options.reception), extendedReport(options));
}

/** The last packet of a session: a report, SDES, BYE. */
export function buildBye(options: ReportOptions): Uint8Array {
  const bye = new ByePacket();
  bye.addSsrc(options.ssrc);
  return join(buildReport(options), serialize([bye], undefined));
}

function extendedReport({ ssrc, voipMetrics }: ReportOptions): Uint8Array | undefined {
  return voipMetrics && buildVoipMetrics(ssrc, voipMetrics);
}

function join(first: Uint8Array, second: Uint8Array | undefined): Uint8Array {
  if (second === undefined) return first;
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** Reads a compound packet of the peer. `ssrc` is ours: report blocks about others are skipped. Throws
 *  `ProtocolError` for what is no RTCP; unknown packets in a good compound are skipped. */
export function readRtcp(
  datagram: Uint8Array,
  { ssrc, wallMs }: { readonly ssrc: number; readonly wallMs: number },
): RtcpRead {
  let senderReport: SenderReportSeen | undefined;
  let report: RemoteReport | undefined;
  let voipMetrics: VoipMetrics | undefined;
  const byes: number[] = [];
  for (const packet of splitCompound(datagram)) {
    if (packet instanceof Uint8Array) {
      voipMetrics = readVoipMetrics(packet, ssrc) ?? voipMetrics;
      continue;
    }
    if (packet instanceof ByePacket) {
      byes.push(...packet.getSsrcs());
      continue;
    }
    if (packet instanceof SenderReportPacket) senderReport = seenReport(packet);
    for (const block of packet.getReports()) {
      if (block.getSsrc() === ssrc) report = remoteReport(block, wallMs);
    }
  }
  return { senderReport, report, voipMetrics, byes };
}

/** How long to wait until the next report: 5 s, spread over 0.5–1.5 and divided by e - 1.5, the first half of that
 *  (RFC 3550 §6.2, §6.3.1). With two parties the bandwidth share never asks for more. `random` gives 0–1. */
export function nextReportMs(random: () => number, first = false): number {
  return ((first ? 2500 : 5000) * (0.5 + random())) / (Math.E - 1.5);
}

export interface NtpTime {
  /** Since 1900, modulo 2^32. */
  readonly seconds: number;
  readonly fraction: number;
}

const ntpOffsetSeconds = 2_208_988_800;

/** RFC 3550 §4. */
export function ntpFromWall(wallMs: number): NtpTime {
  const whole = Math.floor(wallMs / 1000);
  const fraction = Math.floor(((wallMs - whole * 1000) / 1000) * 0x1_0000_0000);
  return { seconds: (whole + ntpOffsetSeconds) % 0x1_0000_0000, fraction: Math.min(fraction, 0xffff_ffff) };
}

/** The 16 + 16 bits that LSR carries, in 1/65536 s. */
export function ntpMiddle({ seconds, fraction }: NtpTime): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0;
}

function reportPackets(options: ReportOptions): RtcpPacket[] {
  const { ssrc, sender, reception, lastSenderReport } = options;
  const report = sender === undefined ? new ReceiverReportPacket() : new SenderReportPacket();
  report.setSsrc(ssrc);
  if (sender !== undefined && report instanceof SenderReportPacket) {
    const ntp = ntpFromWall(options.wallMs);
    report.setNtpSeconds(ntp.seconds);
    report.setNtpFraction(ntp.fraction);
    report.setRtpTimestamp(sender.rtpTimestamp);
    report.setPacketCount(sender.packetCount);
    report.setOctetCount(sender.octetCount);
  }
  if (reception !== undefined) {
    const block = new Block();
    block.setSsrc(reception.ssrc);
    block.setFractionLost(reception.fractionLost);
    block.setHighestSeqNumber(reception.extendedSequence);
    block.setJitter(reception.jitter);
    if (lastSenderReport !== undefined) {
      block.setLastSRTimestamp(lastSenderReport.ntpMiddle);
      block.setDelaySinceLastSR(
        Math.min(0xffff_ffff, Math.max(0, Math.round(lastSenderReport.ageMs * 65.536))),
      );
    }
    report.addReport(block);
  }
  const chunk = new SdesChunk();
  chunk.setSsrc(ssrc);
  chunk.addItem(sdesCname, options.cname.slice(0, 64));
  const sdes = new SdesPacket();
  sdes.addChunk(chunk);
  return [report, sdes];
}

function serialize(packets: RtcpPacket[], reception: ReceptionReport | undefined): Uint8Array {
  const compound = new CompoundPacket();
  for (const packet of packets) compound.addPacket(packet);
  const view = compound.getView();
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (reception !== undefined) writePacketsLost(bytes, reception.packetsLost);
  return bytes;
}

/** rtp.js writes a negative count as sign and magnitude, reads back only 12 bits of a positive one, and RFC 3550
 *  §6.4.1 wants 24 bits of two's complement. */
function writePacketsLost(bytes: Uint8Array, packetsLost: number): void {
  const offset = bytes[1] === packetTypeSr ? 28 : 8;
  const clamped = Math.max(-0x80_0000, Math.min(0x7f_ffff, packetsLost));
  bytes[offset + 5] = clamped >> 16;
  bytes[offset + 6] = clamped >> 8;
  bytes[offset + 7] = clamped;
}

function seenReport(packet: SenderReportPacket): SenderReportSeen {
  return {
    ssrc: packet.getSsrc(),
    ntpMiddle: ntpMiddle({ seconds: packet.getNtpSeconds(), fraction: packet.getNtpFraction() }),
    rtpTimestamp: packet.getRtpTimestamp(),
    packetCount: packet.getPacketCount(),
    octetCount: packet.getOctetCount(),
  };
}

function remoteReport(block: Block, wallMs: number): RemoteReport {
  const lastSr = block.getLastSRTimestamp();
  const elapsed = (ntpMiddle(ntpFromWall(wallMs)) - lastSr - block.getDelaySinceLastSR()) | 0;
  const rttMs = (elapsed * 1000) / 65_536;
  return {
    fractionLost: block.getFractionLost() / 256,
    packetsLost: (block.getView().getInt32(4) << 8) >> 8,
    jitter: block.getJitter(),
    // On a short way rounding makes it less than nothing.
    rttMs: lastSr === 0 || rttMs < -rttMsSlack || rttMs > rttMsMax ? undefined : Math.max(0, rttMs),
  };
}

type ReadPacket = SenderReportPacket | ReceiverReportPacket | ByePacket | Uint8Array;

/** The SR, RR and BYE packets of a compound, and its XR packets as bytes. rtp.js takes a compound whole or not at all, and refuses reports with
 *  padding or profile extensions that it does not expect, so each packet is handed to it alone and bare. */
function splitCompound(datagram: Uint8Array): ReadPacket[] {
  if (datagram.length < 8 || datagram.length > rtcpBytesMax)
    throw broken(`RTCP packet of 8-${rtcpBytesMax} bytes expected, got ${datagram.length}`);
  const packets: ReadPacket[] = [];
  for (let offset = 0; offset < datagram.length; ) {
    const sizeBytes = packetBytes(datagram, offset);
    const packet = datagram.subarray(offset, offset + sizeBytes);
    switch (packet[1]) {
      case packetTypeSr:
        packets.push(readWith(SenderReportPacket, packet, 28 + (packet[0]! & 0x1f) * blockBytes));
        break;
      case packetTypeRr:
        packets.push(readWith(ReceiverReportPacket, packet, 8 + (packet[0]! & 0x1f) * blockBytes));
        break;
      case packetTypeBye:
        packets.push(readWith(ByePacket, packet, 4 + (packet[0]! & 0x1f) * 4));
        break;
      case packetTypeXr:
        packets.push(packet);
        break;
    }
    offset += sizeBytes;
  }
  return packets;
}

function packetBytes(datagram: Uint8Array, offset: number): number {
  const first = datagram[offset]!;
  const type = datagram[offset + 1];
  if (first >> 6 !== 2 || type === undefined || type < 192 || type > 223)
    throw broken(`RTCP version 2 of type 192-223 expected at byte ${offset}`);
  const words = (datagram[offset + 2]! << 8) | datagram[offset + 3]!;
  const sizeBytes = (words + 1) * 4;
  if (!(sizeBytes <= datagram.length - offset))
    throw broken(`RTCP packet of ${sizeBytes} bytes at byte ${offset} is longer than the datagram`);
  return sizeBytes;
}

function readWith<P>(Packet: new (view: DataView) => P, packet: Uint8Array, bareBytes: number): P {
  if (bareBytes > packet.length)
    throw broken(`RTCP packet of ${bareBytes} bytes or more expected, got ${packet.length}`);
  // A copy: `slice` of a Node buffer would still be the datagram.
  const bare = new Uint8Array(bareBytes);
  bare.set(packet.subarray(0, bareBytes));
  bare[0] = bare[0]! & 0xdf;
  bare[2] = (bareBytes / 4 - 1) >> 8;
  bare[3] = bareBytes / 4 - 1;
  try {
    return new Packet(new DataView(bare.buffer, bare.byteOffset, bare.byteLength));
  } catch (cause) {
    throw new ProtocolError('bad-rtcp', 'an RTCP report or BYE expected', { cause });
  }
}

function broken(message: string): ProtocolError {
  return new ProtocolError('bad-rtcp', message);
}
