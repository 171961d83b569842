import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type NameAddr,
  parseNameAddr,
  serializeNameAddr,
  tagOf,
  withTag,
} from '../../../protocol/sip/name-addr.ts';

describe('a name-addr', () => {
  it.each([
    { text: '<sip:a@b>', displayName: undefined, uri: 'sip:a@b', parameters: {} },
    {
      text: '"A. G. Bell" <sip:a@b> ;tag=x',
      displayName: 'A. G. Bell',
      uri: 'sip:a@b',
      parameters: { tag: 'x' },
    },
    {
      text: '"a \\"b\\" \\\\ <c>, d"<sip:a@b>',
      displayName: 'a "b" \\ <c>, d',
      uri: 'sip:a@b',
      parameters: {},
    },
    { text: '"" <sip:a@b>', displayName: undefined, uri: 'sip:a@b', parameters: {} },
    { text: 'Anne Marie <sip:a@b>', displayName: 'Anne Marie', uri: 'sip:a@b', parameters: {} },
    { text: 'caller<sip:a@b>', displayName: 'caller', uri: 'sip:a@b', parameters: {} },
    { text: 'Jörg (home) <sip:a@b>', displayName: 'Jörg (home)', uri: 'sip:a@b', parameters: {} },
    { text: 'a@b.c <sip:a@b>', displayName: 'a@b.c', uri: 'sip:a@b', parameters: {} },
    { text: 'sip:a@b;tag=x', displayName: undefined, uri: 'sip:a@b', parameters: { tag: 'x' } },
    { text: ' sip:a@b ; tag = x ', displayName: undefined, uri: 'sip:a@b', parameters: { tag: 'x' } },
    {
      text: '<sip:a@b;lr?x=y>;TAG="q;z"',
      displayName: undefined,
      uri: 'sip:a@b;lr?x=y',
      parameters: { tag: 'q;z' },
    },
    { text: '<urn:service:sos>', displayName: undefined, uri: 'urn:service:sos', parameters: {} },
    {
      text: '<sip:a@b>;+sip.instance="<urn:uuid:1>";q=0.5;flag',
      displayName: undefined,
      uri: 'sip:a@b',
      parameters: { '+sip.instance': '<urn:uuid:1>', q: '0.5', flag: '' },
    },
    { text: '<sip:a@b>;tag=YWJj==', displayName: undefined, uri: 'sip:a@b', parameters: { tag: 'YWJj==' } },
  ])('is read: $text', ({ text, displayName, uri, parameters }) => {
    expect(parseNameAddr(text)).toEqual({
      displayName,
      uri,
      parameters: new Map(Object.entries(parameters)),
    });
  });

  it.each([
    { name: 'nothing', text: '' },
    { name: 'no URI', text: 'Alice' },
    { name: 'no scheme', text: '<alice>' },
    { name: 'empty brackets', text: '<>' },
    { name: 'open bracket', text: '<sip:a@b' },
    { name: 'open quote', text: '"Alice <sip:a@b>' },
    { name: 'quote that ends in an escape', text: '"Alice\\' },
    { name: 'name without brackets', text: '"Alice" sip:a@b' },
    { name: 'comma in the name (RFC 4475 baddn)', text: 'Bell, Alexander <sip:a@b>;tag=43' },
    { name: 'colon in the name', text: 'a: b <sip:a@b>' },
    { name: 'quote within the name', text: 'a "b" <sip:a@b>' },
    { name: 'space within the URI (RFC 4475 badaspec)', text: '< sip:a@b >' },
    { name: 'question mark without brackets (RFC 4475 regbadct)', text: 'sip:a@b?Route=%3Csip:c%3E' },
    { name: 'comma without brackets', text: 'sip:a@b,sip:c@d' },
    { name: 'text behind the brackets', text: '<sip:a@b> x' },
    { name: 'empty parameter', text: '<sip:a@b>;;' },
    { name: 'parameter without value', text: '<sip:a@b>;tag=' },
    { name: 'parameter without name', text: '<sip:a@b>;=x' },
    { name: 'two values', text: '<sip:a@b>;tag=x y' },
  ])('is refused with 400: $name', ({ text }) => {
    expect(() => parseNameAddr(text)).toThrow(
      expect.objectContaining({ code: 'bad-name-addr', status: 400 }),
    );
  });

  it('says where the value went wrong', () => {
    expect(() => parseNameAddr('<sip:a@b>;tag=')).toThrow(
      'expected a parameter value at character 14, got "<sip:a@b>;tag="',
    );
  });

  it('gives and takes a tag', () => {
    expect(tagOf('"x;tag=no" <sip:a@b;tag=no>;tag=yes')).toBe('yes');
    expect(tagOf('sip:a@b')).toBeUndefined();
    expect(serializeNameAddr(withTag(parseNameAddr('sip:a@b;x'), 'y'))).toBe('<sip:a@b>;x;tag=y');
  });

  it('is written with escapes, and without line breaks', () => {
    const value = { displayName: 'a "b" \\\r\nVia: c', uri: 'sip:a@b', parameters: new Map([['x', 'y z']]) };
    expect(serializeNameAddr(value)).toBe('"a \\"b\\" \\\\  Via: c" <sip:a@b>;x="y z"');
  });
});

const text = fc.string({
  unit: fc.constantFrom(...'abcXY09-_.;:,?<>"\\=@ \t%üé日🦆\0'),
  minLength: 1,
  maxLength: 12,
});
const token = fc.string({ unit: fc.constantFrom(..."abc09-.!%*_+`'~"), minLength: 1, maxLength: 8 });
const someNameAddr: fc.Arbitrary<NameAddr> = fc.record({
  displayName: fc.option(text, { nil: undefined }),
  uri: fc.constantFrom('sip:a@b', 'sip:a@b;lr?c=d', 'tel:+46', 'http://x/,y'),
  parameters: fc
    .array(fc.tuple(token, fc.oneof(text, fc.constant(''))), { maxLength: 4 })
    .map((entries) => new Map(entries)),
});

describe('any name-addr', () => {
  it('is the same after a round trip', () => {
    fc.assert(
      fc.property(someNameAddr, (value) => {
        expect(parseNameAddr(serializeNameAddr(value))).toEqual(value);
      }),
      { seed: 2010, numRuns: 1_000 },
    );
  });
});
