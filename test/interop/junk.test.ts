import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { CallResult } from '../../gateway/phone/phone-call.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { type JunkCounts, JunkFlood } from '../support/peers/junk-flood.ts';
import { residentMb, threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';

/** 2,000 junk requests a second from 60 sources against the executable, and honest calls beside them. The sources are
 *  loopback addresses, which no rate limit counts: what holds is that strangers are not remembered. */

const sources = 60;
const perSecond = 2_000;
const seconds = 5;
const setupMsMax = 500;
const growthMbMax = 100;
/** Share of one processor: on a machine that has little to spare this tells what the set-up time cannot. */
const busyMax = 0.8;
const user = { username: 'alice', password: 'wonderland' };

/** `defence`: what the most of it must run into, as a share of all that is refused. */
const ways = [
  {
    name: 'open to all',
    sip: {},
    // A refusal that nobody acknowledges is repeated.
    answersEachMax: Number.POSITIVE_INFINITY,
    defence: 'no-route',
    shareMin: 0.25,
  },
  {
    name: 'with sip.auth',
    sip: { auth: { realm: 'callwire', users: [user] } },
    // No more than one each: nothing is repeated that is not remembered.
    answersEachMax: 1,
    defence: 'auth-challenged',
    shareMin: 0.35,
  },
  {
    name: 'with sip.allow',
    sip: { allow: ['127.0.0.1'] },
    answersEachMax: 0,
    defence: 'source-not-allowed',
    shareMin: 0.6,
  },
] as const;

const processes = new Processes();
let echo: Bot;
let phone: Phone;
let flood: JunkFlood | undefined;

beforeAll(async () => {
  echo = await startBot({ kind: 'echo' });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterEach(() => flood?.close());

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  await echo?.close();
});

async function call(gateway: GatewayProcess): Promise<CallResult> {
  const { username, password } = user;
  const placed = await phone.placeCall({
    target: `sip:echo@${gateway.udp}`,
    durationMs: 200,
    codecs: ['pcmu'],
    recordSeconds: 1,
    user: username,
    password,
  });
  return placed.ended;
}

/** One after another every `everyMs`, until `running` is over. */
async function callMeanwhile(
  gateway: GatewayProcess,
  everyMs: number,
  running: Promise<unknown>,
): Promise<CallResult[]> {
  const calls: Promise<CallResult>[] = [];
  let over = false;
  void running.finally(() => {
    over = true;
  });
  while (!over) {
    calls.push(call(gateway));
    await new Promise((resume) => setTimeout(resume, everyMs));
  }
  return Promise.all(calls);
}

/** Of the gateway; what we ourselves had to wait for a processor counts as well, as we take the times. */
function figures({ pid }: GatewayProcess) {
  const { ranMs, waitedMs } = threadTimes(pid);
  return { residentMb: residentMb(pid), ranMs, waitedMs: waitedMs + threadTimes(process.pid).waitedMs };
}

function p95(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.ceil(values.length * 0.95) - 1] ?? 0;
}

describe.skipIf(process.platform !== 'linux')('junk', () => {
  it.each(ways)(
    'at a gateway $name: honest calls are set up, and little is remembered',
    async ({ name, sip, answersEachMax, defence, shareMin }) => {
      const gateway = await startGatewayProcess(processes, { sip, routes: [routeTo('echo', echo.url)] });
      // The first calls are slower and take memory of their own.
      await Promise.all(Array.from({ length: 8 }, () => call(gateway)));
      await gateway.whenEmpty();
      const before = figures(gateway);
      let peakMb = before.residentMb;
      const watch = setInterval(() => {
        peakMb = Math.max(peakMb, residentMb(gateway.pid));
      }, 100);
      flood = await JunkFlood.open(gateway.udp, sources);
      const running = flood.run(perSecond, seconds);
      const honest = await callMeanwhile(gateway, 60, running);
      const { sent, seconds: took }: JunkCounts = await running;
      clearInterval(watch);
      const after = figures(gateway);

      const setupMs = p95(honest.map((result) => result.setupMs ?? Number.POSITIVE_INFINITY));
      const waitedMs = after.waitedMs - before.waitedMs;
      const busy = (after.ranMs - before.ranMs) / (took * 1_000);
      const grownMb = peakMb - before.residentMb;
      const defended = await gateway.metric('callwire_refused_total', `reason="${defence}"`);
      const refused = await gateway.metric('callwire_refused_total');
      // Then nobody can set up calls in time, and what cannot be read in time is dropped by the system.
      const starved = waitedMs > took * 1_000;
      console.log(
        `junk, ${name}: ${Math.round(sent / took)}/s, ${honest.length} calls set up in ${setupMs.toFixed(0)} ms ` +
          `(p95), main thread busy for ${(busy * 100).toFixed(0)} %, memory grew by ${grownMb.toFixed(0)} MB, ` +
          `${flood.answers} answers, ${defence} ${defended} of ${refused}, ` +
          `waited ${waitedMs.toFixed(0)} ms for a processor${starved ? ': too long to judge times' : ''}`,
      );
      if (!starved) {
        expect(new Set(honest.map(({ outcome }) => outcome))).toEqual(new Set(['completed']));
        expect(setupMs).toBeLessThan(setupMsMax + waitedMs);
        // The flood was read: of what it sends, 68 % is refused, the rest is answered or too odd to count.
        expect(refused).toBeGreaterThan(sent * 0.6);
      }
      expect(busy).toBeLessThan(busyMax);
      expect(grownMb).toBeLessThan(growthMbMax);
      expect(flood.answers).toBeLessThanOrEqual(sent * answersEachMax);
      expect(defended / refused).toBeGreaterThan(shareMin);
      await gateway.whenEmpty(10_000);
    },
  );
});
