import { ConfigError, configProblemText, loadConfig } from '../config.ts';
import type { Output } from './admin-client.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';

/** `callwire check-config FILE`: every problem on a line of its own, exit 78; or a word that there is none.
 *  `env` counts as it would at a start. */
export async function runCheckConfig(
  file: string,
  out: Output,
  { env = process.env }: { readonly env?: Readonly<Record<string, string | undefined>> } = {},
): Promise<ExitStatus> {
  const warnings: string[] = [];
  try {
    await loadConfig({ file, env, warn: (sentence) => warnings.push(sentence) });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { problems } = error;
    for (const problem of problems) out.write(`${configProblemText(problem)}\n`);
    out.write(problems.length === 1 ? '1 problem\n' : `${problems.length} problems\n`);
    return exitStatus.config;
  }
  for (const sentence of warnings) out.write(`${file}: warning: ${sentence}\n`);
  out.write(`${file}: no problems\n`);
  return exitStatus.ok;
}
