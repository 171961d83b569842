import { expect, test } from 'vitest';
import { SequenceTracker } from '../../../protocol/rtp/sequence.ts';

const rows: {
  name: string;
  probationPackets?: number;
  arrive: number[];
  verdicts: string;
  extendedMax: number;
}[] = [
  { name: 'in order', arrive: [5, 6, 7], verdicts: 'first next next', extendedMax: 7 },
  {
    name: 'across the wrap',
    arrive: [65534, 65535, 0, 1],
    verdicts: 'first next next next',
    extendedMax: 65537,
  },
  { name: 'across the wrap with loss', arrive: [65530, 4], verdicts: 'first next', extendedMax: 65540 },
  {
    name: 'reordered across the wrap',
    arrive: [65535, 1, 0],
    verdicts: 'first next behind',
    extendedMax: 65537,
  },
  { name: 'a hole of 2999', arrive: [10, 3009], verdicts: 'first next', extendedMax: 3009 },
  {
    name: 'a jump of 3000, not confirmed',
    arrive: [10, 3010, 11],
    verdicts: 'first jumped next',
    extendedMax: 11,
  },
  {
    name: 'a jump that is confirmed',
    arrive: [10, 40_000, 40_001, 40_002],
    verdicts: 'first jumped restarted next',
    extendedMax: 40_002,
  },
  {
    name: 'a jump that is confirmed across the wrap',
    arrive: [10, 65_535, 0, 1],
    verdicts: 'first behind behind behind',
    extendedMax: 10,
  },
  {
    name: 'a jump back beyond 100',
    arrive: [1000, 500, 501, 502],
    verdicts: 'first jumped restarted next',
    extendedMax: 502,
  },
  {
    name: 'two jumps to different places',
    arrive: [10, 20_000, 40_000, 11],
    verdicts: 'first jumped jumped next',
    extendedMax: 11,
  },
  {
    name: 'a jump, the old stream, the jump again',
    arrive: [10, 20_000, 11, 20_001],
    verdicts: 'first jumped next jumped',
    extendedMax: 11,
  },
  { name: 'the same number again', arrive: [10, 10], verdicts: 'first behind', extendedMax: 10 },
  {
    name: 'probation of two',
    probationPackets: 2,
    arrive: [10, 11, 12],
    verdicts: 'probation first next',
    extendedMax: 12,
  },
  {
    name: 'probation begun anew',
    probationPackets: 3,
    arrive: [10, 11, 20, 21, 22],
    verdicts: 'probation probation probation probation first',
    extendedMax: 22,
  },
];

test.each(rows)('$name', ({ probationPackets, arrive, verdicts, extendedMax }) => {
  const tracker = new SequenceTracker(probationPackets === undefined ? {} : { probationPackets });
  expect(arrive.map((sequence) => tracker.receive(sequence)).join(' ')).toBe(verdicts);
  expect(tracker.extendedMax).toBe(extendedMax);
});

test('counts on through many cycles', () => {
  const tracker = new SequenceTracker();
  for (let packet = 0; packet < 300_000; packet += 7) tracker.receive(packet & 0xffff);
  expect(tracker.extendedMax).toBe(299_999 - (299_999 % 7));
});
