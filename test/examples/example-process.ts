import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const lifeMsMax = 30_000;

/** A program of examples/ as a user starts it, on a port of its own. The built package must be there. */
export class ExampleProcess {
  /** What it printed, a line each. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #errors = '';
  #rest = '';

  constructor(file: string, env: NodeJS.ProcessEnv = {}, argv: readonly string[] = []) {
    this.#child = spawn(process.execPath, [`examples/${file}`, ...argv], {
      cwd: root,
      env: { ...process.env, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: lifeMsMax,
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop()!;
      this.lines.push(...lines);
      this.#look();
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    this.#child.on('close', () => this.#look());
  }

  /** The first line that matches, now or later; rejects with all that it said where it ends before. */
  line(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        for (const line of this.lines) {
          const match = pattern.exec(line);
          if (match === null) continue;
          this.#watchers.delete(look);
          return resolve(match);
        }
        if (this.#child.exitCode === null && this.#child.signalCode === null) return;
        reject(new Error(`no line like ${pattern} in:\n${this.lines.join('\n')}\n${this.#errors}`));
      };
      this.#watchers.add(look);
      look();
    });
  }

  async url(): Promise<string> {
    return (await this.line(/^ws:\/\/\S+$/))[0];
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve();
      this.#child.once('close', () => resolve());
      this.#child.kill();
    });
  }

  #look(): void {
    for (const look of [...this.#watchers]) look();
  }
}
