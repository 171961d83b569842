import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkSignature, parseAuthorization } from '../protocol/signing.ts';
import type { ApplicationCounters, ApplicationPlan } from './load-messages.ts';

const BODY_BYTES_MAX = 65_536;

/** The customer's router under load: answers every question about a call, but slowly, and keeps account of what it was
 *  told about each call's end. Loopback only. */
export class ApplicationServer {
  readonly #plan: ApplicationPlan;
  readonly #server: Server;
  readonly #answer: string;
  /** Calls that were asked about, and how often each was said to be over. */
  readonly #calls = new Map<string, number>();
  readonly #waiting = new Set<NodeJS.Timeout>();
  readonly #counters: ApplicationCounters = {
    asked: 0,
    answered: 0,
    broken: 0,
    waiting: 0,
    ended: 0,
    endedAgain: 0,
    unknown: 0,
    unsigned: 0,
  };

  constructor(plan: ApplicationPlan) {
    this.#plan = plan;
    this.#answer = JSON.stringify({
      action: {
        name: 'connectStream',
        destination: { type: 'Websocket', endpoint: plan.streamUrl },
        streamingOptions: { version: 1, sampleRate: plan.sampleRateHz },
      },
    });
    this.#server = createServer((request, response) => {
      this.#receive(request, response).catch(() => request.destroy());
    });
  }

  /** Resolves with the port. */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  report(): ApplicationCounters {
    return { ...this.#counters, waiting: this.#waiting.size };
  }

  close(): void {
    for (const timer of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (body === undefined || !this.#isSigned(request, body)) {
      this.#counters.unsigned++;
      response.writeHead(401).end();
      return;
    }
    const message = JSON.parse(body.toString('utf8')) as { event?: unknown; callid?: unknown };
    const callId = String(message.callid);
    if (message.event === 'ice') this.#asked(callId, response);
    else {
      if (message.event === 'dice') this.#ended(callId);
      else this.#counters.unknown++;
      send(response, '{}');
    }
  }

  #asked(callId: string, response: ServerResponse): void {
    const counters = this.#counters;
    counters.asked++;
    if (!this.#calls.has(callId)) this.#calls.set(callId, 0);
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      send(response, this.#answer);
    }, this.#plan.delayMs);
    this.#waiting.add(timer);
    response.on('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(timer);
      if (response.writableFinished) counters.answered++;
      else counters.broken++;
    });
  }

  #ended(callId: string): void {
    const counters = this.#counters;
    const times = this.#calls.get(callId);
    if (times === undefined) counters.unknown++;
    else if (times > 0) counters.endedAgain++;
    else {
      this.#calls.set(callId, 1);
      counters.ended++;
    }
  }

  #isSigned(request: IncomingMessage, body: Buffer): boolean {
    const {
      authorization = '',
      'content-type': contentType = '',
      'x-timestamp': timestamp,
    } = request.headers;
    const { method = '', url: path = '' } = request;
    try {
      const { key, signature } = parseAuthorization(authorization) ?? {};
      if (key !== this.#plan.key || signature === undefined) return false;
      const signed = { method, path, contentType, body, timestamp: String(timestamp) };
      checkSignature(signed, signature, this.#plan.secret, Date.now());
      return true;
    } catch {
      return false;
    }
  }
}

function send(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

/** Undefined where it is longer than any callback. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
