import { expect, it } from 'vitest';
import { DigitMerger, type DigitMethod } from '../../protocol/digit-merger.ts';

type Report = [digit: string, method: DigitMethod, atMs: number];

it.each<[string, Report[], string]>([
  [
    'one way',
    [
      ['5', 'rfc4733', 0],
      ['5', 'rfc4733', 200],
      ['6', 'rfc4733', 400],
    ],
    '556',
  ],
  [
    'all three ways',
    [
      ['5', 'rfc4733', 0],
      ['5', 'inband', 30],
      ['5', 'info', 300],
    ],
    '5',
  ],
  [
    'INFO first',
    [
      ['1', 'info', 0],
      ['1', 'inband', 90],
      ['1', 'rfc4733', 120],
    ],
    '1',
  ],
  [
    'the same key twice, two ways',
    [
      ['5', 'rfc4733', 0],
      ['5', 'inband', 20],
      ['5', 'rfc4733', 200],
      ['5', 'inband', 220],
    ],
    '55',
  ],
  [
    'the same key twice, INFO late for both',
    [
      ['5', 'rfc4733', 0],
      ['5', 'rfc4733', 200],
      ['5', 'info', 700],
      ['5', 'info', 900],
    ],
    '55',
  ],
  [
    'other keys between',
    [
      ['1', 'info', 0],
      ['2', 'info', 100],
      ['1', 'inband', 150],
      ['2', 'inband', 250],
    ],
    '12',
  ],
  [
    'one way only for some',
    [
      ['1', 'inband', 0],
      ['2', 'rfc4733', 200],
      ['2', 'inband', 220],
    ],
    '12',
  ],
  [
    'long after',
    [
      ['5', 'rfc4733', 0],
      ['5', 'info', 5000],
    ],
    '55',
  ],
])('a press is reported once: %s', (_name, reports, expected) => {
  const merger = new DigitMerger();
  const told = reports.filter(([digit, method, atMs]) => merger.report(digit, method, atMs));
  expect(told.map(([digit]) => digit).join('')).toBe(expected);
  expect(merger.merged).toBe(reports.length - expected.length);
});

it('remembers no more than it has to', () => {
  const merger = new DigitMerger();
  for (let count = 0; count < 10_000; count++) expect(merger.report('1', 'rfc4733', count)).toBe(true);
});
