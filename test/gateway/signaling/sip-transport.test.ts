import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../gateway/clock.ts';
import { systemNetwork } from '../../../gateway/network.ts';
import type { SipProtocol } from '../../../gateway/signaling/session.ts';
import type { UserAgentOptions } from '../../../gateway/signaling/user-agent-options.ts';
import { headerValue } from '../../../protocol/sip/message.ts';
import { type Agent, accept, closeAgents, createAgent, labelOf, offerSdp } from './agents.ts';
import { testCertificate } from './certificate.ts';

const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await closeAgents();
});

function createReal(
  protocol: SipProtocol,
  options: Partial<UserAgentOptions> & { readonly address?: string; readonly seed?: number } = {},
): Promise<Agent> {
  const { address = '127.0.0.1', ...rest } = options;
  const tls = protocol === 'tls' ? { tls: { ...testCertificate, ca: testCertificate.cert } } : {};
  const world = { clock: systemClock, network: systemNetwork };
  return createAgent(world, { listen: [{ protocol, address, port: 0 }], ...tls, ...rest });
}

async function connectTo(agent: Agent): Promise<Socket & { received: string }> {
  const socket = Object.assign(connect(agent.port, '127.0.0.1'), { received: '' });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    socket.received += bytes.toString();
  });
  await once(socket, 'connect');
  return socket;
}

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);

const options = (via: string, more = ''): string =>
  `OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP ${via};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n` +
  `To: <sip:x@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n${more}Content-Length: 0\r\n\r\n`;

describe.each([
  { name: 'UDP', protocol: 'udp', address: '127.0.0.1' },
  { name: 'TCP', protocol: 'tcp', address: '127.0.0.1' },
  { name: 'TLS', protocol: 'tls', address: '127.0.0.1' },
  { name: 'UDP over IPv6', protocol: 'udp', address: '::1' },
  { name: 'TCP over IPv6', protocol: 'tcp', address: '::1' },
] as const)('a call over real $name', ({ protocol, address }) => {
  it.skipIf(address === '::1' && !hasIPv6)('is set up and torn down, from each side once', async () => {
    const alice = await createReal(protocol, { address, seed: 1 });
    const bob = await createReal(protocol, { address, seed: 2 });
    bob.on.invited = (session) => session.accept(accept);
    for (const hangUp of ['caller', 'callee'] as const) {
      const session = alice.call(bob);
      await vi.waitFor(() => expect(bob.events.at(-1)).toBe('confirmed'));
      (hangUp === 'caller' ? session : bob.sessions.at(-1)!).end({ status: 200 });
      await vi.waitFor(() => expect(alice.userAgent.counts().sessions).toBe(0));
      await vi.waitFor(() => expect(bob.userAgent.counts().sessions).toBe(0));
      expect(session.remote).toEqual(bob.userAgent.listening[0]);
      expect(session.local.address).toBe(address);
      expect(headerValue(session.invite, 'Contact')).toContain(`:${alice.port}`);
    }
    expect(alice.ends.map(({ cause }) => cause)).toEqual(['local', 'bye']);
    expect(bob.ends.map(({ cause }) => cause)).toEqual(['bye', 'local']);
    if (protocol === 'udp') return;
    // One connection for both calls and both directions, and no transaction that waits for lost packets.
    expect([alice.userAgent.counts(), bob.userAgent.counts()]).toMatchObject([
      { connections: 1 },
      { connections: 1 },
    ]);
  });
});

