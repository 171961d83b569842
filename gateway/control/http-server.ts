import { randomUUID } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { CallControl } from '../calls/call-control.ts';
import { readCertificate } from '../certificate-files.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { errorCode, errorMessage, GatewayError } from '../errors.ts';
import { type HttpAddress, hostPortText } from '../listen-address.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { limitConnections } from './connection-limits.ts';
import { EventHub } from './event-hub.ts';
import type { GatewayView } from './gateway-view.ts';
import { type ApplicationSecret, isLoopbackAddress } from './http-access.ts';
import { type HttpAnswer, type HttpContext, HttpError, type HttpRoute } from './http-exchange.ts';
import { HttpGate } from './http-gate.ts';
import { httpRoutes } from './http-routes.ts';
import { IdempotentAnswers } from './idempotent-answers.ts';

export type { CallSummary, GatewayView } from './gateway-view.ts';

export interface HttpServerOptions {
  readonly listen: HttpAddress;
  /** Files, PEM. */
  readonly tls?: Config['http']['tls'];
  readonly applications: readonly ApplicationSecret[];
  readonly view: GatewayView;
  /** Without it the v1 routes answer 503. */
  readonly control?: CallControl;
  /** Default: those of the configuration. */
  readonly limits?: Config['http']['limits'];
  readonly metrics: Metrics;
  readonly log: Log;
  /** How long a request may take to arrive; one that trickles in holds its connection no longer. */
  readonly requestLimitMs?: number;
}

export interface HttpServer {
  /** `127.0.0.1:8080`, with the port really bound. */
  readonly address: string;
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** Answers what has begun, for up to half a second, and cuts all connections. */
  close(): Promise<void>;
}

const bodyBytesMax = 65_536;
const limitsDefault: Config['http']['limits'] = {
  requestsPerSecond: 200,
  burst: 400,
  eventClients: 50,
  eventQueue: 1_000,
  eventHistory: 1_000,
  connectionsPerSource: 250,
};
const connectionsMax = 1_000;
const farewellMs = 500;

/** Resolves when the server listens. Rejects with a GatewayError that carries the system's code. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { listen, tls, requestLimitMs = 10_000 } = options;
  const limits = {
    requestTimeout: requestLimitMs,
    headersTimeout: requestLimitMs / 2,
    keepAliveTimeout: 5_000,
    // Node looks for connections past their limit only so often, by default every 30 s.
    connectionsCheckingInterval: requestLimitMs / 10,
  };
  const server = fastify({
    ...(tls === undefined
      ? { http: limits }
      : { https: { ...limits, ...(await readCertificate(tls, 'http.tls')) } }),
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    bodyLimit: bodyBytesMax,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 },
    genReqId: () => randomUUID(),
    clientErrorHandler: answerGarbage,
    frameworkErrors: (error, request, reply) => answerError(options, error, request, reply),
  }) as unknown as FastifyInstance;
  limitConnections(server.server, {
    connectionsMax,
    perSource: (options.limits ?? limitsDefault).connectionsPerSource,
    counted: (code) => options.metrics.counted(code),
  });
  const events = new EventHub({
    clock: systemClock,
    limits: options.limits ?? limitsDefault,
    counted: (code) => options.metrics.counted(code),
  });
  addRoutes(server, options, events);
  try {
    await server.listen({ host: listen.address, port: listen.port });
  } catch (error) {
    await server.close();
    const code = errorCode(error);
    const why = code === 'EADDRINUSE' ? 'the port is used by another program' : errorMessage(error);
    throw new GatewayError(code, `http.listen ${hostPortText(listen)}: ${why}`, { cause: error });
  }
  const unwatch = options.control?.watch((event) => events.publish(event));
  const { address, port } = server.server.address() as AddressInfo;
  const bound = hostPortText({ address, port });
  return {
    address: bound,
    url: `${tls === undefined ? 'http' : 'https'}://${bound}`,
    close: () => {
      unwatch?.();
      events.close();
      return close(server);
    },
  };
}

async function close(server: FastifyInstance): Promise<void> {
  // A connection that has not sent its request yet is not idle to Node, and would be waited for.
  const cut = setTimeout(() => server.server.closeAllConnections(), farewellMs);
  await server.close();
  clearTimeout(cut);
}

function addRoutes(server: FastifyInstance, options: HttpServerOptions, events: EventHub): void {
  const { applications, control, limits = limitsDefault, listen, log, metrics, view } = options;
  const gate = new HttpGate({
    rules: { applications, loopback: isLoopbackAddress(listen.address) },
    limits,
    metrics,
    wallMs: () => systemClock.wallMs(),
  });
  const context: HttpContext = {
    view,
    metrics,
    log,
    control,
    events,
    idempotent: new IdempotentAnswers(),
    applications: applications.length,
  };

  gate.install(server);
  server.addHook('onResponse', async (request, reply) => {
    const { method, id } = request;
    const path = request.routeOptions.url ?? 'unknown';
    log.debug(
      { method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime), reference: id },
      'http request',
    );
  });
  for (const route of httpRoutes) {
    server.route({
      method: route.method,
      url: route.path,
      config: { open: route.open === true },
      // A HEAD of what never ends would never end.
      exposeHeadRoute: route.method === 'GET' && route.path !== '/events',
      handler: async (request, reply) => {
        const { headers, params } = request;
        const question = { params: params as Record<string, string>, headers, ...gate.admitted(request) };
        return send(reply, await route.answer(context, question));
      },
    });
  }
  server.setNotFoundHandler(async (request, reply) => answerUnknown(request, reply));
  server.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
}

async function send(reply: FastifyReply, answer: HttpAnswer): Promise<FastifyReply> {
  const { status, body, contentType, headers = {}, stream } = answer;
  if (stream !== undefined) {
    reply.hijack();
    stream(reply.raw);
    return reply;
  }
  reply.code(status).headers(headers);
  if (contentType !== undefined) reply.type(contentType);
  return body === undefined ? reply.send() : reply.send(body);
}

/** The one shape of all errors. `reference` is also in the log. */
function sendError(
  reply: FastifyReply,
  request: FastifyRequest,
  status: number,
  message: string,
): FastifyReply {
  return reply.code(status).send({ errorCode: status * 100, message, reference: request.id });
}

