import { describe, expect, test } from 'vitest';
import { RtpHeader } from '../../../protocol/rtp/packet.ts';
import { Reception } from '../../../protocol/rtp/reception.ts';
import { createRandom } from '../../support/random.ts';

interface Arrival {
  readonly sequence: number;
  readonly atMs?: number;
  readonly timestamp?: number;
  readonly ssrc?: number;
}

function receive(reception: Reception, arrival: Arrival): string {
  const header = new RtpHeader();
  header.sequence = arrival.sequence & 0xffff;
  header.timestamp = (arrival.timestamp ?? arrival.sequence * 160) >>> 0;
  header.ssrc = arrival.ssrc ?? 1;
  return reception.receive(header, arrival.atMs ?? arrival.sequence * 20);
}

function receiveAll(sequences: readonly number[]): Reception {
  const reception = new Reception({ rtpClockRateHz: 8000 });
  for (const sequence of sequences) receive(reception, { sequence });
  return reception;
}

test.each([
  { name: 'nothing', sequences: [], received: 0, expected: 0, lost: 0 },
  { name: 'all of it', sequences: [1, 2, 3], received: 3, expected: 3, lost: 0 },
  { name: 'a hole', sequences: [1, 2, 5], received: 3, expected: 5, lost: 2 },
  { name: 'a hole closed late', sequences: [1, 3, 2], received: 3, expected: 3, lost: 0 },
  { name: 'a hole across the wrap', sequences: [65534, 65537], received: 2, expected: 4, lost: 2 },
  {
    name: 'a repeat that does not hide a loss',
    sequences: [1, 2, 2, 4],
    received: 3,
    expected: 4,
    lost: 1,
    duplicate: 1,
  },
  { name: 'a start out of order', sequences: [5, 4, 7], received: 3, expected: 4, lost: 1 },
  { name: 'a start out of order at 0', sequences: [0, 65535, 2], received: 3, expected: 4, lost: 1 },
  {
    name: 'a restart that is no loss',
    sequences: [1, 2, 9000, 9001, 9002],
    received: 4,
    expected: 4,
    lost: 0,
  },
  { name: 'a loss before a restart', sequences: [1, 3, 9000, 9001], received: 3, expected: 4, lost: 1 },
])('counts $name', ({ sequences, received, expected, lost, duplicate = 0 }) => {
  const reception = receiveAll(sequences);
  expect(reception.packetsReceived).toBe(received);
  expect(reception.packetsExpected).toBe(expected);
  expect(reception.packetsLost).toBe(lost);
  expect(reception.packetsDuplicate).toBe(duplicate);
});

test('a new SSRC is a new source at once, and the totals go on', () => {
  const reception = receiveAll([1, 3]);
  expect(receive(reception, { sequence: 700, ssrc: 2 })).toBe('restarted');
  expect(receive(reception, { sequence: 701, ssrc: 2 })).toBe('accepted');
  expect(reception.packetsLost).toBe(1);
  expect(reception.packetsReceived).toBe(4);
  expect(reception.takeReport()).toMatchObject({ ssrc: 2, packetsLost: 0, extendedSequence: 701 });
});

test('a repeat is found for 128 packets', () => {
  const reception = receiveAll(Array.from({ length: 200 }, (_, index) => 65_500 + index));
  expect(receive(reception, { sequence: 65_500 + 199 })).toBe('duplicate');
  expect(receive(reception, { sequence: 65_500 + 110 })).toBe('duplicate');
});

