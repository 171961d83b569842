import { type ChildProcess, spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';

/** How a process ended, and all that it printed. */
export interface Ended {
  /** Undefined where a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly pid: number;
  /** So far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly ended: Promise<Ended>;
  /** Resolves with the first line on standard output that `find` makes something of; rejects where the process ends
   *  or `limitMs` passes before. */
  line<T>(find: (line: string) => T | undefined, limitMs: number): Promise<T>;
  signal(name: NodeJS.Signals): void;
}

export interface ProcessOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const outputCharsMax = 4_000_000;
const stopLimitMs = 5_000;

/** The processes that a test started: each is ended by its own id, whatever became of the test. */
export class Processes {
  readonly #running = new Set<ChildProcess>();
  readonly #killAll = (): void => {
    for (const child of this.#running) child.kill('SIGKILL');
  };

  constructor() {
    process.once('exit', this.#killAll);
  }

  start(command: string, args: readonly string[], options: ProcessOptions = {}): Running {
    // To the gateway a variable of ours would be a setting that it does not know.
    const { CALLWIRE_SOAK: _, ...env } = options.env ?? process.env;
    const child = spawn(command, args, { ...options, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#running.add(child);
    raisePriority(child.pid);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (text: string) => {
        output[name] = (output[name] + text).slice(-outputCharsMax);
      });
    }
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', (error) => {
        this.#running.delete(child);
        reject(error);
      });
      child.once('close', (status) => {
        this.#running.delete(child);
        resolve({ status: status ?? undefined, ...output });
      });
    });
    // Whoever waits for it sees the failure; nobody must.
    ended.catch(() => {});
    return {
      pid: child.pid ?? 0,
      get stdout() {
        return output.stdout;
      },
      get stderr() {
        return output.stderr;
      },
      ended,
      line: (find, limitMs) => findLine({ child, output, ended, what: command }, find, limitMs),
      signal: (name) => void child.kill(name),
    };
  }

  /** Runs to the end. Rejects, and kills it, where that takes longer than `limitMs`. */
  async run(
    command: string,
    args: readonly string[],
    { limitMs, ...options }: ProcessOptions & { readonly limitMs: number },
  ): Promise<Ended> {
    const running = this.start(command, args, options);
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      running.signal('SIGKILL');
    }, limitMs);
    try {
      const ended = await running.ended;
      if (!late) return ended;
      throw new Error(
        `${command} did not end within ${limitMs} ms; it said\n${tail(ended.stdout + ended.stderr)}`,
      );
    } finally {
      clearTimeout(limit);
    }
  }

  /** Asks each to stop, and kills what does not within five seconds. */
  async endAll(): Promise<void> {
    process.removeListener('exit', this.#killAll);
    const children = [...this.#running];
    const limit = setTimeout(() => {
      for (const child of children) child.kill('SIGKILL');
    }, stopLimitMs);
    await Promise.all(
      children.map(
        (child) =>
          new Promise<void>((resolve) => {
            child.once('close', () => resolve());
            if (!child.kill('SIGTERM')) resolve();
          }),
      ),
    );
    clearTimeout(limit);
  }
}

/** Audio needs its turn in time, whatever else the machine does. Few may say so; the others go without. */
function raisePriority(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_HIGH);
  } catch {}
}

/** The end of what a process said, for a message. */
export function tail(text: string): string {
  return text.slice(-3_000).trim();
}

function findLine<T>(
  from: {
    child: ChildProcess;
    output: { stdout: string; stderr: string };
    ended: Promise<Ended>;
    what: string;
  },
  find: (line: string) => T | undefined,
  limitMs: number,
): Promise<T> {
  const { child, output, ended, what } = from;
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      done(() => reject(new Error(`${what} ${why}\n${tail(output.stderr)}`)));
    const limit = setTimeout(() => fail(`did not say what was waited for within ${limitMs} ms`), limitMs);
    const look = (): void => {
      for (const line of output.stdout.split('\n').slice(0, -1)) {
        const found = find(line);
        if (found !== undefined) return done(() => resolve(found));
      }
    };
    const done = (settle: () => void): void => {
      clearTimeout(limit);
      child.stdout?.off('data', look);
      settle();
    };
    child.stdout?.on('data', look);
    ended.then(
      ({ status }) => fail(`ended with ${status ?? 'a signal'}`),
      (error: Error) => fail(error.message),
    );
    look();
  });
}
