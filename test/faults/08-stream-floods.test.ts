import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import {
  type GatewayProcess,
  mainFile,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { residentMb, threadTimes } from '../support/peers/process-figures.ts';
import { Processes, type Running } from '../support/peers/processes.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 8: stream servers that say far too much, and what the other calls of their media worker lose by it. Phones that
 *  are measured, servers and gateway are processes of their own. */

const bufferBytes = 1_000_000;
const sampleRate = 16_000;
const floodSeconds = 5;
const neighbours = 8;
const spacingMsMax = 3;
const spacingMsStarvedMax = 30;
const lossPercentMax = 0.5;
const growthMbMax = 60;
/** Of the worker's time: beyond it the machine's other work decides how even the spacing is. */
const starvedShare = 0.05;

const texts = ['texts', 'commands', 'pings', 'longpings', 'pongs'];

const processes = new Processes();
let directory: string;
let gateway: GatewayProcess;
let server: Running;
let phone: Phone;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'callwire-floods-'));
  server = processes.start(process.execPath, [
    resolve(import.meta.dirname, '../support/peers/flood-server.mjs'),
  ]);
  const port = await server.line((line) => (JSON.parse(line) as { port?: number }).port, 20_000);
  const echoUrl = await startEchoProcess(processes);
  gateway = await startGatewayProcess(processes, {
    stream: { bufferBytes },
    routes: [
      ...['audio', ...texts].map((name) => routeTo(name, `ws://127.0.0.1:${port}/${name}`, sampleRate)),
      routeTo('echo', echoUrl),
    ],
  });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  rmSync(directory, { recursive: true, force: true });
});

interface Neighbours {
  readonly spacingMs: number;
  readonly spacingMsMedian: number;
  readonly lossPercent: number;
  readonly failed: number;
  /** Of the time, for which a thread of the gateway waited for a processor. */
  readonly waitedShare: number;
}

/** Calls to the echo bot, placed and measured by the load harness. */
async function measureNeighbours(name: string): Promise<Neighbours> {
  const json = join(directory, `${name}.json`);
  const [before, startedMs] = [threadTimes(gateway.pid).waitedMs, performance.now()];
  const counts = [
    '--calls',
    String(neighbours),
    '--rate',
    '20',
    '--warm-up',
    '1',
    '--duration',
    String(floodSeconds),
  ];
  const ended = await processes.run(
    process.execPath,
    [mainFile, 'bench', '--target', `sip:echo@${gateway.udp}`, ...counts, '--json', json],
    { limitMs: 30_000, cwd: directory },
  );
  expect(ended.status, ended.stderr).toBeDefined();
  const report = JSON.parse(readFileSync(json, 'utf8')) as {
    spacing: { p50: number; p99: number };
    packets: { lostPercent: number };
    calls: { failedTotal: number };
  };
  return {
    spacingMs: report.spacing.p99,
    spacingMsMedian: report.spacing.p50,
    lossPercent: report.packets.lostPercent,
    failed: report.calls.failedTotal,
    waitedShare: (threadTimes(gateway.pid).waitedMs - before) / (performance.now() - startedMs),
  };
}

/** What a flood does it does each time; what the machine does beside it, it does now and then. */
async function calmest(measure: () => Promise<Neighbours>): Promise<Neighbours> {
  let best = await measure();
  for (let again = 0; again < 2 && best.spacingMs >= spacingMsMax; again++) {
    const next = await measure();
    if (next.spacingMs < best.spacingMs) best = next;
  }
  return best;
}

const call = (name: string) =>
  phone.placeCall({ target: `sip:${name}@${gateway.udp}`, codecs: ['pcmu'], recordSeconds: 1 });

const over = (path: string) =>
  server.stdout
    .split('\n')
    .filter((line) => line.includes(`"/${path}"`))
    .map((line) => JSON.parse(line) as { closeCode?: number; sentBytes: number; seconds: number });

