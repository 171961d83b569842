import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { TSchema } from 'typebox';
import type { CallControl } from '../calls/call-control.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { EventHub } from './event-hub.ts';
import type { GatewayView } from './gateway-view.ts';
import type { IdempotentAnswers } from './idempotent-answers.ts';

/** What routes are made of. */
export interface HttpContext {
  readonly view: GatewayView;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Undefined where this program does not control calls. */
  readonly control: CallControl | undefined;
  readonly events: EventHub;
  readonly idempotent: IdempotentAnswers;
  /** Configured applications: with more than one, each sees its own calls only. */
  readonly applications: number;
}

export interface HttpQuestion {
  readonly params: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
  /** Who asks; empty without configured applications. */
  readonly applicationKey: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** JSON, or text with `contentType`. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Takes the response over, head and all, in place of a body. */
  readonly stream?: (response: ServerResponse) => void;
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Anybody may ask: a probe says one word and has no credentials. */
  readonly open?: boolean;
  readonly doc: RouteDoc;
  answer(context: HttpContext, question: HttpQuestion): HttpAnswer | Promise<HttpAnswer>;
}

/** What `/openapi.json` says of a route. */
export interface RouteDoc {
  readonly tag: 'Callouts' | 'Calls' | 'Conferences' | 'Gateway' | 'Documents';
  readonly summary: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Name of a schema in the components. */
  readonly body?: string;
  readonly answers: Readonly<
    Record<number, { readonly description: string; readonly schema?: TSchema; readonly contentType?: string }>
  >;
}

/** An answer that is an error; the server puts it into the one shape of all errors. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
