import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { actionSchemas } from '../../../protocol/svaml/actions.ts';
import { menuAction } from '../../../protocol/svaml/formats.ts';
import { instructionSchemas } from '../../../protocol/svaml/instructions.ts';
import { checkSvaml } from '../../../protocol/svaml/svaml.ts';

const sip = { name: 'connectSip', destination: { endpoint: 'bob@example.com' } };
const menu = (more: object = {}) => ({
  name: 'runMenu',
  menus: [{ id: 'main', options: [{ dtmf: '1', action: 'return(yes)' }], ...more }],
});

describe('SVAML is filled in', () => {
  // biome-ignore format: a table reads as a table
  test.each<{ action: object; filled: object }>([
    { action: { name: 'hangup' }, filled: { name: 'hangup' } },
    { action: { name: 'Continue' }, filled: { name: 'continue' } },
    { action: { name: 'PARK' }, filled: { name: 'park', locale: 'en-US', maxDuration: 14_400 } },
    { action: sip, filled: { name: 'connectSip', destination: { type: 'sip', endpoint: 'sip:bob@example.com' }, maxDuration: 14_400, suppressCallbacks: false, keepCaller: false, callHeaders: [], timeout: 60, callStateEvents: ['created', 'ringing', 'answered', 'ended'] } },
    { action: { name: 'connectPstn', number: '+46701', indications: 'SE' }, filled: { name: 'connectPstn', number: '+46701', locale: 'en-US', maxDuration: 14_400, dialTimeout: 60, suppressCallbacks: false, keepCaller: false, indications: 'se', callHeaders: [] } },
    { action: { name: 'connectConf', conferenceId: 'r' }, filled: { name: 'connectConf', conferenceId: 'r', conferenceDtmfOptions: { mode: 'ignore', maxDigits: 1, timeoutMills: 3_000 } } },
    { action: menu(), filled: { name: 'runMenu', barge: true, locale: 'en-US', mainMenu: 'main', enableVoice: false, menus: [{ id: 'main', repeats: 1, timeoutMills: 5_000, options: [{ dtmf: '1', action: 'return(yes)' }] }] } },
  ])('$action.name', ({ action, filled }) => {
    expect(checkSvaml({ action })).toEqual({ instructions: [], action: filled });
  });

  // biome-ignore format: a table reads as a table
  test.each<{ instruction: object; filled: object }>([
    { instruction: { name: 'Say', text: 'Hej' }, filled: { name: 'say', text: 'Hej', locale: 'en-US' } },
    { instruction: { name: 'startRecording' }, filled: { name: 'startRecording', options: { format: 'wav', channels: 'stereo', notificationEvents: true } } },
    { instruction: { name: 'startRecording', options: { format: 'OGG', destinationUrl: 'a/b-1.ogg' } }, filled: { name: 'startRecording', options: { format: 'ogg', destinationUrl: 'a/b-1.ogg', channels: 'stereo', notificationEvents: true } } },
    { instruction: { name: 'pauseRecording' }, filled: { name: 'pauseRecording' } },
  ])('$instruction.name', ({ instruction, filled }) => {
    expect(checkSvaml({ instructions: [instruction] })).toEqual({ instructions: [filled], action: undefined });
  });

  test('where parts of it are missing or null', () => {
    const nothing = { instructions: [], action: undefined };
    expect(checkSvaml({})).toEqual(nothing);
    expect(checkSvaml({ instructions: null, action: null })).toEqual(nothing);
  });
});

