import type { Distribution } from './histogram.ts';
import type { CallbackFigures, LoadReport, Verdict } from './load-report.ts';

/** The report as a person reads it in a terminal. */
export function formatReport(report: LoadReport): string {
  const { options, calls, packets, steady } = report;
  const lines: string[] = [
    '',
    `${describeRun(report)}`,
    '',
    `calls      attempted ${calls.attempted}   answered ${calls.answered}   failed ${calls.failedTotal}${listFailures(calls.failed)}` +
      `   ended early ${calls.endedEarly}   hang-ups lost ${calls.hangUpsLost}   SIP sent again ${calls.retransmissions}`,
    `packets    sent ${packets.sent}${packets.withheld > 0 ? ` (withheld ${packets.withheld})` : ''}${lostUpText(packets)}` +
      `   received ${packets.received}, lost ${packets.lost} (${fixed(packets.lostPercent, 3)} %)`,
    `           reordered ${packets.reordered}   duplicate ${packets.duplicate}   timestamp jumps ${packets.timestampJumps}   ignored ${packets.ignored}`,
  ];
  if (options.mode === 'echo' || options.mode === 'tone')
    lines.push(
      `audio      frames with silence where sound was due ${packets.silent} (${fixed(packets.silentPercent, 3)} %)${markerText(report)}`,
    );
  if (report.streams !== undefined) {
    const { streams } = report;
    lines.push(
      `streams    connections ${streams.connections}   messages in ${streams.framesReceived} out ${streams.framesSent}` +
        `   odd sizes ${streams.framesOdd}   silent ${streams.framesSilent}   dropped ${streams.framesDropped}   violations ${streams.violations}`,
    );
  }
  if (report.callbacks !== undefined) lines.push(...formatCallbacks(report.callbacks));
  lines.push('', ...formatDistributions(report), '');
  if (report.gateway !== undefined) lines.push(...formatGateway(report), '');
  lines.push(
    ...formatHarness(report),
    '',
    `steady part ${fixed(steady.seconds, 1)} s, ${fixed(steady.callSeconds, 0)} call-seconds`,
  );
  for (const { name, limit, value, unit, passed } of report.verdicts)
    lines.push(`${passed ? 'passed' : 'FAILED'}     ${formatVerdict({ name, limit, value, unit })}`);
  for (const doubt of report.doubts) lines.push(`doubtful   ${doubt}`);
  return `${lines.join('\n')}\n`;
}

/** `spacing error p99 0.310 ms, limit 4 ms`; what is counted has no unit. */
export function formatVerdict({ name, limit, value, unit }: Omit<Verdict, 'passed'>): string {
  const shown = unit === '' ? String(value) : `${fixed(value, 3)} ${unit}`;
  return `${name} ${shown}, limit ${limit}${unit === '' ? '' : ` ${unit}`}`;
}

function formatCallbacks(callbacks: CallbackFigures): string[] {
  const { asked, answered, failed, ended, endsMissing, endedAgain, unknown } = callbacks;
  return [
    `callbacks  asked ${asked}   answered ${answered}   failed ${failed}` +
      `   DICE of ${ended} calls, missing ${endsMissing}, repeated ${endedAgain}, unknown ${unknown}`,
  ];
}

/** `300 calls, pcmu, 16000 Hz wss, echo` */
export function describeRun({ options }: LoadReport): string {
  const { impairment } = options;
  return [
    `${options.calls} calls at ${options.callsPerSecond}/s`,
    ...(options.churnPerSecond > 0
      ? [`${options.churnPerSecond} short calls/s of ${options.holdSeconds} s`]
      : []),
    options.codec,
    `stream ${options.sampleRateHz} Hz${options.tls ? ' over TLS' : ''}`,
    options.mode,
    ...(options.callbackDelayMs === undefined
      ? []
      : [`decided by an application that takes ${options.callbackDelayMs} ms`]),
    `${options.durationSeconds} s`,
    ...(impairment.lossPercent > 0 ? [`loss ${impairment.lossPercent} %`] : []),
    ...(impairment.jitterMs > 0 ? [`jitter ${impairment.jitterMs} ms`] : []),
  ].join(', ');
}

