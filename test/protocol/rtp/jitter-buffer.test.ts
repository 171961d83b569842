import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JitterBuffer } from '../../../protocol/rtp/jitter-buffer.ts';
import { RtpHeader } from '../../../protocol/rtp/packet.ts';
import { createRandom } from '../../support/random.ts';

type Played = number | 'lost';

function offer(buffer: JitterBuffer, sequence: number, nowMs: number, played: Played[]): string {
  const header = new RtpHeader();
  header.sequence = sequence & 0xffff;
  header.payloadOffset = 2;
  header.payloadBytes = 2;
  const datagram = Uint8Array.of(9, 9, header.sequence >> 8, header.sequence & 0xff);
  const verdict = buffer.offer(header, datagram, nowMs);
  if (verdict === 'deliver') played.push(header.sequence);
  datagram.fill(0xee);
  drain(buffer, nowMs, played);
  return verdict;
}

function drain(buffer: JitterBuffer, nowMs: number, played: Played[]): void {
  for (let packet = buffer.next(nowMs); packet !== undefined; packet = buffer.next(nowMs)) {
    if (packet === 'lost') {
      played.push('lost');
      continue;
    }
    const { header, bytes } = packet;
    expect((bytes[header.payloadOffset]! << 8) | bytes[header.payloadOffset + 1]!).toBe(header.sequence);
    played.push(header.sequence);
  }
}

describe('a packet every 20 ms, drained until 60 ms after the last', () => {
  const rows: { name: string; arrive: number[]; play: Played[]; late?: number; duplicate?: number }[] = [
    { name: 'passes on what comes in order', arrive: [7, 8, 9], play: [7, 8, 9] },
    { name: 'puts two swapped packets back', arrive: [7, 9, 8, 10], play: [7, 8, 9, 10] },
    { name: 'waits across the 16-bit wrap', arrive: [65535, 1, 0], play: [65535, 0, 1] },
    { name: 'gives up on a hole after 60 ms', arrive: [7, 9], play: [7, 'lost', 9] },
    { name: 'gives up on two holes', arrive: [7, 9, 11], play: [7, 'lost', 9, 'lost', 11] },
    { name: 'drops what was played already', arrive: [7, 8, 8, 7, 9], play: [7, 8, 9], duplicate: 2 },
    { name: 'drops a second copy of what waits', arrive: [7, 9, 9, 8], play: [7, 8, 9], duplicate: 1 },
    {
      name: 'drops what comes after its place was given up',
      arrive: [7, 9, 10, 11, 12, 8, 13],
      play: [7, 'lost', 9, 10, 11, 12, 13],
      late: 1,
    },
    { name: 'drops what came before the first', arrive: [7, 6, 8], play: [7, 8], late: 1 },
  ];
  test.each(rows)('$name', ({ arrive, play, late = 0, duplicate = 0 }) => {
    const buffer = new JitterBuffer();
    const played: Played[] = [];
    let nowMs = 1000;
    for (const sequence of arrive) {
      offer(buffer, sequence, nowMs, played);
      nowMs += 20;
    }
    drain(buffer, nowMs + 40, played);
    expect(played).toEqual(play);
    expect(buffer.packetsLate).toBe(late);
    expect(buffer.packetsDuplicate).toBe(duplicate);
    expect(buffer.packetsHeld).toBe(0);
  });
});

test('a hole is waited for 60 ms from the packet behind it, and the deadline says so', () => {
  const buffer = new JitterBuffer();
  const played: Played[] = [];
  expect(buffer.deadlineMs).toBe(Number.POSITIVE_INFINITY);
  offer(buffer, 1, 0, played);
  expect(offer(buffer, 3, 25, played)).toBe('held');
  offer(buffer, 5, 40, played);
  expect(buffer.deadlineMs).toBe(85);
  drain(buffer, 84.9, played);
  expect(played).toEqual([1]);
  drain(buffer, 85, played);
  expect(played).toEqual([1, 'lost', 3]);
  expect(buffer.deadlineMs).toBe(100);
  drain(buffer, 100, played);
  expect(played).toEqual([1, 'lost', 3, 'lost', 5]);
  expect(buffer.deadlineMs).toBe(Number.POSITIVE_INFINITY);
});

test('the packet that closes a hole is not copied', () => {
  const buffer = new JitterBuffer();
  const played: Played[] = [];
  offer(buffer, 1, 0, played);
  offer(buffer, 3, 0, played);
  expect(offer(buffer, 2, 0, played)).toBe('deliver');
  expect(played).toEqual([1, 2, 3]);
});

