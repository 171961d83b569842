import { expect, it } from 'vitest';
import { StrangerGuard } from '../../../gateway/media/stranger-guard.ts';
import type { UdpSocket } from '../../../gateway/network.ts';

const peer = { address: '192.0.2.1', port: 4000 };

function guardOf(told: unknown[]): StrangerGuard {
  const guard = new StrangerGuard();
  const socket: UdpSocket = {
    address: '192.0.2.9',
    port: 20_000,
    send() {},
    close() {},
    admitOnly: (source) => told.push(source),
  };
  guard.attach(socket);
  return guard;
}

it('tells the system once to drop what is not from the peer, when many have come from elsewhere', () => {
  const told: unknown[] = [];
  const guard = guardOf(told);
  const noticed = Array.from({ length: 300 }, () => guard.refused(peer)).filter(Boolean);
  expect([noticed, told]).toEqual([[true], [peer]]);
});

it('waits until the source of the peer is settled', () => {
  const told: unknown[] = [];
  const guard = guardOf(told);
  for (let sent = 0; sent < 300; sent++) expect(guard.refused(undefined)).toBe(false);
  expect(guard.refused(peer)).toBe(true);
});

it('is off again where the session names another address, and only there', () => {
  const told: unknown[] = [];
  const guard = guardOf(told);
  guard.follow(peer);
  for (let sent = 0; sent < 100; sent++) guard.refused(peer);
  guard.follow({ ...peer });
  expect(told).toEqual([peer]);
  guard.follow({ ...peer, port: 4002 });
  expect(told).toEqual([peer, undefined]);
  for (let sent = 0; sent < 99; sent++) expect(guard.refused({ ...peer, port: 4002 })).toBe(false);
  expect(guard.refused({ ...peer, port: 4002 })).toBe(true);
});
