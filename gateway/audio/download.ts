import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import { errorCode, errorMessage } from '../errors.ts';
import type { EndpointGuard } from '../routing/endpoint-guard.ts';
import { Aborted, linkedSignal, unlessAborted } from './abort.ts';
import { AudioError } from './audio-source.ts';

export interface DownloadOptions {
  /** Asked about each address, redirects included; undefined where the operator named the URL. */
  readonly guard: EndpointGuard | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytesMax: number;
  /** To the head of the answer, redirects included, and for each part of its body. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Download {
  /** 200 or 304. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Rejects with `AudioError`. Read it to its end, or leave it. */
  body(): AsyncGenerator<Uint8Array, void, undefined>;
}

const redirectsMax = 3;
/** However a server drips. */
const bodyLimitMs = 600_000;

/** The head of what `url` leads to. Rejects with `AudioError`, and with `Aborted`. */
export async function startDownload(url: string, options: DownloadOptions): Promise<Download> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), options.timeoutMs);
  // Not released: the answer's body still follows `options.signal`, which lives no longer than this download.
  const { signal } = linkedSignal(options.signal, late.signal);
  try {
    return await follow(url, options, { signal, late: late.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function follow(
  url: string,
  options: DownloadOptions,
  { signal, late }: { readonly signal: AbortSignal; readonly late: AbortSignal },
): Promise<Download> {
  let at = url;
  for (let redirects = 0; ; redirects++) {
    const here = at;
    const response = await ask(here, options, signal).catch((error: unknown) => {
      throw failure(error, here, { options, late });
    });
    const { statusCode: status = 0, headers } = response;
    // Nothing follows, but the connection is free only when that was read.
    if (status === 304) response.resume();
    if (status === 200 || status === 304)
      return { status, headers, body: () => bodyOf(response, here, options) };
    response.destroy();
    if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined)
      throw new AudioError('audio-refused', `${shownUrl(url)} answered ${status}`);
    if (redirects === redirectsMax)
      throw new AudioError('audio-refused', `${shownUrl(url)} redirects more than ${redirectsMax} times`);
    at = redirected(here, headers.location);
  }
}

function redirected(from: string, location: string): string {
  const url = URL.canParse(location, from) ? new URL(location, from) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new AudioError(
      'audio-refused',
      `${shownUrl(from)} redirects to what is no http:// or https:// URL`,
    );
  if (from.startsWith('https:') && url.protocol === 'http:')
    throw new AudioError('audio-refused', `${shownUrl(from)} redirects from https to http`);
  return url.href;
}

async function ask(text: string, options: DownloadOptions, signal: AbortSignal): Promise<IncomingMessage> {
  if (!URL.canParse(text) || !/^https?:\/\//i.test(text))
    throw new AudioError('audio-malformed', `${shownUrl(text)} is no http:// or https:// URL`);
  const url = new URL(text);
  // A resolver may take longer than anybody waits.
  const approval = await (options.guard && unlessAborted(options.guard.approve(url.href), signal));
  if (approval?.approved === false) {
    const code = approval.code === 'endpoint-unresolved' ? 'audio-unreachable' : 'audio-forbidden';
    throw new AudioError(code, `audio ${approval.message}`);
  }
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(
      url,
      {
        agent: false,
        headers: { Accept: 'audio/*, */*;q=0.1', 'Accept-Encoding': 'identity', ...options.headers },
        signal,
        maxHeaderSize: 16_384,
        ...(approval?.approved === true && { lookup: lookupOf(approval.address) }),
      },
      (response) => {
        // It may break off before anybody reads it.
        response.on('error', () => {});
        resolve(response);
      },
    );
    request.on('error', reject);
    request.end();
  });
}

async function* bodyOf(
  response: IncomingMessage,
  url: string,
  { bytesMax, timeoutMs, signal }: DownloadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const megabytes = bytesMax / 1024 / 1024;
  const tooLarge = () =>
    new AudioError('audio-too-large', `${shownUrl(url)} is larger than ${megabytes} MB (audio.fileMb)`);
  const { signal: limit, release } = linkedSignal(signal, AbortSignal.timeout(bodyLimitMs));
  const stop = () => response.destroy(new Aborted());
  const stalled = () => response.destroy(Object.assign(new Error('nothing came'), { code: 'ETIMEDOUT' }));
  limit.addEventListener('abort', stop, { once: true });
  let timer = setTimeout(stalled, timeoutMs);
  try {
    if (Number(response.headers['content-length'] ?? 0) > bytesMax) throw tooLarge();
    if ((response.headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new AudioError('audio-refused', `${shownUrl(url)} is compressed, which was not asked for`);
    let bytes = 0;
    for await (const part of response as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      bytes += part.length;
      if (bytes > bytesMax) throw tooLarge();
      yield part;
      timer = setTimeout(stalled, timeoutMs);
    }
  } catch (error) {
    if (error instanceof AudioError || signal.aborted) throw error;
    throw new AudioError('audio-unreachable', `${shownUrl(url)} broke off (${errorCode(error)})`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    limit.removeEventListener('abort', stop);
    release();
    response.destroy();
  }
}

function failure(
  error: unknown,
  url: string,
  { options, late }: { readonly options: DownloadOptions; readonly late: AbortSignal },
): Error {
  if (error instanceof AudioError) return error;
  if (options.signal.aborted) return new Aborted();
  if (late.aborted)
    return new AudioError(
      'audio-unreachable',
      `${shownUrl(url)} did not answer within ${options.timeoutMs} ms (audio.timeoutMs)`,
    );
  const why = errorCode(error) === 'UNKNOWN' ? errorMessage(error) : errorCode(error);
  return new AudioError('audio-unreachable', `${shownUrl(url)} cannot be reached (${why})`, { cause: error });
}

/** Without query and credentials, which may be secrets. */
export function shownUrl(url: string): string {
  return url
    .replace(/[?#].*$/s, '')
    .replace(/\/\/[^/]*@/, '//')
    .slice(0, 200);
}

function lookupOf(address: string): LookupFunction {
  const family = isIPv6(address) ? 6 : 4;
  return (_host, options, done) => {
    if (options.all === true) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}
