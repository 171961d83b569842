import { expect, it } from 'vitest';
import { RtpHeader } from '../../../protocol/rtp/packet.ts';
import { TelephoneEventReceiver, TelephoneEventSender } from '../../../protocol/rtp/telephone-event.ts';
import { createRandom } from '../../support/random.ts';

/** A digit of 100 ms is five packets and two more of its end, each of which says all of it: it is lost only with all
 *  seven, once in a thousand million at 5 %. Loss in bursts is what it cannot stand for ever, RFC 4733 §2.5.1.4. */
it.each([
  { name: '5 % of the packets lost', lossPercent: 5, burstPackets: 1, jitterMs: 0 },
  { name: '5 % lost in bursts, reordered', lossPercent: 5, burstPackets: 1.3, jitterMs: 40 },
  { name: '20 % lost', lossPercent: 20, burstPackets: 1, jitterMs: 0 },
])('10,000 digits with $name: none lost, doubled or invented', ({ lossPercent, burstPackets, jitterMs }) => {
  const random = createRandom(lossPercent + jitterMs);
  const keys = '0123456789*#ABCD';
  const said = Array.from({ length: 10_000 }, () => keys[Math.floor(16 * random())]!).join('');
  const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: 20 });
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
  let waiting: { atMs: number; marker: boolean; timestamp: number; payload: Uint8Array }[] = [];
  let queued = 0;
  for (let frame = 0; queued < said.length || sender.busy || waiting.length > 0; frame++) {
    const nowMs = frame * 20;
    if (queued < said.length) queued += sender.queue(said.slice(queued, queued + 100));
    const payload = new Uint8Array(4);
    if (sender.nextFrame((frame * 160) >>> 0, payload, 0)) {
      losing = losing ? random() >= leave : random() < enter;
      const { marker, timestamp } = sender;
      if (!losing) waiting.push({ atMs: nowMs + jitterMs * random(), marker, timestamp, payload });
    }
    const due = waiting.filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
    waiting = waiting.filter(({ atMs }) => atMs > nowMs);
    for (const packet of due) {
      Object.assign(header, { marker: packet.marker, timestamp: packet.timestamp });
      receiver.receive(header, packet.payload, nowMs);
    }
    take(nowMs);
  }
  take(Number.MAX_SAFE_INTEGER);
  expect(heard.length).toBe(said.length);
  expect(heard === said).toBe(true);
});
