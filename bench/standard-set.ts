import { defaultOptions, type LoadOptions } from './load-options.ts';
import type { LoadReport } from './load-report.ts';
import { opusMsPerCallSecond } from './opus-alone.ts';

/** One figure of a run. Smaller is better for all of them. */
export interface FigurePlan {
  readonly id: string;
  readonly name: string;
  readonly unit: string;
  /** undefined: shown for comparison only. */
  readonly target: number | undefined;
  readonly read: (report: LoadReport, earlier: EarlierReports) => number | undefined;
}

/** Reports of this round's runs so far, by the id of their run. */
export type EarlierReports = ReadonlyMap<string, LoadReport>;

export interface RunPlan {
  readonly id: string;
  readonly title: string;
  readonly options: LoadOptions;
  readonly figures: readonly FigurePlan[];
}

type Reader = FigurePlan['read'];

const cpu: Reader = (report) => report.gateway?.cpuMsPerCallSecond;
const uplinkP50: Reader = (report) => report.uplink?.p50;
const uplinkP99: Reader = (report) => report.uplink?.p99;
const spacingP99: Reader = (report) => report.spacing.p99;
const setupP99: Reader = (report) => report.setup.p99;
const roundTripP99: Reader = (report) => report.roundTrip?.p99;
const refused: Reader = (report) => report.calls.failedTotal + report.calls.endedEarly;
const lost: Reader = (report) => report.packets.lost + (report.packets.lostUp ?? 0);
const callbacksFailed: Reader = ({ callbacks }) => callbacks?.failed;
const dicesWrong: Reader = ({ callbacks }) => callbacks && callbacks.endsMissing + callbacks.endedAgain;
const memoryPerCall: Reader = (report) => {
  const bytes = report.gateway?.memory?.perCallBytes;
  return bytes === undefined ? undefined : bytes / 1024;
};
const harnessShare: Reader = (report) =>
  report.gateway === undefined
    ? undefined
    : report.harness.cpuMsPerCallSecond / report.gateway.cpuMsPerCallSecond;

function figure(
  id: string,
  name: string,
  unit: string,
  target: number | undefined,
  read: Reader,
): FigurePlan {
  return { id, name, unit, target, read };
}

const cpuFigure = (target: number | undefined): FigurePlan =>
  figure('cpu', 'CPU per call-second', 'ms', target, cpu);
const losses: readonly FigurePlan[] = [
  figure('refused', 'calls refused or cut off', '', 0, refused),
  figure('lost', 'RTP packets lost, both ways', '', 0, lost),
];

function load(changes: Partial<LoadOptions>): LoadOptions {
  return {
    ...defaultOptions,
    spawn: true,
    sampleRateHz: 16_000,
    callsPerSecond: 100,
    workers: 1,
    maxFailedPercent: 100,
    ...changes,
  };
}

/** How much more memory there was at the end than after a quarter of the run, in percent: a leak shows, the growth of
 *  the first calls does not. */
export function memoryGrowthPercent(series: readonly (readonly [number, number])[]): number | undefined {
  if (series.length < 8) return undefined;
  const mean = (from: number, until: number): number => {
    const part = series.slice(
      Math.floor(series.length * from),
      Math.max(1, Math.ceil(series.length * until)),
    );
    return part.reduce((sum, [, bytes]) => sum + bytes, 0) / part.length;
  };
  const early = mean(0.25, 0.35);
  return ((mean(0.9, 1) - early) * 100) / early;
}

const memoryGrowth: Reader = (report) => memoryGrowthPercent(report.gateway?.memory?.series ?? []);

/** CPU per call-second with two workers over that with one. */
function timesOne(one: string): Reader {
  return (report, earlier) => {
    const single = earlier.get(one)?.gateway?.cpuMsPerCallSecond;
    const both = report.gateway?.cpuMsPerCallSecond;
    return single === undefined || both === undefined ? undefined : both / single;
  };
}

/** What Opus costs more than PCMU does, less what libopus takes, which is measured by itself: sockets and all the rest
 *  are in both calls. */
function opusOver(pcmu: string): Reader {
  return (report, earlier) => {
    const plain = earlier.get(pcmu)?.gateway?.cpuMsPerCallSecond;
    const whole = report.gateway?.cpuMsPerCallSecond;
    const codec = opusMsPerCallSecond(16_000);
    return plain === undefined || whole === undefined || codec === undefined
      ? undefined
      : whole - plain - codec;
  };
}

/** The busier of the two busiest threads besides the main one, over the other. */
const workerBalance: Reader = (report) => {
  const [first, second] = (report.gateway?.threads ?? []).filter(
    ({ name }) => name !== 'main thread' && name !== 'others',
  );
  return first === undefined || second === undefined || second.percent === 0
    ? undefined
    : first.percent / second.percent;
};

