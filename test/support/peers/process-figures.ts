import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel says of a process on Linux, from proc(5). */

export function residentMb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1_024;
}

export interface ThreadTimes {
  /** On a processor. */
  readonly ranMs: number;
  /** Ready, with no processor free for it. */
  readonly waitedMs: number;
}

/** Since the start of the process: of its main thread what it ran, of the thread that waited longest how long. Zero where
 *  the kernel does not count. */
export function threadTimes(pid: number): ThreadTimes {
  const of = (thread: string): readonly number[] => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      return text.split(' ').map((nanoseconds) => Number(nanoseconds) / 1e6);
    } catch {
      return [];
    }
  };
  const waits = readdirSync(`/proc/${pid}/task`).map((thread) => of(thread)[1] ?? 0);
  return { ranMs: of(String(pid))[0] ?? 0, waitedMs: Math.max(...waits) };
}
