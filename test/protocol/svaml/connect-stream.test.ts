import { describe, expect, test } from 'vitest';
import { checkConnectStream } from '../../../protocol/svaml/connect-stream.ts';

const least = {
  name: 'connectStream',
  destination: { type: 'Websocket', endpoint: 'wss://bot.example/call' },
};

describe('a connectStream action', () => {
  test('needs a name and a destination; the rest has defaults', () => {
    expect(checkConnectStream(least, 'action')).toEqual({
      ...least,
      streamingOptions: {
        version: 1,
        sampleRate: 8000,
        frameMs: 20,
        dialect: 'sinch',
        fallbackEndpoints: [],
      },
      maxDuration: 14_400,
      callHeaders: [],
    });
  });

  test('is taken whole', () => {
    const whole = {
      name: 'connectStream',
      destination: { type: 'WEBSOCKET', endpoint: 'ws://user:pw@[::1]:9000/a?b=c' },
      streamingOptions: {
        version: 1,
        sampleRate: 44_100,
        frameMs: 100,
        dialect: 'sinch',
        fallbackEndpoints: ['wss://b.example'],
      },
      maxDuration: 1,
      callHeaders: [
        { key: 'foo', value: 'bar' },
        { key: 'foo', value: '' },
      ],
      authorization: 'Bearer abc',
    };
    expect(checkConnectStream(whole, 'action')).toEqual({
      ...whole,
      destination: { type: 'Websocket', endpoint: 'ws://user:pw@[::1]:9000/a?b=c' },
    });
  });

  test.each([8000, 16_000, 24_000, 44_100, 48_000, 96_000])('may ask for %i Hz', (sampleRate) => {
    const action = checkConnectStream({ ...least, streamingOptions: { sampleRate } }, 'action');
    expect(action.streamingOptions.sampleRate).toBe(sampleRate);
  });

  test('may carry 1024 bytes of headers, counted in UTF-8', () => {
    const headers = (value: string) => ({ ...least, callHeaders: [{ key: 'k', value }] });
    expect(() => checkConnectStream(headers('é'.repeat(511)), 'action')).not.toThrow();
    expect(() => checkConnectStream(headers('é'.repeat(512)), 'action')).toThrow(
      'action.callHeaders must be at most 1024 bytes of keys and values, got 1025 bytes',
    );
  });

  const at = (endpoint: unknown) => ({ ...least, destination: { type: 'Websocket', endpoint } });
  const noUrl = 'action.destination.endpoint must be a ws:// or wss:// URL, got';
  const noName = 'action.name must be connectStream, got';
  const dialects = 'this is not available in this version yet; remove it';

  test.each<{ value: unknown; message: string }>([
    { value: null, message: noName.replace('got', 'got nothing') },
    { value: 'x', message: 'action must be a mapping with name' },
    { value: [], message: 'action must be a mapping with name' },
    { value: { ...least, name: 'connectStreem' }, message: `${noName} "connectStreem"` },
    { value: { name: 'park' }, message: `action.name got "park", expected connectStream: ${dialects}` },
    { value: { name: 'connectStream' }, message: 'action.destination must be a mapping' },
    {
      value: { ...least, destination: { type: 'sip', endpoint: 'ws://a' } },
      message: 'action.destination.type must be Websocket, got "sip"',
    },
    { value: at(undefined), message: `${noUrl} nothing` },
    { value: at('http://a/'), message: `${noUrl} "http://a/"` },
    { value: at('ws:a'), message: `${noUrl} "ws:a"` },
    { value: at('ws:///a'), message: `${noUrl} "ws:///a"` },
    { value: at('ws://a/#b'), message: `${noUrl} "ws://a/#b"` },
    { value: at('ws://a\t.b/'), message: `${noUrl} "ws://a\\t.b/"` },
    { value: at('ws://a\\b/'), message: `${noUrl} "ws://a\\\\b/"` },
    { value: at('ws://a:0/'), message: `${noUrl} "ws://a:0/"` },
    { value: at('ws://a:99999/'), message: `${noUrl} "ws://a:99999/"` },
    { value: at(`ws://a/${'a'.repeat(2_048)}`), message: noUrl },
    {
      value: { ...least, streamingOptions: { sampleRate: 11_025 } },
      message:
        'action.streamingOptions.sampleRate must be 8000, 16000, 24000, 44100, 48000 or 96000, got 11025',
    },
    {
      value: { ...least, streamingOptions: { sampleRate: '8000' } },
      message: 'action.streamingOptions.sampleRate must be 8000',
    },
    {
      value: { ...least, streamingOptions: { frameMs: 30 } },
      message: 'action.streamingOptions.frameMs must be 20, 40, 60, 80 or 100, got 30',
    },
    {
      value: { ...least, streamingOptions: { version: 2 } },
      message: 'action.streamingOptions.version must be 1, got 2',
    },
    {
      value: { ...least, streamingOptions: { dialect: 'x' } },
      message:
        'action.streamingOptions.dialect must be sinch, twilio, vonage, telnyx, asterisk, jambonz or audiosocket, got "x"',
    },
    {
      value: { ...least, streamingOptions: { fallbackEndpoints: ['wss://a', 'b'] } },
      message: 'action.streamingOptions.fallbackEndpoints[1] must be a ws:// or wss:// URL, got "b"',
    },
    {
      value: { ...least, streamingOptions: { rate: 1 } },
      message: 'action.streamingOptions.rate is not a known field, expected one of version',
    },
    {
      value: { ...least, maxDuration: 0 },
      message: 'action.maxDuration must be a whole number from 1 to 14400, got 0',
    },
    { value: { ...least, maxDuration: 14_401 }, message: 'action.maxDuration must be a whole number' },
    { value: { ...least, maxDuration: 1.5 }, message: 'action.maxDuration must be a whole number' },
    {
      value: { ...least, callHeaders: { a: 'b' } },
      message: 'action.callHeaders must be a list of {key, value}, got a mapping',
    },
    {
      value: { ...least, callHeaders: [{ key: '', value: '' }] },
      message: 'action.callHeaders[0].key must be text of at least one character, got ""',
    },
    {
      value: { ...least, callHeaders: [{ key: 'a', value: 5 }] },
      message: 'action.callHeaders[0].value must be text, got 5',
    },
    {
      value: { ...least, authorization: 'Bearer a\r\nX: y' },
      message:
        'action.authorization must be a header value of visible ASCII characters and spaces, got a secret of 14 characters',
    },
    { value: { ...least, moh: 'x' }, message: 'action.moh is not a known field' },
  ])('is refused: $message', ({ value, message }) => {
    expect(() => checkConnectStream(value, 'action')).toThrow(
      expect.objectContaining({
        name: 'ProtocolError',
        code: 'bad-action',
        status: 400,
        message: expect.stringContaining(message),
      }),
    );
  });
});

