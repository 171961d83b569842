import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRequest, type SipMessage } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import { inviteText, withoutContentLength } from './message-text.ts';

describe('serializing', () => {
  it('gives back the bytes of a message in the usual form', () => {
    const text = inviteText.replace('Allow: INVITE, ACK, CANCEL, OPTIONS, BYE', 'Allow: INVITE');
    const once = text.replace('Supported: replaces, timer', 'Supported: timer');
    expect(serializeMessage(parseMessage(Buffer.from(once))).toString()).toBe(once);
  });

  it('writes Content-Length itself, once, in bytes', () => {
    const request = createRequest({
      method: 'MESSAGE',
      uri: 'sip:a',
      headers: [
        { name: 'content-length', value: '99' },
        { name: 'Subject', value: 'ü' },
      ],
      body: Buffer.from('é'),
      contentType: 'text/plain',
    });
    expect(serializeMessage(request).toString()).toBe(
      'MESSAGE sip:a SIP/2.0\r\nSubject: ü\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\né',
    );
  });

  it.each([
    { name: 'value', header: { name: 'Subject', value: 'a\r\nVia: b' } },
    { name: 'value with LF', header: { name: 'Subject', value: 'a\nb' } },
    { name: 'value with CR', header: { name: 'Subject', value: 'a\rb' } },
    { name: 'value ending in CR', header: { name: 'Subject', value: 'a\r' } },
    { name: 'name', header: { name: 'A: b\r\nVia', value: 'c' } },
  ])('refuses a line break in a header $name: nothing may be smuggled in', ({ header }) => {
    const request = createRequest({ method: 'OPTIONS', uri: 'sip:a', headers: [header] });
    expect(() => serializeMessage(request)).toThrow(/line break/);
  });

  it('refuses a line break in the start line', () => {
    expect(() =>
      serializeMessage(createRequest({ method: 'BYE', uri: 'sip:a\r\nb: c', headers: [] })),
    ).toThrow();
  });
});

const text = fc
  .string({ unit: fc.constantFrom(...'abcXYZ019 \t;:<>"\\=@%()[]{}üé日🦆\0\x7f') })
  .map((value) => value.replace(/^[ \t]+|[ \t]+$/g, ''));
const token = fc.string({ unit: fc.constantFrom(..."abcXYZ019-.!%*_+`'~"), minLength: 1, maxLength: 12 });
const header = fc.record({
  name: fc.oneof(
    fc.constantFrom('Via', 'From', 'To', 'Call-ID', 'Contact', 'Date'),
    token.map((name) => `X-${name}`),
  ),
  value: text,
});
const common = { headers: fc.array(header, { maxLength: 12 }), body: fc.uint8Array({ maxLength: 64 }) };
const message: fc.Arbitrary<SipMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('request' as const),
    method: token,
    uri: token.map((name) => `sip:${name}`),
    ...common,
  }),
  fc.record({
    kind: fc.constant('response' as const),
    status: fc.integer({ min: 100, max: 699 }),
    reasonPhrase: text,
    ...common,
  }),
);

describe('any message', () => {
  it('is the same after a round trip', () => {
    fc.assert(
      fc.property(message, (original) => {
        const parsed = withoutContentLength(parseMessage(serializeMessage(original)));
        expect({ ...parsed, body: [...parsed.body] }).toEqual({ ...original, body: [...original.body] });
      }),
      { seed: 3261, numRuns: 500 },
    );
  });
});
