import { type Clock, systemClock } from '../clock.ts';
import type { ConformanceTiming } from './conformance-call.ts';
import { type Rule, rules } from './rules.ts';
import { type Evidence, type ScenarioName, type Stage, scenarios } from './scenarios.ts';
import type { Verdict } from './verdicts.ts';

export interface ConformanceOptions {
  /** ws:// or wss://. */
  readonly url: string;
  /** Rules to judge, such as R4; default all. */
  readonly only?: readonly string[];
  /** Judge what takes more than a minute, too. */
  readonly long?: boolean;
  readonly timing?: Partial<ConformanceTiming>;
  readonly clock?: Clock;
  /** Told before each scenario. */
  readonly progress?: (scenario: ScenarioName) => void;
}

export interface RuleResult extends Verdict {
  readonly id: string;
  readonly title: string;
  readonly expected: string;
}

export interface ConformanceReport {
  readonly url: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  /** No rule failed. */
  readonly passed: boolean;
  readonly results: readonly RuleResult[];
}

export const timingDefault: ConformanceTiming = {
  replyMs: 10_000,
  pongMs: 5_000,
  closeMs: 5_000,
  talkMs: 600,
  settleMs: 250,
  idleMs: 60_000,
};

export const ruleIds: readonly string[] = rules.map(({ id }) => id);

/** Plays the gateway's side against a server, a call after the other. Never rejects for what the server does. Throws
 *  a `RangeError` for a URL or a rule that there is not. */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const { only, long = false, clock = systemClock, progress } = options;
  const url = parseUrl(options.url);
  const judged = rulesOf(only).filter((rule) => long || only !== undefined || rule.long !== true);
  const evidence: Evidence = { rates: new Map() };
  const timing = { ...timingDefault, ...options.timing };
  const wanted = new Set<ScenarioName>(['plain', ...judged.flatMap((rule) => rule.scenarios)]);
  const startedAt = new Date(clock.wallMs());
  const startedMs = clock.nowMs();
  for (const [name, play] of Object.entries(scenarios) as [ScenarioName, (stage: Stage) => Promise<void>][]) {
    if (!wanted.has(name)) continue;
    // Where a plain call brings nothing, the others would only wait for the same.
    if (name !== 'plain' && evidence.plain?.reply === undefined) break;
    progress?.(name);
    await play({ url, timing: patienceFor(evidence, timing), clock, evidence });
  }
  const results = judged.map((rule) => ({
    id: rule.id,
    title: rule.title,
    expected: rule.expected,
    ...rule.judge(evidence, timing),
  }));
  return {
    url: options.url,
    startedAt,
    durationMs: clock.nowMs() - startedMs,
    passed: results.every(({ outcome }) => outcome !== 'fail'),
    results,
  };
}

/** What a server does not do once is not waited for in every call. */
function patienceFor({ plain }: Evidence, timing: ConformanceTiming): ConformanceTiming {
  return {
    ...timing,
    ...(plain?.pongs === false && { pongMs: timing.settleMs }),
    ...(plain?.closedBack === false && { closeMs: timing.settleMs }),
  };
}

function rulesOf(only: readonly string[] | undefined): readonly Rule[] {
  const unknown = only?.find((id) => !ruleIds.includes(id));
  if (unknown !== undefined)
    throw new RangeError(`rule '${unknown}' is none of ${ruleIds[0]} to ${ruleIds.at(-1)}`);
  return only === undefined ? rules : rules.filter(({ id }) => only.includes(id));
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['ws:', 'wss:'].includes(url.protocol))
    throw new RangeError(`'${text}' is no WebSocket URL, expected one such as ws://127.0.0.1:9000/`);
  return url;
}
