import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { startAskedGateway } from '../support/peers/asked-gateway.ts';
import { startEchoProcess } from '../support/peers/gateway-process.ts';
import { threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 15: one of two media workers dies in mid-call. */

const calls = 6;
const byeMsMax = 1_000;
const backMsMax = 1_000;
const spacingMsMax = 60;
const preload = resolve(import.meta.dirname, '../support/peers/worker-death.cjs');

const processes = new Processes();
let echoUrl: string;
let phone: Phone;

beforeAll(async () => {
  echoUrl = await startEchoProcess(processes);
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
});

describe.skipIf(process.platform !== 'linux')('a media worker that dies', () => {
  it.each([
    ['uncaught', 'of an uncaught error'],
    ['memory', 'as it runs out of memory'],
  ])('%s: its calls end, the others go on, another takes its place', async (death, how) => {
    const asked = await startAskedGateway(
      processes,
      { media: { workers: 2 } },
      {
        env: {
          NODE_OPTIONS: `--require ${preload} --max-old-space-size=128`,
          WORKER_DEATH: death,
        },
      },
    );
    const { gateway } = asked;
    const names = Array.from({ length: calls }, (_, index) => `call${index}`);
    for (const name of [...names, 'later']) asked.endpoints.set(name, echoUrl);
    const place = (name: string) =>
      phone.placeCall({
        target: `sip:${name}@${gateway.udp}`,
        codecs: ['pcmu'],
        playTone: { frequencyHz: 400, levelDbfs: -20 },
        recordSeconds: 1,
      });
    const placed = await Promise.all(names.map(place));
    await until(
      'all talk',
      async () => (await gateway.calls()).filter(({ state }) => state === 'answered').length === calls,
    );
    const ended: number[] = [];
    for (const [index, { ended: over }] of placed.entries()) void over.then(() => ended.push(index));
    const waited = () => threadTimes(gateway.pid).waitedMs + threadTimes(process.pid).waitedMs;
    const waitedBefore = waited();
    gateway.process.signal('SIGUSR2');
    await until('the death', () => gateway.log.includes('media worker died'), 15_000);
    const diedMs = performance.now();
    await until('half of the calls end', () => ended.length === calls / 2);
    const byeMs = performance.now() - diedMs;
    // The new worker has no calls, so the next one goes to it.
    let backMs = 0;
    for (let later = 0; backMs === 0 && later < 100; later++) {
      const call = await place('later');
      let over = false;
      void call.ended.then(() => {
        over = true;
      });
      await until('an answer or a refusal', () => over || call.progress.state === 'talking');
      const loads = await Promise.all(
        [0, 1].map((worker) => gateway.metric('callwire_worker_calls', `"${worker}"`)),
      );
      if (Math.min(...loads) > 0) backMs = performance.now() - diedMs;
      call.hangUp();
      await call.ended;
    }
    const mayWaitMs = waited() - waitedBefore;
    await new Promise((resume) => setTimeout(resume, 500));
    expect(ended).toHaveLength(calls / 2);
    const dead = [...ended];
    const survivors = placed.filter((_, index) => !dead.includes(index));
    for (const call of survivors) call.hangUp();
    const results = await Promise.all(placed.map(({ ended: over }) => over));
    const spacingMs = Math.max(
      ...results.filter((_, index) => !dead.includes(index)).map(({ gapMsMax }) => gapMsMax),
    );
    console.log(
      `figure row 15: ${how}: BYE after ${byeMs.toFixed(0)} ms, new calls on a new worker after ${backMs.toFixed(0)} ms, ` +
        `spacing max ${spacingMs.toFixed(0)} ms in the calls of the other (waited ${mayWaitMs.toFixed(0)} ms for a processor)`,
    );
    for (const [index, result] of results.entries()) {
      const died = dead.includes(index);
      expect(result).toMatchObject({ outcome: 'completed', endedBy: died ? 'farSide' : 'phone' });
      if (!died) continue;
      expect(result.reasonHeader).toContain('media could not be set up or was lost');
      await until('dice', () => asked.dice(names[index]!) !== undefined);
      expect(asked.dice(names[index]!)).toMatchObject({ result: 'ANSWERED', reason: 'GENERALERROR' });
    }
    expect(byeMs).toBeLessThan(byeMsMax + mayWaitMs);
    expect(backMs).toBeGreaterThan(0);
    expect(backMs).toBeLessThan(backMsMax + mayWaitMs);
    expect(spacingMs).toBeLessThan(spacingMsMax + mayWaitMs);
    await gateway.whenEmpty();
    await asked.callbacks.close();
  });
});
