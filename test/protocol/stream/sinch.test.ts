import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { streamCloses, streamSampleRatesHz } from '../../../protocol/stream/messages.ts';
import { buildConnectMessage, sinch } from '../../../protocol/stream/sinch.ts';

const connect = {
  callId: 'gw-1.17',
  applicationKey: 'app-key',
  sampleRateHz: 16000,
  callHeaders: [{ key: 'foo', value: 'bar' }],
  from: '+461',
  to: 'echo',
  direction: 'inbound',
  sipHeaders: { 'X-Ticket': 'INC-4815' },
} as const;

describe('connect', () => {
  it('says the same facts in all three published spellings', () => {
    expect(JSON.parse(buildConnectMessage(connect))).toEqual({
      command: 'connect',
      version: 1,
      callId: 'gw-1.17',
      applicationKey: 'app-key',
      codec: 'PCM',
      sampleRate: 16000,
      callHeaders: { foo: 'bar' },
      from: '+461',
      to: 'echo',
      direction: 'inbound',
      sipHeaders: { 'X-Ticket': 'INC-4815' },
      extensions: ['mark', 'dtmf', 'flow', 'hold', 'stats', 'control'],
      applicationId: 'app-key',
      headers: { foo: 'bar' },
      CallId: 'gw-1.17',
      ApplicationId: 'app-key',
      Headers: { foo: 'bar' },
    });
  });

  it('keeps the case of header names and lets the last of two duplicates win', () => {
    const callHeaders = [
      { key: 'Token', value: 'old' },
      { key: 'token', value: 'other' },
      { key: 'Token', value: 'new' },
      { key: '__proto__', value: 'plain' },
    ];
    const text = buildConnectMessage({ ...connect, callHeaders });
    expect(text).toContain('"callHeaders":{"Token":"new","token":"other","__proto__":"plain"}');
  });

  it('has no headers where there are none', () => {
    const message = JSON.parse(buildConnectMessage({ ...connect, callHeaders: [], sipHeaders: {} }));
    expect([message.callHeaders, message.Headers, message.sipHeaders]).toEqual([{}, {}, {}]);
  });
});

describe('commands from the server', () => {
  it.each([
    ['{"command":"answer"}', { command: 'answer' }],
    ['{"command":"answer","extensions":["mark",7]}', { command: 'answer' }],
    ['{"command":"answer","extensions":"mark"}', { command: 'answer' }],
    ['{"command":"busy","why":"lunch"}', { command: 'busy' }],
    [' {"version":1, "command":"reject"}\n', { command: 'reject' }],
    ['{"command":"clear"}', { command: 'clear' }],
    ['{"command":"heartbeat"}', { command: 'heartbeat' }],
    ['{"command":"mark","name":"end of greeting"}', { command: 'mark', name: 'end of greeting' }],
    ['{"command":"pause"}', { command: 'pause' }],
    ['{"command":"continue"}', { command: 'continue' }],
    ['{"command":"dtmf","digits":"1w*#D"}', { command: 'dtmf', digits: '1w*#D' }],
    ['{"command":"hangup"}', { command: 'hangup', reason: undefined }],
    ['{"command":"hangup","reason":"done"}', { command: 'hangup', reason: 'done' }],
    ['{"command":"transfer","to":"sip:x@y"}', { command: 'transfer', to: 'sip:x@y', headers: undefined }],
    [
      '{"command":"transfer","to":"+461","headers":{"X-A":"1"}}',
      { command: 'transfer', to: '+461', headers: { 'X-A': '1' } },
    ],
    ['{"command":"status"}', { command: 'status' }],
  ])('understands %s', (text, command) => {
    expect(parse(text)).toEqual([command]);
  });

  it.each([
    ['', 'bad-json', 'a text message must be JSON, got ""'],
    ['answer', 'bad-json', 'a text message must be JSON, got "answer"'],
    ['{"command":"answer"', 'bad-json', 'a text message must be JSON, got "{\\"command\\":\\"answer\\""'],
    ['null', 'bad-message', 'a text message must be a JSON object, got null'],
    ['["answer"]', 'bad-message', 'a text message must be a JSON object, got an array'],
    ['{}', 'bad-message', 'a message must have a "command", got none'],
    ['{"command":7}', 'bad-field', '"command" must be a string, got 7'],
    [
      '{"command":"toString"}',
      'unknown-command',
      '"command" must be one of answer, busy, reject, clear, heartbeat, mark, pause, continue, dtmf, hangup, transfer, status, got "toString"',
    ],
    ['{"command":"mark"}', 'bad-field', '"name" must be text of 1 to 256 characters, got undefined'],
    ['{"command":"dtmf","digits":"12x"}', 'bad-field', '"digits" must be of 0-9 * # A-D and w, got others'],
    [
      '{"command":"transfer","to":"x","headers":["a"]}',
      'bad-field',
      '"headers" must be an object of at most 32 texts, got an array',
    ],
  ])('describes what is wrong with %j', (text, code, message) => {
    const error = caught(() => parse(text));
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code, message });
  });

  it('never quotes more than forty characters of a message', () => {
    expect((caught(() => parse('x'.repeat(60_000))) as Error).message.length).toBeLessThan(100);
  });

  it('throws nothing but ProtocolError, whatever comes', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const error = caught(() => parse(candidate));
        return error === undefined || error instanceof ProtocolError;
      }),
      { seed: 5, numRuns: 500 },
    );
    expect(caught(() => parse('['.repeat(65_000)))).toBeInstanceOf(ProtocolError);
  });
});

it('has every close code and reason of the contract', () => {
  expect(Object.values(streamCloses).map(({ code, reason }) => `${code} ${reason}`.trim())).toEqual([
    '1000',
    '1000 CALLERHANGUP',
    '1000 MANAGERHANGUP',
    '1000 TRANSFERRED',
    '1001 SHUTDOWN',
    '1002',
    '1003',
    '1007',
    '1008',
    '1009',
    '1011 ERROR',
    '4001 MAXDURATION',
    '4002 IDLE',
    '4003 RTPTIMEOUT',
    '4004 ANSWERTIMEOUT',
    '4005 CANCEL',
  ]);
  expect(streamSampleRatesHz).toEqual([8000, 16000, 24000, 44100, 48000, 96000]);
});

describe('events to the server', () => {
  const cleared = { event: 'cleared', playedMs: 20, droppedMs: 40 } as const;
  const error = { event: 'error', code: 'bad-json', message: 'x' } as const;

  it('are none where the answer asked for none', () => {
    const session = sinch.createSession(connect);
    session.receiveText('{"command":"answer"}');
    expect([session.tell(cleared), session.tell(error), session.tell({ event: 'hold' })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('are those that the answer asked for, and errors', () => {
    const session = sinch.createSession(connect);
    session.receiveText('{"command":"answer","extensions":["mark","nonsense"]}');
    expect(session.tell(cleared)).toBe('{"event":"cleared","playedMs":20,"droppedMs":40}');
    expect(session.tell(error)).toBe('{"event":"error","code":"bad-json","message":"x"}');
    expect(session.tell({ event: 'hold' })).toBeUndefined();
  });
});

function parse(text: string) {
  return sinch.createSession(connect).receiveText(text);
}

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
