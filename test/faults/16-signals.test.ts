import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseWav } from '../../codecs/wav.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { PhoneCall } from '../../gateway/phone/phone-call.ts';
import { type AskedGateway, startAskedGateway } from '../support/peers/asked-gateway.ts';
import { freePort } from '../support/peers/free-port.ts';
import { type GatewayProcess, startEchoProcess } from '../support/peers/gateway-process.ts';
import { threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 16: how a gateway with calls ends, and begins again. */

const calls = 20;
const endMsMax = 2_000;

const processes = new Processes();
const directory = mkdtempSync(join(tmpdir(), 'callwire-signals-'));
const gateways: AskedGateway[] = [];
let echoUrl: string;
let phone: Phone;

beforeAll(async () => {
  echoUrl = await startEchoProcess(processes);
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  for (const { callbacks } of gateways) await callbacks.close();
  rmSync(directory, { recursive: true, force: true });
});

async function start(
  ...[config, options]: [Parameters<typeof startAskedGateway>[1], Parameters<typeof startAskedGateway>[2]]
) {
  const asked = await startAskedGateway(processes, config, options);
  gateways.push(asked);
  asked.endpoints.set('echo', echoUrl);
  return asked;
}

const place = (gateway: GatewayProcess) =>
  phone.placeCall({
    target: `sip:echo@${gateway.udp}`,
    codecs: ['pcmu'],
    playTone: { frequencyHz: 400, levelDbfs: -20 },
    recordSeconds: 1,
  });

async function placeMany(gateway: GatewayProcess, count: number): Promise<PhoneCall[]> {
  const placed = await Promise.all(Array.from({ length: count }, () => place(gateway)));
  await until('all talk', () => placed.every(({ progress }) => progress.state === 'talking'));
  return placed;
}

describe.skipIf(process.platform !== 'linux')('a gateway with calls', () => {
  it('drains on SIGTERM: who talks, talks on, and it ends with the last', async () => {
    const { gateway } = await start({}, { drainLimitSeconds: 20 });
    const [first, second] = await placeMany(gateway, 2);
    gateway.process.signal('SIGTERM');
    await until('draining', () => gateway.log.includes('draining'));
    const refused = await (await place(gateway)).ended;
    expect(refused).toMatchObject({ outcome: 'refused', status: 503 });
    expect(refused.responseHeaders.some(({ name }) => name === 'Retry-After')).toBe(true);
    first!.hangUp();
    expect(await first!.ended).toMatchObject({ outcome: 'completed', endedBy: 'phone' });
    expect(second!.progress.state).toBe('talking');
    const heardBefore = second!.progress.packetsReceived;
    await until('more audio', () => second!.progress.packetsReceived > heardBefore + 25);
    second!.hangUp();
    await second!.ended;
    const lastMs = performance.now();
    expect((await gateway.process.ended).status).toBe(0);
    console.log(
      `figure row 16: SIGTERM: gone ${(performance.now() - lastMs).toFixed(0)} ms after the last call`,
    );
  });

  it('ends those that do not within the drain limit', async () => {
    const { gateway } = await start({}, { drainLimitSeconds: 1 });
    const placed = await placeMany(gateway, 3);
    gateway.process.signal('SIGTERM');
    const results = await Promise.all(placed.map(({ ended }) => ended));
    for (const result of results) {
      expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
      expect(result.reasonHeader).toContain('gateway shut down');
    }
    expect((await gateway.process.ended).status).toBe(0);
  });

  it('ends at once on a second SIGINT, with BYE to all', async () => {
    const asked = await start({}, { drainLimitSeconds: 600 });
    const { gateway } = asked;
    const placed = await placeMany(gateway, calls);
    const waited = () => threadTimes(process.pid).waitedMs;
    const before = waited();
    gateway.process.signal('SIGINT');
    await until('draining', () => gateway.log.includes('draining'));
    const startedMs = performance.now();
    gateway.process.signal('SIGINT');
    const results = await Promise.all(placed.map(({ ended }) => ended));
    const byeMs = performance.now() - startedMs;
    expect((await gateway.process.ended).status).toBe(0);
    const endMs = performance.now() - startedMs;
    console.log(
      `figure row 16: SIGINT twice: BYE to all ${calls} after ${byeMs.toFixed(0)} ms, gone after ${endMs.toFixed(0)} ms`,
    );
    for (const result of results) {
      expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
      expect(result.reasonHeader).toContain('gateway shut down');
    }
    expect(endMs).toBeLessThan(endMsMax + waited() - before);
    expect(asked.callbacks.requests.filter(({ json }) => json.event === 'dice')).toHaveLength(calls);
  });

  it('begins again after SIGKILL on the same ports, its recordings playable and completed', async () => {
    const recordings = join(directory, 'recordings');
    mkdirSync(recordings);
    const sipPort = await freePort();
    const config = { sip: { listen: [`udp:127.0.0.1:${sipPort}`] }, recording: { directory: recordings } };
    const record = { name: 'startRecording', options: { destinationUrl: 'call.wav', format: 'wav' } };
    const { gateway } = await start(config, { directory, instructions: [record] });
    const [call] = await placeMany(gateway, 1);
    await until('five seconds', () => call!.progress.packetsReceived > 250);
    gateway.process.signal('SIGKILL');
    await gateway.process.ended;
    call!.hangUp();
    const parts = readdirSync(join(recordings, 'pending')).filter((name) => name.endsWith('.part'));
    expect(parts).toHaveLength(1);
    const part = parseWav(readFileSync(join(recordings, 'pending', parts[0]!)));
    const partSeconds = part.pcm.length / part.channels / part.sampleRateHz;
    expect(partSeconds).toBeGreaterThan(1);

    const startedMs = performance.now();
    const again = await start(config, { directory });
    const readyMs = performance.now() - startedMs;
    await until('completed', () => again.gateway.log.includes('recording completed'));
    expect(readdirSync(join(recordings, 'pending'))).toEqual([]);
    const whole = parseWav(readFileSync(join(recordings, 'call.wav')));
    const wholeSeconds = whole.pcm.length / whole.channels / whole.sampleRateHz;
    expect(wholeSeconds).toBeGreaterThanOrEqual(partSeconds);
    const [next] = await placeMany(again.gateway, 1);
    next!.hangUp();
    expect(await next!.ended).toMatchObject({ outcome: 'completed' });
    console.log(
      `figure row 16: SIGKILL: ${wholeSeconds.toFixed(1)} s of 5 recorded and playable, ready again after ${readyMs.toFixed(0)} ms`,
    );
    expect(again.gateway.log).not.toMatch(/"level":"(error|fatal)"/);
    await again.gateway.whenEmpty();
    await call!.ended;
  });
});
