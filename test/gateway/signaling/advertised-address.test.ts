import { describe, expect, it } from 'vitest';
import { advertisedAddress, isInsideAddress } from '../../../gateway/signaling/advertised-address.ts';

const external = '203.0.113.7';

describe('advertisedAddress', () => {
  it.each([
    { name: 'a peer outside', local: '10.0.0.5', peer: '198.51.100.1', said: external },
    { name: 'a peer outside, through carrier NAT', local: '100.64.3.4', peer: '8.8.8.8', said: external },
    { name: 'a neighbour', local: '10.0.0.5', peer: '10.0.0.9', said: '10.0.0.5' },
    { name: 'another private network', local: '10.0.0.5', peer: '192.168.1.1', said: '10.0.0.5' },
    { name: 'this machine', local: '127.0.0.1', peer: '127.0.0.1', said: '127.0.0.1' },
    { name: 'a peer that sees our public address', local: '192.0.2.9', peer: '8.8.8.8', said: '192.0.2.9' },
    { name: 'a peer of the other family', local: 'fd00::5', peer: '2001:db8::1', said: 'fd00::5' },
  ])('for $name is $said', ({ local, peer, said }) => {
    expect(advertisedAddress({ local, peer, external })).toBe(said);
    expect(advertisedAddress({ local, peer, external: undefined })).toBe(local);
  });

  it('may be of IPv6', () => {
    const options = { local: 'fd00::5', external: '2001:db8::7' };
    expect(advertisedAddress({ ...options, peer: '2001:db8::1' })).toBe('2001:db8::7');
    expect(advertisedAddress({ ...options, peer: 'fe80::1%eth0' })).toBe('fd00::5');
  });
});

it.each([
  ['::1', true],
  ['::ffff:10.0.0.1', true],
  ['172.32.0.1', false],
  ['172.31.255.255', true],
  ['2001:db8::1', false],
])('isInsideAddress(%j) is %j', (address, inside) => {
  expect(isInsideAddress(address)).toBe(inside);
});