describe('TCP', () => {
  it('reuses the connection for requests back to a phone that does not listen', async () => {
    const alice = await createReal('udp');
    const bob = await createReal('tcp');
    bob.on.invited = (session) => session.accept(accept);
    alice.call(bob);
    await vi.waitFor(() => expect(bob.events).toEqual(['confirmed']));
    bob.sessions[0]!.end({ status: 200 });
    await vi.waitFor(() => expect(alice.events).toEqual(['accepted', 'ended:bye']));
    expect(bob.userAgent.counts().connections).toBe(1);
  });

  it('refused is unreachable at once', async () => {
    const alice = await createReal('tcp');
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    await once(closed, 'close');
    alice.call({ uri: `sip:x@127.0.0.1:${port};transport=tcp` });
    await vi.waitFor(() => expect(alice.events).toEqual(['ended:unreachable']));
    expect(alice.ends[0]).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
    expect(alice.userAgent.counts()).toMatchObject({ sessions: 0, transactions: 0, connections: 0 });
  });

  it('lost while it rings ends the call', async () => {
    const alice = await createReal('tcp');
    const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    alice.call({ uri: `sip:x@127.0.0.1:${port};transport=tcp` });
    await vi.waitFor(() => expect(sockets).toHaveLength(1));
    sockets[0]!.destroy();
    await vi.waitFor(() => expect(alice.events).toEqual(['ended:unreachable']));
    server.close();
  });

  it('responses to a closed connection go to a new one', async () => {
    const bob = await createReal('tcp');
    const received: string[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('data', (bytes) => received.push(bytes.toString()));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const phone = await connectTo(bob);
    const sdp = `Content-Type: application/sdp\r\nContent-Length: ${offerSdp.length}\r\n\r\n${offerSdp}`;
    phone.write(
      options(`127.0.0.1:${port}`).replaceAll('OPTIONS', 'INVITE').replace('Content-Length: 0\r\n\r\n', sdp),
    );
    await vi.waitFor(() => expect(bob.sessions).toHaveLength(1));
    phone.destroy();
    await vi.waitFor(() => expect(bob.userAgent.counts().connections).toBe(0));
    bob.sessions[0]!.end({ status: 486 });
    await vi.waitFor(() => expect(received.join('')).toContain('SIP/2.0 486'));
    server.close();
  });

  it('carries messages in pieces and several at once, and answers keep-alives', async () => {
    const bob = await createReal('tcp');
    const phone = await connectTo(bob);
    phone.setNoDelay(true);
    const text = options('127.0.0.1:9', 'X-Time: 1\r\n');
    for (const piece of [
      '\r\n\r\n',
      text.slice(0, 40),
      text.slice(40, 100),
      text.slice(100) + text,
      '\r\n\r\n',
    ]) {
      const before = bob.received.length;
      phone.write(piece);
      if (piece.length > 200) await vi.waitFor(() => expect(bob.received.length).toBe(before + 2));
    }
    await vi.waitFor(() => expect(phone.received.match(/SIP\/2\.0 200/g)).toHaveLength(2));
    await vi.waitFor(() => expect(phone.received.endsWith('\r\n\r\n\r\n')).toBe(true));
    expect(phone.received.startsWith('\r\nSIP/2.0')).toBe(true);
  });

  it('is cut where the stream cannot be framed, after an answer', async () => {
    const bob = await createReal('tcp');
    const phone = await connectTo(bob);
    phone.write(options('127.0.0.1:9').replace('Content-Length: 0\r\n', ''));
    await once(phone, 'close');
    expect(phone.received).toMatch(/^SIP\/2\.0 400/);
    const other = await connectTo(bob);
    other.write(`OPTIONS sip:x SIP/2.0\r\n${'X-A: '.padEnd(2_000, 'x')}\r\n`.repeat(60));
    await once(other, 'close');
    await vi.waitFor(() => expect(bob.userAgent.counts().connections).toBe(0));
  });

  it('is limited in number', async () => {
    const bob = await createReal('tcp', { limits: { connectionsMax: 2 } });
    const phones = [await connectTo(bob), await connectTo(bob), await connectTo(bob)];
    await once(phones[2]!, 'close');
    expect(bob.counted).toEqual(['connection-limit']);
    phones[0]!.write(options('127.0.0.1:9'));
    await vi.waitFor(() => expect(phones[0]!.received).toContain('200'));
  });
});

it.skipIf(!hasIPv6)(
  'Contact over a connection names the listener of its family, from both ends',
  async () => {
    const listen = ['127.0.0.1', '::1'].map((address) => ({ protocol: 'tcp' as const, address, port: 0 }));
    const alice = await createReal('tcp', { listen, seed: 1 });
    const bob = await createReal('tcp', { listen, seed: 2 });
    bob.on.invited = (session) => session.accept(accept);
    const six = (agent: Agent): string => `[::1]:${agent.userAgent.listening[1]!.port};transport=tcp>`;
    const session = alice.call({ uri: `sip:x@[::1]:${bob.userAgent.listening[1]!.port};transport=tcp` });
    await vi.waitFor(() => expect(alice.events).toEqual(['accepted']));
    const answer = alice.received.find((message) => labelOf(message) === '200')!;
    expect(headerValue(answer, 'Contact')).toContain(six(bob));
    expect(headerValue(session.invite, 'Contact')).toContain(six(alice));
  },
);

it('connections of one source are limited in number', async () => {
  const bob = await createReal('tcp', { limits: { connectionsPerSourceMax: 2 } });
  const phones = [await connectTo(bob), await connectTo(bob), await connectTo(bob)];
  await once(phones[2]!, 'close');
  expect(bob.counted).toEqual(['source-connection-limit']);
  phones[0]!.destroy();
  await vi.waitFor(() => expect(bob.userAgent.counts().connections).toBe(1));
  const next = await connectTo(bob);
  next.write(options('127.0.0.1:9'));
  await vi.waitFor(() => expect(next.received).toContain('200'));
});

describe('TLS', () => {
  it('checks the certificate of the far side', async () => {
    const bob = await createReal('tls');
    const alice = await createReal('udp');
    alice.call(bob);
    await vi.waitFor(() => expect(alice.events).toEqual(['ended:unreachable']));
    expect(alice.ends[0]).toMatchObject({ message: expect.stringMatching(/certificate/) });
    expect(bob.sessions).toEqual([]);
  });

  it('checks the name in it', async () => {
    const bob = await createReal('tls');
    const names = { addresses: async () => ({ found: ['127.0.0.1'] }) };
    const alice = await createReal('tls', { names });
    bob.on.invited = (session) => session.end({ status: 486 });
    alice.call({ uri: `sips:x@wrong.example:${bob.port}` });
    await vi.waitFor(() => expect(alice.events).toEqual(['ended:unreachable']));
    alice.call({ uri: `sips:x@localhost:${bob.port}` });
    await vi.waitFor(() => expect(alice.events).toEqual(['ended:unreachable', 'ended:486']));
  });

  it('needs a certificate to listen', async () => {
    await expect(createReal('tls', { tls: undefined })).rejects.toThrow('needs a certificate');
  });
});

describe('a listener on every address', () => {
  it('names the one that faces the peer', async () => {
    const bob = await createReal('udp', { address: '0.0.0.0' });
    const alice = await createReal('udp', { address: '0.0.0.0' });
    bob.on.invited = (session) => session.accept(accept);
    let offered = '';
    alice.userAgent.invite(
      {
        target: `sip:x@127.0.0.1:${bob.port}`,
        from: 'sip:a@b',
        offer: (localAddress) => {
          offered = localAddress;
          return offerSdp;
        },
      },
      alice.handlers(),
    );
    await vi.waitFor(() => expect(alice.events).toEqual(['accepted']));
    expect(offered).toBe('127.0.0.1');
    expect(bob.sessions[0]!.local).toEqual({ protocol: 'udp', address: '127.0.0.1', port: bob.port });
    const answer = alice.received.find((message) => labelOf(message) === '200')!;
    expect(headerValue(answer, 'Contact')).toContain(`@127.0.0.1:${bob.port}`);
  });
});
