import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallReport } from '../../gateway/cli/call-report.ts';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type CallbackReply, type CallbackServer, startCallbackServer } from '../support/callback-server.ts';
import { freePort } from '../support/peers/free-port.ts';
import {
  type GatewayProcess,
  mainFile,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { residentMb, threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { StallMeter } from '../support/peers/stall-meter.ts';
import { writeToneWav } from '../support/peers/test-tone.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 14: applications whose servers fail in every way, and the audio of a call that has nothing to do with them. */

const callSeconds = 12;
const timeoutMs = 500;
const connections = 10;
const burst = 60;
const everyMs = 60;
const growthMbMax = 60;
const lossPercentMax = 0.5;
const spacingMsMax = 60;
const secret = 'c2VjcmV0LXNlY3JldA==';

/** An answer that never ends, as fast as it is taken. */
function pour(response: ServerResponse): void {
  const part = Buffer.alloc(65_536, 'x');
  const more = (): void => {
    while (!response.destroyed && response.write(part));
  };
  response.on('drain', more);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  more();
}

function trickle(response: ServerResponse): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write(' '), 50);
  response.on('close', () => clearInterval(timer));
}

const manners: Readonly<Record<string, CallbackReply>> = {
  slow: () => {},
  trickle,
  huge: pour,
  garbage: { body: '<html>\u0000{' },
  deep: { body: `{"action":${'['.repeat(30_000)}` },
  prototype: { body: '{"__proto__":{"name":"hangup"},"action":{"name":"hangup","__proto__":{}}}' },
  broken: { status: 500, body: { action: { name: 'hangup' } } },
  redirecting: { status: 302, headers: { Location: 'http://127.0.0.1:1/' } },
  reset: (response) => void response.socket?.destroy(),
};
const names = [...Object.keys(manners), 'dead'];

const processes = new Processes();
let directory: string;
let play: string;
let server: CallbackServer;
let gateway: GatewayProcess;
let phone: Phone;
/** Of the server that never answers. */
let openNow = 0;
let openMax = 0;
let fallbacks = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'callwire-callbacks-'));
  play = join(directory, 'tone.wav');
  writeToneWav(play, callSeconds + 1);
  const echo = await startEchoProcess(processes);
  server = await startCallbackServer();
  server.reply = ({ path, json }) => {
    if (server.requests.length > 100) server.requests.splice(0);
    const name = path.slice(1);
    if (name === 'fallback') {
      if (json.event !== 'ice') return {};
      fallbacks++;
      const destination = { type: 'Websocket', endpoint: echo };
      return { body: { action: { name: 'connectStream', destination } } };
    }
    const reply = manners[name]!;
    if (name !== 'slow' || json.applicationKey !== 'slow-alone' || json.event !== 'ice') return reply;
    openMax = Math.max(openMax, ++openNow);
    return (response) => void response.on('close', () => openNow--);
  };
  const base = server.url.replace('/callback', '');
  const dead = `http://127.0.0.1:${await freePort()}/`;
  const application = (key: string, more: object) => ({ key, secret, callbackTimeoutMs: timeoutMs, ...more });
  const applications = names.flatMap((name) => {
    const callbackUrl = name === 'dead' ? dead : `${base}/${name}`;
    return [
      application(name, { callbackUrl, fallbackUrl: `${base}/fallback` }),
      application(`${name}-alone`, { callbackUrl }),
    ];
  });
  gateway = await startGatewayProcess(processes, {
    applications: [application('probe', {}), ...applications],
    callbacks: { connections, waiting: 20, queue: 100 },
    stream: { endpoints: { allow: ['ws://127.0.0.1:*'] } },
    routes: [routeTo('echo', echo), ...applications.map(({ key }) => ({ to: key, application: key }))],
  });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  await server?.close();
  rmSync(directory, { recursive: true, force: true });
});

