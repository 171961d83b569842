import type { Log } from '../log.ts';
import type { WorkerCounters } from '../media/media-messages.ts';
import type { Metrics } from '../metrics.ts';
import type { CallTrace } from './call-trace.ts';

/** One call as `GET /calls` shows it. What is undefined is left out. */
export interface CallSummary {
  readonly callId: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly codec: string | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly answeredAt: string | undefined;
  /** Since the answer; 0 before it. */
  readonly durationSeconds: number;
  readonly stream: CallStream | undefined;
  readonly quality: CallQuality | undefined;
}

export interface CallStream {
  /** Credentials and query are not shown. */
  readonly endpoint: string;
  readonly sampleRate: number;
  readonly bufferedMs: number;
}

export interface CallQuality {
  readonly jitterMs: number;
  readonly rttMs: number | undefined;
  /** Of the last five seconds, 0–1 and 1–5; undefined in the first second. */
  readonly lossIn?: number | undefined;
  readonly lossOut?: number | undefined;
  readonly mos?: number | undefined;
  /** How the phone itself hears us, where it sends RTCP extended reports. */
  readonly mosRemote?: number | undefined;
  readonly codec?: string | undefined;
  readonly packetsLost: number;
  readonly packetsReceived: number;
  readonly packetsSent: number;
}

/** What the HTTP side sees of the gateway. */
export interface GatewayView {
  calls(): Promise<readonly CallSummary[]>;
  /** False if there is no such call. */
  hangup(callId: string): boolean;
  /** Undefined where nothing is known of such a call, or no longer. */
  trace?(callId: string): CallTrace | undefined;
  drain(): void;
  state(): 'starting' | 'ready' | 'draining';
  /** Asked for at each scrape of `/metrics`. */
  workers?(): Promise<readonly WorkerCounters[]>;
  /** Number of calls on each worker. */
  callsByWorker?(): readonly number[];
}

export interface HttpContext {
  readonly view: GatewayView;
  readonly metrics: Metrics;
  readonly log: Log;
}

export interface HttpAnswer {
  readonly status: number;
  /** JSON, or text with `contentType`. */
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Anybody may ask: a probe says one word and has no credentials. */
  readonly open?: boolean;
  answer(context: HttpContext, params: Readonly<Record<string, string>>): HttpAnswer | Promise<HttpAnswer>;
}

/** Which HTTP calls exist. */
export const httpRoutes: readonly HttpRoute[] = [
  { method: 'GET', path: '/healthz', open: true, answer: () => ({ status: 200, body: { status: 'ok' } }) },
  { method: 'GET', path: '/readyz', open: true, answer: readiness },
  { method: 'GET', path: '/calls', answer: listCalls },
  { method: 'DELETE', path: '/calls/:callId', answer: hangUp },
  { method: 'GET', path: '/calls/:callId/trace', answer: traceCall },
  { method: 'POST', path: '/drain', answer: drain },
  { method: 'GET', path: '/metrics', answer: exposeMetrics },
];

function readiness({ view }: HttpContext): HttpAnswer {
  const state = view.state();
  return { status: state === 'ready' ? 200 : 503, body: { state } };
}

async function listCalls({ view }: HttpContext): Promise<HttpAnswer> {
  const calls = await view.calls();
  const shown = calls.map(({ stream, ...call }) => ({
    ...call,
    ...(stream !== undefined && { stream: { ...stream, endpoint: shownUrl(stream.endpoint) } }),
  }));
  return { status: 200, body: { calls: shown } };
}

function hangUp({ view }: HttpContext, { callId = '' }: Readonly<Record<string, string>>): HttpAnswer {
  if (view.hangup(callId)) return { status: 204 };
  return { status: 404, body: { message: `callId: no call ${JSON.stringify(callId.slice(0, 100))}` } };
}

function traceCall({ view }: HttpContext, { callId = '' }: Readonly<Record<string, string>>): HttpAnswer {
  const trace = view.trace?.(callId);
  if (trace !== undefined) return { status: 200, body: trace };
  const shown = JSON.stringify(callId.slice(0, 100));
  const message = `callId: no messages of call ${shown} are kept; sip.trace.calls says of how many calls they are`;
  return { status: 404, body: { message } };
}

async function drain({ view, log }: HttpContext): Promise<HttpAnswer> {
  view.drain();
  const calls = await view.calls();
  log.info({ calls: calls.length }, 'drain asked for over HTTP');
  return { status: 202, body: { state: view.state(), calls: calls.length } };
}

async function exposeMetrics({ view, metrics, log }: HttpContext): Promise<HttpAnswer> {
  try {
    metrics.workers((await view.workers?.()) ?? [], view.callsByWorker?.());
  } catch (error) {
    // The other figures are all the more wanted when a worker does not answer.
    log.warn({ err: error }, 'media workers left out of the metrics');
  }
  return { status: 200, body: await metrics.text(), contentType: metrics.contentType };
}

/** Tokens travel in credentials and queries. */
function shownUrl(text: string): string {
  if (!URL.canParse(text)) return '';
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