function judge(what: string, quiet: Neighbours, flooded: Neighbours, more: string): void {
  const starved = flooded.waitedShare > starvedShare || quiet.spacingMs > spacingMsMax;
  console.log(
    `figure row 8: ${what}: spacing p99 ${flooded.spacingMs.toFixed(2)} ms (without ${quiet.spacingMs.toFixed(2)}), ` +
      `loss ${flooded.lossPercent.toFixed(2)} %, ${more}; waited for a processor ` +
      `${(flooded.waitedShare * 100).toFixed(0)} % of the time (without ${(quiet.waitedShare * 100).toFixed(0)} %)` +
      `${starved ? ': too long to judge times closely' : ''}`,
  );
  expect(flooded.failed).toBe(0);
  if (!starved) {
    expect(flooded.spacingMs).toBeLessThan(spacingMsMax);
    expect(flooded.lossPercent).toBeLessThan(lossPercentMax);
  }
  // A worker that a flood keeps from its turns is later than any machine that is merely busy.
  expect(flooded.spacingMs).toBeLessThan(spacingMsStarvedMax + quiet.spacingMs);
  expect(flooded.spacingMsMedian).toBeLessThan(spacingMsMax + quiet.spacingMsMedian);
}

describe.skipIf(process.platform !== 'linux')('a stream server that floods', () => {
  let quiet: Neighbours;

  it('(nobody floods yet)', async () => {
    quiet = await measureNeighbours('quiet');
    expect(quiet.failed).toBe(0);
  });

  it('with audio at 100 times real time fills its own buffer and harms no other call', async () => {
    const beforeMb = residentMb(gateway.pid);
    let peakMb = beforeMb;
    const watch = setInterval(() => {
      peakMb = Math.max(peakMb, residentMb(gateway.pid));
    }, 50);
    const placed = await call('audio');
    const flooded = await calmest(() => measureNeighbours('audio'));
    clearInterval(watch);
    const live = (await gateway.calls()).find(({ to }) => to.includes('audio'));
    const bufferedMs = live?.stream?.bufferedMs ?? Number.POSITIVE_INFINITY;
    const droppedMs = await gateway.metric('callwire_stream_dropped_ms_total');
    placed.hangUp();
    expect(await placed.ended).toMatchObject({ outcome: 'completed', endedBy: 'phone' });
    judge(
      'audio at 100 times real time',
      quiet,
      flooded,
      `buffered ${(bufferedMs / 1_000).toFixed(1)} s, dropped ${(droppedMs / 1_000).toFixed(0)} s, memory +${(peakMb - beforeMb).toFixed(0)} MB`,
    );
    expect(bufferedMs).toBeLessThanOrEqual((bufferBytes / 2 / sampleRate) * 1_000);
    expect(droppedMs).toBeGreaterThan(floodSeconds * 1_000 * 50 - bufferedMs);
    expect(peakMb - beforeMb).toBeLessThan(growthMbMax);
  });

  it('with texts, commands, pings or pongs is closed with 1008, again and again, and harms no other call', async () => {
    const beforeMb = residentMb(gateway.pid);
    let peakMb = beforeMb;
    const watch = setInterval(() => {
      peakMb = Math.max(peakMb, residentMb(gateway.pid));
    }, 50);
    const floodsBefore = await gateway.metric('callwire_stream_floods_total');
    const heardBefore = texts.flatMap(over).length;
    let rounds = 0;
    const byeMs: number[] = [];
    const flood = async (): Promise<Neighbours> => {
      const measured = measureNeighbours('texts');
      let measuring = true;
      void measured.finally(() => {
        measuring = false;
      });
      while (measuring) {
        const name = texts[rounds++ % texts.length]!;
        const placed = await call(name);
        const result = await placed.ended;
        expect(result, name).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
        expect(result.reasonHeader).toContain('at most 1000 texts and pings a second');
        byeMs.push(result.durationMs);
      }
      return measured;
    };
    const flooded = await calmest(flood);
    clearInterval(watch);
    await until('the servers have heard', () => texts.flatMap(over).length >= heardBefore + rounds, 5_000);
    const codes = new Set(texts.flatMap(over).map(({ closeCode }) => closeCode));
    judge(
      `${rounds} calls one after the other, flooded with ${texts.join(', ')}`,
      quiet,
      flooded,
      `ended ${Math.max(...byeMs).toFixed(0)} ms after the answer at most (300 of them before the flood), memory +${(peakMb - beforeMb).toFixed(0)} MB`,
    );
    expect(rounds).toBeGreaterThanOrEqual(texts.length);
    expect(codes).toEqual(new Set([1008]));
    expect(await gateway.metric('callwire_stream_floods_total')).toBe(floodsBefore + rounds);
    expect(peakMb - beforeMb).toBeLessThan(growthMbMax);
    await gateway.whenEmpty(5_000);
  });
});
