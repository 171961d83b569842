import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { streamCloses, streamSampleRatesHz } from '../../../protocol/stream/messages.ts';
import { sinch } from '../../../protocol/stream/sinch.ts';

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
    expect(JSON.parse(sinch.buildConnectMessage(connect))).toEqual({
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
      extensions: [],
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
    const text = sinch.buildConnectMessage({ ...connect, callHeaders });
    expect(text).toContain('"callHeaders":{"Token":"new","token":"other","__proto__":"plain"}');
  });

  it('has no headers where there are none', () => {
    const message = JSON.parse(sinch.buildConnectMessage({ ...connect, callHeaders: [], sipHeaders: {} }));
    expect([message.callHeaders, message.Headers, message.sipHeaders]).toEqual([{}, {}, {}]);
  });
});

describe('commands from the server', () => {
  it.each([
    ['{"command":"answer"}', { command: 'answer', extensions: [] }],
    ['{"command":"answer","extensions":["mark",7]}', { command: 'answer', extensions: [] }],
    ['{"command":"answer","extensions":"mark"}', { command: 'answer', extensions: [] }],
    ['{"command":"busy","why":"lunch"}', { command: 'busy' }],
    [' {"version":1, "command":"reject"}\n', { command: 'reject' }],
    ['{"command":"clear"}', { command: 'clear' }],
    ['{"command":"heartbeat"}', { command: 'heartbeat' }],
  ])('understands %s', (text, command) => {
    expect(sinch.parseCommand(text)).toEqual(command);
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
      '"command" must be one of answer, busy, reject, clear, heartbeat, got "toString"',
    ],
  ])('describes what is wrong with %j', (text, code, message) => {
    const error = caught(() => sinch.parseCommand(text));
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code, message });
  });

  it('never quotes more than forty characters of a message', () => {
    expect((caught(() => sinch.parseCommand('x'.repeat(60_000))) as Error).message.length).toBeLessThan(100);
  });

  it('throws nothing but ProtocolError, whatever comes', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const error = caught(() => sinch.parseCommand(candidate));
        return error === undefined || error instanceof ProtocolError;
      }),
      { seed: 5, numRuns: 500 },
    );
    expect(caught(() => sinch.parseCommand('['.repeat(65_000)))).toBeInstanceOf(ProtocolError);
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

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
