import type { GatewayUsage, HarnessUsage } from './load-report.ts';
import {
  type CpuSpan,
  type CpuUsage,
  cpuBetween,
  type MemoryUsage,
  readCpu,
  readMemory,
  readRss,
} from './process-meter.ts';
import { sharedNowMs } from './shared-clock.ts';

/** Reads what the gateway and the harness use, at the moments of a run that matter. */
export class UsageRecorder {
  readonly #pid: number | undefined;
  readonly #streamsThread: number | undefined;
  #phonesThread: number | undefined;
  readonly #startedMs = sharedNowMs();
  readonly #idle: MemoryUsage | undefined;
  readonly #series: (readonly [number, number])[] = [];
  #sampled: { readonly atMs: number; readonly cpuMs: number } | undefined;
  #gatewayBegin: CpuUsage | undefined;
  #ownBegin: CpuUsage | undefined;
  #beganMs = 0;
  #steadyMs = 0;
  #gatewaySpan: CpuSpan | undefined;
  #ownSpan: CpuSpan | undefined;
  #steady: MemoryUsage | undefined;
  #end: MemoryUsage | undefined;

  constructor(pid: number | undefined, streamsThread: number | undefined) {
    this.#pid = pid;
    this.#streamsThread = streamsThread;
    this.#idle = pid === undefined ? undefined : readMemory(pid);
    this.sample();
  }

  phonesThread(threadId: number | undefined): void {
    this.#phonesThread = threadId;
  }

  /** The gateway's share of a core since the last time, in percent. */
  sample(): number | undefined {
    if (this.#pid === undefined) return undefined;
    const usage = readCpu(this.#pid);
    const rssBytes = readRss(this.#pid);
    const atMs = sharedNowMs();
    if (usage === undefined || rssBytes === undefined) return undefined;
    this.#series.push([Math.round((atMs - this.#startedMs) / 100) / 10, rssBytes]);
    const before = this.#sampled;
    this.#sampled = { atMs, cpuMs: usage.cpuMs };
    return before === undefined ? undefined : ((usage.cpuMs - before.cpuMs) * 100) / (atMs - before.atMs);
  }

  beginSteady(): void {
    this.#beganMs = sharedNowMs();
    this.#gatewayBegin = this.#pid === undefined ? undefined : readCpu(this.#pid);
    this.#ownBegin = readCpu(process.pid);
  }

  endSteady(): void {
    if (this.#beganMs === 0) return;
    this.#steadyMs = sharedNowMs() - this.#beganMs;
    const gatewayEnd = this.#pid === undefined ? undefined : readCpu(this.#pid);
    const ownEnd = readCpu(process.pid);
    if (this.#pid !== undefined && this.#gatewayBegin !== undefined && gatewayEnd !== undefined)
      this.#gatewaySpan = cpuBetween(this.#pid, this.#gatewayBegin, gatewayEnd);
    if (this.#ownBegin !== undefined && ownEnd !== undefined)
      this.#ownSpan = cpuBetween(process.pid, this.#ownBegin, ownEnd);
    // After the CPU: walking the page tables of a large process takes it some time too.
    this.#steady = this.#pid === undefined ? undefined : readMemory(this.#pid);
  }

  /** After the last hang-up. */
  finish(): void {
    this.#end = this.#pid === undefined ? undefined : readMemory(this.#pid);
  }

  /** Undefined where no process was named, or there is no /proc to read. */
  gateway(callSeconds: number, calls: number): GatewayUsage | undefined {
    const span = this.#gatewaySpan;
    if (this.#pid === undefined || span === undefined) return undefined;
    const idle = this.#idle;
    const steady = this.#steady;
    return {
      pid: this.#pid,
      cpuMsPerCallSecond: perCallSecond(span.cpuMs, callSeconds),
      percent: (span.cpuMs * 100) / this.#steadyMs,
      threads: span.threads.map((thread) => ({
        name: thread.name,
        cpuMsPerCallSecond: perCallSecond(thread.cpuMs, callSeconds),
        percent: (thread.cpuMs * 100) / this.#steadyMs,
        waitedPercent: (thread.waitedMs * 100) / this.#steadyMs,
      })),
      memory:
        idle === undefined || steady === undefined
          ? undefined
          : {
              idleBytes: idle.rssBytes,
              steadyBytes: steady.rssBytes,
              endBytes: this.#end?.rssBytes ?? 0,
              perCallBytes: calls > 0 ? (steady.rssBytes - idle.rssBytes) / calls : 0,
              perCallPssBytes:
                calls > 0 && steady.pssBytes !== undefined && idle.pssBytes !== undefined
                  ? (steady.pssBytes - idle.pssBytes) / calls
                  : undefined,
              series: this.#series,
            },
    };
  }

  harness(
    callSeconds: number,
  ): Pick<HarnessUsage, 'cpuMsPerCallSecond' | 'phonesCpuMsPerCallSecond' | 'streamsCpuMsPerCallSecond'> {
    const span = this.#ownSpan;
    const thread = (threadId: number | undefined): number | undefined => {
      const found = span?.threads.find(({ name }) => threadId !== undefined && name.endsWith(` ${threadId}`));
      return found === undefined ? undefined : perCallSecond(found.cpuMs, callSeconds);
    };
    return {
      cpuMsPerCallSecond: perCallSecond(span?.cpuMs ?? 0, callSeconds),
      phonesCpuMsPerCallSecond: thread(this.#phonesThread),
      streamsCpuMsPerCallSecond: thread(this.#streamsThread),
    };
  }
}

function perCallSecond(cpuMs: number, callSeconds: number): number {
  return callSeconds > 0 ? cpuMs / callSeconds : 0;
}
