import { gapPacketsMin } from './loss-bursts.ts';

/** The VoIP metrics report block in an RTCP extended report, RFC 3611 §2, §3 and §4.7. Shares are 0–1; what is not known
 *  is undefined. */
export interface VoipMetrics {
  /** The source that is reported on. */
  readonly ssrc: number;
  readonly lossRate: number;
  /** Came, and could not be played. */
  readonly discardRate: number;
  readonly burstDensity: number;
  readonly gapDensity: number;
  readonly burstMs: number;
  readonly gapMs: number;
  readonly rttMs: number | undefined;
  /** From the network to the ear and back. */
  readonly endSystemDelayMs: number | undefined;
  /** 0–100. */
  readonly rating: number | undefined;
  /** 1–5: of listening, and of talking to one another. */
  readonly mosListening: number | undefined;
  readonly mosConversation: number | undefined;
  /** Of the jitter buffer. */
  readonly bufferMs: number;
  readonly bufferMsMax: number;
}

export const packetTypeXr = 207;
const blockTypeVoip = 7;
/** XR header with the sender's SSRC, block header, and the block. */
const packetBytes = 8 + 36;
const blockBytes = 36;
const unknown = 127;
/** Standard concealment, adaptive buffer, no rate given. */
const receiverConfiguration = 0b1111_0000;

/** An XR packet with the one block, for a compound. `ssrc` is ours. */
export function buildVoipMetrics(ssrc: number, metrics: VoipMetrics): Uint8Array {
  const packet = new Uint8Array(packetBytes);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  packet[1] = packetTypeXr;
  view.setUint16(2, packetBytes / 4 - 1);
  view.setUint32(4, ssrc);
  packet[8] = blockTypeVoip;
  view.setUint16(10, blockBytes / 4 - 1);
  view.setUint32(12, metrics.ssrc);
  packet[16] = share(metrics.lossRate);
  packet[17] = share(metrics.discardRate);
  packet[18] = share(metrics.burstDensity);
  packet[19] = share(metrics.gapDensity);
  view.setUint16(20, milliseconds(metrics.burstMs));
  view.setUint16(22, milliseconds(metrics.gapMs));
  view.setUint16(24, milliseconds(metrics.rttMs ?? 0));
  view.setUint16(26, milliseconds(metrics.endSystemDelayMs ?? 0));
  packet.fill(unknown, 28, 31);
  packet[31] = gapPacketsMin;
  packet[32] = metrics.rating === undefined ? unknown : Math.round(metrics.rating);
  packet[33] = unknown;
  packet[34] = score(metrics.mosListening);
  packet[35] = score(metrics.mosConversation);
  packet[36] = receiverConfiguration;
  view.setUint16(38, milliseconds(metrics.bufferMs));
  view.setUint16(40, milliseconds(metrics.bufferMsMax));
  view.setUint16(42, milliseconds(metrics.bufferMsMax));
  return packet;
}

/** The block about `ssrc` in an XR packet whose length was checked; undefined where there is none, or it is broken. */
export function readVoipMetrics(packet: Uint8Array, ssrc: number): VoipMetrics | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  for (let at = 8; at + 4 <= packet.length; ) {
    const sizeBytes = (view.getUint16(at + 2) + 1) * 4;
    if (at + sizeBytes > packet.length) return undefined;
    if (packet[at] === blockTypeVoip && sizeBytes === blockBytes && view.getUint32(at + 4) === ssrc)
      return readBlock(view, at);
    at += sizeBytes;
  }
  return undefined;
}

function readBlock(view: DataView, at: number): VoipMetrics {
  const byte = (offset: number) => view.getUint8(at + offset);
  const known = (offset: number, most: number, divisor: number) => {
    const value = byte(offset);
    return value > most ? undefined : value / divisor;
  };
  const delay = (offset: number) => view.getUint16(at + offset) || undefined;
  return {
    ssrc: view.getUint32(at + 4),
    lossRate: byte(8) / 256,
    discardRate: byte(9) / 256,
    burstDensity: byte(10) / 256,
    gapDensity: byte(11) / 256,
    burstMs: view.getUint16(at + 12),
    gapMs: view.getUint16(at + 14),
    rttMs: delay(16),
    endSystemDelayMs: delay(18),
    rating: known(24, 100, 1),
    mosListening: mosWithin(known(26, 50, 10)),
    mosConversation: mosWithin(known(27, 50, 10)),
    bufferMs: view.getUint16(at + 30),
    bufferMsMax: view.getUint16(at + 32),
  };
}

function mosWithin(mos: number | undefined): number | undefined {
  return mos === undefined || mos < 1 ? undefined : mos;
}

function share(value: number): number {
  return Math.min(255, Math.max(0, Math.floor(value * 256)));
}

function milliseconds(value: number): number {
  return Math.min(0xffff, Math.max(0, Math.round(value)));
}

function score(mos: number | undefined): number {
  return mos === undefined ? unknown : Math.round(mos * 10);
}
