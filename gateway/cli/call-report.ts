import type { Echo } from '../phone/audio-measures.ts';
import type { CallResult } from '../phone/phone-call.ts';

/** What `callwire call` says about a call, as JSON or in lines. */
export interface CallReport {
  readonly target: string;
  readonly outcome: CallResult['outcome'];
  readonly status: number | undefined;
  readonly reasonPhrase: string | undefined;
  readonly reasonHeader: string | undefined;
  readonly message: string | undefined;
  readonly endedBy: CallResult['endedBy'];
  readonly sipCallId: string;
  readonly codec: string | undefined;
  readonly srtpSuite: string | undefined;
  readonly mosRemote: number | undefined;
  readonly ringingMs: number | undefined;
  readonly setupMs: number | undefined;
  readonly durationMs: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly packetsDuplicate: number;
  readonly packetsIgnored: number;
  readonly packetsLostRemote: number;
  readonly jitterMs: number;
  readonly gapMsMax: number;
  readonly rttMs: number | undefined;
  readonly digits: string;
  readonly heardSeconds: number;
  /** Null where nothing but silence was heard. */
  readonly heardDbfs: number | null;
  readonly echo: Echo | undefined;
  readonly recorded: string | undefined;
  readonly timeline: CallResult['timeline'];
}

export interface CallMeasures {
  readonly heardDbfs: number;
  readonly echo: Echo | undefined;
  readonly recorded: string | undefined;
}

export function callReport(
  target: string,
  result: CallResult,
  { heardDbfs, echo, recorded }: CallMeasures,
): CallReport {
  const {
    heard,
    heardRateHz,
    heardFromMs: _from,
    spokenFromMs: _spoken,
    responseHeaders: _headers,
    ...figures
  } = result;
  return {
    target,
    ...figures,
    ringingMs: rounded(result.ringingMs),
    setupMs: rounded(result.setupMs),
    durationMs: rounded(result.durationMs) ?? 0,
    jitterMs: rounded(result.jitterMs) ?? 0,
    gapMsMax: rounded(result.gapMsMax) ?? 0,
    rttMs: rounded(result.rttMs),
    heardSeconds: heard.length / heardRateHz,
    heardDbfs: Number.isFinite(heardDbfs) ? (rounded(heardDbfs) ?? 0) : null,
    echo: echo && { roundTripMs: rounded(echo.roundTripMs) ?? 0, correlation: echo.correlation },
    recorded: result.codec === undefined ? undefined : recorded,
    timeline: result.timeline.map((entry) => ({ ...entry, atMs: rounded(entry.atMs) ?? 0 })),
  };
}

export function callReportLines(report: CallReport): string[] {
  const lines = [`${report.target}  ${describeOutcome(report)}`];
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(10)}${text}`);
  if (report.reasonHeader !== undefined) add('reason', report.reasonHeader);
  if (report.setupMs === undefined) return lines;

  const rang = report.ringingMs === undefined ? '' : `, ringing after ${report.ringingMs} ms`;
  add('set-up', `${report.setupMs} ms${rang}`);
  const encrypted = report.srtpSuite === undefined ? '' : `, encrypted with ${report.srtpSuite}`;
  const codec = (report.codec ?? '').toUpperCase();
  add('talked', `${(report.durationMs / 1_000).toFixed(1)} s in ${codec}${encrypted}`);
  const lostRemote = report.packetsLostRemote > 0 ? `, ${report.packetsLostRemote} of them lost` : '';
  add('sent', `${report.packetsSent} packets${lostRemote}`);
  add(
    'received',
    `${report.packetsReceived} packets, ${report.packetsLost} lost, jitter ${report.jitterMs} ms, longest gap ${report.gapMsMax} ms`,
  );
  const level = report.heardDbfs === null ? 'silence' : `at ${report.heardDbfs} dBFS`;
  add('heard', `${report.heardSeconds.toFixed(1)} s ${level}`);
  if (report.digits !== '') add('digits', `${report.digits.length} received`);
  if (report.echo !== undefined) add('echo', describeEcho(report.echo));
  const mos = report.mosRemote === undefined ? '' : `, MOS of what it hears ${report.mosRemote.toFixed(1)}`;
  if (report.rttMs !== undefined) add('RTCP', `round trip ${report.rttMs} ms${mos}`);
  if (report.recorded !== undefined) add('recorded', report.recorded);
  return lines;
}

function describeOutcome({ outcome, status, reasonPhrase, endedBy, message }: CallReport): string {
  switch (outcome) {
    case 'completed':
      return `answered, ended by ${endedBy === 'phone' ? 'this phone' : 'the far side'}`;
    case 'refused':
      return `refused: ${status} ${reasonPhrase}`;
    case 'cancelled':
      return 'not answered, cancelled';
    case 'unreachable':
      return `not reached: ${message}`;
    case 'failed':
      return `answered, but unusable: ${message}`;
  }
}

/** Below this it is not what was said. */
const correlationMin = 0.5;

function describeEcho({ roundTripMs, correlation }: Echo): string {
  return correlation < correlationMin
    ? 'none of what was said came back'
    : `what was said came back after ${roundTripMs} ms (correlation ${correlation.toFixed(3)})`;
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 10) / 10;
}
