import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SeenSignatures } from '../../protocol/signing.ts';
import type { Metrics } from '../metrics.ts';
import { sourceKey } from '../signaling/address-ranges.ts';
import { RateLimit } from '../signaling/source-limits.ts';
import { type Access, type AccessRules, checkAccess, checkSigned } from './http-access.ts';
import { HttpError } from './http-exchange.ts';
import { parseBody } from './request-body.ts';

export interface GateOptions {
  readonly rules: AccessRules;
  readonly limits: { readonly requestsPerSecond: number; readonly burst: number };
  readonly metrics: Metrics;
  /** Wall clock, for signatures. */
  readonly wallMs: () => number;
}

/** What is known of a request once it is through. */
export interface Admitted {
  /** Empty without configured applications. */
  readonly applicationKey: string;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
}

const sourcesMax = 10_000;
/** Ten minutes of 800 requests a second. Only right ones are remembered, so that no stranger fills it. */
const signaturesMax = 500_000;

/** Everything that happens to a request before its route sees it: who asks, how often, what the body says. */
export class HttpGate {
  readonly #options: GateOptions;
  readonly #seen = new SeenSignatures(signaturesMax);
  readonly #rate: RateLimit;
  readonly #pending = new WeakMap<FastifyRequest, Extract<Access, { allowed: 'signed' }>>();
  readonly #keys = new WeakMap<FastifyRequest, string>();
  readonly #bodies = new WeakMap<FastifyRequest, unknown>();

  constructor(options: GateOptions) {
    this.#options = options;
    const { requestsPerSecond: perSecond, burst } = options.limits;
    this.#rate = new RateLimit({ perSecond, burst, sourcesMax });
  }

  install(server: FastifyInstance): void {
    server.removeAllContentTypeParsers();
    // As bytes: the signature is over them, and nobody unknown has his JSON parsed.
    server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    server.addHook('onRequest', async (request, reply) => this.#begin(request, reply));
    server.addHook('preValidation', async (request, reply) => this.#finish(request, reply));
  }

  admitted(request: FastifyRequest): Admitted {
    return { applicationKey: this.#keys.get(request) ?? '', body: this.#bodies.get(request) };
  }

  #begin(request: FastifyRequest, reply: FastifyReply): void {
    reply.header('X-Content-Type-Options', 'nosniff').header('Cache-Control', 'no-store');
    if (isOpen(request)) return;
    const access = checkAccess(this.#options.rules, request.headers);
    if (access.allowed === 'signed') this.#pending.set(request, access);
    else if (access.allowed) this.#pass(request, access.application);
    else this.#refuse(request, access);
  }

  #finish(request: FastifyRequest, _reply: FastifyReply): void {
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const pending = this.#pending.get(request);
    if (pending !== undefined) {
      const { method, headers, raw } = request;
      const timestamp = headers['x-timestamp'];
      const signed = {
        method,
        path: raw.url ?? '',
        contentType: headers['content-type'] ?? '',
        body: bytes,
        timestamp: typeof timestamp === 'string' ? timestamp : '',
      };
      const access = checkSigned(signed, pending, this.#seen, this.#options.wallMs());
      if (access.allowed === true) this.#pass(request, access.application);
      else if (access.allowed === false) this.#refuse(request, access);
    }
    if (!isOpen(request)) this.#bodies.set(request, parseBody(bytes));
  }

  /** Of an application, wherever it asks from: only who has its secret uses up its rate. */
  #pass(request: FastifyRequest, application: string | undefined): void {
    this.#keys.set(request, application ?? '');
    this.#take(`application ${application ?? ''}`);
  }

  #refuse(request: FastifyRequest, { status, message }: Extract<Access, { allowed: false }>): never {
    this.#take(`address ${sourceKey(request.ip)}`);
    this.#options.metrics.counted(status === 401 ? 'http-unauthorized' : 'http-forbidden');
    throw new HttpError(
      status,
      message,
      status === 401 ? { 'WWW-Authenticate': 'Basic realm="callwire"' } : {},
    );
  }

  #take(source: string): void {
    if (this.#rate.take(source, performance.now())) return;
    this.#options.metrics.counted('http-rate-limited');
    throw new HttpError(429, 'too many requests; http.limits.requestsPerSecond says how many', {
      'Retry-After': '1',
    });
  }
}

function isOpen(request: FastifyRequest): boolean {
  return (request.routeOptions.config as { readonly open?: boolean } | undefined)?.open === true;
}
