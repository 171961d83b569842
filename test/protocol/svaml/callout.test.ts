import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { checkCallout } from '../../../protocol/svaml/callout.ts';

const number = { type: 'Number', endpoint: '+46701' };
const tts = (more: object) => ({ method: 'ttsCallout', ttsCallout: { destination: number, ...more } });
const custom = (more: object) => ({ method: 'customCallout', customCallout: more });
const conference = (more: object) => ({
  method: 'conferenceCallout',
  conferenceCallout: { destination: number, conferenceId: 'r', ...more },
});

describe('a callout', () => {
  test('is filled in', () => {
    expect(checkCallout(tts({ text: 'Hej' }))).toEqual({
      method: 'ttsCallout',
      destination: { type: 'number', endpoint: '+46701' },
      text: 'Hej',
      locale: 'en-US',
      maxDuration: 14_400,
      enableAce: false,
      enableDice: false,
      enablePie: false,
    });
    expect(checkCallout(conference({ mohClass: 'ring' }))).toMatchObject({
      method: 'conferenceCallout',
      conferenceId: 'r',
      conferenceDtmfOptions: { mode: 'ignore' },
      mohClass: 'ring',
    });
  });

  test('may bring its SVAML along, as text or as it is, or say where to ask', () => {
    const callout = checkCallout(
      custom({
        ice: '{"action":{"name":"hangup"}}',
        ace: { action: { name: 'continue' } },
        pie: 'https://a.example/p',
      }),
    );
    expect(callout).toMatchObject({
      enableAce: true,
      enableDice: true,
      destination: undefined,
      ice: { kind: 'svaml', svaml: { instructions: [], action: { name: 'hangup' } } },
      ace: { kind: 'svaml', svaml: { action: { name: 'continue' } } },
      pie: { kind: 'url', url: 'https://a.example/p' },
    });
  });

  // biome-ignore format: a table reads as a table
  test.each<{ value: unknown; message: string }>([
    { value: undefined, message: 'the body must be a mapping with method, got nothing' },
    { value: {}, message: 'method must be one of customCallout, conferenceCallout, ttsCallout, got nothing' },
    { value: { method: 'smsCallout' }, message: 'got "smsCallout"' },
    { value: { method: 'ttsCallout' }, message: 'ttsCallout must be a mapping, got nothing' },
    { value: { ...tts({}), customCallout: {} }, message: 'customCallout is not a known field, expected one of method, ttsCallout' },
    { value: tts({}), message: 'ttsCallout.text must be text, unless there are prompts, got nothing' },
    { value: tts({ text: 'x', voice: 'y' }), message: 'ttsCallout.voice is not a known field' },
    { value: tts({ text: 'x', destination: { type: 'fax', endpoint: '1' } }), message: 'ttsCallout.destination.type must be number, username or sip, got "fax"' },
    { value: tts({ text: 'x', destination: { type: 'number', endpoint: 'bob' } }), message: 'ttsCallout.destination.endpoint must be a phone number such as +46701234567, got "bob"' },
    { value: tts({ text: 'x', destination: { type: 'sip', endpoint: 'http://x' } }), message: 'ttsCallout.destination.endpoint must be a SIP address such as sip:alice@example.com, got "http://x"' },
    { value: tts({ text: 'x', amd: { enabled: true } }), message: 'ttsCallout.amd.enabled got true, expected false: answering machine detection is not available' },
    { value: conference({ conferenceId: '' }), message: 'conferenceCallout.conferenceId must be 1 to 64 visible characters, got ""' },
    { value: conference({ maxDuration: 99_999 }), message: 'conferenceCallout.maxDuration must be a whole number from 1 to 14400' },
    { value: custom({}), message: 'customCallout.destination must be a mapping with type and endpoint, unless there is an ice, got nothing' },
    { value: custom({ ice: '{' }), message: 'customCallout.ice must be SVAML as JSON, or an http:// or https:// URL, got a text of 1 characters that is neither' },
    { value: custom({ ice: 'http://u:p@x' }), message: 'customCallout.ice must be SVAML as JSON, or an http:// or https:// URL' },
    { value: custom({ ice: '{"action":{"name":"park","x":1}}' }), message: 'customCallout.ice.action.x is not a known field' },
    { value: custom({ ice: '5' }), message: 'customCallout.ice must be a mapping with instructions and action, got 5' },
    { value: custom({ destination: number, ace: '{"instructions":[{"name":"x"}]}' }), message: 'customCallout.ace.instructions[0].name must be one of' },
    { value: custom({ destination: number, dtmf: 'x' }), message: 'customCallout.dtmf must be 1 to 128 of' },
  ])('is refused: $message', ({ value, message }) => {
    expect(() => checkCallout(value)).toThrow(
      expect.objectContaining({ code: 'bad-action', status: 400, message: expect.stringContaining(message) }),
    );
  });

  test('is taken, or refused as a ProtocolError, whatever comes', () => {
    const keys = [
      'destination',
      'ice',
      'ace',
      'text',
      'prompts',
      'conferenceId',
      'cli',
      'custom',
      '__proto__',
    ];
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>,
      fc.constantFrom<unknown>('+46', 'x', number, '{"action":{"name":"hangup"}}', 'http://x/'),
    );
    const methods = ['customCallout', 'conferenceCallout', 'ttsCallout'];
    const body = fc
      .tuple(fc.constantFrom(...methods), fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 5 }))
      .map(([method, fields]) => ({ method, [method]: fields }));
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(body, value), (given) => {
        try {
          checkCallout(given);
          taken++;
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 800, seed: 6 },
    );
    expect(taken).toBeGreaterThanOrEqual(1);
  });
});
