import { describe, expect, test } from 'vitest';
import { HeardAudio } from '../../../gateway/phone/heard-audio.ts';

/** Four samples a packet at 8 kHz, each packet filled with one value. */
const packetSamples = 4;
const timestampStart = 0xffff_fffc; // the timestamp wraps after the first packet

interface Packet {
  readonly value: number;
  /** Timestamp, in packets after the first. */
  readonly at: number;
  readonly nowMs?: number;
  readonly ssrc?: number;
}

function hear(packets: readonly Packet[], secondsMax = 10): number[] {
  const heard = new HeardAudio({ sampleRateHz: 8_000, rtpClockRateHz: 8_000, secondsMax });
  for (const { value, at, nowMs = at / 2, ssrc = 1 } of packets) {
    const rtpTimestamp = (timestampStart + at * packetSamples) >>> 0;
    heard.place(new Int16Array(packetSamples).fill(value), packetSamples, ssrc, rtpTimestamp, nowMs);
  }
  const { pcm } = heard;
  return Array.from({ length: pcm.length / packetSamples }, (_, i) => pcm[i * packetSamples]!);
}

describe('heard audio', () => {
  const cases: readonly { name: string; packets: readonly Packet[]; heard: readonly number[] }[] = [
    {
      name: 'joins packets across the 32-bit wrap',
      packets: [
        { value: 1, at: 0 },
        { value: 2, at: 1 },
        { value: 3, at: 2 },
      ],
      heard: [1, 2, 3],
    },
    {
      name: 'leaves a hole for a lost packet',
      packets: [
        { value: 1, at: 0 },
        { value: 3, at: 2 },
      ],
      heard: [1, 0, 3],
    },
    {
      name: 'puts a late packet in its place',
      packets: [
        { value: 1, at: 0 },
        { value: 3, at: 2 },
        { value: 2, at: 1, nowMs: 2 },
      ],
      heard: [1, 2, 3],
    },
    {
      name: 'ignores what lies before the first packet',
      packets: [
        { value: 2, at: 1 },
        { value: 1, at: 0, nowMs: 1 },
      ],
      heard: [2],
    },
    {
      name: 'goes on after a new SSRC with another timestamp',
      packets: [
        { value: 1, at: 0 },
        { value: 2, at: 500_000_000, nowMs: 0.5, ssrc: 2 },
        { value: 3, at: 500_000_001, nowMs: 1, ssrc: 2 },
      ],
      heard: [1, 2, 3],
    },
    {
      name: 'goes on after a timestamp that jumped without a new SSRC',
      packets: [
        { value: 1, at: 0 },
        { value: 2, at: 9_000_000, nowMs: 1 },
      ],
      heard: [1, 0, 2],
    },
  ];
  test.each(cases)('$name', ({ packets, heard }) => {
    expect(hear(packets)).toEqual(heard);
  });

  test('keeps no more than it was asked to', () => {
    const packets = Array.from({ length: 40 }, (_, at) => ({ value: at + 1, at }));
    expect(hear(packets, 0.01)).toEqual(packets.slice(0, 20).map(({ value }) => value));
  });
});
