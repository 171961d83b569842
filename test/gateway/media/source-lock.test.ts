import { describe, expect, it } from 'vitest';
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

const announced = { address: '192.168.1.20', port: 4000 };
const phone = { address: '198.51.100.7', port: 61_000 };
const stranger = { address: '203.0.113.66', port: 5_555 };

/** Packets of these in turn, 20 ms apart, each with sequence numbers of its own; who was heard. */
function hear(
  lock: SourceLock,
  said: readonly { readonly address: string; readonly port: number }[],
  { fromMs = 0, everyMs = 20, sequence = (index: number): number => index } = {},
): boolean[] {
  const counts = new Map<object, number>();
  return said.map((from, turn) => {
    const index = counts.get(from) ?? 0;
    counts.set(from, index + 1);
    if (!lock.admits(from.address, from.port)) return false;
    return lock.accept(from.address, from.port, sequence(index), fromMs + turn * everyMs);
  });
}

function times<T>(count: number, ...values: readonly T[]): T[] {
  return Array.from({ length: count }, () => values).flat();
}

it('sends to the announced address until it is locked, then to the source', () => {
  const lock = new SourceLock();
  lock.expect(announced, 'auto');
  expect(hear(lock, times(3, phone))).toEqual([true, true, true]);
  expect([lock.address, lock.port, lock.locked]).toEqual(['192.168.1.20', 4000, false]);
  expect(hear(lock, times(4, phone), { fromMs: 60, sequence: (index) => 3 + index })).toEqual(times(4, true));
  expect([lock.address, lock.port, lock.locked]).toEqual(['198.51.100.7', 61_000, true]);
});

it('is locked at once on the announced address, and on whoever has the key', () => {
  const lock = new SourceLock();
  lock.expect(announced, 'on');
  expect(lock.accept(announced.address, announced.port, 1, 0)).toBe(true);
  expect(lock.settled).toEqual(announced);
  const proven = new SourceLock();
  proven.expect(announced, 'on');
  expect(proven.accept(stranger.address, stranger.port, 1, 0, true)).toBe(true);
  expect(proven.settled).toEqual(stranger);
});

describe('while the source is learned', () => {
  it.each<[string, object, number]>([
    ['in order, all at once', { everyMs: 0 }, 4],
    ['with sequence numbers of no sense', { sequence: (index: number) => (index * 7_919) & 0xffff }, 4],
    ['that is one again and again', { sequence: () => 7 }, 4],
  ])('no more than 4 packets of a stranger are heard: %s', (_name, options, most) => {
    const lock = new SourceLock();
    lock.expect(announced, 'on', phone.address);
    const heard = hear(lock, times(50, stranger), options);
    expect(heard.filter(Boolean)).toHaveLength(most);
    expect(lock.locked).toBe(false);
    expect(hear(lock, times(8, phone)).slice(-1)).toEqual([true]);
    expect(lock.settled ?? { address: lock.address, port: lock.port }).toEqual(phone);
  });

  it('the host that the peer calls from is believed before anybody', () => {
    const lock = new SourceLock();
    lock.expect(announced, 'on', phone.address);
    const heard = hear(lock, times(30, stranger, phone));
    const ofStranger = heard.filter((_, index) => index % 2 === 0 && heard[index]);
    expect(ofStranger.length).toBeLessThan(5);
    expect(heard.filter((one, index) => index % 2 === 1 && one)).toHaveLength(30);
    expect(lock.address).toBe(phone.address);
  });

  it('one with more right takes the place of a stranger who was first, for the first seconds', () => {
    const lock = new SourceLock();
    lock.expect(announced, 'on', phone.address);
    hear(lock, times(100, stranger));
    expect(lock.address).toBe(stranger.address);
    hear(lock, times(8, phone));
    expect(lock.address).toBe(phone.address);
    expect(hear(lock, times(8, stranger))).toEqual(times(8, false));
    expect(hear(lock, [announced])).toEqual([true]);
    expect(lock.settled).toEqual(announced);
  });

  it('nobody takes the place of one who was heard for long', () => {
    const lock = new SourceLock();
    lock.expect(announced, 'on', phone.address);
    hear(lock, times(200, stranger));
    expect(lock.settled).toEqual(stranger);
    expect(hear(lock, times(8, phone, announced))).toEqual(times(16, false));
  });

  it('packets sprayed from everywhere do not keep the peer out', () => {
    const lock = new SourceLock();
    lock.expect(announced, 'on');
    const said = Array.from({ length: 600 }, (_, index) =>
      index % 6 === 5 ? phone : { address: `203.0.113.${index % 250}`, port: 1_000 + index },
    );
    hear(lock, said, { everyMs: 4 });
    expect(lock.address).toBe(phone.address);
  });

  it('a lost packet or two do no harm', () => {
    const lock = new SourceLock();
    lock.expect(announced, 'auto');
    const heard = hear(lock, times(6, phone), { sequence: (index) => 65_533 + 2 * index });
    expect(heard).toEqual(times(6, true));
    expect(lock.address).toBe(phone.address);
  });
});

it('stays locked unless the session names another address', () => {
  const lock = new SourceLock();
  lock.expect({ address: '192.0.2.1', port: 4000 }, 'on');
  hear(lock, times(4, phone));
  lock.expect({ address: '192.0.2.1', port: 4000 }, 'off');
  expect(lock.locked).toBe(true);
  lock.expect({ address: '192.0.2.1', port: 4002 }, 'off');
  expect(lock.locked).toBe(false);
});
