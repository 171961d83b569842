import { writeFileSync } from 'node:fs';
import { formatHtml } from './html-report.ts';
import { parseLoadOptions } from './load-options.ts';
import type { LoadReport } from './load-report.ts';
import { type LoadProgress, runLoad } from './load-run.ts';
import { fixed, formatReport } from './load-table.ts';

const status = { ok: 0, failed: 1, usage: 64 } as const;

/** `callwire bench`: the arguments behind the word. Gives the exit status: 0 where all went well, 1 where a call failed
 *  or a threshold was passed or the run broke off, 64 where the command line was wrong. */
export async function runBench(argv: readonly string[]): Promise<number> {
  const parsed = parseLoadOptions(argv);
  if (parsed.kind === 'text') {
    process.stdout.write(parsed.text);
    return status.ok;
  }
  if (parsed.kind === 'error') {
    process.stderr.write(`${parsed.message}\n`);
    return status.usage;
  }
  const { options } = parsed;
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onInterrupt);
  const line = createProgressLine();
  try {
    const report = await runLoad(options, { progress: line.show, signal: interrupt.signal });
    line.clear();
    writeReport(report);
    return report.verdicts.every(({ passed }) => passed) ? status.ok : status.failed;
  } catch (error) {
    line.clear();
    process.stderr.write(`callwire bench: ${(error as Error).message}\n`);
    return status.failed;
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}

function writeReport(report: LoadReport): void {
  const { json, html } = report.options;
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (json === '-') process.stdout.write(text);
  else {
    process.stdout.write(formatReport(report));
    if (json !== undefined) writeFileSync(json, text);
  }
  if (html !== undefined) writeFileSync(html, formatHtml(report));
}

export interface ProgressLine {
  readonly show: (progress: LoadProgress) => void;
  readonly clear: () => void;
}

/** One line that is written over on a terminal, a line a second elsewhere. */
export function createProgressLine(prefix = ''): ProgressLine {
  const terminal = process.stderr.isTTY === true;
  let shown = false;
  return {
    show(progress) {
      shown = true;
      const text = prefix + formatProgress(progress);
      process.stderr.write(terminal ? `\r\x1b[K${text.slice(0, process.stderr.columns - 1)}` : `${text}\n`);
    },
    clear() {
      if (terminal && shown) process.stderr.write('\r\x1b[K');
      shown = false;
    },
  };
}

const phaseNames = {
  ramp: 'placing',
  warmUp: 'warm-up',
  steady: 'steady',
  hangUp: 'hanging up',
  done: 'done',
};

export function formatProgress({ phase, secondsInPhase, phones, gatewayPercent }: LoadProgress): string {
  const { calls, packets } = phones;
  const failed = Object.values(calls.failed).reduce((sum, count) => sum + count, 0);
  return (
    `${phaseNames[phase]} ${fixed(secondsInPhase, 0)} s   calls up ${calls.active}, answered ${calls.answered} of ${calls.attempted}, failed ${failed}` +
    `   rtp in ${packets.received}, lost ${packets.lost}   round trip p50 ${fixed(phones.roundTripP50, 1)} p99 ${fixed(phones.roundTripP99, 1)} ms` +
    (gatewayPercent === undefined ? '' : `   gateway ${fixed(gatewayPercent, 0)} % of a core`)
  );
}
