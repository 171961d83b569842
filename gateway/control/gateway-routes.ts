import { Type } from 'typebox';
import {
  type HttpAnswer,
  type HttpContext,
  HttpError,
  type HttpQuestion,
  type HttpRoute,
} from './http-exchange.ts';

/** What is the gateway's own: health, calls as they are now, events, metrics. */

const callId = { callId: 'The call.' };
const denied = { 401: { description: 'No or wrong credentials.' } };
const stateSchema = Type.Object({ state: Type.Enum(['starting', 'ready', 'draining']) });

const callsSchema = Type.Object({
  calls: Type.Array(
    Type.Object({
      callId: Type.String(),
      direction: Type.Enum(['inbound', 'outbound']),
      from: Type.String(),
      to: Type.String(),
      state: Type.String(),
      codec: Type.Optional(Type.String()),
      startedAt: Type.String({ format: 'date-time' }),
      answeredAt: Type.Optional(Type.String({ format: 'date-time' })),
      durationSeconds: Type.Number({ description: 'Since the answer; 0 before it.' }),
      stream: Type.Optional(
        Type.Object({
          endpoint: Type.String({ description: 'Without credentials and query.' }),
          sampleRate: Type.Integer(),
          bufferedMs: Type.Number(),
        }),
      ),
      quality: Type.Optional(
        Type.Object({
          jitterMs: Type.Number(),
          rttMs: Type.Optional(Type.Number()),
          lossIn: Type.Optional(Type.Number({ description: 'Share of the last five seconds, 0 to 1.' })),
          lossOut: Type.Optional(Type.Number({ description: 'Share of the last five seconds, 0 to 1.' })),
          mos: Type.Optional(Type.Number({ description: '1 to 5.' })),
          mosRemote: Type.Optional(Type.Number({ description: 'As the phone hears us, 1 to 5.' })),
          codec: Type.Optional(Type.String()),
          packetsLost: Type.Integer(),
          packetsReceived: Type.Integer(),
          packetsSent: Type.Integer(),
        }),
      ),
    }),
  ),
});

export const gatewayRoutes: readonly HttpRoute[] = [
  {
    method: 'GET',
    path: '/healthz',
    open: true,
    doc: { tag: 'Gateway', summary: 'The program runs', answers: { 200: { description: 'It does.' } } },
    answer: () => ({ status: 200, body: { status: 'ok' } }),
  },
  {
    method: 'GET',
    path: '/readyz',
    open: true,
    doc: {
      tag: 'Gateway',
      summary: 'The gateway takes calls',
      answers: {
        200: { description: 'It does.', schema: stateSchema },
        503: { description: 'It starts or drains.', schema: stateSchema },
      },
    },
    answer: readiness,
  },
  {
    method: 'GET',
    path: '/calls',
    doc: {
      tag: 'Gateway',
      summary: 'Live calls',
      answers: { 200: { description: 'The calls.', schema: callsSchema }, ...denied },
    },
    answer: listCalls,
  },
  {
    method: 'DELETE',
    path: '/calls/:callId',
    doc: {
      tag: 'Gateway',
      summary: 'Ends a call',
      params: callId,
      answers: { 204: { description: 'Done.' }, 404: { description: 'There is no such call.' }, ...denied },
    },
    answer: hangUp,
  },
  {
    method: 'GET',
    path: '/calls/:callId/trace',
    doc: {
      tag: 'Gateway',
      summary: 'SIP messages of a call',
      params: callId,
      answers: {
        200: { description: 'The messages, credentials hidden.' },
        404: { description: 'None are kept.' },
        ...denied,
      },
    },
    answer: traceCall,
  },
  {
    method: 'GET',
    path: '/events',
    doc: {
      tag: 'Gateway',
      summary: 'What happens to calls, as server-sent events',
      headers: { 'Last-Event-ID': 'Of the last event that was seen: those after it come first.' },
      answers: {
        200: {
          description:
            'An event a change, a comment every 15 s. `dropped` tells how many a slow reader has missed.',
          contentType: 'text/event-stream',
        },
        503: { description: 'Too many readers.' },
        ...denied,
      },
    },
    answer: followEvents,
  },
  {
    method: 'POST',
    path: '/drain',
    doc: {
      tag: 'Gateway',
      summary: 'No new calls; live ones go on',
      answers: {
        202: {
          description: 'It drains.',
          schema: Type.Object({ state: Type.String(), calls: Type.Integer() }),
        },
        ...denied,
      },
    },
    answer: drain,
  },
  {
    method: 'GET',
    path: '/metrics',
    doc: {
      tag: 'Gateway',
      summary: 'Figures for Prometheus',
      answers: { 200: { description: 'Text exposition format.', contentType: 'text/plain' }, ...denied },
    },
    answer: exposeMetrics,
  },
];

function readiness({ view }: HttpContext): HttpAnswer {
  const state = view.state();
  return { status: state === 'ready' ? 200 : 503, body: { state } };
}

async function listCalls(context: HttpContext, { applicationKey }: HttpQuestion): Promise<HttpAnswer> {
  const calls = await context.view.calls();
  const shown = calls
    .filter(({ callId: id }) => isVisible(context, id, applicationKey))
    .map(({ stream, ...call }) => ({
      ...call,
      ...(stream !== undefined && { stream: { ...stream, endpoint: shownUrl(stream.endpoint) } }),
    }));
  return { status: 200, body: { calls: shown } };
}

/** With several applications, each sees its own calls only. */
function isVisible({ control, applications }: HttpContext, callId: string, applicationKey: string): boolean {
  if (control === undefined || applications < 2) return true;
  return control.describe(callId)?.applicationKey === applicationKey;
}

function hangUp(context: HttpContext, { params, applicationKey }: HttpQuestion): HttpAnswer {
  const { callId: id = '' } = params;
  if (isVisible(context, id, applicationKey) && context.view.hangup(id)) return { status: 204 };
  throw new HttpError(404, `callId: no call ${JSON.stringify(id.slice(0, 100))}`);
}

function traceCall(context: HttpContext, { params, applicationKey }: HttpQuestion): HttpAnswer {
  const { callId: id = '' } = params;
  const trace = isVisible(context, id, applicationKey) ? context.view.trace?.(id) : undefined;
  if (trace !== undefined) return { status: 200, body: trace };
  const shown = JSON.stringify(id.slice(0, 100));
  throw new HttpError(
    404,
    `callId: no messages of call ${shown} are kept; sip.trace.calls says of how many calls they are`,
  );
}

function followEvents(context: HttpContext, { applicationKey, headers }: HttpQuestion): HttpAnswer {
  const { events, applications } = context;
  if (events.full) {
    context.metrics.counted('events-refused');
    throw new HttpError(503, 'too many readers of /events; http.limits.eventClients says how many', {
      'Retry-After': '10',
    });
  }
  const last = headers['last-event-id'];
  const sees = (key: string) => applications < 2 || key === applicationKey;
  return {
    status: 200,
    stream: (response) => events.add(response, sees, typeof last === 'string' ? last : undefined),
  };
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
