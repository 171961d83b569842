import fc from 'fast-check';
import { expect, test } from 'vitest';
import { globMatches } from '../../../gateway/routing/glob.ts';

test.each([
  { pattern: 'echo', fits: ['echo'], not: ['', 'Echo', 'echo1', '1echo'] },
  { pattern: '*', fits: ['', 'a', '+4670'], not: [] },
  { pattern: '', fits: [''], not: ['a'] },
  { pattern: '+46*', fits: ['+46', '+4670123'], not: ['46', '+4', '0046'] },
  { pattern: '?', fits: ['a'], not: ['', 'ab'] },
  { pattern: '1??', fits: ['100', '1ab'], not: ['1', '10', '1000', '200'] },
  { pattern: '*a*b', fits: ['ab', 'xaxb', 'aabb', 'aab'], not: ['a', 'ba', 'abx'] },
  { pattern: 'a*a', fits: ['aa', 'aba'], not: ['a', 'ab'] },
  { pattern: '**', fits: ['', 'a'], not: [] },
  { pattern: 'a.c', fits: ['a.c'], not: ['abc'] },
  { pattern: '[a]', fits: ['[a]'], not: ['a'] },
])('$pattern', ({ pattern, fits, not }) => {
  for (const text of fits) expect(globMatches(pattern, text), text).toBe(true);
  for (const text of not) expect(globMatches(pattern, text), text).toBe(false);
});

test('agrees with the regular expression that says the same', () => {
  const letters = (alphabet: string) =>
    fc.array(fc.constantFrom(...alphabet), { maxLength: 8 }).map((all) => all.join(''));
  fc.assert(
    fc.property(letters('ab*?'), letters('ab'), (pattern, text) => {
      const same = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
      expect(globMatches(pattern, text)).toBe(same.test(text));
    }),
    { seed: 4, numRuns: 3_000 },
  );
});

test('a pattern made to be slow is not', () => {
  const startedMs = performance.now();
  expect(globMatches(`${'*a'.repeat(128)}b`, 'a'.repeat(60_000))).toBe(false);
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});
