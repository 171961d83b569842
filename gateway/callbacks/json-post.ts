import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import type { Clock } from '../clock.ts';
import { errorCode, errorMessage, GatewayError } from '../errors.ts';
import { CallbackError } from './callback-error.ts';

export const answerBytesMax = 65_536;
const idleSocketMs = 15_000;

export interface PostRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** From now to the last byte of the answer. */
  readonly limitMs: number;
  /** Literal address to connect to, in place of what the host may mean by now. */
  readonly address?: string | undefined;
}

export interface PostAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** POSTs over connections that are kept. Redirects are not followed: their target was not checked. */
export class JsonPost {
  readonly #clock: Clock;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  readonly #running = new Set<ClientRequest>();
  #closed = false;

  constructor(clock: Clock, idleSocketsMax: number) {
    this.#clock = clock;
    const options = {
      keepAlive: true,
      maxFreeSockets: idleSocketsMax,
      timeout: idleSocketMs,
      scheduling: 'lifo' as const,
    };
    this.#http = new HttpAgent(options);
    this.#https = new HttpsAgent(options);
  }

  /** Rejects with a GatewayError: `callback-timeout`, `callback-too-large` (a CallbackError with the status), or the
   *  system's code. */
  async post(request: PostRequest): Promise<PostAnswer> {
    const deadline = { left: true, fail: (_error: GatewayError): void => {} };
    const timer = this.#clock.after(request.limitMs, () => {
      deadline.left = false;
      deadline.fail(
        new GatewayError('callback-timeout', `no whole answer within ${Math.round(request.limitMs)} ms`),
      );
    });
    try {
      return await this.#once(request, deadline);
    } catch (error) {
      // The server may have closed a kept connection just as this request went out on it; nothing was answered.
      if (!(error instanceof StaleConnection) || !deadline.left || this.#closed) throw asGatewayError(error);
      try {
        return await this.#once(request, deadline, { agent: false });
      } catch (again) {
        throw asGatewayError(again);
      }
    } finally {
      timer.cancel();
    }
  }

  close(): void {
    this.#closed = true;
    for (const request of this.#running) request.destroy();
    this.#http.destroy();
    this.#https.destroy();
  }

  #once(
    { url, headers, body, address }: PostRequest,
    deadline: { fail(error: GatewayError): void },
    more: RequestOptions = {},
  ): Promise<PostAnswer> {
    const secure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(
        {
          method: 'POST',
          protocol: url.protocol,
          hostname: url.hostname.replace(/^\[|\]$/g, ''),
          port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
          path: url.pathname + url.search,
          headers: { ...headers, 'Content-Length': body.length },
          agent: secure ? this.#https : this.#http,
          ...(address !== undefined && { lookup: lookupOf(address) }),
          ...more,
        },
        (response) => {
          readAnswer(response).then(resolve, (error: unknown) => {
            request.destroy();
            reject(error);
          });
        },
      );
      deadline.fail = (error) => {
        request.destroy();
        reject(error);
      };
      this.#running.add(request);
      request.on('close', () => this.#running.delete(request));
      request.on('error', (error) => {
        const stale = request.reusedSocket && /^(?:ECONNRESET|EPIPE)$/.test(errorCode(error));
        reject(stale ? new StaleConnection(error) : error);
      });
      request.end(body);
    });
  }
}

class StaleConnection extends Error {
  constructor(cause: unknown) {
    super('the server closed the connection', { cause });
  }
}

function readAnswer(response: IncomingMessage): Promise<PostAnswer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const status = response.statusCode ?? 0;
    let bytes = 0;
    response.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > answerBytesMax) {
        reject(
          new CallbackError('callback-too-large', `an answer of more than ${answerBytesMax} bytes`, status),
        );
        return;
      }
      parts.push(part);
    });
    response.on('end', () => resolve({ status, body: Buffer.concat(parts) }));
    response.on('error', reject);
    response.on('close', () => reject(new GatewayError('ECONNRESET', 'the answer broke off')));
  });
}

function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const cause = error instanceof StaleConnection ? error.cause : error;
  return new GatewayError(errorCode(cause), errorMessage(cause), { cause });
}

function lookupOf(address: string): LookupFunction {
  const family = isIPv6(address) ? 6 : 4;
  return (_host, options, done) => {
    if (options.all === true) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}