test('a hole is given up early when more than it may hold wait behind it', () => {
  const buffer = new JitterBuffer({ packetsHeldMax: 8 });
  const played: Played[] = [];
  offer(buffer, 0, 0, played);
  for (let sequence = 2; sequence < 10; sequence++) offer(buffer, sequence, 0, played);
  expect(played).toEqual([0]);
  offer(buffer, 10, 0, played);
  expect(played).toEqual([0, 'lost', 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('a packet too far ahead ends the waiting for all before it', () => {
  const buffer = new JitterBuffer();
  const played: Played[] = [];
  offer(buffer, 0, 0, played);
  offer(buffer, 3, 0, played);
  offer(buffer, 20, 0, played);
  expect(played).toEqual([0, 'lost', 'lost', 3, ...new Array(16).fill('lost'), 20]);
  expect(buffer.packetsLost).toBe(18);
  expect(offer(buffer, 21, 0, played)).toBe('deliver');
});

test('of a long outage 50 packets are reported lost, all of it is counted', () => {
  const buffer = new JitterBuffer();
  const played: Played[] = [];
  offer(buffer, 65_000, 0, played);
  offer(buffer, 65_000 + 2500, 50_000, played);
  expect(played).toEqual([65_000, ...new Array(50).fill('lost'), (65_000 + 2500) & 0xffff]);
  expect(buffer.packetsLost).toBe(2499);
});

test('after a flush what waits comes out at once, and any number begins anew', () => {
  const buffer = new JitterBuffer();
  const played: Played[] = [];
  offer(buffer, 10, 0, played);
  offer(buffer, 12, 0, played);
  buffer.flush();
  drain(buffer, 0, played);
  expect(played).toEqual([10, 'lost', 12]);
  expect(offer(buffer, 5000, 0, played)).toBe('deliver');
  expect(offer(buffer, 12, 0, played)).toBe('late');
  offer(buffer, 5002, 0, played);
  buffer.flush();
  expect(offer(buffer, 1, 0, played)).toBe('deliver');
  expect(buffer.packetsHeld).toBe(0);
});

test('silence suppression is no loss: only the timestamp jumps', () => {
  const buffer = new JitterBuffer();
  const header = new RtpHeader();
  for (const [index, timestamp] of [0, 160, 80_000, 80_160].entries()) {
    Object.assign(header, { sequence: index, timestamp, marker: timestamp === 80_000 });
    expect(buffer.offer(header, new Uint8Array(0), index * 20)).toBe('deliver');
    expect(buffer.next(index * 20)).toBeUndefined();
  }
  expect(buffer.packetsLost).toBe(0);
});

test('a payload longer than the slots is cut, not written beyond', () => {
  const buffer = new JitterBuffer({ payloadBytesMax: 10 });
  const header = new RtpHeader();
  buffer.offer(header, new Uint8Array(0), 0);
  header.sequence = 2;
  header.payloadBytes = 40;
  expect(buffer.offer(header, new Uint8Array(40), 0)).toBe('held');
  header.sequence = 1;
  expect(buffer.offer(header, new Uint8Array(40), 0)).toBe('deliver');
  const held = buffer.next(0);
  expect(held !== 'lost' && held?.header.payloadBytes).toBe(10);
});

describe('on any line', () => {
  const line = fc.record({
    start: fc.integer({ min: 0, max: 0xffff }),
    seed: fc.integer({ min: 0, max: 0x7fffffff }),
    loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
    repeat: fc.double({ min: 0, max: 0.2, noNaN: true }),
    jitterMs: fc.integer({ min: 0, max: 200 }),
  });
  /** Packets of a 20 ms stream as they arrive. */
  function arrivals({
    start,
    seed,
    loss,
    repeat,
    jitterMs,
  }: typeof line extends fc.Arbitrary<infer L> ? L : never) {
    const random = createRandom(seed);
    const packets: { sequence: number; atMs: number }[] = [];
    for (let index = 0; index < 150; index++) {
      const sequence = (start + index) & 0xffff;
      if (index > 0 && random() < loss) continue;
      const jitter = index === 0 ? -1 : random() * jitterMs;
      packets.push({ sequence, atMs: index * 20 + jitter });
      if (random() < repeat) packets.push({ sequence, atMs: index * 20 + jitter + random() * 50 });
    }
    return packets.sort((a, b) => a.atMs - b.atMs);
  }

  test('every packet is played at most once, in order, lost ones in their places, none kept beyond its deadline', () => {
    fc.assert(
      fc.property(line, (settings) => {
        const buffer = new JitterBuffer();
        const packets = arrivals(settings);
        const played: Played[] = [];
        let delivered = 0;
        for (const { sequence, atMs } of packets) {
          while (buffer.deadlineMs < atMs) drain(buffer, buffer.deadlineMs, played);
          offer(buffer, sequence, atMs, played);
          expect(buffer.packetsHeld).toBeLessThanOrEqual(8);
        }
        drain(buffer, Number.POSITIVE_INFINITY, played);
        for (const [index, packet] of played.entries()) {
          if (packet !== 'lost') expect(packet).toBe((settings.start + index) & 0xffff);
          if (packet !== 'lost') delivered++;
        }
        expect(delivered + buffer.packetsLate + buffer.packetsDuplicate).toBe(packets.length);
        expect(played.length - delivered).toBe(buffer.packetsLost);
      }),
      { seed: 60 },
    );
  });

  test('nothing is lost or late while delays stay below the deadline', () => {
    fc.assert(
      fc.property(line, (settings) => {
        const buffer = new JitterBuffer({ packetsHeldMax: 15 });
        const played: Played[] = [];
        for (const { sequence, atMs } of arrivals({
          ...settings,
          loss: 0,
          jitterMs: settings.jitterMs * 0.29,
        })) {
          drain(buffer, atMs, played);
          offer(buffer, sequence, atMs, played);
        }
        expect(played).toEqual(Array.from({ length: 150 }, (_, index) => (settings.start + index) & 0xffff));
      }),
      { seed: 60 },
    );
  });
});
