import type { Row } from './quality-rows.ts';

/** What audio quality is held to: one number of one table each, and its bound. */

export type SectionName =
  | 'resampling'
  | 'exact'
  | 'roundTrip'
  | 'loss'
  | 'line'
  | 'drift'
  | 'digits'
  | 'srtp'
  | 'random';

export interface QualityCheck {
  readonly section: SectionName;
  readonly what: string;
  readonly wanted: string;
  /** The number that is judged. */
  readonly measure: (rows: readonly Row[]) => number;
  readonly passes: (value: number) => boolean;
}

/** Cells of a column that are numbers. */
function numbers(rows: readonly Row[], column: string): number[] {
  return rows.map((row) => row[column]).filter((cell): cell is number => typeof cell === 'number');
}

const lowest = (column: string) => (rows: readonly Row[]) => Math.min(...numbers(rows, column));
const highest = (column: string) => (rows: readonly Row[]) => Math.max(...numbers(rows, column));
const total = (column: string) => (rows: readonly Row[]) =>
  numbers(rows, column).reduce((sum, value) => sum + value, 0);
const notYes = (column: string) => (rows: readonly Row[]) =>
  rows.filter((row) => row[column] !== 'yes').length;
const where =
  (column: string, value: string | number, measure: QualityCheck['measure']) => (rows: readonly Row[]) =>
    measure(rows.filter((row) => row[column] === value));

const atLeast = (bound: number) => (value: number) => value >= bound;
const atMost = (bound: number) => (value: number) => value <= bound;

// biome-ignore format: a table reads as a table
export const qualityChecks: readonly QualityCheck[] = [
  { section: 'resampling', what: 'SNR of 1 kHz at -6 dB, worst pair', wanted: '>= 85 dB', measure: lowest('SNR dB'), passes: atLeast(85) },
  { section: 'resampling', what: 'ripple from 300 to 3400 Hz', wanted: '<= 0.05 dB', measure: highest('ripple dB'), passes: atMost(0.05) },
  { section: 'resampling', what: 'images', wanted: '<= -80 dB', measure: highest('images dB'), passes: atMost(-80) },
  { section: 'resampling', what: 'aliases', wanted: '<= -80 dB', measure: highest('aliases dB'), passes: atMost(-80) },
  { section: 'resampling', what: 'pairs not exact each 20 ms, or other than in one piece', wanted: '0', measure: notYes('exact each 20 ms'), passes: atMost(0) },
  { section: 'roundTrip', what: 'PCMU -> stream -> PCMU over speech, against what was spoken', wanted: '>= 35 dB', measure: lowest('SNR dB of what was spoken'), passes: atLeast(35) },
  { section: 'roundTrip', what: 'the same against what the µ-law carried', wanted: '>= 45 dB', measure: lowest('of what was carried'), passes: atLeast(45) },
  { section: 'exact', what: 'G.711 on all inputs, and G.722: vectors that differ', wanted: '0', measure: total('wrong'), passes: atMost(0) },
  { section: 'line', what: 'tone over 2 % bursty loss, ±40 ms jitter: present', wanted: '>= 95 %', measure: where('lost %', 2, lowest('present %')), passes: atLeast(95) },
  { section: 'line', what: 'the same over 5 %', wanted: '>= 85 %', measure: where('lost %', 5, lowest('present %')), passes: atLeast(85) },
  { section: 'line', what: 'added delay, at most, over 2 %', wanted: '<= 120 ms', measure: where('lost %', 2, highest('max ms')), passes: atMost(120) },
  { section: 'drift', what: 'ten minutes with a clock ±0.5 % off: delay from the start', wanted: '<= 40 ms', measure: highest('furthest from it'), passes: atMost(40) },
  { section: 'drift', what: 'the loudest click', wanted: '<= -50 dB', measure: highest('loudest click dB'), passes: atMost(-50) },
  { section: 'digits', what: '10,000 digits over 5 and 20 % loss, and none in 10 minutes of speech: lines that are wrong', wanted: '0', measure: notYes('all right'), passes: atMost(0) },
  { section: 'srtp', what: 'forged and replayed packets tried', wanted: '>= 100,000', measure: total('forged or replayed'), passes: atLeast(100_000) },
  { section: 'srtp', what: 'of them accepted', wanted: '0', measure: total('accepted'), passes: atMost(0) },
  { section: 'srtp', what: 'genuine packets refused meanwhile', wanted: '0', measure: total('genuine refused'), passes: atMost(0) },
  { section: 'srtp', what: 'protect a packet, slowest suite', wanted: '<= 3 us', measure: highest('protect us'), passes: atMost(3) },
  { section: 'loss', what: 'concealment nearer to the spectrum than silence (thirds of an octave), worst codec', wanted: '>= 3 dB', measure: lowest('better by dB'), passes: atLeast(3) },
  { section: 'random', what: 'random packets into each decoder that crash it or give a wrong length', wanted: '0', measure: total('wrong'), passes: atMost(0) },
];
