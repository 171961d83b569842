import type { CallTrace, CallTraceMessage } from '../control/call-trace.ts';

export interface TraceLadderOptions {
  /** Each message in full under its arrow. */
  readonly whole: boolean;
  /** Whether escape sequences may be used. */
  readonly colour: boolean;
}

const laneWidth = 38;
const timeWidth = 12;

/** The lines of a call's messages, in the manner of RFC 3261 §4: the gateway in the middle where there are several far
 *  sides, the first of them to its left. */
export function drawTrace(trace: CallTrace, options: TraceLadderOptions): string[] {
  const remotes = [...new Set(trace.messages.map(({ remote }) => remote))];
  const gateway = remotes.length === 0 ? 0 : 1;
  const lanes = [...remotes.slice(0, 1), 'gateway', ...remotes.slice(1)];
  const lines = [heading(lanes)];
  for (const message of trace.messages) {
    const other = lanes.indexOf(message.remote);
    const [from, to] = message.direction === 'in' ? [other, gateway] : [gateway, other];
    const time = `+${seconds(message.afterMs)}`.padStart(timeWidth - 2);
    const arrow = drawArrow(label(message), { from, to, lanes: lanes.length });
    lines.push(`${paint(2, time, options)}  ${paint(message.repeated ? 2 : 36, arrow, options)}`);
    if (options.whole) lines.push('', ...message.text.split('\n').map((line) => `    ${line}`), '');
  }
  if (trace.dropped > 0) lines.push(`(${trace.dropped} messages in the middle were not kept)`);
  return lines;
}

function heading(lanes: readonly string[]): string {
  const names = lanes.map((name) => name.slice(0, laneWidth - 2).padEnd(laneWidth));
  return `${' '.repeat(timeWidth)}${names.join('')}`.trimEnd();
}

function label({ summary, hasSdp, repeated }: CallTraceMessage): string {
  return `${summary}${hasSdp ? ' SDP' : ''}${repeated ? ' again' : ''}`;
}

/** Every lane is a line downwards; the arrow goes over those between its ends. */
function drawArrow(
  text: string,
  { from, to, lanes }: { readonly from: number; readonly to: number; readonly lanes: number },
): string {
  const columns: string[] = Array.from({ length: (lanes - 1) * laneWidth + 1 }, (_, column) =>
    column % laneWidth === 0 ? '│' : ' ',
  );
  const left = Math.min(from, to) * laneWidth + 1;
  const right = Math.max(from, to) * laneWidth - 1;
  const shown = ` ${text.slice(0, right - left - 5)} `;
  for (let column = left; column <= right; column++) columns[column] = '─';
  const start = left + Math.floor((right - left + 1 - shown.length) / 2);
  for (const [index, character] of [...shown].entries()) columns[start + index] = character;
  columns[to > from ? right : left] = to > from ? '▶' : '◀';
  return columns.join('');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}

function paint(code: number, text: string, { colour }: TraceLadderOptions): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text;
}
