import { expect, it } from 'vitest';
import { SizeCache } from '../../../gateway/audio/size-cache.ts';

it('keeps so many bytes, and lets go what was not used for longest', () => {
  const cache = new SizeCache<string>(100);
  for (const key of ['a', 'b', 'c', 'd']) cache.set(key, key, 25);
  expect(cache.get('a')).toBe('a');
  cache.set('e', 'e', 20);
  expect(['a', 'b', 'c', 'd', 'e'].filter((key) => cache.has(key))).toEqual(['a', 'c', 'd', 'e']);
  expect(cache.bytes).toBe(95);
  cache.set('e', 'E', 10);
  expect([cache.get('e'), cache.bytes]).toEqual(['E', 85]);
});

it('keeps nothing that would push most of the rest out, nor the older value in its place', () => {
  const cache = new SizeCache<string>(100);
  cache.set('a', 'old', 10);
  cache.set('a', 'new', 26);
  expect([cache.get('a'), cache.bytes]).toEqual([undefined, 0]);
});
