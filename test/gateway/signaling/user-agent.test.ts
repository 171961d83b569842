import { afterEach, describe, expect, it } from 'vitest';
import type { LinkOptions } from '../../support/memory-network.ts';
import { type Agent, answerSdp, createAgent, createWorld, labelOf, nothing, offerSdp } from './agents.ts';

const open: Agent[] = [];

async function createPair(link: LinkOptions = {}) {
  const world = createWorld({ delayMs: 5, ...link });
  const alice = await createAgent(world, { seed: 1 });
  const bob = await createAgent(world, { seed: 2 });
  open.push(alice, bob);
  return { ...world, alice, bob };
}

afterEach(async () => {
  for (const agent of open.splice(0)) {
    expect(agent.errors).toEqual([]);
    await agent.userAgent.close();
  }
});

const accept = { sdp: answerSdp };

describe('a call', () => {
  it('is invited, answered, acknowledged and hung up by the caller', async () => {
    const { clock, alice, bob } = await createPair();
    bob.on.invited = (session) => {
      expect(session.offer).toBe(offerSdp);
      session.progress(180);
      session.accept(accept);
    };
    alice.on.accepted = (_response, answer) => expect(answer).toBe(answerSdp);
    const session = alice.call(bob);
    await clock.advance(100);
    expect(session.state).toBe('confirmed');
    expect(bob.sessions[0]!.state).toBe('confirmed');
    session.end({ status: 200, headers: [{ name: 'Reason', value: 'Q.850;cause=16' }] });
    await clock.advance(100);
    expect(alice.events).toEqual(['progressed:180', 'accepted', 'ended:local']);
    expect(bob.events).toEqual(['confirmed', 'ended:bye']);
    expect(bob.received.map(labelOf)).toEqual(['INVITE', 'ACK', 'BYE']);
    expect(alice.received.map(labelOf)).toEqual(['100', '180', '200', '200']);
    await clock.advance(40_000);
    expect([alice.userAgent.counts(), bob.userAgent.counts()]).toEqual([nothing, nothing]);
    expect(clock.timers).toBe(0);
  });
});