/** `npm run bench`: the targets for two cores with the harness on the same machine. */
export const standardSet: readonly RunPlan[] = [
  {
    id: 'ws300',
    title: '300 calls, PCMU and 16 kHz echo over ws://',
    options: load({ calls: 300, durationSeconds: 60 }),
    figures: [
      cpuFigure(1.3),
      ...losses,
      figure('spacingP99', 'spacing error p99', 'ms', 3, spacingP99),
      figure('roundTripP99', 'round trip p99', 'ms', undefined, roundTripP99),
      figure('harness', 'CPU of the harness to that of the gateway', '×', 1, harnessShare),
    ],
  },
  {
    id: 'wss300',
    title: 'the same over wss://',
    options: load({ calls: 300, durationSeconds: 60, tls: true }),
    figures: [cpuFigure(2.3), ...losses],
  },
  {
    id: 'pcmu24',
    title: '24 calls, PCMU and 16 kHz echo',
    options: load({ calls: 24, durationSeconds: 30 }),
    figures: [cpuFigure(undefined)],
  },
  {
    id: 'opus24',
    title: 'the same with Opus',
    options: load({ calls: 24, durationSeconds: 30, codec: 'opus' }),
    figures: [
      cpuFigure(undefined),
      figure('overPcmu', 'CPU above PCMU, less that of libopus alone', 'ms', 0.2, opusOver('pcmu24')),
      ...losses,
    ],
  },
  {
    id: 'calls500',
    title: '500 calls on one worker for five minutes',
    options: load({ calls: 500, durationSeconds: 300 }),
    figures: [
      ...losses,
      figure('uplinkP99', 'uplink p99', 'ms', 8, uplinkP99),
      figure('spacingP99', 'spacing error p99', 'ms', 4, spacingP99),
      figure('memory', 'memory a call', 'KB', 120, memoryPerCall),
      cpuFigure(undefined),
    ],
  },
  {
    id: 'burst300',
    title: '300 calls, every server sends 2 s at once at the same moment',
    options: load({ calls: 300, durationSeconds: 30, mode: 'burst' }),
    figures: [
      figure('uplinkP99', 'uplink p99', 'ms', 10, uplinkP99),
      figure('spacingP99', 'spacing error p99', 'ms', 3, spacingP99),
      ...losses,
    ],
  },
  {
    id: 'delay100',
    title: '100 calls, RTP packet to WebSocket message',
    options: load({ calls: 100, durationSeconds: 30 }),
    figures: [
      figure('uplinkP50', 'uplink p50', 'ms', 2, uplinkP50),
      figure('uplinkP99', 'uplink p99', 'ms', 5, uplinkP99),
    ],
  },
  {
    id: 'setup150',
    title: '150 calls a second, 20,000 in all',
    options: load({ calls: 0, churnPerSecond: 150, holdSeconds: 1, durationSeconds: 134 }),
    figures: [
      figure('refused', 'calls refused or cut off', '', 0, refused),
      figure('setupP99', 'set-up p99', 'ms', 100, setupP99),
      figure('growth', 'memory growth after the first quarter', '%', 5, memoryGrowth),
    ],
  },
  {
    id: 'callbacks1000',
    title: '1,000 calls a minute beside 50, each decided by an application that takes 2 s',
    options: load({
      calls: 50,
      churnPerSecond: 16.7,
      holdSeconds: 2,
      durationSeconds: 60,
      callbackDelayMs: 2000,
    }),
    figures: [
      figure('spacingP99', 'spacing error p99', 'ms', 4, spacingP99),
      ...losses,
      figure('callbacks', 'callbacks without an answer', '', 0, callbacksFailed),
      figure('dices', 'calls without exactly one DICE', '', 0, dicesWrong),
    ],
  },
  {
    id: 'workers2',
    title: '300 calls on two workers',
    options: load({ calls: 300, durationSeconds: 30, workers: 2 }),
    figures: [
      cpuFigure(undefined),
      figure('ratio', 'CPU per call-second to that on one worker', '×', 1.1, timesOne('ws300')),
      figure('balance', 'busier worker to the other', '×', 1.15, workerBalance),
    ],
  },
];

/** About a minute, for a first look; its figures are its own and have no targets. */
export const quickSet: readonly RunPlan[] = [
  {
    id: 'quick-ws100',
    title: '100 calls, PCMU and 16 kHz echo over ws://',
    options: load({ calls: 100, durationSeconds: 8 }),
    figures: [
      cpuFigure(undefined),
      ...losses,
      figure('uplinkP99', 'uplink p99', 'ms', undefined, uplinkP99),
      figure('spacingP99', 'spacing error p99', 'ms', undefined, spacingP99),
      figure('roundTripP99', 'round trip p99', 'ms', undefined, roundTripP99),
    ],
  },
  {
    id: 'quick-wss100',
    title: 'the same over wss://',
    options: load({ calls: 100, durationSeconds: 8, tls: true }),
    figures: [cpuFigure(undefined), ...losses],
  },
  {
    id: 'quick-burst100',
    title: '100 calls, every server sends 2 s at once at the same moment',
    options: load({ calls: 100, durationSeconds: 8, mode: 'burst' }),
    figures: [
      figure('uplinkP99', 'uplink p99', 'ms', undefined, uplinkP99),
      figure('spacingP99', 'spacing error p99', 'ms', undefined, spacingP99),
    ],
  },
  {
    id: 'quick-setup50',
    title: '50 calls a second',
    options: load({ calls: 0, churnPerSecond: 50, holdSeconds: 1, durationSeconds: 8 }),
    figures: [
      figure('refused', 'calls refused or cut off', '', 0, refused),
      figure('setupP99', 'set-up p99', 'ms', undefined, setupP99),
    ],
  },
];

/** Processes start, settle, warm up and hang up around the steady part. */
export function estimateSeconds(plans: readonly RunPlan[]): number {
  return plans.reduce((sum, { options }) => {
    const ramp = options.calls / options.callsPerSecond;
    return sum + 4 + ramp + options.warmUpSeconds + options.durationSeconds;
  }, 0);
}
