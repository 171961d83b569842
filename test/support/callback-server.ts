import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CallbackRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: Readonly<Record<string, unknown>>;
  /** Number of the connection that it came over, from 1. */
  readonly connection: number;
}

export type CallbackReply =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: unknown }
  /** Writes the answer itself, or none. */
  | ((response: ServerResponse) => void);

export interface CallbackServer {
  readonly url: string;
  readonly requests: CallbackRequest[];
  connections: number;
  /** Decides; may be replaced. */
  reply: (request: CallbackRequest) => CallbackReply | Promise<CallbackReply>;
  /** Resolves when so many requests have come. */
  received(count: number): Promise<void>;
  close(): Promise<void>;
}

/** An application's server on loopback. Answers `{}` until told otherwise. */
export async function startCallbackServer(port = 0): Promise<CallbackServer> {
  const waiting: { readonly count: number; readonly done: () => void }[] = [];
  const numbers = new WeakMap<object, number>();
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const request: CallbackRequest = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body,
      json: JSON.parse(body) as Record<string, unknown>,
      connection: numbers.get(incoming.socket) ?? 0,
    };
    self.requests.push(request);
    for (const { count, done } of waiting) if (self.requests.length >= count) done();
    const reply = await decided(self, request);
    if (typeof reply === 'function') return reply(response);
    const { status = 200, headers = {}, body: answer = {} } = reply;
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(typeof answer === 'string' || Buffer.isBuffer(answer) ? answer : JSON.stringify(answer));
  });
  server.on('connection', (socket) => numbers.set(socket, ++self.connections));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const self: CallbackServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    requests: [],
    connections: 0,
    reply: () => ({}),
    received: (count) =>
      self.requests.length >= count
        ? Promise.resolve()
        : new Promise((done) => void waiting.push({ count, done })),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}

/** A test whose server fails sees the error in place of the answer that it waits for. */
async function decided(server: CallbackServer, request: CallbackRequest): Promise<CallbackReply> {
  try {
    return await server.reply(request);
  } catch (error) {
    return { status: 500, body: String(error) };
  }
}