describe('SVAML is refused with the path of the field', () => {
  // biome-ignore format: a table reads as a table
  test.each<{ value: unknown; message: string }>([
    { value: null, message: 'SVAML must be a mapping with instructions and action, got nothing (null)' },
    { value: [], message: 'SVAML must be a mapping with instructions and action, got an empty list' },
    { value: { acton: {} }, message: 'acton is not a known field, expected one of instructions, action' },
    { value: { action: 'hangup' }, message: 'action must be a mapping with name, one of connectStream, ' },
    { value: { action: {} }, message: 'action.name must be one of connectStream, connectSip, connectPstn, connectConf, runMenu, park, hangup, continue, got nothing' },
    { value: { action: { name: 'conectSip' } }, message: 'got "conectSip"; did you mean connectSip?' },
    { value: { action: [{ name: 'hangup' }, { name: 'hangup' }] }, message: 'action must be a mapping' },
    { value: { instructions: {} }, message: 'instructions must be a list of at most 64 instructions, got a mapping' },
    { value: { instructions: Array(65).fill({ name: 'answer' }) }, message: 'instructions must be a list of at most 64 instructions, got a list of 65' },
    { value: { instructions: [{ name: 'answer' }, { name: 'hangup' }] }, message: 'instructions[1].name must be one of answer, ' },
    { value: { instructions: [{ name: 'answer', now: true }] }, message: 'instructions[0].now is not a known field, expected one of name' },
    { value: { instructions: [{ name: 'say' }] }, message: 'instructions[0].text must be text of 1 to 4096 characters, got nothing' },
    { value: { instructions: [{ name: 'playFiles', ids: [] }] }, message: 'instructions[0].ids must be a list of 1 to 64 prompts, got an empty list' },
    { value: { instructions: [{ name: 'sendDtmf', value: '12x' }] }, message: 'instructions[0].value must be 1 to 128 of 0-9, *, #, A-D and w (a pause of 500 ms), got "12x"' },
    { value: { instructions: [{ name: 'startRecording', options: { format: 'mp3' } }] }, message: 'instructions[0].options.format must be wav, flac or ogg, got "mp3"' },
    ...['../x', '/etc/x', 'a/../b', '.hidden', 'a//b', 'file:///x', 's3:/x', 'https://x/'].map((destinationUrl) => ({ value: { instructions: [{ name: 'startRecording', options: { destinationUrl } }] }, message: 'options.destinationUrl must be s3://BUCKET/PATH, or a file name' })),
    { value: { instructions: [{ name: 'startRecording', options: { credentials: 5 } }] }, message: 'options.credentials must be text of at most 4096 characters' },
    { value: { instructions: [{ name: 'startRecording', options: { transcriptionOptions: { enabled: true } } }] }, message: 'options.transcriptionOptions.enabled got true, expected false: transcription is not available' },
    { value: { action: { name: 'connectStream', destination: { type: 'Websocket', endpoint: 'http://x' } } }, message: 'action.destination.endpoint must be a ws:// or wss:// URL' },
    ...['', 'bob', 'tel:+46', 'sip:', 'sip:bob@h?X=1', 'sip:bob@h;MADDR=10.0.0.1', 'sip:a:b@h', 'sip:bob@h>', 'sip:bob@h\r\nX: y', 'http://x'].filter((endpoint) => endpoint !== 'bob').map((endpoint) => ({ value: { action: { ...sip, destination: { endpoint } } }, message: 'action.destination.endpoint must be a SIP address' })),
    { value: { action: { ...sip, destination: { type: 'number', endpoint: 'sip:a@b' } } }, message: 'action.destination.type must be sip, got "number"' },
    { value: { action: { ...sip, timeout: 0 } }, message: 'action.timeout must be a whole number from 1 to 600, got 0' },
    { value: { action: { ...sip, codecs: ['pcmu', 'g729'] } }, message: 'action.codecs[1] must be opus, g722, pcmu, pcma or l16, got "g729"' },
    { value: { action: { ...sip, transport: 'sctp' } }, message: 'action.transport must be udp, tcp or tls, got "sctp"' },
    { value: { action: { ...sip, ringback: 'loud' } }, message: 'action.ringback must be `silence`, a country such as `se`, or the URL of an audio file, got "loud"' },
    { value: { action: { ...sip, callStateUrl: 'ftp://x/' } }, message: 'action.callStateUrl must be an http:// or https:// URL' },
    { value: { action: { ...sip, callStateUrl: 'http://user:pw@x/' } }, message: 'action.callStateUrl must be an http:// or https:// URL' },
    { value: { action: { ...sip, callHeaders: [{ key: 'a b', value: '' }] } }, message: 'action.callHeaders[0].key must be a header name' },
    { value: { action: { ...sip, callHeaders: [{ key: 'a', value: 'x\r\nVia: y' }] } }, message: 'action.callHeaders[0].value must be text without control characters' },
    { value: { action: { ...sip, callHeaders: [{ key: 'a', value: 'é'.repeat(512) }] } }, message: 'action.callHeaders must be at most 1024 bytes of keys and values, got 1025 bytes' },
    { value: { action: { ...sip, cli: '"x" <sip:y>' } }, message: 'action.cli must be a number, a name' },
    { value: { action: { name: 'connectPstn', number: 'x' } }, message: 'action.number must be a phone number' },
    { value: { action: { name: 'connectPstn', amd: { enabled: true } } }, message: 'action.amd.enabled got true, expected false: answering machine detection is not available' },
    { value: { action: { name: 'connectPstn', indications: 'zz' } }, message: 'action.indications must be a country such as se or us, got "zz"' },
    { value: { action: { name: 'connectConf' } }, message: 'action.conferenceId must be 1 to 64 visible characters, got nothing' },
    { value: { action: { name: 'connectConf', conferenceId: 'x'.repeat(65) } }, message: 'action.conferenceId must be 1 to 64 visible characters' },
    { value: { action: { ...menu(), enableVoice: true } }, message: 'action.enableVoice got true, expected false: speech recognition is not available' },
    { value: { action: { ...menu(), mainMenu: 'x' } }, message: 'action.mainMenu must be the id of one of the menus, got "x"' },
    { value: { action: menu({ id: 'other' }) }, message: 'action.mainMenu must be the id of one of the menus, got "main"' },
    { value: { action: { name: 'runMenu', menus: [{ id: 'main' }, { id: 'main' }] } }, message: 'action.menus[1].id must be different from those before, got "main"' },
    { value: { action: menu({ options: [{ dtmf: '1', action: 'return' }, { dtmf: '1', action: 'return' }] }) }, message: 'action.menus[0].options[1].dtmf must be different from those before, got "1"' },
    { value: { action: menu({ options: [{ dtmf: '12', action: 'return' }] }) }, message: 'action.menus[0].options[0].dtmf must be one of 0-9, * and #, got "12"' },
    { value: { action: menu({ options: [{ dtmf: '1', action: 'menu(x)' }] }) }, message: 'action.menus[0].options[0].action must be the id of one of the menus within menu(), got "menu(x)"' },
    { value: { action: menu({ options: [{ dtmf: '1', action: 'goto x' }] }) }, message: 'action.menus[0].options[0].action must be `menu(ID)`, `return` or `return(VALUE)`, got "goto x"' },
    { value: { action: { name: 'park', maxDuration: 1.5 } }, message: 'action.maxDuration must be a whole number from 1 to 14400, got 1.5' },
    { value: { action: JSON.parse('{"name":"hangup","__proto__":{"x":1}}') }, message: 'action.__proto__ is not a known field' },
  ])('$message', ({ value, message }) => {
    expect(() => checkSvaml(value)).toThrow(
      expect.objectContaining({
        name: 'ProtocolError',
        code: 'bad-action',
        status: 400,
        message: expect.stringContaining(message),
      }),
    );
  });

  test('below the path that it has', () => {
    expect(() => checkSvaml({ action: { name: 'park', x: 1 } }, 'customCallout.ice')).toThrow(
      'customCallout.ice.action.x is not a known field',
    );
    expect(() => checkSvaml({ x: 1 }, 'customCallout.ice')).toThrow(
      'customCallout.ice.x is not a known field',
    );
  });

  test('never with a secret in it', () => {
    const options = { credentials: 'hunter2'.repeat(1_000) };
    try {
      checkSvaml({ instructions: [{ name: 'startRecording', options }] });
    } catch (error) {
      expect(String(error)).toContain('a secret of 7000 characters');
      expect(String(error)).not.toContain('hunter2');
    }
  });
});

