import type { PeerCertificate } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createCertificate } from '../../../bench/certificate.ts';
import { systemClock } from '../../../gateway/clock.ts';
import { systemNetwork } from '../../../gateway/network.ts';
import { checkServerName, type SipTls } from '../../../gateway/signaling/sip-tls.ts';
import { headerValue } from '../../../protocol/sip/message.ts';
import { type Agent, closeAgents, createAgent } from './agents.ts';

afterEach(closeAgents);

describe('a certificate is good for a name', () => {
  const certificate = (subjectaltname: string): PeerCertificate =>
    ({ subject: { CN: 'x' }, subjectaltname }) as unknown as PeerCertificate;

  it.each([
    { names: 'DNS:example.com', name: 'example.com', good: true },
    { names: 'DNS:sip.example.com, DNS:example.com', name: 'Example.com', good: true },
    { names: 'DNS:example.com', name: 'other.com', good: false },
    { names: 'IP Address:192.0.2.1', name: '192.0.2.1', good: true },
    { names: 'IP Address:192.0.2.1', name: '192.0.2.2', good: false },
    // RFC 5922 §7.1.
    { names: 'URI:sip:example.com, DNS:host.provider.net', name: 'EXAMPLE.com', good: true },
    { names: 'URI:sip:alice@example.com', name: 'example.com', good: false },
    { names: 'URI:"http://x/, URI:sip:example.com, "', name: 'example.com', good: false },
  ])('$name in $names: $good', ({ names, name, good }) => {
    expect(checkServerName(name, certificate(names)) === undefined).toBe(good);
  });
});

const authority = createCertificate(Date.now());
const stranger = createCertificate(Date.now());

function createOverTls(tls: SipTls, seed: number): Promise<Agent> {
  const world = { clock: systemClock, network: systemNetwork };
  return createAgent(world, { listen: [{ protocol: 'tls', address: '127.0.0.1', port: 0 }], tls, seed });
}

describe('a listener that wants certificates', () => {
  it.each([
    { name: 'takes one of its authority', shown: authority, outcome: 'ended:486' },
    { name: 'refuses one of another', shown: stranger, outcome: 'ended:unreachable' },
  ])('$name', async ({ shown, outcome }) => {
    const bob = await createOverTls({ ...authority, ca: authority.cert, requireClientCertificate: true }, 1);
    const alice = await createOverTls({ ...shown, ca: authority.cert }, 2);
    bob.on.invited = (session) => session.end({ status: 486 });
    alice.call(bob);
    await vi.waitFor(() => expect(alice.events).toEqual([outcome]));
    await vi.waitFor(() =>
      expect(bob.counted).toEqual(outcome === 'ended:486' ? [] : ['tls-handshake-failed']),
    );
  });
});

describe('a call back to whoever called', () => {
  it.each([
    {
      name: 'takes their connection where they showed a certificate, RFC 5923',
      ca: authority.cert,
      connections: 1,
    },
    { name: 'takes a connection of its own where they did not', ca: undefined, connections: 2 },
  ])('$name', async ({ ca, connections }) => {
    const bob = await createOverTls({ ...authority, ...(ca === undefined ? { insecure: true } : { ca }) }, 1);
    const alice = await createOverTls({ ...authority, ca: authority.cert }, 2);
    for (const agent of [alice, bob]) agent.on.invited = (session) => session.end({ status: 486 });
    alice.call(bob);
    await vi.waitFor(() => expect(alice.events).toEqual(['ended:486']));
    expect(headerValue(bob.sessions[0]!.invite, 'Via')).toMatch(/;alias\b/);
    bob.call(alice);
    await vi.waitFor(() => expect(bob.events.at(-1)).toBe('ended:486'));
    expect(bob.userAgent.counts().connections).toBe(connections);
  });
});
