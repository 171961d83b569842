import { describe, expect, it } from 'vitest';
import {
  AddressRanges,
  isAddressRange,
  isLoopback,
  sourceKey,
} from '../../../gateway/signaling/address-ranges.ts';
import { RateLimit, RecentMap } from '../../../gateway/signaling/source-limits.ts';

describe('a rate limit', () => {
  const create = (options: { perSecond?: number; burst?: number; sourcesMax?: number } = {}) =>
    new RateLimit({ perSecond: 10, burst: 5, sourcesMax: 100, ...options });
  const takes = (limit: RateLimit, count: number, nowMs: number, source = 'a'): number =>
    Array.from({ length: count }, () => limit.take(source, nowMs)).filter(Boolean).length;

  it('lets a burst through, then so many a second', () => {
    const limit = create();
    expect([
      takes(limit, 20, 0),
      takes(limit, 20, 100),
      takes(limit, 20, 1_100),
      takes(limit, 20, 1_150),
    ]).toEqual([5, 1, 5, 0]);
  });

  it('counts sources apart', () => {
    const limit = create();
    expect([takes(limit, 20, 0), takes(limit, 20, 0, 'b')]).toEqual([5, 5]);
  });

  it('remembers no more sources than it may, the recent ones', () => {
    const limit = create({ sourcesMax: 50 });
    takes(limit, 5, 0, 'busy');
    for (let source = 0; source < 1_000; source++) {
      takes(limit, 1, 1, `source${source}`);
      expect(limit.take('busy', 1)).toBe(false);
    }
    expect(limit.sources).toBe(50);
  });

  it('of 0 is none', () => {
    expect(takes(create({ perSecond: 0, burst: 0 }), 1_000, 0)).toBe(1_000);
  });
});

it('a recent map drops what was not touched for longest', () => {
  const map = new RecentMap<number>(3);
  for (const key of ['a', 'b', 'c']) map.set(key, 1);
  map.get('a');
  map.set('d', 1);
  expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([1, undefined, 1, 1]);
});

describe('address ranges', () => {
  it.each([
    ['10.0.0.0/8', '10.255.1.2', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:1::5', true],
    ['2001:db8::/32', '2001:db9::5', false],
    ['::1', '::1', true],
    ['::/0', '10.0.0.1', false],
    ['10.0.0.0/8', 'nonsense', false],
  ])('%s and %s: %s', (range, address, included) => {
    expect(new AddressRanges([range]).includes(address)).toBe(included);
  });

  it.each([
    ['10.0.0.0/8', true],
    ['10.0.0.1', true],
    ['2001:db8::/32', true],
    ['10.0.0.0/33', false],
    ['10.1', false],
    ['0x7f.0.0.1', false],
    ['300.0.0.1', false],
    ['host', false],
    ['10.0.0.0/', false],
    ['', false],
  ])('%s is one: %s', (text, is) => {
    expect(isAddressRange(text)).toBe(is);
  });

  it('count one host with a whole IPv6 network as one', () => {
    expect(sourceKey('2001:db8:1:2:aaaa::1')).toBe(sourceKey('2001:db8:1:2:bbbb::9'));
    expect(sourceKey('2001:db8:1:3::1')).not.toBe(sourceKey('2001:db8:1:2::1'));
    expect(sourceKey('192.0.2.1')).toBe('192.0.2.1');
  });

  it('know loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '10.0.0.1'].map(isLoopback)).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });
});
