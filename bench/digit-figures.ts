/** Digits as RTP events over a line that loses and reorders packets. */

import { RtpHeader } from '../protocol/rtp/packet.ts';
import { TelephoneEventReceiver, TelephoneEventSender } from '../protocol/rtp/telephone-event.ts';

export interface DigitLine {
  readonly count: number;
  readonly random: () => number;
  readonly lossPercent: number;
  /** Mean length of a loss, in packets. */
  readonly burstPackets: number;
  /** Each packet is up to so much later. */
  readonly jitterMs: number;
}

export interface DigitFigures {
  readonly said: string;
  readonly heard: string;
}

const keys = '0123456789*#ABCD';
const frameMs = 20;

interface Packet {
  readonly atMs: number;
  readonly marker: boolean;
  readonly timestamp: number;
  readonly payload: Uint8Array;
}

/** Random digits of 100 ms, one after the other. */
export function digitsOverLine({
  count,
  random,
  lossPercent,
  burstPackets,
  jitterMs,
}: DigitLine): DigitFigures {
  const said = Array.from({ length: count }, () => keys[Math.floor(16 * random())]!).join('');
  const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: frameMs });
  const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
  const header = new RtpHeader();
  header.payloadBytes = 4;
  let heard = '';
  const take = (nowMs: number) => {
    for (let ended = receiver.next(nowMs); ended !== undefined; ended = receiver.next(nowMs))
      heard += ended.digit;
  };
  const leave = 1 / burstPackets;
  const enter = (leave * lossPercent) / (100 - lossPercent);
  let losing = false;
  let underWay: Packet[] = [];
  let queued = 0;
  for (let frame = 0; queued < said.length || sender.busy || underWay.length > 0; frame++) {
    const nowMs = frame * frameMs;
    if (queued < said.length) queued += sender.queue(said.slice(queued, queued + 100));
    const payload = new Uint8Array(4);
    if (sender.nextFrame((frame * 160) >>> 0, payload, 0)) {
      losing = losing ? random() >= leave : random() < enter;
      const { marker, timestamp } = sender;
      if (!losing) underWay.push({ atMs: nowMs + jitterMs * random(), marker, timestamp, payload });
    }
    const due = underWay.filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
    if (due.length > 0) underWay = underWay.filter(({ atMs }) => atMs > nowMs);
    for (const packet of due) {
      header.marker = packet.marker;
      header.timestamp = packet.timestamp;
      receiver.receive(header, packet.payload, nowMs);
    }
    take(nowMs);
  }
  take(Number.MAX_SAFE_INTEGER);
  return { said, heard };
}
