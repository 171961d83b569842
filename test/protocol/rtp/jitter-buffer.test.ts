import { describe, expect, test } from 'vitest';
import { JitterBuffer } from '../../../protocol/rtp/jitter-buffer.ts';
import { RtpHeader } from '../../../protocol/rtp/packet.ts';

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
