import {
  commandExtensionOf,
  commandSchemas,
  connectSchema,
  eventSchemas,
} from '../../protocol/stream/message-schemas.ts';
import { extensionOf, streamCloses, streamExtensions } from '../../protocol/stream/messages.ts';

/** The stream protocol as an AsyncAPI 3.0 document, made from the schemas of its messages. The application that it
 *  describes is the gateway: it *sends* what a customer's server receives. Plain JSON; every `$ref` is local. */

interface MessageEntry {
  readonly name: string;
  readonly sentBy: 'gateway' | 'server';
  readonly schema: object;
  readonly summary: string;
  /** The extension that it belongs to; `base` where it needs none, `any` where any brings it. */
  readonly tag: string;
  readonly examples: readonly object[];
}

const channelName = 'stream';

const connectExample = {
  command: 'connect',
  version: 1,
  callId: 'gw-1-0001',
  applicationKey: 'test-app',
  codec: 'PCM',
  sampleRate: 16_000,
  callHeaders: { ticket: '4815' },
  from: 'sip:alice@example.com',
  to: 'sip:bot@example.com',
  direction: 'inbound',
  sipHeaders: { 'X-Ticket': 'INC-4815' },
  extensions: streamExtensions,
};

/** One a message at least; the tests check each against its schema. */
const examples: {
  readonly [Name in keyof typeof commandSchemas | `${keyof typeof eventSchemas}Event`]: object;
} = {
  answer: { command: 'answer', extensions: ['mark', 'dtmf'] },
  busy: { command: 'busy' },
  reject: { command: 'reject' },
  clear: { command: 'clear' },
  heartbeat: { command: 'heartbeat' },
  mark: { command: 'mark', name: 'greeting' },
  pause: { command: 'pause' },
  continue: { command: 'continue' },
  dtmf: { command: 'dtmf', digits: '42w#' },
  hangup: { command: 'hangup', reason: 'all said' },
  transfer: { command: 'transfer', to: 'sip:desk@example.com', headers: { 'X-Ticket': 'INC-4815' } },
  status: { command: 'status' },
  markEvent: { event: 'mark', name: 'greeting', status: 'played', playedMs: 2_340 },
  clearedEvent: { event: 'cleared', playedMs: 1_180, droppedMs: 3_820 },
  dtmfEvent: { event: 'dtmf', digit: '5', durationMs: 120, method: 'rfc4733' },
  holdEvent: { event: 'hold' },
  resumeEvent: { event: 'resume' },
  flowEvent: { event: 'flow', state: 'xoff', bufferedMs: 125_000 },
  statsEvent: {
    event: 'stats',
    lossUp: 0.002,
    lossDown: 0,
    jitterMs: 3.1,
    rttMs: 24,
    mos: 4.3,
    bufferedMs: 480,
    codec: 'pcmu',
  },
  transferEvent: { event: 'transfer', status: 'completed', code: 200 },
  statusEvent: { event: 'status', state: 'playing', bufferedMs: 480, playedMs: 1_180, marks: 1 },
  errorEvent: {
    event: 'error',
    code: 'unknown-command',
    message: '"command" must be one of answer, busy, …, got "shout"',
  },
};

export function asyncApiDocument(): object {
  const messages = messageEntries();
  const sentBy = (party: MessageEntry['sentBy']) => messages.filter((entry) => entry.sentBy === party);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Callwire stream protocol',
      version: '1.0.0',
      description:
        "What is said on the WebSocket between the gateway, which is its client, and a customer's server. The gateway " +
        'connects and sends `connect`; the server replies with `answer`, `busy` or `reject`; after `answer` audio flows ' +
        'as binary messages. Extensions are used where `connect` offers and `answer` asks for them. Either side ends ' +
        'the call by closing.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      [channelName]: {
        address: '/',
        title: 'One call',
        description: 'One WebSocket a call, at the endpoint that the call was routed to.',
        messages: Object.fromEntries(
          [...messages.map(({ name }) => name), 'audio'].map((name) => [
            name,
            { $ref: `#/components/messages/${name}` },
          ]),
        ),
        'x-close-codes': Object.values(streamCloses),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
    },
    operations: {
      toServer: operation('send', 'What the gateway sends.', sentBy('gateway')),
      fromServer: operation('receive', 'What the server may send.', sentBy('server')),
    },
    components: {
      messages: { ...Object.fromEntries(messages.map((entry) => [entry.name, messageOf(entry)])), audio },
      schemas: Object.fromEntries(messages.map(({ name, schema }) => [name, schema])),
    },
  };
}

function messageEntries(): readonly MessageEntry[] {
  const connect: MessageEntry = {
    name: 'connect',
    sentBy: 'gateway',
    schema: connectSchema,
    summary: descriptionOf(connectSchema),
    tag: 'base',
    examples: [
      connectExample,
      { ...connectExample, resumed: true },
      { ...connectExample, tap: 'both', channels: 2 },
    ],
  };
  const commands = Object.entries(commandSchemas).map(
    ([name, schema]): MessageEntry => ({
      name,
      sentBy: 'server',
      schema,
      summary: descriptionOf(schema),
      tag: commandExtensionOf[name as keyof typeof commandExtensionOf] ?? 'base',
      examples: [examples[name as keyof typeof examples]],
    }),
  );
  const events = Object.entries(eventSchemas).map(
    ([name, schema]): MessageEntry => ({
      name: `${name}Event`,
      sentBy: 'gateway',
      schema,
      summary: descriptionOf(schema),
      tag: extensionOf[name as keyof typeof extensionOf] ?? 'any',
      examples: [examples[`${name}Event` as keyof typeof examples]],
    }),
  );
  return [connect, ...commands, ...events];
}

function descriptionOf(schema: object): string {
  return 'description' in schema ? String(schema.description) : '';
}

function messageOf({ name, summary, tag, examples: shown }: MessageEntry): object {
  return {
    name,
    summary,
    contentType: 'application/json',
    payload: { $ref: `#/components/schemas/${name}` },
    tags: [{ name: tag, description: tagDescription(tag) }],
    examples: shown.map((payload) => ({ payload })),
  };
}

function tagDescription(tag: string): string {
  if (tag === 'base') return 'The base protocol: every gateway and every server.';
  return tag === 'any' ? 'Comes with any extension.' : `The extension \`${tag}\`.`;
}

const audio = {
  name: 'audio',
  title: 'Audio',
  summary: 'A binary message: mono PCM, signed 16-bit little-endian, at the `sampleRate` of `connect`.',
  description:
    'The gateway sends as much as the route says, 20 ms by default. The server may send messages of any size, faster ' +
    'than real time; half a sample at the end is joined with the next message. Audio before `answer` is dropped.',
  contentType: 'application/octet-stream',
  payload: { type: 'string', format: 'binary' },
  tags: [{ name: 'base', description: tagDescription('base') }],
};

function operation(action: 'send' | 'receive', summary: string, messages: readonly MessageEntry[]): object {
  return {
    action,
    summary,
    channel: { $ref: `#/channels/${channelName}` },
    messages: [...messages.map(({ name }) => name), 'audio'].map((name) => ({
      $ref: `#/channels/${channelName}/messages/${name}`,
    })),
  };
}
