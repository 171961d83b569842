import { describe, expect, test } from 'vitest';
import { Histogram } from '../../bench/histogram.ts';
import { formatHtml } from '../../bench/html-report.ts';
import { defaultOptions } from '../../bench/load-options.ts';
import { callbackFigures, findDoubts, judge, type LoadReport } from '../../bench/load-report.ts';
import { formatReport } from '../../bench/load-table.ts';
import { memoryGrowthPercent, quickSet, standardSet } from '../../bench/standard-set.ts';
import { formatFigures, measureFigures } from '../../bench/standard-table.ts';

function distribution(...values: readonly number[]): ReturnType<Histogram['distribution']> {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram.distribution();
}

const packets: LoadReport['packets'] = {
  sent: 1000,
  withheld: 0,
  received: 990,
  lost: 10,
  duplicate: 0,
  reordered: 0,
  ignored: 0,
  timestampJumps: 0,
  silent: 0,
  skipped: 0,
  lostPercent: 1,
  lostUp: 3,
  lostUpPercent: 0.3,
  silentPercent: 0,
};

const report: LoadReport = {
  version: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  machine: { node: 'v20.20.0', cpu: 'A <fast> one', cores: 2 },
  options: { ...defaultOptions, spawn: true, calls: 4 },
  steady: { seconds: 10, callSeconds: 40 },
  calls: {
    attempted: 4,
    answered: 3,
    active: 0,
    failed: { 503: 1 },
    endedEarly: 0,
    hangUpsLost: 0,
    retransmissions: 0,
    failedTotal: 1,
  },
  setup: distribution(5, 6, 7),
  packets,
  jitter: distribution(0.2, 0.4),
  spacing: distribution(0.1, 0.2, 7),
  roundTrip: distribution(30, 31, 45),
  uplinkAudio: distribution(5, 6),
  uplink: distribution(1, 2),
  downlink: distribution(20, 21),
  clear: undefined,
  markers: { up: { sent: 40, lost: 1 }, down: { sent: 40, lost: 2 }, unknown: 0 },
  streams: undefined,
  callbacks: callbackFigures({
    asked: 4,
    answered: 3,
    broken: 1,
    waiting: 0,
    ended: 2,
    endedAgain: 1,
    unknown: 0,
    unsigned: 0,
  }),
  gateway: {
    pid: 99,
    cpuMsPerCallSecond: 1.25,
    percent: 37.5,
    threads: [{ name: 'thread 101', cpuMsPerCallSecond: 1.2, percent: 36, waitedPercent: 2 }],
    memory: {
      idleBytes: 5e7,
      steadyBytes: 6e7,
      endBytes: 6e7,
      perCallBytes: 122_880,
      perCallPssBytes: undefined,
      series: [
        [0, 5e7],
        [1, 6e7],
      ],
    },
  },
  harness: {
    cpuMsPerCallSecond: 0.9,
    phonesCpuMsPerCallSecond: 0.5,
    streamsCpuMsPerCallSecond: 0.4,
    readGap: distribution(0.5),
    sendLate: distribution(0.1),
  },
  verdicts: [{ name: 'failed calls', limit: 0, value: 25, unit: '%', passed: false }],
  doubts: ['the machine was busy'],
};

test('the table tells every figure', () => {
  const text = formatReport(report);
  for (const part of [
    /attempted 4 {3}answered 3 {3}failed 1 \(503: 1\)/,
    /sent 1000, lost on the way up 3 \(0\.300 %\) {3}received 990, lost 10 \(1\.000 %\)/,
    /markers lost up 1 of 40 {3}down 2 of 40/,
    /^callbacks {2}asked 4 {3}answered 3 {3}failed 1 {3}DICE of 2 calls, missing 2, repeated 1, unknown 0/m,
    /^set-up +6\.\d+/m,
    /^round trip .* 45\.00 +3$/m,
    /^uplink, packet to message/m,
    /^downlink, as heard/m,
    /^spacing error/m,
    /^process 99 +1\.250 +37\.5/m,
    /^ {2}thread 101 +1\.200/m,
    /a call 120 KB/,
    /^harness {4}CPU ms\/call-s 0\.900 {3}phones 0\.500 {3}streams 0\.400/m,
    /^FAILED +failed calls 25\.000 %, limit 0 %/m,
    /^doubtful +the machine was busy/m,
  ])
    expect(text).toMatch(part);
});

test('the page holds charts and figures, escapes what it shows, and fetches nothing', () => {
  const html = formatHtml(report);
  expect(html.match(/<svg /g)).toHaveLength(8);
  expect(html).toContain('A &lt;fast&gt; one');
  expect(html).toContain('gateway memory');
  expect(html).toMatch(/FAILED<\/b> failed calls 25\.000 %, limit 0 %/);
  expect(html).not.toMatch(/https?:|<script|<link|src=|@import|NaN|undefined/);
});

