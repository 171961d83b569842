import type { Distribution } from './histogram.ts';
import type { ApplicationCounters, CallCounters, PacketCounters, StreamCounters } from './load-messages.ts';
import type { LoadOptions } from './load-options.ts';

/** Everything that one run found: what `--json` writes. Times are milliseconds where not named otherwise. */
export interface LoadReport {
  readonly version: 1;
  readonly startedAt: string;
  readonly machine: { readonly node: string; readonly cpu: string; readonly cores: number };
  readonly options: LoadOptions;
  /** The steady part: its length, and the calls that were up in it times how long. */
  readonly steady: { readonly seconds: number; readonly callSeconds: number };
  readonly calls: CallCounters & { readonly failedTotal: number };
  /** INVITE to 200. */
  readonly setup: Distribution;
  readonly packets: PacketCounters & {
    /** On the way to the phones, by sequence numbers. */
    readonly lostPercent: number;
    /** Packets that never came to a stream server as a message; undefined where the servers are not the harness's. */
    readonly lostUp: number | undefined;
    readonly lostUpPercent: number | undefined;
    readonly silentPercent: number;
  };
  /** RFC 3550 §6.4.1, one reading a call and second. */
  readonly jitter: Distribution;
  /** How far successive packets of the gateway were from 20 ms apart. */
  readonly spacing: Distribution;
  /** Mouth to ear by way of the stream server's echo; undefined where there was none. */
  readonly roundTrip: Distribution | undefined;
  /** Phone to stream server, first sample to first sample. */
  readonly uplinkAudio: Distribution | undefined;
  /** RTP packet sent to WebSocket message received, without the filters' delay. */
  readonly uplink: Distribution | undefined;
  /** Stream server to phone, first sample to first sample. */
  readonly downlink: Distribution | undefined;
  /** `clear` sent to the first silent packet at the phone. */
  readonly clear: Distribution | undefined;
  readonly markers: {
    readonly up: MarkerCount | undefined;
    readonly down: MarkerCount | undefined;
    /** Heard, but broken. */
    readonly unknown: number;
  };
  /** The stream servers'; undefined where they are not the harness's. */
  readonly streams: StreamCounters | undefined;
  /** The application server's; undefined where none was asked. */
  readonly callbacks: CallbackFigures | undefined;
  readonly gateway: GatewayUsage | undefined;
  readonly harness: HarnessUsage;
  readonly verdicts: readonly Verdict[];
  /** Why the figures may say less about the gateway than they seem to. */
  readonly doubts: readonly string[];
}

export interface CallbackFigures extends ApplicationCounters {
  /** Questions that had no whole answer, and requests that were not signed as they should be. */
  readonly failed: number;
  /** Calls that were asked about and never said to be over. */
  readonly endsMissing: number;
}

/** A thread that died before its first report told nothing. */
export function callbackFigures(counters: ApplicationCounters | undefined): CallbackFigures {
  const known = counters ?? noCallbacks;
  const { asked, answered, ended, unsigned } = known;
  return { ...known, failed: asked - answered + unsigned, endsMissing: asked - ended };
}

const noCallbacks: ApplicationCounters = {
  asked: 0,
  answered: 0,
  broken: 0,
  waiting: 0,
  ended: 0,
  endedAgain: 0,
  unknown: 0,
  unsigned: 0,
};

export interface MarkerCount {
  readonly sent: number;
  readonly lost: number;
}

export interface ThreadFigure {
  readonly name: string;
  readonly cpuMsPerCallSecond: number;
  /** Of one core. */
  readonly percent: number;
  /** Of the time: ready to run, but no core was free. */
  readonly waitedPercent: number;
}

export interface GatewayUsage {
  readonly pid: number;
  readonly cpuMsPerCallSecond: number;
  readonly percent: number;
  readonly threads: readonly ThreadFigure[];
  readonly memory: MemoryFigures | undefined;
}

export interface MemoryFigures {
  readonly idleBytes: number;
  /** With all calls up, at the end of the steady part. */
  readonly steadyBytes: number;
  /** After the last hang-up. */
  readonly endBytes: number;
  readonly perCallBytes: number;
  /** By proportional set size; undefined where the kernel does not tell. */
  readonly perCallPssBytes: number | undefined;
  /** `[seconds since the start, bytes]` */
  readonly series: readonly (readonly [number, number])[];
}