describe('a dialect', () => {
  const action = (streamingOptions: object, endpoint = 'wss://bot.example/', more: object = {}) => ({
    name: 'connectStream',
    destination: { type: 'Websocket', endpoint },
    streamingOptions,
    ...more,
  });

  test.each([
    action({ dialect: 'twilio' }),
    action({ dialect: 'vonage', sampleRate: 16000 }),
    action({ tap: [{ endpoint: 'wss://tap.example/', dialect: 'twilio', channels: 'caller' }] }),
    action({ signing: { in: 'query' } }, undefined, { authorization: 'Bearer x' }),
    action({ dialect: 'audiosocket', sampleRate: 48000 }, 'tcp://bot.example:9092'),
  ])('is taken where it can carry the call: %j', (value) => {
    expect(() => checkConnectStream(value, 'action')).not.toThrow();
  });

  test.each([
    [action({ dialect: 'vonage', sampleRate: 44100 }), 'streamingOptions.dialect must be one that can carry'],
    [
      action({ tap: [{ endpoint: 'wss://tap.example/', dialect: 'vonage' }] }),
      'streamingOptions.tap[0].dialect must be one that can carry',
    ],
    [
      action({ tap: [{ endpoint: 'tcp://tap.example:1' }] }),
      'streamingOptions.tap[0].endpoint must be a ws:// or wss:// URL with dialect sinch',
    ],
    [
      action({ signing: {} }, undefined, { authorization: 'Bearer x' }),
      'streamingOptions.signing must be in: query where authorization is given',
    ],
    [
      action({ signing: {}, dialect: 'audiosocket' }, 'tcp://bot.example:9092'),
      'streamingOptions.signing must be a dialect over WebSocket',
    ],
    [
      action({ dialect: 'audiosocket' }),
      'destination.endpoint must be tcp://host:port with dialect audiosocket',
    ],
    [
      action({}, 'tcp://bot.example:9092'),
      'destination.endpoint must be a ws:// or wss:// URL with dialect sinch',
    ],
    [action({ dialect: 'audiosocket' }, 'tcp://bot.example'), 'destination.endpoint must be'],
    [
      action({ dialect: 'twilio', fallbackEndpoints: ['wss://a.example/', 'tcp://b.example:1'] }),
      'streamingOptions.fallbackEndpoints[1] must be a ws:// or wss:// URL',
    ],
    [
      action({ dialect: 'audiosocket' }, 'tcp://bot.example:9092', {
        callHeaders: [{ key: 'uuid', value: '17' }],
      }),
      'call header uuid must be a UUID',
    ],
  ])('is refused where it cannot: %j', (value, message) => {
    expect(() => checkConnectStream(value, 'action')).toThrow(message);
  });
});
