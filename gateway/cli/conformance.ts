import { writeFile } from 'node:fs/promises';
import { conformanceJson, conformanceJunit, conformanceLines } from '../conformance/conformance-report.ts';
import { ruleIds, runConformance, timingDefault } from '../conformance/conformance-run.ts';
import { errorCode } from '../errors.ts';
import type { CommandIo } from './command-io.ts';
import { type ExitStatus, exitStatus, UsageError } from './exit-status.ts';

export interface ConformanceFlags {
  readonly json?: true;
  readonly junit?: string;
  readonly only?: string;
  readonly long?: true;
  readonly timeoutMs?: number;
}

/** Judges a stream server rule by rule. */
export async function runConformanceCommand(
  url: string,
  flags: ConformanceFlags,
  { out, err }: CommandIo,
): Promise<ExitStatus> {
  const { timeoutMs = timingDefault.replyMs } = flags;
  const report = await runConformance({
    url: readUrl(url),
    ...(flags.only !== undefined && { only: readRules(flags.only) }),
    long: flags.long === true,
    timing: {
      replyMs: timeoutMs,
      pongMs: Math.min(timeoutMs, timingDefault.pongMs),
      closeMs: Math.min(timeoutMs, timingDefault.closeMs),
    },
    ...(process.stderr.isTTY && { progress: (scenario) => err.write(`\r\x1b[K${scenario} …`) }),
  });
  if (process.stderr.isTTY) err.write('\r\x1b[K');
  if (flags.junit !== undefined) await writeReport(flags.junit, conformanceJunit(report));
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const lines = flags.json ? [conformanceJson(report)] : conformanceLines(report, colour);
  for (const line of lines) out.write(`${line}\n`);
  return report.passed ? exitStatus.ok : exitStatus.failed;
}

function readUrl(text: string): string {
  if (URL.canParse(text) && /^wss?:$/.test(new URL(text).protocol)) return text;
  throw new UsageError(`'${text}' is no WebSocket URL, expected one such as ws://127.0.0.1:9000/`);
}

/** `R1,R4`, also `1,4` and `r1 r4`. */
function readRules(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map((word) => {
      const id = `R${word.replace(/^r/i, '')}`;
      if (!ruleIds.includes(id))
        throw new UsageError(
          `--only: found '${word}', expected rules from ${ruleIds[0]} to ${ruleIds.at(-1)}`,
        );
      return id;
    });
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new UsageError(`--junit: found ${file} (${errorCode(error)}), expected a file that can be written`);
  }
}
