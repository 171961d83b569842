import { describe, expect, it } from 'vitest';
import { SourceLock } from '../../../gateway/media/source-lock.ts';

type Mode = 'off' | 'auto' | 'on';

/** Announced in SDP, seen as the source of a packet, and in which modes that packet is taken. */
const sources: readonly [name: string, announced: string, source: string, admittedBy: readonly Mode[]][] = [
  ['the announced address', '198.51.100.7:4000', '198.51.100.7:4000', ['off', 'auto', 'on']],
  [
    'the announced address, as a socket of both families says it',
    '10.1.2.3:4000',
    '::ffff:10.1.2.3:4000',
    ['off', 'auto', 'on'],
  ],
  ['another port', '198.51.100.7:4000', '198.51.100.7:4002', ['on']],
  ['a stranger', '198.51.100.7:4000', '203.0.113.9:4000', ['on']],
  ['a NAT in front of a private address', '192.168.1.5:4000', '203.0.113.9:61000', ['auto', 'on']],
  ['one private address for another', '192.168.1.5:4000', '192.168.1.6:4000', ['on']],
  [
    'loopback, from a phone on this host that announces its network card',
    '192.168.1.5:4000',
    '127.0.0.1:4000',
    ['auto', 'on'],
  ],
  [
    'loopback, from a phone on this host with a public address',
    '198.51.100.7:4000',
    '::ffff:127.0.0.1:4000',
    ['auto', 'on'],
  ],
  ['a network, from a phone that announces loopback', '127.0.0.1:4000', '192.168.1.5:4000', ['auto', 'on']],
  ['IPv6 loopback for a network address', '2001:db8::5:4000', '::1:4000', ['auto', 'on']],
];

describe('before the first packet RTP is taken from', () => {
  it.each(sources)('%s', (_name, announced, source, admittedBy) => {
    for (const mode of ['off', 'auto', 'on'] as const) {
      const lock = new SourceLock();
      lock.expect(addressOf(announced), mode);
      const { address, port } = addressOf(source);
      expect({ mode, admitted: lock.admits(address, port) }).toEqual({
        mode,
        admitted: admittedBy.includes(mode),
      });
    }
  });
});

describe('after the first packet', () => {
  it('takes RTP from its source only, and sends there', () => {
    const lock = lockedTo('127.0.0.1:5000');
    expect(lock.admits('127.0.0.1', 5000)).toBe(true);
    expect(lock.admits('192.168.1.5', 4000)).toBe(false);
    expect(lock.admits('127.0.0.1', 5002)).toBe(false);
    expect([lock.address, lock.port]).toEqual(['127.0.0.1', 5000]);
  });

  it('stays locked while the session names the same address, and unlocks where it names another', () => {
    const lock = lockedTo('127.0.0.1:5000');
    lock.expect(addressOf('192.168.1.5:4000'), 'auto');
    expect(lock.locked).toBe(true);
    lock.expect(addressOf('192.168.1.5:4010'), 'auto');
    expect([lock.locked, lock.address, lock.port]).toEqual([false, '192.168.1.5', 4010]);
  });
});

function lockedTo(source: string): SourceLock {
  const lock = new SourceLock();
  lock.expect(addressOf('192.168.1.5:4000'), 'auto');
  const { address, port } = addressOf(source);
  lock.lock(address, port);
  return lock;
}

function addressOf(text: string): { address: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { address: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}
