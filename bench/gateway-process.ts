import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const READY_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;
const LOG_BYTES_MAX = 65_536;
const CALLBACK_TIMEOUT_MS = 5000;
const CALLBACK_MARGIN_MS = 3000;

/** An application that the gateway asks about every call. */
export interface AskedApplication {
  readonly key: string;
  /** base64. */
  readonly secret: string;
  readonly callbackUrl: string;
  /** How long it takes to answer. */
  readonly delayMs: number;
}

export interface GatewaySettings {
  /** Where every call's stream goes to. */
  readonly streamUrl: string;
  readonly sampleRateHz: number;
  /** undefined leaves the gateway's own default. */
  readonly workers: number | undefined;
  readonly calls: number;
  /** undefined: a route sends every call to `streamUrl`. */
  readonly application?: AskedApplication | undefined;
  /** PEM of a certificate that the gateway is to trust. */
  readonly trusted: string | undefined;
}

/** A gateway of our own, in its own process, on ports of the system's choice on the loopback interface. */
export class GatewayProcess {
  readonly pid: number;
  /** `127.0.0.1:5060` */
  readonly sip: string;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(child: ChildProcess, pid: number, sip: string, directory: string) {
    this.#child = child;
    this.pid = pid;
    this.sip = sip;
    this.#directory = directory;
  }

  /** Rejects with what the gateway wrote to standard error where it does not become ready. */
  static async start(settings: GatewaySettings): Promise<GatewayProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'callwire-bench-'));
    const configPath = join(directory, 'callwire.yaml');
    // JSON is YAML.
    writeFileSync(configPath, JSON.stringify(configuration(settings), undefined, 2));
    const environment: NodeJS.ProcessEnv = { ...process.env };
    if (settings.trusted !== undefined) {
      environment.NODE_EXTRA_CA_CERTS = join(directory, 'trusted.pem');
      writeFileSync(environment.NODE_EXTRA_CA_CERTS, settings.trusted);
    }
    const program = fileURLToPath(new URL('../gateway/cli/main.js', import.meta.url));
    const child = spawn(process.execPath, [program, 'serve', '--config', configPath, '--json-ready'], {
      env: environment,
      cwd: directory,
      // Of a group of its own: Ctrl-C is for the harness, which hangs up first.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const abandon = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', abandon);
    child.once('exit', () => process.off('exit', abandon));
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString('utf8')).slice(-LOG_BYTES_MAX);
    });
    try {
      const sip = await readyAddress(child);
      return new GatewayProcess(child, child.pid!, sip, directory);
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      throw new Error(`the gateway did not become ready: ${(error as Error).message}\n${log.slice(-2000)}`);
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (this.running) {
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await once(this.#child, 'exit');
      clearTimeout(timer);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function configuration(settings: GatewaySettings): object {
  const { application } = settings;
  return {
    sip: { listen: ['udp:127.0.0.1:0'], maxCalls: Math.max(2000, settings.calls * 2) },
    rtp: { address: '127.0.0.1' },
    http: { listen: '127.0.0.1:0' },
    ...(settings.workers === undefined ? {} : { media: { workers: settings.workers } }),
    log: { level: 'warn' },
    ...(application === undefined ? direct(settings) : asking(application, settings)),
  };
}

function direct({ streamUrl, sampleRateHz }: GatewaySettings): object {
  const action = {
    name: 'connectStream',
    destination: { type: 'Websocket', endpoint: streamUrl },
    streamingOptions: { sampleRate: sampleRateHz },
  };
  return { routes: [{ to: '*', action }] };
}

/** All limits of callbacks are the gateway's own, but that the application may take longer than usual. */
function asking(application: AskedApplication, { streamUrl }: GatewaySettings): object {
  const { key, secret, callbackUrl, delayMs } = application;
  const callbackTimeoutMs = Math.max(CALLBACK_TIMEOUT_MS, delayMs + CALLBACK_MARGIN_MS);
  return {
    applications: [{ key, secret, callbackUrl, callbackTimeoutMs }],
    routes: [{ to: '*', application: key }],
    // What an application names may not lead inside unless it is listed.
    stream: { endpoints: { allow: [`${streamUrl}*`] } },
  };
}

/** The first UDP address of the line that `--json-ready` promises. */
function readyAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(
      () => reject(new Error(`nothing within ${READY_TIMEOUT_MS / 1000} s`)),
      READY_TIMEOUT_MS,
    );
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`it exited with ${code ?? signal}`));
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      for (const line of text.split('\n')) {
        const address = readReadyLine(line);
        if (address === undefined) continue;
        clearTimeout(timer);
        resolve(address);
      }
    });
  });
}

/** `127.0.0.1:5060` of `{"ready":true,"sip":["udp:127.0.0.1:5060"],…}`; undefined for any other line. */
export function readReadyLine(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const ready = JSON.parse(line) as { ready?: unknown; sip?: unknown };
    if (ready.ready !== true || !Array.isArray(ready.sip)) return undefined;
    const udp = ready.sip.find((address): address is string => String(address).startsWith('udp:'));
    return udp?.slice(4);
  } catch {
    return undefined;
  }
}