function listFailures(failed: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(failed).map(([reason, count]) => `${reason}: ${count}`);
  return reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
}

function lostUpText({ lostUp, lostUpPercent }: LoadReport['packets']): string {
  return lostUp === undefined || lostUpPercent === undefined
    ? ''
    : `, lost on the way up ${lostUp} (${fixed(lostUpPercent, 3)} %)`;
}

function markerText({ markers }: LoadReport): string {
  const up = markers.up === undefined ? '' : `   markers lost up ${markers.up.lost} of ${markers.up.sent}`;
  const down = markers.down === undefined ? '' : `   down ${markers.down.lost} of ${markers.down.sent}`;
  return `${up}${down}   broken ${markers.unknown}`;
}

/** The rows of delays that a report has, by name. */
export function namedDistributions(report: LoadReport): readonly (readonly [string, Distribution])[] {
  const rows: readonly (readonly [string, Distribution | undefined])[] = [
    ['set-up', report.setup],
    ['round trip', report.roundTrip],
    ['uplink, packet to message', report.uplink],
    ['uplink, as heard', report.uplinkAudio],
    ['downlink, as heard', report.downlink],
    ['clear to silence', report.clear],
    ['jitter', report.jitter],
    ['spacing error', report.spacing],
  ];
  return rows.filter(
    (row): row is readonly [string, Distribution] => row[1] !== undefined && row[1].count > 0,
  );
}

function formatDistributions(report: LoadReport): string[] {
  const header = ['ms', 'p50', 'p90', 'p99', 'p99.9', 'max', 'count'];
  return alignRows([
    header,
    ...namedDistributions(report).map(([name, d]) => [
      name,
      fixed(d.p50, 2),
      fixed(d.p90, 2),
      fixed(d.p99, 2),
      fixed(d.p999, 2),
      fixed(d.max, 2),
      String(d.count),
    ]),
  ]);
}

function formatGateway({ gateway }: LoadReport): string[] {
  if (gateway === undefined) return [];
  const lines = alignRows([
    ['gateway', 'CPU ms/call-s', '% of a core', '% waiting for one'],
    [`process ${gateway.pid}`, fixed(gateway.cpuMsPerCallSecond, 3), fixed(gateway.percent, 1), ''],
    ...gateway.threads.map((thread) => [
      `  ${thread.name}`,
      fixed(thread.cpuMsPerCallSecond, 3),
      fixed(thread.percent, 1),
      fixed(thread.waitedPercent, 1),
    ]),
  ]);
  const { memory } = gateway;
  if (memory !== undefined)
    lines.push(
      `memory     idle ${megabytes(memory.idleBytes)}   steady ${megabytes(memory.steadyBytes)}   end ${megabytes(memory.endBytes)}` +
        `   a call ${kilobytes(memory.perCallBytes)}${memory.perCallPssBytes === undefined ? '' : ` (PSS ${kilobytes(memory.perCallPssBytes)})`}`,
    );
  return lines;
}

function formatHarness({ harness }: LoadReport): string[] {
  const part = (name: string, value: number | undefined): string =>
    value === undefined ? '' : `   ${name} ${fixed(value, 3)}`;
  return [
    `harness    CPU ms/call-s ${fixed(harness.cpuMsPerCallSecond, 3)}` +
      `${part('phones', harness.phonesCpuMsPerCallSecond)}${part('streams', harness.streamsCpuMsPerCallSecond)}`,
    `           its sockets were read every ${fixed(harness.readGap.p50, 2)} ms (p99 ${fixed(harness.readGap.p99, 2)}, max ${fixed(harness.readGap.max, 2)}),` +
      ` its packets sent late by p99 ${fixed(harness.sendLate.p99, 2)} ms (max ${fixed(harness.sendLate.max, 2)})`,
  ];
}

/** Columns of equal width, the first to the left, the others to the right. */
export function alignRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (let column = 0; column < row.length; column++)
      widths[column] = Math.max(widths[column] ?? 0, row[column]!.length);
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + 3)))
      .join('')
      .trimEnd(),
  );
}

export function fixed(value: number, digits: number): string {
  return value.toFixed(digits);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(0)} KB`;
}