/** 405 where the path exists with another method, else 404. */
function answerUnknown(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?')[0]!;
  const methods = httpRoutes.filter((route) => fits(route, path)).map(({ method }) => method);
  if (methods.length === 0) return sendError(reply, request, 404, 'no such path');
  reply.header('Allow', methods.join(', '));
  return sendError(reply, request, 405, `expected ${methods.join(' or ')}, got ${request.method}`);
}

function fits({ path }: HttpRoute, asked: string): boolean {
  const pattern = path.split('/');
  const steps = asked.split('/');
  return (
    pattern.length === steps.length &&
    pattern.every((step, index) => step.startsWith(':') || step === steps[index])
  );
}

function answerError(
  { log, metrics }: HttpServerOptions,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  if (error instanceof HttpError) {
    // Who may not ask, and who asks too often, was counted as such.
    if (![401, 403, 429, 503].includes(error.status)) metrics.counted('http-bad-request');
    sendError(reply.headers(error.headers), request, error.status, error.message);
    return;
  }
  const given = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (given >= 400 && given < 500) {
    metrics.counted('http-bad-request');
    sendError(reply, request, given, errorMessage(error));
    return;
  }
  // What went wrong inside is the operator's to read, not the client's.
  log.error({ err: error, reference: request.id }, 'http request failed');
  metrics.counted('http-failed');
  sendError(reply, request, 500, 'internal error; the log has it under this reference');
}

/** What is no HTTP, or came too slowly: there is no request to answer. */
function answerGarbage(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const { status, message } = garbage[error.code ?? ''] ?? {
    status: '400 Bad Request',
    message: 'malformed HTTP',
  };
  const body = JSON.stringify({
    errorCode: Number.parseInt(status, 10) * 100,
    message,
    reference: randomUUID(),
  });
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body);
}

const garbage: Readonly<Record<string, { readonly status: string; readonly message: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', message: 'the request took too long to arrive' },
  HPE_HEADER_OVERFLOW: { status: '431 Request Header Fields Too Large', message: 'headers too large' },
};
