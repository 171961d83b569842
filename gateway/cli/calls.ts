import type { CallSummary } from '../control/http-server.ts';
import { type AdminOptions, askGateway, type Output, printable } from './admin-client.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';

/** `callwire calls`: the live calls, as a table or as the API's JSON. */
export function runCalls(options: AdminOptions, out: Output, err: Output): Promise<ExitStatus> {
  return askGateway(options, { method: 'GET', path: '/calls' }, err, ({ body }) => {
    if (options.json === true) {
      out.write(`${JSON.stringify(body, undefined, 2)}\n`);
    } else {
      const { calls = [] } = (body ?? {}) as { readonly calls?: readonly CallSummary[] };
      out.write(calls.length === 0 ? 'no calls\n' : callTable(calls));
    }
    return exitStatus.ok;
  });
}

const columns: readonly { readonly title: string; text(call: CallSummary): string }[] = [
  { title: 'CALL', text: ({ callId }) => callId },
  { title: 'FROM', text: ({ from }) => from },
  { title: 'TO', text: ({ to }) => to },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'FOR', text: ({ durationSeconds }) => durationText(durationSeconds) },
  { title: 'CODEC', text: ({ codec }) => codec ?? '-' },
  { title: 'RATE', text: ({ stream }) => (stream === undefined ? '-' : String(stream.sampleRate)) },
  {
    title: 'LOST',
    text: ({ quality }) =>
      quality === undefined ? '-' : lostText(quality.packetsLost, quality.packetsReceived),
  },
  {
    title: 'JITTER',
    text: ({ quality }) => (quality === undefined ? '-' : `${quality.jitterMs.toFixed(1)} ms`),
  },
  { title: 'STREAM', text: ({ stream }) => stream?.endpoint ?? '-' },
];

function callTable(calls: readonly CallSummary[]): string {
  const rows = [
    columns.map(({ title }) => title),
    ...calls.map((call) => columns.map(({ text }) => printable(text(call)))),
  ];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => `${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function durationText(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

function lostText(lost: number, received: number): string {
  const sent = lost + received;
  return sent === 0 ? '0 %' : `${((100 * lost) / sent).toFixed(1)} %`;
}