export interface HarnessUsage {
  readonly cpuMsPerCallSecond: number;
  readonly phonesCpuMsPerCallSecond: number | undefined;
  readonly streamsCpuMsPerCallSecond: number | undefined;
  /** How long ago the phones' sockets had been read when they were read: the resolution of what is above. */
  readonly readGap: Distribution;
  /** How late the phones sent. */
  readonly sendLate: Distribution;
}

/** What makes a run's figures doubtful, as sentences. */
export function findDoubts(report: Pick<LoadReport, 'gateway' | 'harness' | 'packets'>): string[] {
  const doubts: string[] = [];
  const waited = Math.max(0, ...(report.gateway?.threads.map((thread) => thread.waitedPercent) ?? []));
  if (waited > WAITED_PERCENT_MAX)
    doubts.push(
      `a thread of the gateway was ready to run but had no core for ${waited.toFixed(0)} % of the time: this machine is too busy to measure on`,
    );
  if (report.harness.readGap.p99 > READ_GAP_MS_MAX)
    doubts.push(
      `the phones read their sockets late (p99 ${report.harness.readGap.p99.toFixed(1)} ms): spacing, jitter and delays are partly the harness's own`,
    );
  if (report.packets.skipped > 0)
    doubts.push(
      `the phones fell behind by more than 200 ms ${report.packets.skipped} times and sent less than they should`,
    );
  return doubts;
}

const WAITED_PERCENT_MAX = 15;
const READ_GAP_MS_MAX = 3;

export interface Verdict {
  readonly name: string;
  readonly limit: number;
  readonly value: number;
  readonly unit: string;
  readonly passed: boolean;
}

/** The thresholds that were asked for, and that no call may fail. */
export function judge(
  options: LoadOptions,
  found: {
    readonly calls: LoadReport['calls'];
    readonly packets: LoadReport['packets'];
    readonly delay: Distribution | undefined;
    readonly spacing: Distribution;
    readonly callbacks: CallbackFigures | undefined;
  },
): Verdict[] {
  const { calls, packets, delay, spacing, callbacks } = found;
  const failedPercent =
    calls.attempted === 0
      ? 100
      : ((calls.failedTotal + calls.endedEarly + calls.hangUpsLost) * 100) / calls.attempted;
  const verdicts: Verdict[] = [
    {
      name: 'failed calls',
      limit: options.maxFailedPercent,
      value: failedPercent,
      unit: '%',
      passed: failedPercent <= options.maxFailedPercent,
    },
  ];
  if (options.maxLossPercent !== undefined)
    verdicts.push({
      name: 'RTP lost',
      limit: options.maxLossPercent,
      value: packets.lostPercent,
      unit: '%',
      passed: packets.received > 0 && packets.lostPercent <= options.maxLossPercent,
    });
  if (options.maxLossPercent !== undefined && packets.lostUpPercent !== undefined)
    verdicts.push({
      name: 'RTP lost on the way up',
      limit: options.maxLossPercent,
      value: packets.lostUpPercent,
      unit: '%',
      passed: packets.lostUpPercent <= options.maxLossPercent,
    });
  if (options.maxP99Ms !== undefined)
    verdicts.push({
      name: options.mode === 'echo' ? 'round trip p99' : 'downlink p99',
      limit: options.maxP99Ms,
      value: delay?.p99 ?? 0,
      unit: 'ms',
      passed: delay !== undefined && delay.count > 0 && delay.p99 <= options.maxP99Ms,
    });
  if (options.maxSpacingMs !== undefined)
    verdicts.push({
      name: 'spacing error p99',
      limit: options.maxSpacingMs,
      value: spacing.p99,
      unit: 'ms',
      passed: spacing.count > 0 && spacing.p99 <= options.maxSpacingMs,
    });
  if (callbacks !== undefined) verdicts.push(...judgeCallbacks(callbacks));
  return verdicts;
}

/** An application may miss no call, and hears of each end exactly once. */
function judgeCallbacks({ asked, failed, endsMissing, endedAgain }: CallbackFigures): Verdict[] {
  const none = (name: string, value: number): Verdict => ({
    name,
    limit: 0,
    value,
    unit: '',
    passed: asked > 0 && value === 0,
  });
  return [
    none('callbacks without an answer', failed),
    none('calls without a DICE', endsMissing),
    none('calls with more than one DICE', endedAgain),
  ];
}
