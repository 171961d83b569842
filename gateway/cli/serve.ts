import { type EmbeddedBots, startEmbeddedBots } from '../bots/embedded-bots.ts';
import { type Config, ConfigError, type ConfigInput, loadConfig, routeFromFlag } from '../config.ts';
import { errorMessage, GatewayError } from '../errors.ts';
import { type Gateway, type GatewayIo, startGateway } from '../gateway.ts';
import { createLog, type Log } from '../log.ts';
import type { CommandIo } from './command-io.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';
import { onReloadSignal, onStopSignal } from './signals.ts';

export interface ServeFlags {
  readonly config?: string;
  readonly sip?: readonly string[];
  readonly http?: string;
  readonly route?: readonly string[];
  readonly logLevel?: string;
  readonly jsonReady?: true;
  readonly drainLimit: number;
  readonly traceSip?: true;
}

/** Runs the gateway until a signal ends it. */
export async function runServe(flags: ServeFlags, { out, err }: CommandIo): Promise<ExitStatus> {
  const warnings: string[] = [];
  let config: Config;
  try {
    config = await loadConfig({
      env: process.env,
      overrides: overridesOf(flags),
      warn: (sentence) => warnings.push(sentence),
      ...(flags.config === undefined ? {} : { file: flags.config }),
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    err.write(`${error.message}\n`);
    const onlyFlags = error.problems.every(({ source }) => source.startsWith('--'));
    return onlyFlags ? exitStatus.usage : exitStatus.config;
  }
  const log = createLog({ level: config.log.level });
  for (const sentence of warnings) log.warn({}, sentence);

  let running: Running;
  try {
    const traceSip = flags.traceSip && { traceSip: (block: string) => void err.write(block) };
    running = await start(config, { log, processFigures: true, ...traceSip });
  } catch (error) {
    err.write(`callwire serve: ${describeStartError(error)}\n`);
    return exitStatus.failed;
  }
  out.write(`${readyLine(running.gateway, flags.jsonReady === true)}\n`);
  return serveUntilStopped(running, flags.drainLimit * 1_000, { log, err });
}

/** Drains after the first signal, ends at once after the second. Whatever fails, the bots are closed too: their open
 *  ports alone would keep the process alive. */
export async function serveUntilStopped(
  { gateway, bots }: Running,
  drainLimitMs: number,
  { log, err }: { readonly log: Log; readonly err: CommandIo['err'] },
): Promise<ExitStatus> {
  try {
    await untilStopped(gateway, drainLimitMs, log);
    return exitStatus.ok;
  } catch (error) {
    err.write(`callwire serve: could not close: ${errorMessage(error)}\n`);
    return exitStatus.failed;
  } finally {
    await bots?.close();
  }
}

export interface Running {
  readonly gateway: Pick<Gateway, 'listening' | 'activeCalls' | 'drain' | 'close' | 'reloadCertificates'>;
  readonly bots: Pick<EmbeddedBots, 'close'> | undefined;
}

async function start(config: Config, io: Partial<GatewayIo>): Promise<Running> {
  if (config.routes !== undefined) return { gateway: await startGateway(config, io), bots: undefined };
  const bots = await startEmbeddedBots();
  try {
    const routes = bots.routes.map(({ to, endpoint }) => routeFromFlag(`${to}=${endpoint}`));
    return { gateway: await startGateway({ ...config, routes }, io), bots };
  } catch (error) {
    await bots.close();
    throw error;
  }
}

function overridesOf(flags: ServeFlags): ConfigInput {
  return {
    ...(flags.sip && { sip: { listen: flags.sip } }),
    ...(flags.http && { http: { listen: flags.http } }),
    ...(flags.route && { routes: flags.route.map((text) => routeFromFlag(text)) }),
    ...(flags.logLevel && { log: { level: flags.logLevel } }),
  } as ConfigInput;
}

function readyLine({ listening }: Pick<Gateway, 'listening'>, asJson: boolean): string {
  const { sip, http } = listening;
  return asJson
    ? JSON.stringify({ ready: true, sip, http })
    : ['ready', ...sip, ...(http === undefined ? [] : [`http:${http}`])].join(' ');
}

/** Resolves when the gateway is closed: drained after the first signal, at once after the second. */
async function untilStopped(gateway: Running['gateway'], drainLimitMs: number, log: Log): Promise<void> {
  const deaf = onReloadSignal(() => void gateway.reloadCertificates());
  await new Promise<void>((resolve, reject) => {
    const undo = onStopSignal((count) => {
      if (count > 1) log.warn({ calls: gateway.activeCalls }, 'second signal, ending calls now');
      const closed = count === 1 ? gateway.drain(drainLimitMs) : gateway.close();
      closed.then(resolve, reject).finally(undo);
    });
  }).finally(deaf);
}

function describeStartError(error: unknown): string {
  const { code, address, port, syscall } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (error instanceof GatewayError || syscall === undefined) return errorMessage(error);
  if (code === 'EADDRINUSE')
    return `${address}:${port} is in use; end what holds it, or choose another with --sip or --http`;
  if (code === 'EADDRNOTAVAIL')
    return `${address} is no address of this machine; name one that is, or 0.0.0.0 for all of them`;
  if (code === 'EACCES') return `may not listen on ${address}:${port}; choose a port above 1023`;
  return errorMessage(error);
}
