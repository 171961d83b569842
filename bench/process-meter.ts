import { readdirSync, readFileSync } from 'node:fs';

/** CPU time and memory of a process as /proc tells. Everything is undefined where there is no /proc. */

export interface ThreadUsage {
  readonly threadId: number;
  /** The name that the process gave it. */
  readonly name: string;
  readonly cpuMs: number;
  /** Time that it was ready to run and had no processor. */
  readonly waitedMs: number;
}

export interface CpuUsage {
  /** User and system time of all threads, ended ones too. */
  readonly cpuMs: number;
  readonly threads: readonly ThreadUsage[];
}

export interface MemoryUsage {
  readonly rssBytes: number;
  /** Shared pages counted by their share; undefined where the kernel does not tell. */
  readonly pssBytes: number | undefined;
}

/** Kernels for every architecture that Node runs on count in hundredths of a second here. */
const CLOCK_TICK_MS = 10;

export function readCpu(pid: number): CpuUsage | undefined {
  const total = read(`/proc/${pid}/stat`);
  if (total === undefined) return undefined;
  const threads: ThreadUsage[] = [];
  for (const threadId of list(`/proc/${pid}/task`)) {
    const usage = readThread(pid, Number(threadId));
    if (usage !== undefined) threads.push(usage);
  }
  const { cpuMs } = parseStat(total);
  return { cpuMs, threads };
}

function readThread(pid: number, threadId: number): ThreadUsage | undefined {
  const stat = read(`/proc/${pid}/task/${threadId}/stat`);
  if (stat === undefined) return undefined;
  const { name, cpuMs } = parseStat(stat);
  const schedule = parseSchedule(read(`/proc/${pid}/task/${threadId}/schedstat`));
  return { threadId, name, cpuMs: schedule?.cpuMs ?? cpuMs, waitedMs: schedule?.waitedMs ?? 0 };
}

/** `man 5 proc`, /proc/pid/stat: the name is in parentheses and may hold anything, parentheses too; utime and stime
 *  are the 14th and 15th fields. */
export function parseStat(stat: string): { readonly name: string; readonly cpuMs: number } {
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  return {
    name: stat.slice(stat.indexOf('(') + 1, nameEnd),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS,
  };
}

/** Nanoseconds run and waited; some kernels leave zeros. */
function parseSchedule(text: string | undefined): { cpuMs: number; waitedMs: number } | undefined {
  const [ran, waited] = (text ?? '').trim().split(' ').map(Number);
  if (ran === undefined || waited === undefined || Number.isNaN(ran) || ran === 0) return undefined;
  return { cpuMs: ran / 1e6, waitedMs: waited / 1e6 };
}

export function readMemory(pid: number): MemoryUsage | undefined {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  const fromRollup = rollup === undefined ? undefined : kilobytes(rollup, 'Rss');
  if (rollup !== undefined && fromRollup !== undefined)
    return { rssBytes: fromRollup * 1024, pssBytes: (kilobytes(rollup, 'Pss') ?? 0) * 1024 };
  const rssBytes = readRss(pid);
  return rssBytes === undefined ? undefined : { rssBytes, pssBytes: undefined };
}

/** Cheap for the process too: the rollup above holds up its page faults while it is made. */
export function readRss(pid: number): number | undefined {
  const rss = kilobytes(read(`/proc/${pid}/status`) ?? '', 'VmRSS');
  return rss === undefined ? undefined : rss * 1024;
}

function kilobytes(text: string, key: string): number | undefined {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text);
  return match === null ? undefined : Number(match[1]);
}

export interface ThreadShare {
  readonly name: string;
  readonly cpuMs: number;
  readonly waitedMs: number;
}

export interface CpuSpan {
  readonly cpuMs: number;
  /** Busiest first; the main thread by that name, the others with their ids. Threads below 0.5 % of the sum are put together as `others`. */
  readonly threads: readonly ThreadShare[];
}

/** What was used between two readings of one process. A thread that began in between counts whole. */
export function cpuBetween(pid: number, before: CpuUsage, after: CpuUsage): CpuSpan {
  const earlier = new Map(before.threads.map((thread) => [thread.threadId, thread]));
  const spans = after.threads
    .map((thread) => ({
      name: thread.threadId === pid ? 'main thread' : `${threadWord(thread.name)} ${thread.threadId}`,
      cpuMs: thread.cpuMs - (earlier.get(thread.threadId)?.cpuMs ?? 0),
      waitedMs: thread.waitedMs - (earlier.get(thread.threadId)?.waitedMs ?? 0),
    }))
    .sort((a, b) => b.cpuMs - a.cpuMs);
  const sumMs = spans.reduce((sum, span) => sum + span.cpuMs, 0);
  const large = spans.filter((span) => span.cpuMs >= sumMs * 0.005);
  const small = spans.filter((span) => span.cpuMs < sumMs * 0.005);
  const others = {
    name: 'others',
    cpuMs: small.reduce((sum, span) => sum + span.cpuMs, 0),
    waitedMs: small.reduce((sum, span) => sum + span.waitedMs, 0),
  };
  // The threads' clocks are finer than the process's; threads that ended are in the latter only.
  return {
    cpuMs: Math.max(sumMs, after.cpuMs - before.cpuMs - CLOCK_TICK_MS),
    threads: small.length === 0 ? large : [...large, others],
  };
}

/** Node names its threads after the process unless told otherwise. */
function threadWord(name: string): string {
  return name === 'node' ? 'thread' : name;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