describe('a sender that jumps back by less than what may be reordered', () => {
  const verdicts = (reception: Reception, back: readonly Arrival[]): string[] => {
    for (let sequence = 200; sequence < 300; sequence++) receive(reception, { sequence });
    return back.map((arrival) => receive(reception, arrival));
  };
  const from = (sequence: number, count: number, everyMs: number): Arrival[] =>
    Array.from({ length: count }, (_, index) => ({
      sequence: sequence + index,
      atMs: 6_000 + index * everyMs,
    }));

  test.each([20, 30, 60])('is believed after 5 packets in their own time (every %i ms)', (everyMs) => {
    const reception = new Reception({ rtpClockRateHz: 8000 });
    expect(verdicts(reception, from(250, 6, everyMs)).slice(4)).toEqual(['restarted', 'accepted']);
    expect(reception.packetsLost).toBe(0);
  });

  test('is not what comes late in a burst, nor what comes between new packets', () => {
    const burst = new Reception({ rtpClockRateHz: 8000 });
    expect(verdicts(burst, from(250, 40, 1))).not.toContain('restarted');
    const between = new Reception({ rtpClockRateHz: 8000 });
    const both = from(250, 40, 20).flatMap((late, index) => [late, { ...late, sequence: 300 + index }]);
    expect(verdicts(between, both)).not.toContain('restarted');
  });
});

describe('report blocks, RFC 3550 A.3', () => {
  test('fraction of the interval, loss of the whole', () => {
    const reception = receiveAll([...Array(100).keys()].filter((sequence) => sequence % 4 !== 1));
    expect(reception.takeReport()).toMatchObject({ fractionLost: 64, packetsLost: 25, extendedSequence: 99 });
    for (let sequence = 100; sequence < 200; sequence++) receive(reception, { sequence });
    expect(reception.takeReport()).toMatchObject({ fractionLost: 0, packetsLost: 25, extendedSequence: 199 });
  });

  test('none before the first packet, nor for an interval without any', () => {
    const reception = new Reception({ rtpClockRateHz: 8000 });
    expect(reception.takeReport()).toBeUndefined();
    receive(reception, { sequence: 1 });
    expect(reception.takeReport()).toMatchObject({ packetsLost: 0, fractionLost: 0 });
    expect(reception.takeReport()).toBeUndefined();
  });

  test('repeats make the cumulative loss negative and the fraction 0', () => {
    expect(receiveAll([1, 1, 1, 2]).takeReport()).toMatchObject({ fractionLost: 0, packetsLost: -2 });
  });
});

describe('jitter, RFC 3550 §6.4.1', () => {
  test('as the formula of A.8 gives it', () => {
    const random = createRandom(8);
    const reception = new Reception({ rtpClockRateHz: 8000 });
    let jitter = 0;
    let transitLast: number | undefined;
    for (let sequence = 0; sequence < 500; sequence++) {
      const atMs = sequence * 20 + random() * 15;
      receive(reception, { sequence, atMs });
      const transit = atMs * 8 - sequence * 160;
      if (transitLast !== undefined) jitter += (Math.abs(transit - transitLast) - jitter) / 16;
      transitLast = transit;
    }
    expect(reception.jitterMs).toBeCloseTo(jitter / 8, 6);
    expect(reception.takeReport()?.jitter).toBe(Math.floor(jitter));
  });

  test.each([
    { name: 'an even stream', step: (index: number) => ({ timestamp: index * 160, atMs: index * 20 }) },
    {
      name: 'a timestamp wrap',
      step: (index: number) => ({ timestamp: 0xffffff00 + index * 160, atMs: index * 20 }),
    },
    {
      name: 'silence suppression',
      step: (index: number) => ({ timestamp: index * 160 * 50, atMs: index * 1000 }),
    },
    {
      name: 'a telephone-event with one timestamp',
      step: (index: number) => ({
        timestamp: (index < 5 ? index : Math.max(5, index - 10)) * 160 + (index > 15 ? 1600 : 0),
        atMs: index * 20,
      }),
    },
    {
      name: 'a sender that sets its timestamp anew',
      step: (index: number) => ({ timestamp: index * 160 + (index > 10 ? 1e9 : 0), atMs: index * 20 }),
    },
  ])('is 0 for $name', ({ step }) => {
    const reception = new Reception({ rtpClockRateHz: 8000 });
    for (let index = 0; index < 30; index++) receive(reception, { sequence: index, ...step(index) });
    expect(reception.jitterMs).toBe(0);
  });
});
