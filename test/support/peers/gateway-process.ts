import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ConfigInput } from '../../../gateway/config.ts';
import type { CallSummary } from '../../../gateway/control/http-server.ts';
import { type Processes, type Running, tail } from './processes.ts';

/** The built executable: what a user runs. */
export const mainFile = resolve(import.meta.dirname, '../../../dist/gateway/cli/main.js');

const readyLimitMs = 20_000;

export interface GatewayProcess {
  /** Every listener, `udp:127.0.0.1:5060`. */
  readonly sip: readonly string[];
  /** `127.0.0.1:5060`, of the first UDP and the first TCP listener. */
  readonly udp: string;
  readonly tcp: string;
  readonly http: string;
  readonly pid: number;
  /** To send it signals, and to wait for its end. */
  readonly process: Running;
  /** What it logged so far. */
  readonly log: string;
  calls(): Promise<CallSummary[]>;
  /** Sum of the samples of a metric, of those only whose labels contain `labels`. */
  metric(name: string, labels?: string): Promise<number>;
  /** Resolves when no call is left and /metrics agrees; rejects after `limitMs`. */
  whenEmpty(limitMs?: number): Promise<void>;
}

/** Route to a stream server, as it stands in a configuration. */
export function routeTo(
  to: string,
  endpoint: string,
  sampleRate?: number,
): NonNullable<ConfigInput['routes']>[number] {
  return {
    to,
    action: {
      name: 'connectStream',
      destination: { type: 'Websocket', endpoint },
      ...(sampleRate === undefined ? {} : { streamingOptions: { sampleRate } }),
    },
  } as NonNullable<ConfigInput['routes']>[number];
}

/** Starts `callwire bot echo` in its own process; resolves with its URL. */
export function startEchoProcess(processes: Processes): Promise<string> {
  const bot = processes.start(process.execPath, [
    mainFile,
    'bot',
    'echo',
    '--listen',
    '127.0.0.1:0',
    '--json',
  ]);
  return bot.line(readBotUrl, readyLimitMs);
}

function readBotUrl(line: string): string | undefined {
  const event = JSON.parse(line) as { type: string; url?: string };
  return event.type === 'ready' ? event.url : undefined;
}

export interface GatewayProcessOptions {
  /** Where it works; default: a new directory, which goes with it. */
  readonly directory?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly drainLimitSeconds?: number;
}

/** Starts `callwire serve` in its own process, on loopback ports that the system chooses. */
export async function startGatewayProcess(
  processes: Processes,
  config: ConfigInput,
  { directory: given, env = {}, drainLimitSeconds = 1 }: GatewayProcessOptions = {},
): Promise<GatewayProcess> {
  const directory = given ?? mkdtempSync(join(tmpdir(), 'callwire-interop-'));
  const file = join(directory, 'callwire.yaml');
  const whole = {
    ...config,
    sip: { listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'], ...config.sip },
    rtp: { address: '127.0.0.1', ports: [0, 0], ...config.rtp },
    http: { ...config.http, listen: '127.0.0.1:0' },
    media: { workers: 1, ...config.media },
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(whole, undefined, 2));
  const gateway = processes.start(
    process.execPath,
    [mainFile, 'serve', '--config', file, '--json-ready', '--drain-limit', String(drainLimitSeconds)],
    { cwd: directory, env: { ...process.env, ...env } },
  );
  const leave = () => given ?? rmSync(directory, { recursive: true, force: true });
  void gateway.ended.finally(leave).catch(() => {});
  return questions(await gateway.line(readReady, readyLimitMs), gateway, credentialsOf(config));
}

interface Listening {
  readonly sip: readonly string[];
  readonly udp: string;
  readonly tcp: string;
  readonly http: string;
}

function readReady(line: string): Listening | undefined {
  if (!line.startsWith('{"ready":true')) return undefined;
  const { sip, http } = JSON.parse(line) as { sip: string[]; http: string };
  const listener = (protocol: string): string =>
    sip.find((text) => text.startsWith(`${protocol}:`))?.slice(protocol.length + 1) ?? '';
  return { sip, udp: listener('udp'), tcp: listener('tcp'), http };
}

/** Headers of its first application, without which it answers nobody where it has any. */
function credentialsOf({ applications = [] }: ConfigInput): Record<string, string> {
  const [application] = applications;
  if (application === undefined) return {};
  const pair = Buffer.from(`${application.key}:${application.secret}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

function questions(listening: Listening, gateway: Running, headers: Record<string, string>): GatewayProcess {
  const get = async (path: string): Promise<Response> =>
    fetch(`http://${listening.http}${path}`, { headers, signal: AbortSignal.timeout(5_000) });
  const calls = async (): Promise<CallSummary[]> =>
    ((await (await get('/calls')).json()) as { calls: CallSummary[] }).calls;
  const metric = async (name: string, labels = ''): Promise<number> =>
    (await (await get('/metrics')).text())
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  return {
    ...listening,
    pid: gateway.pid,
    process: gateway,
    get log() {
      return gateway.stderr;
    },
    calls,
    metric,
    async whenEmpty(limitMs = 3_000): Promise<void> {
      const deadlineMs = performance.now() + limitMs;
      for (;;) {
        const left = [
          (await calls()).length,
          await metric('callwire_calls_active'),
          await metric('callwire_rtp_ports_used'),
        ];
        if (left.every((count) => count === 0)) return;
        if (performance.now() > deadlineMs)
          throw new Error(
            `calls, calls_active and rtp_ports_used still are ${left} after ${limitMs} ms\n${tail(gateway.stderr)}`,
          );
        await new Promise((resume) => setTimeout(resume, 50));
      }
    },
  };
}
