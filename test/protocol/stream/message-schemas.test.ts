import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import {
  type CommandMessage,
  type CommandName,
  commandSchemas,
  connectSchema,
  type EventMessage,
  eventSchemas,
} from '../../../protocol/stream/message-schemas.ts';
import {
  extensionOf,
  type StreamConnect,
  type StreamEvent,
  streamExtensions,
} from '../../../protocol/stream/messages.ts';
import { buildConnectMessage, sinch } from '../../../protocol/stream/sinch.ts';

/** The schemas say what the gateway really sends and takes. */

const connect: StreamConnect = {
  callId: 'c',
  applicationKey: '',
  sampleRateHz: 44_100,
  callHeaders: [{ key: 'k', value: 'v' }],
  from: 'a',
  to: 'b',
  direction: 'inbound',
  sipHeaders: { 'X-A': '1' },
};

const commands: { readonly [Name in CommandName]: Omit<CommandMessage<Name>, 'command'> } = {
  answer: { extensions: [...streamExtensions] },
  busy: {},
  reject: {},
  clear: {},
  heartbeat: {},
  mark: { name: 'm' },
  pause: {},
  continue: {},
  dtmf: { digits: '0*#Dw' },
  hangup: { reason: 'r' },
  transfer: { to: 'sip:a@b', headers: { 'X-A': '1' } },
  status: {},
};

const events: readonly Exclude<StreamEvent, { readonly event: 'drained' }>[] = [
  { event: 'mark', name: 'm', status: 'cleared', playedMs: 20 },
  { event: 'cleared', playedMs: 0, droppedMs: 12.5 },
  { event: 'dtmf', digit: '#', durationMs: 100, method: 'info' },
  { event: 'hold' },
  { event: 'resume' },
  { event: 'flow', state: 'xon', bufferedMs: 7 },
  { event: 'flow', state: 'xoff', bufferedMs: 7, droppedMs: 3 },
  { event: 'stats', lossUp: 0, lossDown: 0.5, jitterMs: 1, bufferedMs: 0, codec: 'opus' },
  { event: 'status', state: 'idle', bufferedMs: 0, playedMs: 0, marks: 0 },
  { event: 'transfer', status: 'failed', code: 603 },
  { event: 'error', code: 'bad-json', message: 'm' },
];

describe('schemas of the stream messages', () => {
  it.each([connect, { ...connect, resumed: true, tap: 'both' as const }])(
    'connect is what the gateway sends',
    (of) => {
      expect([...Value.Errors(connectSchema, JSON.parse(buildConnectMessage(of)))]).toEqual([]);
    },
  );

  it.each(Object.keys(commandSchemas) as CommandName[])('the gateway takes %s', (command) => {
    const message = { command, ...commands[command] };
    expect([...Value.Errors(commandSchemas[command], message)]).toEqual([]);
    const [taken] = sinch.createSession(connect).receiveText(JSON.stringify(message));
    const { extensions: _, ...heard } = message as typeof message & { extensions?: unknown };
    expect(taken).toEqual(heard);
  });

  it.each(events)('$event is what the gateway says', (event) => {
    const session = sinch.createSession(connect);
    session.receiveText(JSON.stringify({ command: 'answer', extensions: streamExtensions }));
    const said: EventMessage = event;
    const schema = eventSchemas[said.event];
    expect([...Value.Errors(schema, JSON.parse(String(session.tell(event))))]).toEqual([]);
  });

  it('every event has a schema and an extension, or comes with any', () => {
    const named = Object.keys(extensionOf).filter((name) => name !== 'drained');
    expect(Object.keys(eventSchemas).sort()).toEqual([...named, 'error'].sort());
  });

  const wrong: readonly (readonly [keyof typeof commandSchemas, object])[] = [
    ['answer', { extensions: 'mark' }],
    ['mark', {}],
    ['mark', { name: '' }],
    ['mark', { name: 7 }],
    ['dtmf', { digits: '12x' }],
    ['dtmf', {}],
    ['transfer', { to: '' }],
    ['transfer', { to: 'sip:a@b', headers: { a: 1 } }],
    ['hangup', { reason: 5 }],
  ];
  it.each(wrong)('%s with %j is none', (name, fields) => {
    expect(Value.Check(commandSchemas[name], { command: name, ...fields })).toBe(false);
  });

  it('fields that nobody knows may come along', () => {
    expect(Value.Check(commandSchemas.busy, { command: 'busy', why: 'lunch' })).toBe(true);
  });
});
