import { expect, it } from 'vitest';
import { SourceLock } from '../../../gateway/media/source-lock.ts';

type Row = readonly [
  name: string,
  symmetric: 'off' | 'auto' | 'on',
  announced: string,
  source: string,
  admitted: boolean,
];

it.each<Row>([
  ['the announced address', 'off', '192.0.2.1', '192.0.2.1', true],
  ['the announced address, seen by a socket of both families', 'off', '192.0.2.1', '::ffff:192.0.2.1', true],
  ['the announced address, written otherwise', 'off', '2001:db8::0:1', '2001:db8::1', true],
  ['nothing else', 'off', '192.168.1.20', '198.51.100.7', false],
  ['a public source of a private address', 'auto', '192.168.1.20', '198.51.100.7', true],
  ['a public source of a carrier-grade address', 'auto', '100.64.1.1', '198.51.100.7', true],
  ['a public source of no address at all', 'auto', '0.0.0.0', '198.51.100.7', true],
  ['a public source of a private IPv6 address', 'auto', 'fd00::1', '2001:db8::7', true],
  ['no other private source', 'auto', '192.168.1.20', '10.0.0.7', false],
  ['no other public source', 'auto', '192.0.2.1', '198.51.100.7', false],
  ['loopback, where the phone runs on this host', 'auto', '192.168.1.20', '127.0.0.1', true],
  ['whoever comes first', 'on', '192.0.2.1', '198.51.100.7', true],
  ['nobody by a name', 'auto', 'phone.example', '198.51.100.7', false],
])('admits %s (%s, %s from %s)', (_name, symmetric, announced, source, admitted) => {
  const lock = new SourceLock();
  lock.expect({ address: announced, port: 4000 }, symmetric);
  expect(lock.admits(source, 4000)).toBe(admitted);
});

it('sends to the announced address until it is locked, then to the source', () => {
  const lock = new SourceLock();
  lock.expect({ address: '192.168.1.20', port: 4000 }, 'auto');
  expect([lock.address, lock.port, lock.locked]).toEqual(['192.168.1.20', 4000, false]);
  lock.lock('198.51.100.7', 61_000);
  expect([lock.address, lock.port, lock.locked]).toEqual(['198.51.100.7', 61_000, true]);
  expect([lock.admits('198.51.100.7', 61_000), lock.admits('192.168.1.20', 4000)]).toEqual([true, false]);
});

it('stays locked unless the session names another address', () => {
  const lock = new SourceLock();
  lock.expect({ address: '192.0.2.1', port: 4000 }, 'on');
  lock.lock('198.51.100.7', 61_000);
  lock.expect({ address: '192.0.2.1', port: 4000 }, 'off');
  expect(lock.locked).toBe(true);
  lock.expect({ address: '192.0.2.1', port: 4002 }, 'off');
  expect(lock.locked).toBe(false);
});
