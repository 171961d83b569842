import { GatewayError } from './errors.ts';

/** One thing that is wrong with the configuration, said so that a person can mend it. */
export interface ConfigProblem {
  /** File, environment variable or flag that it stands in. */
  readonly source: string;
  /** In the file, from 1. */
  readonly line: number | undefined;
  /** `sip.listen[0]`; empty for the file as a whole. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
  readonly advice: string | undefined;
}

/** Everything that is wrong with the configuration. */
export class ConfigError extends GatewayError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super('bad-config', problems.map(configProblemText).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `callwire.yaml:7: sip.maxCalls: found "many", expected a whole number from 1 to 100000`. */
export function configProblemText({ source, line, path, found, expected, advice }: ConfigProblem): string {
  const where = [line === undefined ? source : `${source}:${line}`, path].filter((part) => part !== '');
  const what = `found ${found}, expected ${expected}`;
  return `${where.join(': ')}: ${what}${advice === undefined ? '' : `; ${advice}`}`;
}
