import type { LoadReport } from './load-report.ts';
import { alignRows } from './load-table.ts';
import type { EarlierReports, RunPlan } from './standard-set.ts';

/** `bench/baseline.json`: the figures of the last run that was kept, by `RUN.FIGURE`. */
export interface Baseline {
  readonly recordedAt: string;
  readonly machine: {
    readonly node: string;
    readonly cpu: string;
    readonly cores: number;
    /** CPU for a datagram sent and received, in µs: how fast the machine was on that day. */
    readonly datagramUs: number;
  };
  readonly figures: Readonly<Record<string, number>>;
}

export interface MeasuredFigure {
  /** `ws300.cpu` */
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  readonly value: number | undefined;
  readonly baseline: number | undefined;
  readonly target: number | undefined;
  /** Undefined where there is no target. A figure that could not be read misses its target. */
  readonly met: boolean | undefined;
}

export function measureFigures(
  plan: RunPlan,
  report: LoadReport,
  earlier: EarlierReports,
  baseline: Baseline | undefined,
): MeasuredFigure[] {
  return plan.figures.map(({ id, name, unit, target, read }) => {
    const key = `${plan.id}.${id}`;
    const value = read(report, earlier);
    return {
      key,
      name,
      unit,
      value,
      baseline: baseline?.figures[key],
      target,
      met: target === undefined ? undefined : value !== undefined && value <= target,
    };
  });
}

export function formatFigures(figures: readonly MeasuredFigure[]): string {
  const rows = figures.map(({ name, unit, value, baseline, target, met }) => [
    `  ${name}`,
    withUnit(value, unit),
    withUnit(baseline, unit),
    changeText(value, baseline),
    target === undefined ? '' : `≤ ${withUnit(target, unit)}`,
    met === undefined ? '' : met ? 'met' : 'MISSED',
  ]);
  return alignRows([['', 'now', 'baseline', 'change', 'target', ''], ...rows]).join('\n');
}

function withUnit(value: number | undefined, unit: string): string {
  if (value === undefined) return '–';
  const digits = Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 2 : 1;
  return unit === '' ? value.toFixed(digits) : `${value.toFixed(digits)} ${unit}`;
}

function changeText(value: number | undefined, baseline: number | undefined): string {
  if (value === undefined || baseline === undefined || baseline === 0) return '';
  const percent = ((value - baseline) * 100) / Math.abs(baseline);
  return `${percent >= 0 ? '+' : ''}${percent.toFixed(0)} %`;
}
