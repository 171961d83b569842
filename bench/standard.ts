import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { createProgressLine } from './load-command.ts';
import type { LoadReport } from './load-report.ts';
import { runLoad } from './load-run.ts';
import { estimateSeconds, quickSet, type RunPlan, standardSet } from './standard-set.ts';
import { type Baseline, formatFigures, type MeasuredFigure, measureFigures } from './standard-table.ts';
import { measureYardstick } from './yardstick.ts';

/** `npm run bench`: the standard set against `bench/baseline.json` and the targets. */

const baselinePath = fileURLToPath(new URL('../../bench/baseline.json', import.meta.url));

interface Flags {
  readonly quick?: true;
  readonly only?: readonly string[];
  readonly times: number;
  readonly saveBaseline?: true;
  readonly json?: string;
}

const command = new Command('npm run bench --')
  .description('Runs the standard loads, each with a gateway of its own, and compares.')
  .option('--quick', 'about a minute instead of about a quarter of an hour')
  .option('--only <ids>', `some of ${[...standardSet, ...quickSet].map(({ id }) => id).join(', ')}`, ids)
  .option('--times <n>', 'the whole set so many times', atLeastOne, 1)
  .option('--save-baseline', 'write the figures into bench/baseline.json')
  .option('--json <file>', 'write every report and figure as JSON')
  .addHelpText(
    'after',
    '\nExample:\n  npm run bench -- --only ws300,delay100 --times 3\n\nExit status: 0 every target met, 1 one missed.',
  )
  .parse();

const flags = command.opts<Flags>();
const plans = choosePlans(flags);
const baseline = readBaseline();
const rounds: { figures: MeasuredFigure[]; reports: Map<string, LoadReport> }[] = [];

const minutes = (estimateSeconds(plans) * flags.times) / 60;
print(
  `${plans.length} loads${flags.times > 1 ? `, ${flags.times} times` : ''}: about ${minutes.toFixed(1)} minutes.`,
);
const yardstickUs = await measureYardstick();
print(`This machine: ${describeMachine(machine())}.`);
if (baseline !== undefined)
  print(`Baseline of ${baseline.recordedAt}: ${describeMachine(baseline.machine)}.`);

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());

for (let round = 1; round <= flags.times; round++) {
  if (flags.times > 1) print(`\nRound ${round} of ${flags.times}`);
  rounds.push(await runRound());
}
finish();

async function runRound(): Promise<(typeof rounds)[number]> {
  const reports = new Map<string, LoadReport>();
  const figures: MeasuredFigure[] = [];
  for (const [index, plan] of plans.entries()) {
    if (interrupt.signal.aborted) break;
    print(`\n${plan.id}: ${plan.title}`);
    const line = createProgressLine(`[${index + 1}/${plans.length}] `);
    try {
      const report = await runLoad(plan.options, { progress: line.show, signal: interrupt.signal });
      line.clear();
      const measured = measureFigures(plan, report, reports, baseline);
      reports.set(plan.id, report);
      figures.push(...measured);
      print(formatFigures(measured));
      for (const doubt of report.doubts) print(`  doubtful: ${doubt}`);
    } catch (error) {
      line.clear();
      print(`  did not run: ${(error as Error).message}`);
      figures.push({
        key: plan.id,
        name: plan.title,
        unit: '',
        value: undefined,
        baseline: undefined,
        target: 0,
        met: false,
      });
    }
  }
  return { figures, reports };
}

function finish(): void {
  const all = rounds.flatMap(({ figures }) => figures);
  const missed = all.filter(({ met }) => met === false);
  const judged = all.filter(({ met }) => met !== undefined).length;
  print(
    `\n${judged - missed.length} of ${judged} targets met${missed.length > 0 ? `; missed: ${[...new Set(missed.map(({ key }) => key))].join(', ')}` : ''}`,
  );
  if (flags.json !== undefined) {
    const document = rounds.map(({ figures, reports }) => ({
      figures,
      reports: Object.fromEntries(reports),
    }));
    writeFileSync(flags.json, `${JSON.stringify(document, undefined, 2)}\n`);
  }
  if (flags.saveBaseline && !interrupt.signal.aborted) saveBaseline(all);
  process.exitCode = missed.length > 0 || interrupt.signal.aborted ? 1 : 0;
}

/** The median of the rounds, beside the figures of runs that were not run this time. */
function saveBaseline(figures: readonly MeasuredFigure[]): void {
  const values = new Map<string, number[]>();
  for (const { key, value } of figures)
    if (value !== undefined) values.set(key, [...(values.get(key) ?? []), value]);
  const medians = [...values].map(([key, list]) => {
    const middle = list.sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)]!;
    return [key, Math.round(middle * 1000) / 1000] as const;
  });
  const saved: Baseline = {
    recordedAt: new Date().toISOString().slice(0, 10),
    machine: machine(),
    figures: { ...baseline?.figures, ...Object.fromEntries(medians) },
  };
  writeFileSync(baselinePath, `${JSON.stringify(saved, undefined, 2)}\n`);
  print(`Wrote ${baselinePath}`);
}

function machine(): Baseline['machine'] {
  return {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    datagramUs: Math.round(yardstickUs * 10) / 10,
  };
}

function describeMachine({ cpu, cores, node, datagramUs }: Baseline['machine']): string {
  return `${cpu}, ${cores} cores, Node ${node}; a datagram sent and received takes ${datagramUs} µs of CPU`;
}

function choosePlans({ quick, only }: Flags): readonly RunPlan[] {
  if (only !== undefined) return [...standardSet, ...quickSet].filter(({ id }) => only.includes(id));
  return quick ? quickSet : standardSet;
}

function readBaseline(): Baseline | undefined {
  try {
    return JSON.parse(readFileSync(baselinePath, 'utf8')) as Baseline;
  } catch {
    return undefined;
  }
}

function ids(text: string): readonly string[] {
  const known = [...standardSet, ...quickSet].map(({ id }) => id);
  const chosen = text.split(',');
  const unknown = chosen.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is none of ${known.join(', ')}.`);
  return chosen;
}

function atLeastOne(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('Expected a whole number from 1 to 999.');
  return Number(text);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
