import type { Distribution } from './histogram.ts';
import type { LoadReport } from './load-report.ts';
import { describeRun, formatReport, formatVerdict, namedDistributions } from './load-table.ts';

/** The report as one page: no script, nothing fetched from elsewhere. */
export function formatHtml(report: LoadReport): string {
  const charts = namedDistributions(report)
    .map(([name, distribution]) => distributionChart(name, distribution))
    .join('\n');
  const memory = report.gateway?.memory;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>callwire bench: ${escapeText(describeRun(report))}</title>
<style>
:root { color-scheme: light dark; --back: #fff; --text: #1c2430; --soft: #5b6676; --line: #d5dbe3; --panel: #f5f7fa; --bar: #2f6fb2; --mark: #c2410c; --good: #157f3d; --bad: #b91c1c; --busy: #a35200; }
@media (prefers-color-scheme: dark) { :root { --back: #12171e; --text: #dfe6ee; --soft: #9aa5b4; --line: #36414f; --panel: #1b222c; --bar: #6aa7e8; --mark: #fb923c; --good: #4ade80; --bad: #f87171; --busy: #fbbf24; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1.2rem 1rem; color: var(--text); background: var(--back); }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
.origin { color: var(--soft); margin: .2rem 0 1rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .7rem; padding: 0; margin: 1rem 0; list-style: none; }
.facts li { border: 1px solid var(--line); border-radius: 6px; color: var(--soft); padding: .5rem .9rem; }
.facts b { color: var(--text); display: block; font-size: 1.15rem; }
.verdicts { list-style: none; margin: 1rem 0; padding: 0; }
.verdicts li { border-top: 1px solid var(--line); display: flex; gap: 1rem; padding: .25rem 0; }
.verdicts b { flex: 0 0 4.5rem; }
.passed b { color: var(--good); } .failed b { color: var(--bad); } .doubtful b { color: var(--busy); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1.4rem 1.6rem; }
figure { margin: 0; }
figcaption { font-weight: 600; }
figcaption small { color: var(--soft); display: block; font-weight: 400; }
svg { width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--soft); }
.bar { fill: var(--bar); } .mark { stroke: var(--mark); stroke-dasharray: 3 3; } .axis { stroke: var(--soft); } .line { fill: none; stroke: var(--bar); stroke-width: 2; }
pre { background: var(--panel); border-radius: 6px; padding: 1rem; overflow-x: auto; font-size: 12px; }
</style>
</head>
<body>
<h1>${escapeText(describeRun(report))}</h1>
<p class="origin">callwire bench, ${escapeText(report.startedAt.slice(0, 16).replace('T', ' '))} UTC, ${escapeText(report.machine.cpu)}, ${report.machine.cores} cores, Node ${escapeText(report.machine.node.replace(/^v/, ''))}</p>
<ul class="facts">
${facts(report)
  .map(([name, value]) => `<li><b>${escapeText(value)}</b>${escapeText(name)}</li>`)
  .join('\n')}
</ul>
<ul class="verdicts">
${judgements(report)
  .map(
    ([word, text]) =>
      `<li class="${word}"><b>${word === 'failed' ? 'FAILED' : word}</b> ${escapeText(text)}</li>`,
  )
  .join('\n')}
</ul>
<h2>Distributions</h2>
<div class="charts">
${charts}
${memory === undefined || memory.series.length < 2 ? '' : seriesChart('gateway memory', memory.series)}
</div>
<h2>All figures</h2>
<pre>${escapeText(formatReport(report).trim())}</pre>
</body>
</html>
`;
}

/** Verdicts, and why they may say less than they seem to. */
function judgements({ verdicts, doubts }: LoadReport): (readonly [string, string])[] {
  return [
    ...verdicts.map((verdict) => [verdict.passed ? 'passed' : 'failed', formatVerdict(verdict)] as const),
    ...doubts.map((doubt) => ['doubtful', doubt] as const),
  ];
}

function facts(report: LoadReport): (readonly [string, string])[] {
  const { calls, packets, gateway, roundTrip, callbacks } = report;
  return [
    ['calls answered', `${calls.answered} / ${calls.attempted}`],
    ...(callbacks === undefined
      ? []
      : [
          ['callbacks answered', `${callbacks.answered} / ${callbacks.asked}`] as const,
          ['calls with their DICE', `${callbacks.ended} / ${callbacks.asked}`] as const,
        ]),
    ['RTP lost', `${packets.lostPercent.toFixed(3)} %`],
    ...(roundTrip === undefined
      ? []
      : [['round trip p50 / p99', `${roundTrip.p50.toFixed(1)} / ${roundTrip.p99.toFixed(1)} ms`] as const]),
    ['spacing error p99', `${report.spacing.p99.toFixed(2)} ms`],
    ...(gateway === undefined
      ? []
      : [['gateway CPU per call-second', `${gateway.cpuMsPerCallSecond.toFixed(2)} ms`] as const]),
    ...(gateway?.memory === undefined
      ? []
      : [['memory a call', `${(gateway.memory.perCallBytes / 1024).toFixed(0)} KB`] as const]),
  ];
}

const WIDTH = 480;
const HEIGHT = 180;
const LEFT = 8;
const BOTTOM = 24;
const TOP = 18;
/** Between the middles of two labels that can both be read. */
const LABEL_WIDTH = 34;
const BARS = 80;

/** Bars from the smallest value to p99.9; heights by square root, so that a tail of a few can be seen. */
function distributionChart(name: string, distribution: Distribution): string {
  const low = distribution.min;
  const high = Math.max(distribution.p999, low + 0.1);
  const bars = new Array<number>(BARS).fill(0);
  let beyond = 0;
  for (const [upperMs, count] of distribution.buckets) {
    const bar = Math.floor(((upperMs - low) / (high - low)) * BARS - 1e-9);
    if (bar >= BARS) beyond += count;
    else bars[Math.max(0, bar)]! += count;
  }
  const tallest = Math.max(1, ...bars);
  const barWidth = (WIDTH - 2 * LEFT) / BARS;
  const floor = HEIGHT - BOTTOM;
  const x = (valueMs: number): number => LEFT + ((valueMs - low) / (high - low)) * (WIDTH - 2 * LEFT);
  const rectangles = bars
    .map((count, bar) => {
      if (count === 0) return '';
      const height = Math.max(1, Math.sqrt(count / tallest) * (floor - TOP));
      return `<rect class="bar" x="${(LEFT + bar * barWidth).toFixed(1)}" y="${(floor - height).toFixed(1)}" width="${(barWidth * 0.9).toFixed(1)}" height="${height.toFixed(1)}"/>`;
    })
    .join('');
  const atP50 = Math.min(WIDTH - LEFT, x(distribution.p50));
  const atP99 = Math.min(WIDTH - LEFT, x(distribution.p99));
  const room = LABEL_WIDTH / 2;
  const labelP50 = Math.min(Math.max(atP50, room), WIDTH - room - LABEL_WIDTH);
  const labelP99 = Math.max(Math.min(atP99, WIDTH - room), labelP50 + LABEL_WIDTH);
  const marks = (
    [
      ['p50', atP50, labelP50],
      ['p99', atP99, labelP99],
    ] as const
  )
    .map(([label, at, labelAt]) => {
      const line = `<line class="mark" x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${TOP}" y2="${floor}"/>`;
      return `${line}<text x="${labelAt.toFixed(1)}" y="${TOP - 5}" text-anchor="middle">${label}</text>`;
    })
    .join('');
  return `<figure>
<figcaption>${escapeText(name)} <small>p50 ${distribution.p50.toFixed(2)}, p99 ${distribution.p99.toFixed(2)}, max ${distribution.max.toFixed(2)} ms${beyond > 0 ? `; ${beyond} of ${distribution.count} lie beyond the chart` : ''}</small></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(name)}">${rectangles}${marks}<line class="axis" x1="${LEFT}" x2="${WIDTH - LEFT}" y1="${floor}" y2="${floor}"/>
<text x="${LEFT}" y="${HEIGHT - 6}">${low.toFixed(2)} ms</text><text x="${WIDTH - LEFT}" y="${HEIGHT - 6}" text-anchor="end">${high.toFixed(2)} ms</text></svg>
</figure>`;
}

function seriesChart(name: string, series: readonly (readonly [number, number])[]): string {
  const lastSecond = series.at(-1)![0];
  const highest = Math.max(...series.map(([, bytes]) => bytes));
  const floor = HEIGHT - BOTTOM;
  const points = series
    .map(([second, bytes]) => {
      const x = LEFT + (second / lastSecond) * (WIDTH - 2 * LEFT);
      return `${x.toFixed(1)},${(floor - (bytes / highest) * (floor - TOP)).toFixed(1)}`;
    })
    .join(' ');
  return `<figure>
<figcaption>${escapeText(name)} <small>up to ${(highest / 1_048_576).toFixed(1)} MB</small></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(name)}"><polyline class="line" points="${points}"/><line class="axis" x1="${LEFT}" x2="${WIDTH - LEFT}" y1="${floor}" y2="${floor}"/>
<text x="${LEFT}" y="${HEIGHT - 6}">0 s</text><text x="${WIDTH - LEFT}" y="${HEIGHT - 6}" text-anchor="end">${lastSecond.toFixed(0)} s</text></svg>
</figure>`;
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
