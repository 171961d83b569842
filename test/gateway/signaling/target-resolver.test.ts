import { describe, expect, it } from 'vitest';
import type { SipDestination } from '../../../gateway/signaling/stream-connections.ts';
import { TargetResolver } from '../../../gateway/signaling/target-resolver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { createNameService, type NameRecords, naptr, srv } from './name-records.ts';

function createResolver(records: NameRecords = {}) {
  const clock = new FakeClock();
  const names = createNameService(records);
  const resolver = new TargetResolver({ clock, names, random: () => 0.5 });
  return { clock, names, resolver };
}

const text = ({ protocol, address, port }: SipDestination): string => `${protocol} ${address} ${port}`;

describe('an address', () => {
  it.each([
    ['sip:192.0.2.1', 'udp 192.0.2.1 5060'],
    ['sip:a@192.0.2.1:5070', 'udp 192.0.2.1 5070'],
    ['sip:a@192.0.2.1;transport=TCP', 'tcp 192.0.2.1 5060'],
    ['sip:a@192.0.2.1;transport=tls', 'tls 192.0.2.1 5061'],
    ['sips:a@192.0.2.1', 'tls 192.0.2.1 5061'],
    ['sips:a@192.0.2.1;transport=tcp', 'tls 192.0.2.1 5061'],
    ['sip:a@[2001:db8::1]:5070', 'udp 2001:db8::1 5070'],
    ['sip:a@host.example;maddr=192.0.2.9', 'udp 192.0.2.9 5060'],
  ])('%s needs no look-up', (uri, expected) => {
    const { names, resolver } = createResolver();
    expect((resolver.resolve(uri) as SipDestination[]).map(text)).toEqual([expected]);
    expect(names.asked).toEqual([]);
  });

  it.each(['tel:+46', 'sip:a@192.0.2.1;transport=sctp', 'http://x', ''])('refuses %j', (uri) => {
    expect(() => createResolver().resolver.resolve(uri)).toThrow('expected');
  });
});

describe('a name', () => {
  it('goes through NAPTR, SRV and addresses, and every server is named', async () => {
    const { names, resolver } = createResolver({
      naptr: {
        'example.com': [naptr('SIP+D2T', 'tcp.example.com', 20), naptr('SIPS+D2T', 'tls.example.com')],
      },
      srv: {
        'tls.example.com': [srv('b.example.com', 5071, 20), srv('a.example.com', 5061, 10)],
        'tcp.example.com': [srv('a.example.com', 5060)],
      },
      addresses: { 'a.example.com': ['192.0.2.1', '2001:db8::1'], 'b.example.com': ['192.0.2.2'] },
    });
    const found = await resolver.resolve('sip:x@example.com');
    expect(found.map(text)).toEqual([
      'tls 192.0.2.1 5061',
      'tls 2001:db8::1 5061',
      'tls 192.0.2.2 5071',
      'tcp 192.0.2.1 5060',
      'tcp 2001:db8::1 5060',
    ]);
    // The certificate is the domain's, RFC 5922 §4.
    expect(found.map(({ serverName }) => serverName)).toEqual(found.map(() => 'example.com'));
    expect(names.asked.filter((question) => question === 'A a.example.com')).toHaveLength(1);
  });

  it('without NAPTR goes by SRV of every transport', async () => {
    const { resolver } = createResolver({
      srv: { '_sip._tcp.example.com': [srv('a.example.com', 5080)] },
      addresses: { 'a.example.com': ['192.0.2.1'] },
    });
    expect((await resolver.resolve('sip:x@example.com')).map(text)).toEqual(['tcp 192.0.2.1 5080']);
  });

  it('without services is the host itself', async () => {
    const { names, resolver } = createResolver({ addresses: { 'example.com': ['192.0.2.3'] } });
    expect((await resolver.resolve('sip:x@Example.com')).map(text)).toEqual(['udp 192.0.2.3 5060']);
    expect((await resolver.resolve('sips:x@example.com')).map(text)).toEqual(['tls 192.0.2.3 5061']);
    expect(names.asked).toEqual([
      'NAPTR example.com',
      'SRV _sip._udp.example.com',
      'SRV _sip._tcp.example.com',
      'SRV _sips._tcp.example.com',
      'A example.com',
    ]);
  });

  it.each(['sip:x@example.com:5070', 'sip:x@pbx'])('%s is asked for its address alone', async (uri) => {
    const { names, resolver } = createResolver({
      addresses: { 'example.com': ['192.0.2.3'], pbx: ['192.0.2.3'] },
    });
    await resolver.resolve(uri);
    expect(names.asked).toEqual([`A ${uri.includes('pbx') ? 'pbx' : 'example.com'}`]);
  });

  it('that nobody knows is an error', async () => {
    await expect(createResolver().resolver.resolve('sip:a@x.invalid')).rejects.toMatchObject({
      code: 'ENOTFOUND',
      message: 'cannot look up x.invalid (ENOTFOUND)',
    });
  });

  it('one dead server name does not take the others with it', async () => {
    const { resolver } = createResolver({
      srv: { '_sip._udp.example.com': [srv('dead.example.com', 5060, 1), srv('a.example.com', 5060, 2)] },
      addresses: { 'a.example.com': ['192.0.2.1'] },
    });
    expect((await resolver.resolve('sip:x@example.com;transport=udp')).map(text)).toEqual([
      'udp 192.0.2.1 5060',
    ]);
  });

  it('is remembered as long as the DNS says, between 5 s and an hour', async () => {
    const records: NameRecords = { addresses: { 'example.com': ['192.0.2.3'] }, ttlMs: 20_000 };
    const { clock, names, resolver } = createResolver(records);
    const ask = async (afterMs: number): Promise<number> => {
      await clock.advance(afterMs);
      await resolver.resolve('sip:x@example.com:5060');
      return names.asked.length;
    };
    expect(await ask(0)).toBe(1);
    expect(await ask(19_000)).toBe(1);
    expect(await ask(2_000)).toBe(2);
    records.ttlMs = 0;
    expect(await ask(21_000)).toBe(3);
    expect(await ask(4_000)).toBe(3);
    records.ttlMs = 1e9;
    expect(await ask(2_000)).toBe(4);
    expect(await ask(3_500_000)).toBe(4);
    expect(await ask(200_000)).toBe(5);
  });

  it('without an answer is asked again after 5 s', async () => {
    const { clock, names, resolver } = createResolver();
    for (const waitMs of [0, 4_000, 2_000]) {
      await clock.advance(waitMs);
      await expect(resolver.resolve('sip:x@example.com:5060')).rejects.toThrow('cannot look up');
    }
    expect(names.asked).toHaveLength(2);
  });
});

it('a server that failed comes last for a minute', async () => {
  const { clock, resolver } = createResolver({ addresses: { pbx: ['192.0.2.1', '192.0.2.2'] } });
  const first = async (): Promise<string> => (await resolver.resolve('sip:x@pbx'))[0]!.address;
  expect(await first()).toBe('192.0.2.1');
  resolver.avoid({ protocol: 'udp', address: '192.0.2.1', port: 5060 });
  expect(await first()).toBe('192.0.2.2');
  resolver.avoid({ protocol: 'udp', address: '192.0.2.2', port: 5060 });
  expect(await first()).toBe('192.0.2.1');
  await clock.advance(61_000);
  expect(await first()).toBe('192.0.2.1');
});
