import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { type CallOptions, createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { CallResult } from '../../gateway/phone/phone-call.ts';
import { type CallbackServer, startCallbackServer } from '../support/callback-server.ts';
import { askHttp, basicHeaders } from '../support/http-ask.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { residentMb, threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { type ServerManner, type StreamServer, startStreamServer } from '../support/peers/stream-servers.ts';
import { until } from '../support/peers/watched-gateway.ts';
import { rounds } from '../support/rounds.ts';

/** Row 18: calls of mixed kinds and endings against the executable, 10,000 in ten minutes with `npm run test:soak`. */

const total = rounds(200, 10_000);
const perSecond = 10_000 / 600;
const failedMax = 1;
const atOnceMax = 100;
/** Of the time that we, or the gateway, waited for a processor: beyond it nobody can keep to times. */
const waitedShareMax = 0.5;
const growthMbMax = 50;
/** Connections to the application that are kept for the next question. */
const socketsMax = 4;
const application = { key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' };

interface Kind {
  readonly call?: Partial<CallOptions>;
  /** The server, or what the application says to the ICE. */
  readonly server?: ServerManner;
  readonly ice?: object;
  readonly outcome: CallResult['outcome'];
  readonly status?: number;
}

const talks = { durationMs: 800 };

const kinds: Readonly<Record<string, Kind>> = {
  echo: { call: talks, outcome: 'completed' },
  digits: { call: { ...talks, dtmf: '1' }, outcome: 'completed' },
  short: { call: { durationMs: 100 }, outcome: 'completed' },
  busy: { outcome: 'refused', status: 486 },
  reject: { outcome: 'refused', status: 603 },
  cancel: { server: 'is silent', call: { cancelAfterMs: 200 }, outcome: 'cancelled' },
  silent: { server: 'is silent', outcome: 'refused', status: 480 },
  hangs: { server: 'hangs', outcome: 'refused', status: 480 },
  late: { server: 'answers late', call: talks, outcome: 'completed' },
  hangup: { server: 'hangs up', outcome: 'completed' },
  vanish: { server: 'vanishes', outcome: 'completed' },
  closes: { server: 'closes', outcome: 'refused', status: 480 },
  breach: { server: 'breaks the protocol', outcome: 'refused', status: 502 },
  declined: { server: 'declines the upgrade', outcome: 'refused', status: 603 },
  dead: { outcome: 'refused', status: 480 },
  unknown: { outcome: 'refused', status: 404 },
  stopped: { outcome: 'completed' },
  parked: { ice: { action: { name: 'park', holdPrompt: 'music1' } }, call: talks, outcome: 'completed' },
  conference: {
    ice: { action: { name: 'connectConf', conferenceId: 'room' } },
    call: talks,
    outcome: 'completed',
  },
  hungup: { ice: { instructions: [{ name: 'answer' }], action: { name: 'hangup' } }, outcome: 'completed' },
  garbage: { ice: { action: 'x' }, outcome: 'refused', status: 500 },
};

const processes = new Processes();
const servers: StreamServer[] = [];
const bots: Bot[] = [];
let app: CallbackServer;
let phone: Phone;
let callee: Phone;
let gateway: GatewayProcess;
let recordings: string;
let calleeEnded = 0;

beforeAll(async () => {
  recordings = mkdtempSync(join(tmpdir(), 'callwire-soak-'));
  const echo = await startEchoProcess(processes);
  const routes = [routeTo('echo', echo), routeTo('digits', echo), routeTo('short', echo)];
  for (const reply of ['busy', 'reject'] as const) {
    const bot = await startBot({ kind: 'echo', reply });
    bots.push(bot);
    routes.push(routeTo(reply, bot.url));
  }
  for (const [name, { server }] of Object.entries(kinds)) {
    if (server === undefined) continue;
    const started = await startStreamServer(server);
    servers.push(started);
    routes.push(routeTo(name, started.url));
  }
  routes.push(routeTo('dead', `ws://127.0.0.1:${await deadPort()}/`));
  const stopped = routeTo('stopped', echo);
  routes.push({ ...stopped, action: { ...stopped.action, maxDuration: 1 } } as typeof stopped);
  app = await startCallbackServer();
  app.reply = ({ json }) => {
    if (app.requests.length > 100) app.requests.splice(0);
    const { event, to } = json as { event: string; to?: { endpoint: string } };
    return event === 'ice' ? { body: kinds[to?.endpoint ?? '']?.ice ?? {} } : {};
  };
  for (const [name, { ice }] of Object.entries(kinds))
    if (ice !== undefined) routes.push({ to: name, application: application.key });
  gateway = await startGatewayProcess(processes, {
    applications: [{ ...application, callbackUrl: app.url }],
    stream: { answerTimeoutMs: 1_500, connectTimeoutMs: 500 },
    rtp: { codecs: ['pcmu', 'g722'] },
    recording: { directory: recordings },
    routes,
  });
  phone = await createPhone({ address: '127.0.0.1' });
  callee = await createPhone({ address: '127.0.0.1' });
  callee.answerCalls({ ...talks, recordSeconds: 0.1, ended: () => calleeEnded++ });
});

afterAll(async () => {
  await Promise.all([phone?.close(), callee?.close()]);
  await processes.endAll();
  await Promise.all([...servers, ...bots, app].map((server) => server?.close()));
  rmSync(recordings, { recursive: true, force: true });
});

/** Where nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function call(name: string): Promise<string | undefined> {
  const kind = kinds[name]!;
  const placed = await phone.placeCall({
    recordSeconds: 0.1,
    codecs: ['pcmu'],
    ...kind.call,
    target: `sip:${name}@${gateway.udp}`,
  });
  const { outcome, status, message } = await placed.ended;
  const right = outcome === kind.outcome && (kind.status ?? status) === status;
  return right ? undefined : `${name}: ${outcome} ${status} ${message ?? ''}`;
}

/** The API has the phone called, recorded and hung up on. */
async function callOut(): Promise<string | undefined> {
  const instructions = [{ name: 'startRecording', options: { format: 'wav' } }];
  const body = JSON.stringify({
    method: 'customCallout',
    customCallout: {
      destination: { type: 'sip', endpoint: `sip:bob@127.0.0.1:${callee.listening.port}` },
      ace: JSON.stringify({ instructions, action: { name: 'park', maxDuration: 5 } }),
    },
  });
  const headers = { ...basicHeaders(application), 'content-type': 'application/json' };
  const reply = await askHttp(`http://${gateway.http}`, 'POST', '/calling/v1/callouts', headers, body);
  return reply.status === 200 ? undefined : `callout: ${reply.status} ${reply.text}`;
}

/** How often each, whichever call it was. */
function summary(problems: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const problem of problems.map((text) => text.replace(/^\d+ /, '')))
    counts.set(problem, (counts.get(problem) ?? 0) + 1);
  return [...counts].map(([problem, count]) => `${count} × ${problem}`).join('\n');
}

function warnings(log: string): string {
  const lines = log.split('\n').filter((line) => /"level":"(?:warn|error|fatal)"/.test(line));
  return lines.slice(-20).join('\n');
}

/** What the slower of the two has waited for a processor so far. */
function waited(): number {
  return Math.max(threadTimes(process.pid).waitedMs, threadTimes(gateway.pid).waitedMs);
}

/** Of the system: sockets, pipes, files. */
function handles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

describe.skipIf(process.platform !== 'linux')('10,000 calls', () => {
  it(`of mixed kinds and endings (${total}): at most one fails, and nothing is left of them`, {
    timeout: rounds(60_000, 1_200_000),
    retry: 0,
  }, async () => {
    const names = Object.keys(kinds);
    const wrong: string[] = [];
    let placed = 0;
    let callouts = 0;
    const underWay = new Map<number, string>();
    const one = (): void => {
      const number = placed++;
      const isCallout = number % 20 === 19;
      if (isCallout) callouts++;
      const name = isCallout ? 'callout' : names[number % names.length]!;
      underWay.set(number, name);
      void (isCallout ? callOut() : call(name))
        .then((problem) => void (problem !== undefined && wrong.push(`${number} ${problem}`)))
        .catch((error: unknown) => wrong.push(`${number}: ${error}`))
        .finally(() => underWay.delete(number));
    };
    const empty = async (): Promise<void> => {
      const isOver = () => underWay.size === 0 && calleeEnded === callouts;
      await until('all calls are over', isOver, 30_000).catch(() => {
        for (const [number, name] of underWay) wrong.push(`${number} ${name}: does not end`);
        for (let lost = calleeEnded; lost < callouts; lost++) wrong.push('a callout that nobody heard of');
      });
      await gateway.whenEmpty(10_000);
    };
    // Everything has been used once before the figures that it has to come back to.
    const warm = rounds(63, 630);
    const startedMs = performance.now();
    const waitedBeforeMs = waited();
    const pace = async (count: number): Promise<void> => {
      const fromMs = performance.now();
      for (let done = 0; done < count; done++) {
        const waitMs = fromMs + (done * 1_000) / perSecond - performance.now();
        if (waitMs > 0) await new Promise((resume) => setTimeout(resume, waitMs));
        // A machine that lags would otherwise get ever more calls at a time.
        while (underWay.size >= atOnceMax) await new Promise((resume) => setTimeout(resume, 20));
        one();
      }
    };
    await pace(warm);
    await empty();
    const before = { handles: handles(gateway.pid), mb: residentMb(gateway.pid) };
    await pace(total - warm);
    await empty();
    await until(
      'its sockets are closed',
      () => handles(gateway.pid) <= before.handles + socketsMax,
      20_000,
    ).catch(() => {});
    const after = { handles: handles(gateway.pid), mb: residentMb(gateway.pid) };
    const tookMs = performance.now() - startedMs;
    const waitedShare = (waited() - waitedBeforeMs) / tookMs;
    console.log(
      `figure row 18: ${placed} real calls of ${names.length + 1} kinds in ${(tookMs / 60_000).toFixed(1)} min, ${wrong.length} failed, ` +
        `descriptors ${before.handles} → ${after.handles}, memory ${before.mb.toFixed(0)} → ${after.mb.toFixed(0)} MB, ${(100 * waitedShare).toFixed(0)} % of the time no processor was free`,
    );
    if (wrong.length > 0) console.log(summary(wrong), warnings(gateway.log));
    if (waitedShare < waitedShareMax) expect(wrong.slice(0, wrong.length > failedMax ? 20 : 0)).toEqual([]);
    expect(after.handles).toBeLessThanOrEqual(before.handles + socketsMax);
    expect(after.mb - before.mb).toBeLessThan(growthMbMax);
    expect(phone.counts()).toMatchObject({ sessions: 0, dialogs: 0 });
    expect(gateway.log).not.toMatch(/"level":"(?:error|fatal)"/);
  });
});