async function call(user: string): Promise<{ user: string; status: number | undefined; tookMs: number }> {
  const startedMs = performance.now();
  const placed = await phone.placeCall({
    target: `sip:${user}@${gateway.udp}`,
    codecs: ['pcmu'],
    durationMs: 100,
    recordSeconds: 0.1,
  });
  const { status, setupMs } = await placed.ended;
  return { user, status, tookMs: setupMs ?? performance.now() - startedMs };
}

async function honestCall(): Promise<CallReport> {
  const args = ['call', `sip:echo@${gateway.udp}`, '--json', '--codec', 'pcmu', '--play', play];
  const ended = await processes.run(
    process.execPath,
    [mainFile, ...args, '--duration', String(callSeconds)],
    { limitMs: 35_000, cwd: directory },
  );
  return JSON.parse(ended.stdout) as CallReport;
}

describe.skipIf(process.platform !== 'linux')('applications whose servers fail', () => {
  it('have their fallback asked in time, or their calls refused, and no other call is harmed', async () => {
    await Promise.all([call('dead'), call('broken-alone')]);
    const honest = honestCall();
    await until('it talks', async () => (await gateway.metric('callwire_rtp_packets_total')) > 50, 10_000);
    const beforeMb = residentMb(gateway.pid);
    const waitedBeforeMs = threadTimes(gateway.pid).waitedMs;
    const stalls = await StallMeter.start();
    // One after the other in every manner, with and without a fallback, twice.
    const calls: ReturnType<typeof call>[] = [];
    for (let round = 0; round < 2; round++) {
      for (const name of names.flatMap((each) => [each, `${each}-alone`])) {
        calls.push(call(name));
        await new Promise((resume) => setTimeout(resume, everyMs));
      }
    }
    const results = await Promise.all(calls);
    // More at once than there are connections, or places to wait for one.
    const crowd = await Promise.all(Array.from({ length: burst }, () => call('slow-alone')));
    const report = await honest;
    const stallMs = await stalls.stop();
    const waitedMs = threadTimes(gateway.pid).waitedMs - waitedBeforeMs;
    const grownMb = residentMb(gateway.pid) - beforeMb;
    const slowestMs = Math.max(...results.map(({ tookMs }) => tookMs));
    const crowdMs = Math.max(...crowd.map(({ tookMs }) => tookMs));
    const lossPercent = Math.max(
      (100 * report.packetsLost) / Math.max(1, report.packetsReceived),
      (100 * report.packetsLostRemote) / Math.max(1, report.packetsSent),
    );
    console.log(
      `figure row 14: ${results.length} calls in ${names.length} manners, slowest decision ${slowestMs.toFixed(0)} ms at ` +
        `${timeoutMs} ms a try; ${burst} at once: refused within ${crowdMs.toFixed(0)} ms over ${openMax} connections; ` +
        `memory +${grownMb.toFixed(0)} MB; a call beside them: loss ${lossPercent.toFixed(2)} %, spacing max ` +
        `${report.gapMsMax.toFixed(0)} ms (a thread that does nothing stood still for ${stallMs.toFixed(0)} ms)`,
    );
    expect(results.filter(({ user, status }) => status !== (user.endsWith('-alone') ? 500 : 200))).toEqual(
      [],
    );
    expect(fallbacks).toBeGreaterThanOrEqual(names.length * 2);
    expect(slowestMs).toBeLessThan(2 * timeoutMs + 1_000 + waitedMs);
    expect(new Set(crowd.map(({ status }) => status))).toEqual(new Set([500]));
    expect(crowdMs).toBeLessThan(timeoutMs + 1_500 + waitedMs);
    // What was given up and what came in its place may overlap where we see it.
    expect(openMax).toBeLessThanOrEqual(2 * connections);
    expect(await gateway.metric('callwire_refused_total', 'reason="callback-overload"')).toBeGreaterThan(0);
    expect(grownMb).toBeLessThan(growthMbMax);
    expect(report.outcome).toBe('completed');
    expect(lossPercent).toBeLessThan(lossPercentMax);
    expect(report.gapMsMax).toBeLessThan(spacingMsMax + stallMs);
    await gateway.whenEmpty();
    expect(gateway.log).not.toMatch(/"level":"(?:error|fatal)"/);
  });
});