describe('thresholds', () => {
  const calls = { ...report.calls, failedTotal: 0 };
  test.each([
    { name: 'all calls answered', options: {}, calls, passed: true },
    { name: 'a call failed', options: {}, calls: report.calls, passed: false },
    {
      name: 'a call failed, but some may',
      options: { maxFailedPercent: 30 },
      calls: report.calls,
      passed: true,
    },
    { name: 'a call was cut off', options: {}, calls: { ...calls, endedEarly: 1 }, passed: false },
    { name: 'no call at all', options: {}, calls: { ...calls, attempted: 0 }, passed: false },
    { name: 'loss below its limit', options: { maxLossPercent: 1.5 }, calls, passed: true },
    { name: 'loss above its limit', options: { maxLossPercent: 0.5 }, calls, passed: false },
    { name: 'loss on the way up above its limit', options: { maxLossPercent: 0.2 }, calls, passed: false },
    { name: 'a round trip below its limit', options: { maxP99Ms: 50 }, calls, passed: true },
    { name: 'a round trip above its limit', options: { maxP99Ms: 40 }, calls, passed: false },
    { name: 'spacing below its limit', options: { maxSpacingMs: 8 }, calls, passed: true },
    { name: 'spacing above its limit', options: { maxSpacingMs: 4 }, calls, passed: false },
  ])('$name', ({ options, calls: counted, passed }) => {
    const { roundTrip: delay, spacing } = report;
    const verdicts = judge(
      { ...defaultOptions, ...options },
      { calls: counted, packets, delay, spacing, callbacks: undefined },
    );
    expect(verdicts.every((verdict) => verdict.passed)).toBe(passed);
  });

  const counted = { ...report.callbacks!, answered: 4, ended: 4, endedAgain: 0 };
  test.each([
    { name: 'every callback answered, every call with its DICE', callbacks: counted, failing: [] },
    {
      name: 'a callback without an answer',
      callbacks: { ...counted, answered: 3 },
      failing: ['callbacks without an answer'],
    },
    {
      name: 'a request that was not signed',
      callbacks: { ...counted, unsigned: 1 },
      failing: ['callbacks without an answer'],
    },
    {
      name: 'a call that never had its DICE',
      callbacks: { ...counted, ended: 3 },
      failing: ['calls without a DICE'],
    },
    {
      name: 'a call that had two',
      callbacks: { ...counted, endedAgain: 1 },
      failing: ['calls with more than one DICE'],
    },
    {
      name: 'an application that was never asked',
      callbacks: undefined,
      failing: ['callbacks without an answer', 'calls without a DICE', 'calls with more than one DICE'],
    },
  ])('$name', ({ callbacks, failing }) => {
    const { roundTrip: delay, spacing } = report;
    const found = { calls, packets, delay, spacing, callbacks: callbackFigures(callbacks) };
    const failed = judge(defaultOptions, found).filter((verdict) => !verdict.passed);
    expect(failed.map(({ name }) => name)).toEqual(failing);
  });

  test('a busy machine is named', () => {
    const waiting = { ...report.gateway!, threads: [{ ...report.gateway!.threads[0]!, waitedPercent: 40 }] };
    expect(findDoubts(report)).toEqual([]);
    expect(
      findDoubts({
        ...report,
        gateway: waiting,
        packets: { ...packets, skipped: 2 },
        harness: { ...report.harness, readGap: distribution(9) },
      }),
    ).toHaveLength(3);
  });
});

describe('the standard set', () => {
  test('names every figure once', () => {
    const keys = [...standardSet, ...quickSet].flatMap(({ id, figures }) =>
      figures.map((figure) => `${id}.${figure.id}`),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('compares with baseline and target', () => {
    const plan = standardSet.find(({ id }) => id === 'ws300')!;
    const baseline = {
      recordedAt: '',
      machine: { ...report.machine, datagramUs: 7 },
      figures: { 'ws300.cpu': 1, 'ws300.lost': 13 },
    };
    const figures = measureFigures(plan, report, new Map(), baseline);
    expect(figures).toMatchObject([
      { key: 'ws300.cpu', value: 1.25, baseline: 1, target: 1.3, met: true },
      { key: 'ws300.refused', value: 1, met: false },
      { key: 'ws300.lost', value: 13, met: false },
      { key: 'ws300.spacingP99', value: 7, met: false },
      { key: 'ws300.roundTripP99', value: 45, met: undefined },
      { key: 'ws300.harness', value: 0.72, met: true },
    ]);
    expect(formatFigures(figures)).toMatch(/CPU per call-second +1\.25 ms +1 ms +\+25 % +≤ 1\.30 ms +met/);
  });

  test('misses a target whose figure could not be read', () => {
    const plan = standardSet.find(({ id }) => id === 'workers2')!;
    const ratio = measureFigures(plan, report, new Map(), undefined).find(
      ({ key }) => key === 'workers2.ratio',
    );
    expect(ratio).toMatchObject({ value: undefined, met: false });
  });

  test.each([
    { name: 'flat', bytes: () => 100, expected: 0 },
    { name: 'growth of the first calls', bytes: (i: number) => (i < 20 ? 50 : 100), expected: 0 },
    { name: 'a leak', bytes: (i: number) => 100 + i, expected: 50 },
  ])('memory: $name', ({ bytes, expected }) => {
    const growth = memoryGrowthPercent(Array.from({ length: 101 }, (_, i) => [i, bytes(i)] as const));
    expect(Math.abs(growth! - expected)).toBeLessThan(2);
  });
});
