import type { ConformanceReport, RuleResult } from './conformance-run.ts';

/** What a conformance run found, for people and for continuous integration. */

const words = { pass: 'pass', fail: 'FAIL', skip: '  - ' } as const;

/** A table, and under each rule that failed what was expected. */
export function conformanceLines(report: ConformanceReport, colour: boolean): string[] {
  const titleWidth = Math.max(...report.results.map(({ title }) => title.length));
  const lines = report.results.flatMap((result) => {
    const { id, title, outcome, expected, seen } = result;
    const row = `  ${paint(words[outcome], outcome, colour)}  ${id.padEnd(3)}  ${title.padEnd(titleWidth)}  `;
    if (outcome !== 'fail') return [`${row}${seen}`];
    return [row.trimEnd(), `             expected  ${expected}`, `             seen      ${seen}`];
  });
  const count = (outcome: RuleResult['outcome']) =>
    report.results.filter((result) => result.outcome === outcome).length;
  const seconds = (report.durationMs / 1_000).toFixed(1);
  const summary = `${count('pass')} passed, ${count('fail')} failed, ${count('skip')} not judged, ${seconds} s`;
  return [report.url, '', ...lines, '', `  ${summary}`];
}

function paint(text: string, outcome: RuleResult['outcome'], colour: boolean): string {
  if (!colour) return text;
  const code = { pass: 32, fail: 31, skip: 90 }[outcome];
  return `\x1b[${code}m${text}\x1b[0m`;
}

export function conformanceJson(report: ConformanceReport): string {
  return JSON.stringify({ ...report, startedAt: report.startedAt.toISOString() });
}

/** The form that build servers read: a suite, a case a rule. */
export function conformanceJunit(report: ConformanceReport): string {
  const { results, url, startedAt, durationMs } = report;
  const failures = results.filter(({ outcome }) => outcome === 'fail').length;
  const skipped = results.filter(({ outcome }) => outcome === 'skip').length;
  const seconds = (durationMs / 1_000).toFixed(3);
  const counts = `tests="${results.length}" failures="${failures}" errors="0" skipped="${skipped}" time="${seconds}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="callwire conformance" ${counts}>`,
    `  <testsuite name="${xml(url)}" ${counts} timestamp="${startedAt.toISOString().slice(0, 19)}">`,
    ...results.flatMap(testCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testCase({ id, title, outcome, expected, seen }: RuleResult): string[] {
  const opening = `    <testcase classname="callwire.conformance" name="${xml(`${id} ${title}`)}" time="0"`;
  if (outcome === 'pass') return [`${opening}/>`];
  const content =
    outcome === 'skip'
      ? `<skipped message="${xml(seen)}"/>`
      : `<failure type="${id}" message="${xml(seen)}">${xml(`expected: ${expected}\nseen: ${seen}`)}</failure>`;
  return [`${opening}>`, `      ${content}`, '    </testcase>'];
}

/** What XML 1.0 cannot hold becomes a question mark: the server under test chose what is quoted here. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '?')
    .replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
    .replace(/\n/g, '&#10;');
}
