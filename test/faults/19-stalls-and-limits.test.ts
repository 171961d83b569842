import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { CallResult, PhoneCall } from '../../gateway/phone/phone-call.ts';
import { freePort } from '../support/peers/free-port.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { StallMeter } from '../support/peers/stall-meter.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 19: the whole process stands still for 300 ms, its descriptors are used up, its RTP ports are. Clocks that are
 *  set are in test/calls/clock-steps.test.ts. */

const processes = new Processes();
let echo: Bot | undefined;
let phone: Phone;

beforeAll(async () => {
  echo = await startBot({ kind: 'echo' });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterEach(() => processes.endAll());

afterAll(async () => {
  await phone?.close();
  await echo?.close();
});

function call(gateway: GatewayProcess, durationMs?: number): Promise<PhoneCall> {
  return phone.placeCall({
    target: `sip:echo@${gateway.udp}`,
    codecs: ['pcmu'],
    playTone: { frequencyHz: 440, levelDbfs: -12 },
    recordSeconds: 1,
    ...(durationMs === undefined ? {} : { durationMs }),
  });
}

/** Places calls, one after another, until one is refused. */
async function callUntilRefused(
  gateway: GatewayProcess,
  most: number,
): Promise<{ answered: PhoneCall[]; refused: CallResult | undefined }> {
  const answered: PhoneCall[] = [];
  while (answered.length < most) {
    const placed = await call(gateway);
    if (!(await placed.answered)) return { answered, refused: await placed.ended };
    answered.push(placed);
  }
  return { answered, refused: undefined };
}

describe.skipIf(process.platform !== 'linux')('a gateway that stands still', () => {
  it('for 300 ms, ten times, keeps its calls, and audio is no later afterwards', async () => {
    const gateway = await startGatewayProcess(processes, { routes: [routeTo('echo', echo!.url)] });
    const calls = await Promise.all(Array.from({ length: 4 }, () => call(gateway, 11_000)));
    await until('all talk', async () => (await gateway.calls()).length === 4);
    for (let stall = 0; stall < 10; stall++) {
      process.kill(gateway.pid, 'SIGSTOP');
      await new Promise((resume) => setTimeout(resume, 300));
      process.kill(gateway.pid, 'SIGCONT');
      await new Promise((resume) => setTimeout(resume, 500));
    }
    const buffered = (await gateway.calls()).map(({ stream }) => stream?.bufferedMs ?? 0);
    const stalls = await StallMeter.start();
    const results = await Promise.all(calls.map(({ ended }) => ended));
    const stallMs = await stalls.stop();
    const lossPercent = Math.max(
      ...results.map(
        ({ packetsLost, packetsReceived }) => (100 * packetsLost) / Math.max(1, packetsReceived),
      ),
    );
    const heldMs = Math.max(...buffered);
    console.log(
      `figure row 19: 10 stalls of 300 ms: ${results.filter(({ outcome }) => outcome === 'completed').length} of 4 ` +
        `calls survived, ${heldMs.toFixed(0)} ms of audio waiting afterwards, loss ${lossPercent.toFixed(2)} %`,
    );
    expect(results.map(({ outcome, endedBy }) => [outcome, endedBy])).toEqual(
      results.map(() => ['completed', 'phone']),
    );
    expect(heldMs).toBeLessThan(400 + stallMs);
    expect(gateway.log).not.toMatch(/"level":"(?:error|fatal)"/);
    await gateway.whenEmpty();
  });
});

describe('what is used up', () => {
  it('RTP ports: the next call is refused with 503 and why, and taken when a port is free again', async () => {
    const free = await freePort(9);
    const first = free + (free % 2);
    const gateway = await startGatewayProcess(processes, {
      rtp: { address: '127.0.0.1', ports: [first, first + 7] },
      routes: [routeTo('echo', echo!.url)],
    });
    const { answered, refused } = await callUntilRefused(gateway, 6);
    console.log(
      `figure row 19: ${answered.length} calls on 4 pairs of ports, then ${refused?.status} (${refused?.reasonHeader})`,
    );
    expect(answered).toHaveLength(4);
    expect(refused?.status).toBe(503);
    expect(refused?.reasonHeader).toMatch(/text=/);
    expect(refused?.responseHeaders.some(({ name }) => name === 'Retry-After')).toBe(true);
    answered.shift()!.hangUp();
    await until('a port is free', async () => (await gateway.metric('callwire_rtp_ports_used')) === 3);
    const again = await (await call(gateway, 300)).ended;
    expect(again.outcome).toBe('completed');
    for (const one of answered) one.hangUp();
    const results = await Promise.all(answered.map(({ ended }) => ended));
    expect(results.map(({ endedBy }) => endedBy)).toEqual(results.map(() => 'phone'));
    await gateway.whenEmpty();
  });

  it.skipIf(!existsSync('/usr/bin/prlimit'))(
    'descriptors: calls are refused with a reason, those that talk go on, and all is well when there are some again',
    async () => {
      const gateway = await startGatewayProcess(processes, { routes: [routeTo('echo', echo!.url)] });
      expect((await (await call(gateway, 300)).ended).outcome).toBe('completed');
      await gateway.whenEmpty();
      const open = readdirSync(`/proc/${gateway.pid}/fd`);
      const most = open.length + 14;
      execFileSync('/usr/bin/prlimit', [`--pid=${gateway.pid}`, `--nofile=${most}:${most}`]);
      const { answered, refused } = await callUntilRefused(gateway, 20);
      // Whatever it wants a descriptor for is refused now: calls, connections, questions over HTTP.
      const more = await Promise.all(Array.from({ length: 5 }, async () => (await call(gateway, 300)).ended));
      await fetch(`http://${gateway.http}/healthz`, { signal: AbortSignal.timeout(300) }).catch(
        () => undefined,
      );
      console.log(
        `figure row 19: with ${most - open.length} descriptors ${answered.length} calls, then ` +
          `${refused?.status} (${refused?.reasonHeader})`,
      );
      expect(answered.length).toBeGreaterThan(1);
      expect(refused).toBeDefined();
      for (const one of [refused!, ...more]) {
        if (one.outcome === 'completed') continue;
        expect([480, 500, 503]).toContain(one.status);
        expect(one.reasonHeader).toMatch(/text=/);
      }
      for (const one of answered) one.hangUp();
      const results = await Promise.all(answered.map(({ ended }) => ended));
      expect(results.map(({ outcome, endedBy }) => [outcome, endedBy])).toEqual(
        results.map(() => ['completed', 'phone']),
      );
      await gateway.whenEmpty(10_000);
      expect((await (await call(gateway, 300)).ended).outcome).toBe('completed');
    },
  );
});
