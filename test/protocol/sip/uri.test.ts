import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkAnyUri,
  parseHostPort,
  parseUri,
  type SipUri,
  serializeUri,
  urisEqual,
} from '../../../protocol/sip/uri.ts';
import { codeThrownBy } from './message-text.ts';

const plain = { user: undefined, password: undefined, port: undefined, parameters: new Map(), headers: [] };

describe('a URI', () => {
  it.each([
    { text: 'sip:example.com', uri: { scheme: 'sip', host: 'example.com' } },
    {
      text: 'SIPS:Alice@EXAMPLE.com:5061',
      uri: { scheme: 'sips', user: 'Alice', host: 'example.com', port: 5061 },
    },
    { text: 'sip:a:b@h', uri: { scheme: 'sip', user: 'a', password: 'b', host: 'h' } },
    { text: 'sip:a:@h', uri: { scheme: 'sip', user: 'a', password: '', host: 'h' } },
    { text: 'sip:[2001:DB8::1]', uri: { scheme: 'sip', host: '2001:db8::1' } },
    {
      text: 'sip:a@[::ffff:192.0.2.1]:5060',
      uri: { scheme: 'sip', user: 'a', host: '::ffff:192.0.2.1', port: 5060 },
    },
    // A third colon, as the grammar of RFC 3261 has it (RFC 5118 §4.10).
    { text: 'sip:a@[2001:db8:::192.0.2.1]', uri: { scheme: 'sip', user: 'a', host: '2001:db8::192.0.2.1' } },
    { text: 'sip:a%20b%40@h', uri: { scheme: 'sip', user: 'a b@', host: 'h' } },
    { text: 'sip:gr%C3%BC%c3%9fe@h', uri: { scheme: 'sip', user: 'grüße', host: 'h' } },
    { text: 'sip:a%2541@h', uri: { scheme: 'sip', user: 'a%41', host: 'h' } },
    { text: 'sip:a;b=c?d@h', uri: { scheme: 'sip', user: 'a;b=c?d', host: 'h' } },
    {
      text: 'sip:h;Transport=TCP;lr;x=%3B',
      uri: {
        scheme: 'sip',
        host: 'h',
        parameters: new Map([
          ['transport', 'TCP'],
          ['lr', ''],
          ['x', ';'],
        ]),
      },
    },
    { text: 'sip:h;a=1;A=2', uri: { scheme: 'sip', host: 'h', parameters: new Map([['a', '1']]) } },
    {
      text: 'sip:h?Subject=a%20b&Priority=',
      uri: {
        scheme: 'sip',
        host: 'h',
        headers: [
          { name: 'Subject', value: 'a b' },
          { name: 'Priority', value: '' },
        ],
      },
    },
    {
      text: 'sip:h;a?b=c',
      uri: {
        scheme: 'sip',
        host: 'h',
        parameters: new Map([['a', '']]),
        headers: [{ name: 'b', value: 'c' }],
      },
    },
    {
      text: 'tel:+46-8-123;ext=5',
      uri: { scheme: 'tel', user: '+46-8-123', host: '', parameters: new Map([['ext', '5']]) },
    },
  ])('is read: $text', ({ text, uri }) => {
    expect(parseUri(text)).toEqual({ ...plain, ...uri });
  });

  it.each([
    '',
    'sip',
    'sip:',
    'sip:@h',
    'sip:a@',
    'sip:a@b@c',
    'sip:h:',
    'sip:h:port',
    'sip:h:65536',
    'sip:h:-1',
    'sip:2001:db8::1',
    'sip:[2001:db8::1',
    'sip:[2001:db8::1]x',
    'sip:[1::2::3]',
    'sip:[:::]',
    'sip:[2001:db8:::1]',
    'sip:[2001:db8::::192.0.2.1]',
    'sip:h h',
    'sip: h',
    'sip:hö',
    'sip:%41',
    'sip:a%4@h',
    'sip:a%zz@h',
    'sip:a b@h',
    'sip:a"@h',
    'sip:a<@h',
    'sip:h;',
    'sip:h;;a',
    'sip:h;=a',
    'sip:h;a b',
    'sip:h?',
    'sip:h?a',
    'sip:h?=a',
    'sip:h?a=b&',
    'tel:',
    'tel:abc-xyz',
    '1ab:c',
    ' sip:h',
    '<sip:h>',
    `sip:${'a'.repeat(254)}`,
  ])('is refused with 400: %s', (text) => {
    expect(() => parseUri(text)).toThrow(expect.objectContaining({ code: 'bad-uri', status: 400 }));
    expect(codeThrownBy(() => checkAnyUri(text))).toBe('bad-uri');
  });

  it.each(['http://example.com', 'urn:service:sos', 'soap.beep://192.0.2.103:3002', 'x+y-z:a'])(
    'of another scheme gets 416: %s',
    (text) => {
      expect(() => parseUri(text)).toThrow(
        expect.objectContaining({ code: 'unsupported-uri-scheme', status: 416 }),
      );
      expect(codeThrownBy(() => checkAnyUri(text))).toBeUndefined();
    },
  );

  it('with bytes that are no UTF-8 keeps them', () => {
    const uri = parseUri('sip:a%E9%41@h');
    expect(serializeUri(uri)).toBe('sip:a%E9A@h');
    expect(urisEqual(uri, parseUri('sip:a%EAA@h'))).toBe(false);
    for (const user of ['%80%E6%97%A5%C3', '%ED%A0%80', '%F5%80%80%80', '%EF%BF%BD%FF', '%C0%AF']) {
      expect(serializeUri(parseUri(`sip:${user}@h`))).toBe(`sip:${user}@h`);
    }
  });

  it.each([
    { text: 'sip:%61lice@h', written: 'sip:alice@h' },
    {
      text: 'sip:sips%3Auser%40example.com@example.net',
      written: 'sip:sips%3Auser%40example.com@example.net',
    },
    { text: 'sip:null-%00-null@h', written: 'sip:null-%00-null@h' },
    { text: 'sip:a@[2001:DB8::1]:5060;lr', written: 'sip:a@[2001:db8::1]:5060;lr' },
  ])('is written with the escapes it needs: $written', ({ text, written }) => {
    expect(serializeUri(parseUri(text))).toBe(written);
  });
});

