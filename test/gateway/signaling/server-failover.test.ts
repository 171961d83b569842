import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../gateway/clock.ts';
import { systemNetwork } from '../../../gateway/network.ts';
import { headerValue } from '../../../protocol/sip/message.ts';
import { freePort } from '../../support/peers/free-port.ts';
import {
  type Agent,
  accept,
  closeAgents,
  createAgent,
  createWorld,
  expectNothingLeft,
  offerSdp,
} from './agents.ts';
import { createNameService, srv } from './name-records.ts';
import { RawPhone } from './raw-phone.ts';

afterEach(closeAgents);

/** Alice calls a name whose servers, in this order, listen at these ports. */
async function createCaller(world: ReturnType<typeof createWorld>, ports: readonly number[], seed = 1) {
  const names = createNameService({
    srv: { '_sip._udp.example.com': ports.map((port, index) => srv('pbx', port, index)) },
    addresses: { pbx: ['127.0.0.1'] },
  });
  const alice = await createAgent(world, { seed, names });
  const call = () => alice.call({ uri: 'sip:bob@example.com;transport=udp' });
  return { alice, names, call };
}

describe('a call to several servers', () => {
  it('goes to the next after four silent seconds, and the next call goes there at once', async () => {
    const world = createWorld();
    const bob = await createAgent(world, { seed: 2 });
    bob.on.invited = (session) => session.accept(accept);
    const dead = await RawPhone.open(world.network, bob);
    const { alice, call } = await createCaller(world, [dead.port, bob.port]);
    const session = call();
    await world.clock.advance(3_900);
    expect([bob.sessions.length, dead.labels.every((label) => label === 'INVITE')]).toEqual([0, true]);
    await world.clock.advance(200);
    expect(bob.events).toEqual(['confirmed']);
    expect(session.remote.port).toBe(bob.port);
    // The same call in a new transaction, RFC 3263 §4.3.
    const [first, again] = [dead.lastRequest('INVITE'), bob.sessions[0]!.invite];
    for (const name of ['Call-ID', 'CSeq', 'From']) {
      expect(headerValue(again, name)).toBe(headerValue(first, name));
    }
    expect(headerValue(again, 'Via')).not.toBe(headerValue(first, 'Via'));
    const before = dead.received.length;
    call();
    await world.clock.advance(100);
    expect(bob.events).toEqual(['confirmed', 'confirmed']);
    expect(dead.received).toHaveLength(before);
    for (const each of [session, alice.sessions.at(-1)!]) each.end({ status: 200 });
    await expectNothingLeft(world.clock, alice, bob);
  });

  it('goes to the next on 503, and not on another refusal', async () => {
    const world = createWorld();
    const [full, bob] = [await createAgent(world, { seed: 2 }), await createAgent(world, { seed: 3 })];
    full.on.invited = (session) => session.end({ status: 503 });
    bob.on.invited = (session) => session.end({ status: 486 });
    const third = await createAgent(world, { seed: 4 });
    const { alice, call } = await createCaller(world, [full.port, bob.port, third.port]);
    call();
    await world.clock.advance(100);
    expect(alice.events).toEqual(['ended:486']);
    expect([full.sessions.length, bob.sessions.length, third.sessions.length]).toEqual([1, 1, 0]);
    await expectNothingLeft(world.clock, alice, bob, full);
  });

  it('says 503 where that is all they say', async () => {
    const world = createWorld();
    const full: Agent[] = [];
    for (const seed of [2, 3]) {
      const agent = await createAgent(world, { seed });
      agent.on.invited = (session) => session.end({ status: 503 });
      full.push(agent);
    }
    const { alice, call } = await createCaller(
      world,
      full.map(({ port }) => port),
    );
    call();
    await world.clock.advance(100);
    expect(alice.events).toEqual(['ended:503']);
  });

  it('stays where it has begun to ring', async () => {
    const world = createWorld();
    const bob = await createAgent(world, { seed: 2 });
    bob.on.invited = (session) => session.progress(180);
    const other = await createAgent(world, { seed: 3 });
    const { alice, call } = await createCaller(world, [bob.port, other.port]);
    call();
    await world.clock.advance(20_000);
    bob.sessions[0]!.end({ status: 503 });
    await world.clock.advance(100);
    expect(alice.events).toEqual(['progressed:180', 'ended:503']);
    expect(other.sessions).toEqual([]);
  });

  it('is not placed anew once it was given up', async () => {
    const world = createWorld();
    const bob = await createAgent(world, { seed: 2 });
    const dead = await RawPhone.open(world.network, bob);
    const { alice, call } = await createCaller(world, [dead.port, bob.port]);
    const session = call();
    await world.clock.advance(1_000);
    session.end({ status: 603 });
    await expectNothingLeft(world.clock, alice);
    expect([alice.events, bob.sessions]).toEqual([['ended:local'], []]);
  });

  it('is placed through a link that loses every fifth datagram', async () => {
    const world = createWorld({ lossPercent: 20, delayMs: 20, seed: 3263 });
    const bob = await createAgent(world, { seed: 2 });
    bob.on.invited = (session) => session.accept(accept);
    const dead = await RawPhone.open(world.network, bob);
    for (let run = 0; run < 10; run++) {
      const { alice, call } = await createCaller(world, [dead.port, bob.port], 10 + run);
      call();
      await world.clock.until(() => alice.events.length > 0, 60_000);
      expect(alice.events).toEqual(['accepted']);
    }
  });
});

describe('a large request', () => {
  const large = offerSdp + 'a=x:0123456789012345678901234567890123456789\r\n'.repeat(30);

  async function createReal(listen: readonly string[], port = 0): Promise<Agent> {
    return createAgent(
      { clock: systemClock, network: systemNetwork },
      {
        listen: listen.map((protocol) => ({
          protocol: protocol as 'udp' | 'tcp',
          address: '127.0.0.1',
          port,
        })),
      },
    );
  }

  const callWith = (alice: Agent, port: number, offer: string) =>
    alice.userAgent.invite(
      { target: `sip:bob@127.0.0.1:${port}`, from: alice.uri, offer: () => offer },
      alice.handlers(),
    );

  it('goes over TCP, small ones over UDP, RFC 3261 §18.1.1', async () => {
    const alice = await createReal(['udp']);
    const bob = await createReal(['udp', 'tcp'], await freePort());
    bob.on.invited = (session) => session.accept(accept);
    for (const [offer, protocol] of [
      [large, 'TCP'],
      [offerSdp, 'UDP'],
    ] as const) {
      callWith(alice, bob.port, offer);
      await vi.waitFor(() => expect(bob.events.at(-1)).toBe('confirmed'));
      const { invite } = bob.sessions.at(-1)!;
      expect(headerValue(invite, 'Via')).toContain(`SIP/2.0/${protocol} `);
      bob.events.length = 0;
    }
  });

  it('goes over UDP all the same where TCP is refused, and is not asked for again', async () => {
    const alice = await createReal(['udp']);
    const bob = await createReal(['udp']);
    bob.on.invited = (session) => session.end({ status: 486 });
    for (let run = 0; run < 2; run++) {
      const before = alice.events.length;
      callWith(alice, bob.port, large);
      await vi.waitFor(() => expect(alice.events).toHaveLength(before + 1));
    }
    expect(alice.events).toEqual(['ended:486', 'ended:486']);
    expect(headerValue(bob.sessions[0]!.invite, 'Via')).toContain('SIP/2.0/UDP ');
    expect(alice.userAgent.counts().connections).toBe(0);
  });
});
