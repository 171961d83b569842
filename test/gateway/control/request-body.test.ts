import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HttpError } from '../../../gateway/control/http-exchange.ts';
import { parseBody } from '../../../gateway/control/request-body.ts';

describe('the body of a request', () => {
  test('is what was serialized, unless it is deep', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value);
        if (text.includes('__proto__')) return;
        expect(parseBody(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
      { numRuns: 300, seed: 6 },
    );
  });

  test('of any bytes is taken or refused as bad request', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ':',
      ',',
      '1',
      'null',
      '\u00e9',
      '__proto__',
      ' ',
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
      fc.array(pieces, { maxLength: 40 }).map((all) => Buffer.from(all.join(''))),
    );
    fc.assert(
      fc.property(bytes, (body) => {
        try {
          parseBody(body);
        } catch (error) {
          expect(error).toBeInstanceOf(HttpError);
          expect((error as HttpError).status).toBe(400);
        }
      }),
      { numRuns: 3_000, seed: 6 },
    );
  });

  test('never stands in the message', () => {
    expect(() => parseBody(Buffer.from('{"secret": hunter2}'))).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});