describe('equality of RFC 3261 §19.1.4', () => {
  it.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['tel:+1-201-555-0123', 'tel:+12015550123'],
    ['tel:7042;phone-context=example.com', 'tel:7042;Phone-Context=EXAMPLE.com'],
  ])('%s = %s', (left, right) => {
    expect(urisEqual(parseUri(left), parseUri(right))).toBe(true);
    expect(urisEqual(parseUri(right), parseUri(left))).toBe(true);
  });

  it.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a:b@h', 'sip:a@h'],
    ['sip:a@h', 'sips:a@h'],
    ['tel:7042;phone-context=a', 'tel:7042;phone-context=b'],
    ['tel:7042;phone-context=a', 'tel:7042'],
  ])('%s ≠ %s', (left, right) => {
    expect(urisEqual(parseUri(left), parseUri(right))).toBe(false);
    expect(urisEqual(parseUri(right), parseUri(left))).toBe(false);
  });
});

describe('host and port', () => {
  it.each([
    { text: 'a.b', hostPort: { host: 'a.b', port: undefined } },
    { text: '[::1]:0', hostPort: { host: '::1', port: 0 } },
    { text: '[1:2:3:4:5:6:7:8]', hostPort: { host: '1:2:3:4:5:6:7:8', port: undefined } },
    { text: '::1', hostPort: undefined },
    { text: '[1:2:3:4:5:6:7]', hostPort: undefined },
    { text: '[1:2:3:4:5:6:7:8:9]', hostPort: undefined },
    { text: '[1:2:3:4:5:6:7:1.2.3.4]', hostPort: undefined },
    { text: '[::1.2.3]', hostPort: undefined },
    { text: '[::1.2.3.256]', hostPort: undefined },
    { text: '[1.2.3.4::]', hostPort: undefined },
    { text: '[fe80::1%eth0]', hostPort: undefined },
  ])('$text', ({ text, hostPort }) => {
    expect(parseHostPort(text)).toEqual(hostPort);
  });
});

const anyText = fc.string({
  unit: fc.constantFrom(...'abcXY09-_.!~*\'()&=+$,;?/:@%[]{}<>" \t\r\n\0üé日🦆\udcff'),
  maxLength: 12,
});
const name = fc.string({ unit: fc.constantFrom(...'abc09-_.'), minLength: 1, maxLength: 6 });
const someUri: fc.Arbitrary<SipUri> = fc.record({
  scheme: fc.constantFrom('sip' as const, 'sips' as const),
  user: anyText.filter((text) => text !== ''),
  password: fc.option(anyText, { nil: undefined }),
  host: fc.constantFrom('example.com', '192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', 'a-b.c_d'),
  port: fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined }),
  parameters: fc.array(fc.tuple(name, anyText), { maxLength: 4 }).map((entries) => new Map(entries)),
  headers: fc.array(fc.record({ name, value: anyText }), { maxLength: 4 }),
});

describe('any URI', () => {
  it('is the same after a round trip, and equal to itself', () => {
    fc.assert(
      fc.property(someUri, (uri) => {
        const written = serializeUri(uri);
        expect(written).toMatch(/^[!-~]+$/);
        expect(parseUri(written)).toEqual(uri);
        expect(urisEqual(uri, parseUri(written))).toBe(true);
      }),
      { seed: 1914, numRuns: 1_000 },
    );
  });
});