test.each([
  ['menu(sub)', { kind: 'menu', menuId: 'sub' }],
  ['MENU( sub )', { kind: 'menu', menuId: 'sub' }],
  ['return', { kind: 'return', value: '' }],
  ['return()', { kind: 'return', value: '' }],
  ['return(a b)', { kind: 'return', value: 'a b' }],
  ['menu()', undefined],
  ['menu', undefined],
  ['return(a)(b)', undefined],
  ['return((a))', undefined],
])('the action of a key, %s', (text, action) => {
  expect(menuAction(text)).toEqual(action);
});

describe('whatever comes', () => {
  const names = [...Object.keys(actionSchemas), ...Object.keys(instructionSchemas)];
  const fields = [
    ...new Set(
      [...Object.values(actionSchemas), ...Object.values(instructionSchemas)].flatMap((schema) =>
        Object.keys((schema as { properties: object }).properties),
      ),
    ),
    '__proto__',
    'constructor',
  ];
  const junk = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>,
    fc.constantFrom<unknown>('sip:a@b', 'ws://x', 'main', '1', 'menu(main)', 60, [], {}, [{ id: 'main' }]),
  );
  const part = fc
    .tuple(fc.constantFrom(...names), fc.dictionary(fc.constantFrom(...fields), junk, { maxKeys: 6 }))
    .map(([name, rest]) => ({ ...rest, name }));
  const svaml = fc.record(
    { instructions: fc.array(part, { maxLength: 4 }), action: part },
    { requiredKeys: [] },
  );

  test('it is taken, or refused as a ProtocolError', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(svaml, junk), (value) => {
        try {
          const once = checkSvaml(value);
          taken++;
          // What came out goes in again as it is.
          expect(checkSvaml(JSON.parse(JSON.stringify(once)))).toEqual(once);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          expect((error as Error).message.length).toBeLessThan(1_500);
        }
      }),
      { numRuns: 800, seed: 6 },
    );
    expect(taken).toBeGreaterThan(3);
  });

  // biome-ignore format: a table reads as a table
  test.each<{ what: string; value: unknown }>([
    { what: 'unknown fields', value: { action: { name: 'connectSip', ...Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`field${i}`, 0])) } } },
    { what: 'long names', value: { action: { name: 'x'.repeat(64_000) } } },
    { what: 'headers', value: { action: { ...sip, callHeaders: Array(64).fill({ key: 'a', value: 'x'.repeat(1_000) }) } } },
    { what: 'a long address', value: { action: { ...sip, destination: { endpoint: `sip:${'a'.repeat(64_000)}` } } } },
    { what: 'odd addresses', value: { action: { ...sip, destination: { endpoint: `sip:${';a=%41'.repeat(160)}` } } } },
    { what: 'parentheses', value: { action: menu({ options: [{ dtmf: '1', action: `return(${'('.repeat(60_000)}` }] }) } },
    { what: 'destinations', value: { instructions: [{ name: 'startRecording', options: { destinationUrl: `${'a/'.repeat(511)}!` } }] } },
    { what: 'spaces', value: { instructions: [{ name: 'playFiles', ids: [' '.repeat(4_000)] }] } },
  ])('many $what take little time', ({ value }) => {
    const startedMs = performance.now();
    expect(() => checkSvaml(value)).toThrow(ProtocolError);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});
