import { randomUUID } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { readCertificate } from '../certificate-files.ts';
import type { Config } from '../config.ts';
import { errorCode, errorMessage, GatewayError } from '../errors.ts';
import { type HttpAddress, hostPortText } from '../listen-address.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type AccessRules, type ApplicationSecret, checkAccess, isLoopbackAddress } from './http-access.ts';
import {
  type GatewayView,
  type HttpAnswer,
  type HttpContext,
  type HttpRoute,
  httpRoutes,
} from './http-routes.ts';

export type { CallSummary, GatewayView } from './http-routes.ts';

export interface HttpServerOptions {
  readonly listen: HttpAddress;
  /** Files, PEM. */
  readonly tls?: Config['http']['tls'];
  readonly applications: readonly ApplicationSecret[];
  readonly view: GatewayView;
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
  server.server.maxConnections = connectionsMax;
  addRoutes(server, options);
  try {
    await server.listen({ host: listen.address, port: listen.port });
  } catch (error) {
    await server.close();
    const code = errorCode(error);
    const why = code === 'EADDRINUSE' ? 'the port is used by another program' : errorMessage(error);
    throw new GatewayError(code, `http.listen ${hostPortText(listen)}: ${why}`, { cause: error });
  }
  const { address, port } = server.server.address() as AddressInfo;
  const bound = hostPortText({ address, port });
  return {
    address: bound,
    url: `${tls === undefined ? 'http' : 'https'}://${bound}`,
    close: () => close(server),
  };
}

async function close(server: FastifyInstance): Promise<void> {
  // A connection that has not sent its request yet is not idle to Node, and would be waited for.
  const cut = setTimeout(() => server.server.closeAllConnections(), farewellMs);
  await server.close();
  clearTimeout(cut);
}

function addRoutes(server: FastifyInstance, options: HttpServerOptions): void {
  const { applications, listen, log, metrics, view } = options;
  const rules: AccessRules = { applications, loopback: isLoopbackAddress(listen.address) };
  const context: HttpContext = { view, metrics, log };

  server.addHook('onRequest', async (request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff').header('Cache-Control', 'no-store');
    if ((request.routeOptions.config as { readonly open?: boolean }).open === true) return;
    const access = checkAccess(rules, request.headers);
    if (access.allowed) return;
    metrics.counted(access.status === 401 ? 'http-unauthorized' : 'http-forbidden');
    if (access.status === 401) reply.header('WWW-Authenticate', 'Basic realm="callwire"');
    await sendError(reply, request, access.status, access.message);
  });
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
      handler: async (request, reply) =>
        send(reply, request, await route.answer(context, request.params as Record<string, string>)),
    });
  }
  server.setNotFoundHandler(async (request, reply) => answerUnknown(request, reply));
  server.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
}

async function send(reply: FastifyReply, request: FastifyRequest, answer: HttpAnswer): Promise<FastifyReply> {
  const { status, body, contentType } = answer;
  if (status >= 400 && isMessage(body)) return sendError(reply, request, status, body.message);
  reply.code(status);
  if (contentType !== undefined) reply.type(contentType);
  return body === undefined ? reply.send() : reply.send(body);
}

function isMessage(body: unknown): body is { readonly message: string } {
  return typeof body === 'object' && body !== null && 'message' in body;
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
