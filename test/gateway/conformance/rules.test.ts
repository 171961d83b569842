import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConformanceReport,
  ruleIds,
  runConformance,
} from '../../../gateway/conformance/conformance-run.ts';
import { brokenBots } from './broken-bots.ts';
import { type Behaviour, type RawBot, startRawBot } from './raw-bot.ts';

/** Waits that end early where all is well, and a minute in a moment. */
const timing = { replyMs: 2_500, pongMs: 1_500, closeMs: 1_500, talkMs: 40, settleMs: 30, idleMs: 800 };

const bots: RawBot[] = [];

async function judge(behaviour: Behaviour, long: boolean): Promise<ConformanceReport> {
  const bot = await startRawBot(behaviour);
  bots.push(bot);
  return runConformance({ url: bot.url, long, timing });
}

afterAll(async () => {
  await Promise.all(bots.splice(0).map((bot) => bot.close()));
});

describe('a bot that breaks a rule fails that rule and no other', () => {
  let reports: readonly ConformanceReport[] = [];

  // Side by side: nearly all of the time is waiting.
  beforeAll(async () => {
    reports = await Promise.all(brokenBots.map(({ rule, behave }) => judge(behave(), rule === 'R13')));
  }, 30_000);

  it.each(brokenBots.map(({ rule, how }, index) => ({ rule, how, index })))(
    '$rule: $how',
    ({ rule, index }) => {
      const { results, passed } = reports[index]!;
      expect(results.filter(({ outcome }) => outcome === 'fail').map(({ id, seen }) => [id, seen])).toEqual([
        [rule, expect.any(String)],
      ]);
      expect(passed).toBe(false);
    },
  );

  it('and there is one for each rule', () => {
    expect(new Set(brokenBots.map(({ rule }) => rule))).toEqual(new Set(ruleIds));
  });
});

describe.concurrent('a bot that breaks none', () => {
  it('passes all that there is to judge', async () => {
    const report = await judge({}, true);
    expect(report.passed).toBe(true);
    const skipped = report.results.filter(({ outcome }) => outcome === 'skip');
    // Too little is said to compare, and it wants no extensions.
    expect(skipped.map(({ id }) => id)).toEqual(['R5', 'R16']);
  });

  it.each(['busy', 'reject'])('may say %s', async (command) => {
    const report = await judge({ connect: (line) => line.say({ command }), silent: true }, false);
    expect(report.results.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
  });

  it('may decline a second call, and hang up when it likes', async () => {
    const report = await judge(
      {
        connect: (line) => {
          line.say({ command: 'answer' });
          line.close(1000);
        },
        silent: true,
      },
      false,
    );
    expect(report.results.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
  });
});

describe.concurrent('a run', () => {
  it('judges the rules that were asked for, in order', async () => {
    const bot = await startRawBot({});
    bots.push(bot);
    const scenarios: string[] = [];
    const { results } = await runConformance({
      url: bot.url,
      only: ['R9', 'R6'],
      timing,
      progress: (scenario) => scenarios.push(scenario),
    });
    expect(results.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['R6', 'pass'],
      ['R9', 'pass'],
    ]);
    expect(scenarios).toEqual(['plain', 'unknown']);
  });

  it('judges nothing but R1 where nobody listens', async () => {
    const bot = await startRawBot({});
    await bot.close();
    const { results, passed } = await runConformance({ url: bot.url, timing });
    expect(passed).toBe(false);
    expect(results.filter(({ outcome }) => outcome !== 'skip').map(({ id, seen }) => [id, seen])).toEqual([
      ['R1', expect.stringContaining('ECONNREFUSED')],
    ]);
  });

  it.each([
    { url: 'http://127.0.0.1/', only: [], message: 'is no WebSocket URL' },
    { url: 'ws://127.0.0.1:1/', only: ['R99'], message: "rule 'R99' is none of R1 to R22" },
  ])('does not begin with $message', async ({ url, only, message }) => {
    await expect(runConformance({ url, only })).rejects.toThrow(message);
  });
});
