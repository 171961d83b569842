import type { Distribution } from './histogram.ts';
import type { LoadReport } from './load-report.ts';
import { describeRun, formatReport, namedDistributions } from './load-table.ts';

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
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2430; background: #fff; }
h1 { font-size: 1.4rem; margin-bottom: 0; }
.facts { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.facts li { border: 1px solid #d5dbe3; border-radius: 6px; padding: .5rem .9rem; min-width: 8rem; }
.facts b { display: block; font-size: 1.35rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; }
figcaption { font-weight: 600; }
figcaption small { font-weight: 400; color: #5b6676; }
svg { width: 100%; height: auto; }
svg text { font: 10px system-ui, sans-serif; fill: #5b6676; }
.bar { fill: #2f6fb2; } .mark { stroke: #c2410c; stroke-dasharray: 3 3; } .axis { stroke: #9aa5b4; } .line { fill: none; stroke: #2f6fb2; stroke-width: 2; }
pre { background: #f5f7fa; border-radius: 6px; padding: 1rem; overflow-x: auto; font-size: 12px; }
.failed { color: #b91c1c; }
@media (prefers-color-scheme: dark) { body { color: #dfe6ee; background: #12171e; } .facts li { border-color: #36414f; } pre { background: #1b222c; } .bar { fill: #6aa7e8; } .line { stroke: #6aa7e8; } svg text, figcaption small { fill: #9aa5b4; color: #9aa5b4; } }
</style>
</head>
<body>
<h1>callwire bench</h1>
<p>${escapeText(describeRun(report))}<br>${escapeText(report.startedAt)}, ${escapeText(report.machine.cpu)}, ${report.machine.cores} cores, Node ${escapeText(report.machine.node)}</p>
<ul class="facts">
${facts(report)
  .map(([name, value]) => `<li><b>${escapeText(value)}</b>${escapeText(name)}</li>`)
  .join('\n')}
</ul>
${report.verdicts.map((verdict) => `<p${verdict.passed ? '' : ' class="failed"'}>${verdict.passed ? 'Passed' : 'Failed'}: ${escapeText(verdict.name)} ${verdict.value.toFixed(3)} ${escapeText(verdict.unit)}, limit ${verdict.limit} ${escapeText(verdict.unit)}</p>`).join('\n')}
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

function facts(report: LoadReport): (readonly [string, string])[] {
  const { calls, packets, gateway, roundTrip } = report;
  return [
    ['calls answered', `${calls.answered} / ${calls.attempted}`],
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
const BOTTOM = 22;
const TOP = 14;
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
  const marks = (
    [
      ['p50', distribution.p50],
      ['p99', distribution.p99],
    ] as const
  )
    .map(([label, valueMs]) => {
      const at = Math.min(WIDTH - LEFT, x(valueMs)).toFixed(1);
      return `<line class="mark" x1="${at}" x2="${at}" y1="${TOP}" y2="${floor}"/><text x="${at}" y="${TOP - 3}" text-anchor="middle">${label}</text>`;
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
