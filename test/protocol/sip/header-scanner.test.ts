import { describe, expect, it } from 'vitest';
import {
  excerpt,
  isToken,
  quote,
  serializeParameters,
  splitList,
} from '../../../protocol/sip/header-scanner.ts';

describe('a comma list', () => {
  it.each([
    { text: '', values: [''] },
    { text: ' a ', values: ['a'] },
    { text: 'a ,\tb', values: ['a', 'b'] },
    { text: ',', values: ['', ''] },
    { text: '"a,b",c', values: ['"a,b"', 'c'] },
    { text: '"a\\",b",c', values: ['"a\\",b"', 'c'] },
    { text: '<a,b>,c', values: ['<a,b>', 'c'] },
    { text: '<a",b>,c', values: ['<a",b>', 'c'] },
    { text: '"<",c', values: ['"<"', 'c'] },
    { text: '"a,b', values: ['"a,b'] },
    { text: '<a,b', values: ['<a,b'] },
    { text: 'a>,b', values: ['a>', 'b'] },
  ])('is split at its commas: $text', ({ text, values }) => {
    expect(splitList(text)).toEqual(values);
  });
});

describe('text for a header', () => {
  it('is quoted where it needs it', () => {
    expect(quote('a"b\\c\r\nd')).toBe('"a\\"b\\\\c  d"');
    const parameters = new Map([
      ['lr', ''],
      ['tag', 'YWJj=='],
      ['maddr', '[::1]'],
      ['text', 'a;b'],
      ['name', 'é'],
    ]);
    expect(serializeParameters(parameters)).toBe(';lr;tag=YWJj==;maddr=[::1];text="a;b";name="é"');
  });

  it('is a token or not', () => {
    expect(["a-.!%*_+`'~9Z"].every(isToken)).toBe(true);
    expect(['', 'a b', 'a@b', 'a/b', 'é', '日', 'a\0'].some(isToken)).toBe(false);
  });

  it('is shortened in messages', () => {
    expect(excerpt('a\r\n"')).toBe('"a\\r\\n\\""');
    expect(excerpt('x'.repeat(99))).toBe(`"${'x'.repeat(60)}…"`);
  });
});
