import { afterAll, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { hostileSdp, mutatedSdp } from '../support/hostile-sdp.ts';
import { routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { type RawAnswer, RawCaller } from '../support/peers/raw-caller.ts';

/** Row 1: every hostile body and 1,000 mutations as INVITEs to the executable. */

const mutations = 1_000;
const atOnce = 4;
const slowestMsMax = 200;

const processes = new Processes();
let echo: Bot | undefined;

afterAll(async () => {
  await processes.endAll();
  await echo?.close();
});

it('hostile SDP gets the right answer, soon, and never a 500', async () => {
  echo = await startBot({ kind: 'echo' });
  const gateway = await startGatewayProcess(processes, {
    routes: [routeTo('echo', echo.url)],
    rtp: { srtp: 'off' },
  });
  const callers = await Promise.all(Array.from({ length: atOnce }, () => RawCaller.open(gateway.tcp)));
  // The first ones compile the code.
  for (const { body } of hostileSdp.slice(0, 20)) await callers[0]!.invite(body);
  const waitedBefore = threadTimes(gateway.pid).waitedMs + threadTimes(process.pid).waitedMs;
  const named: (RawAnswer & { name: string; wrong: boolean })[] = [];
  for (const { name, body, right } of hostileSdp) {
    const answer = await callers[0]!.invite(body);
    named.push({ ...answer, name, wrong: !(right as readonly number[]).includes(answer.status) });
  }
  const bodies = mutatedSdp(mutations);
  const answers: RawAnswer[] = [];
  await Promise.all(
    callers.map(async (caller) => {
      for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
        answers.push(await caller.invite(body));
      }
    }),
  );
  const waitedMs = threadTimes(gateway.pid).waitedMs + threadTimes(process.pid).waitedMs - waitedBefore;
  for (const caller of callers) caller.close();
  const all = [...named, ...answers];
  const slowestMs = Math.max(...all.map(({ tookMs }) => tookMs));
  const counts = Object.fromEntries(
    [200, 400, 488].map((status) => [status, all.filter((answer) => answer.status === status).length]),
  );
  console.log(
    `figure row 1: ${named.length} bodies and ${answers.length} mutations: ${JSON.stringify(counts)}, ` +
      `slowest ${slowestMs.toFixed(0)} ms (waited ${waitedMs.toFixed(0)} ms for a processor in all)`,
  );
  expect(named.filter(({ wrong }) => wrong)).toEqual([]);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 400, 488]));
  expect(slowestMs).toBeLessThan(slowestMsMax + waitedMs);
  await gateway.whenEmpty(10_000);
});
