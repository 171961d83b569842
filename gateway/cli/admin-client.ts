import http from 'node:http';
import https from 'node:https';
import { ConfigError, loadConfig } from '../config.ts';
import { errorCode, errorMessage } from '../errors.ts';
import { hostPortText, parseHttpListener } from '../listen-address.ts';
import { type ExitStatus, exitStatus } from './exit-status.ts';

/** Where `callwire calls`, `hangup` and `drain` find the gateway, and how they answer. */
export interface AdminOptions {
  /** `HOST:PORT` or a URL. Default: `http.listen` of the configuration. */
  readonly http?: string;
  /** Application key and secret. Default: the first application of the configuration. */
  readonly key?: string;
  readonly secret?: string;
  /** Configuration file; default as for `serve`. */
  readonly config?: string;
  readonly json?: boolean;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Standard output or error. */
export interface Output {
  write(text: string): unknown;
}

export interface AdminAnswer {
  readonly status: number;
  /** Parsed JSON, undefined where the body was none. */
  readonly body: unknown;
}

const answerLimitMs = 10_000;

/** Sends one request to the gateway's API and hands a good answer to `show`, which gives the exit status. What goes
 *  wrong is said on `err`. Never rejects. */
export async function askGateway(
  options: AdminOptions,
  request: { readonly method: string; readonly path: string },
  err: Output,
  show: (answer: AdminAnswer) => ExitStatus,
): Promise<ExitStatus> {
  let target: Target;
  try {
    target = await findTarget(options);
  } catch (error) {
    err.write(`${errorMessage(error)}\n`);
    return error instanceof ConfigError ? exitStatus.config : exitStatus.usage;
  }
  let answer: AdminAnswer;
  try {
    answer = await send(target, request);
  } catch (error) {
    err.write(`no gateway answers at ${target.url}: ${reason(error)}; is it running, and is --http right?\n`);
    return exitStatus.unreachable;
  }
  if (answer.status < 400) return show(answer);
  const { message = 'no reason given' } = (answer.body ?? {}) as { readonly message?: string };
  err.write(`${target.url} answered ${answer.status}: ${printable(String(message))}\n`);
  return exitStatus.failed;
}

/** What others wrote, safe for a terminal. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '?');
}

interface Target {
  readonly url: string;
  readonly credentials: { readonly key: string; readonly secret: string } | undefined;
}

async function findTarget({
  http,
  key,
  secret,
  config: file,
  env = process.env,
}: AdminOptions): Promise<Target> {
  if ((key === undefined) !== (secret === undefined))
    throw new Error(`--${key === undefined ? 'secret' : 'key'} alone: expected --key and --secret together`);
  const given = key !== undefined && secret !== undefined ? { key, secret } : undefined;
  // A configuration that was not named may be another gateway's: its secret is not shown to this one.
  if (http !== undefined && (given !== undefined || file === undefined))
    return { url: targetUrl(http), credentials: given };
  const config = await loadConfig({ env, ...(file !== undefined && { file }) });
  const { address, port } = parseHttpListener(config.http.listen)!;
  if (http !== undefined) return { url: targetUrl(http), credentials: config.applications[0] };
  const facing = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return {
    url: `${config.http.tls === undefined ? 'http' : 'https'}://${hostPortText({ address: facing, port })}`,
    credentials: given ?? config.applications[0],
  };
}

function targetUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url))
    throw new Error(`--http: found ${JSON.stringify(text)}, expected HOST:PORT or a URL`);
  return new URL(url).origin;
}

/** Not `fetch`, which refuses ports that browsers keep away from, such as 6000. */
function send(
  { url, credentials }: Target,
  { method, path }: { readonly method: string; readonly path: string },
): Promise<AdminAnswer> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (credentials !== undefined) {
    const pair = Buffer.from(`${credentials.key}:${credentials.secret}`).toString('base64');
    headers.authorization = `Basic ${pair}`;
  }
  const { request } = url.startsWith('https:') ? https : http;
  const signal = AbortSignal.timeout(answerLimitMs);
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method, headers, agent: false, signal }, (response) => {
      readAnswer(response).then(resolve, reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function readAnswer(response: http.IncomingMessage): Promise<AdminAnswer> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  const status = response.statusCode ?? 0;
  try {
    return { status, body: JSON.parse(text) as unknown };
  } catch {
    return { status, body: undefined };
  }
}

function reason(error: unknown): string {
  if (error instanceof Error && error.name === 'AbortError') return 'no answer within 10 s';
  const code = errorCode(error);
  return code === 'UNKNOWN' ? errorMessage(error) : code;
}
