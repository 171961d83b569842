/** `npm run build && node dist/bench/quality.js [--json] [--packets N]`: what is lost of sound, what that costs, and
 *  whether it is within its bounds. Takes a minute or two, exits with 1 where something is not. */

import { parseArgs } from 'node:util';
import { mixDown } from '../codecs/wav.ts';
import { digitRows, driftRows, lineRows } from './line-rows.ts';
import { qualityChecks } from './quality-checks.ts';
import {
  codecRows,
  exactRows,
  lossRows,
  opusRows,
  type Row,
  randomRows,
  resamplingRows,
  roundTripRows,
  speechWav,
  srtpRows,
} from './quality-rows.ts';

const { json, packets } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    packets: { type: 'string', default: '1000000' },
  },
}).values;

const measures = {
  resampling: resamplingRows,
  codecs: codecRows,
  opusComplexity: opusRows,
  exact: exactRows,
  roundTrip: roundTripRows,
  loss: lossRows,
  line: lineRows,
  drift: driftRows,
  digits: () => digitRows(mixDown(speechWav), speechWav.sampleRateHz),
  srtp: srtpRows,
  random: () => randomRows(Number(packets)),
};

const all = Object.entries(measures);
const sections = new Map<string, readonly Row[]>();
for (const [index, [name, measure]] of all.entries()) {
  console.error(`${index + 1} of ${all.length}: ${name}`);
  const rows = measure();
  sections.set(name, rows);
  if (!json) printTable(rows);
}

const judged = qualityChecks.map(({ section, what, wanted, measure, passes }) => {
  const found = measure(sections.get(section)!);
  return { what, wanted, found, ok: passes(found) ? 'yes' : 'NO' };
});
if (json) console.log(JSON.stringify({ ...Object.fromEntries(sections), judged }, undefined, 2));
else printTable(judged);
if (judged.some(({ ok }) => ok !== 'yes')) process.exitCode = 1;

function printTable(rows: readonly Row[]): void {
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0]!);
  const widths = columns.map((column) =>
    Math.max(column.length, ...rows.map((row) => String(row[column]).length)),
  );
  const line = (cells: readonly (string | number)[]): string =>
    cells.map((cell, i) => String(cell).padStart(widths[i]!)).join('  ');
  console.log(line(columns));
  for (const row of rows) console.log(line(columns.map((column) => row[column]!)));
  console.log();
}
