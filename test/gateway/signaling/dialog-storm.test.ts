import { afterEach, expect, it } from 'vitest';
import type { InviteSession } from '../../../gateway/signaling/session.ts';
import { createRandom } from '../../support/random.ts';
import {
  accept,
  answerSdp,
  closeAgents,
  createAgent,
  createWorld,
  expectNothingLeft,
  offerSdp,
} from './agents.ts';

afterEach(closeAgents);

/** Everything that can be asked inside a dialog, from both sides at any time, with session timers running. */
it.each([1, 2, 3, 4])(
  'a dialog full of requests over a bad link settles every one of them (seed %i)',
  async (seed) => {
    const world = createWorld({ lossPercent: 20, delayMs: 30, jitterMs: 100, duplicatePercent: 5, seed });
    const timer = {
      expiresSeconds: 90,
      minSeSeconds: 90,
      refresher: seed % 2 === 0 ? 'us' : 'peer',
    } as const;
    const alice = await createAgent(world, { seed: 1, sessionTimer: timer });
    const bob = await createAgent(world, { seed: 2, sessionTimer: timer });
    const { clock } = world;
    for (const agent of [alice, bob]) {
      agent.on.referred = (referral) => {
        clock.after(1_000, () => referral.report(200));
        return { status: 202 };
      };
    }
    bob.on.invited = (session) => {
      session.progress(183, { sdp: answerSdp });
      session.accept(accept);
    };
    const caller = alice.call(bob);
    await clock.until(() => bob.events.includes('confirmed'), 120_000);

    const random = createRandom(seed);
    const asked: readonly ((session: InviteSession) => Promise<unknown>)[] = [
      (session) => session.reinvite(offerSdp),
      (session) => session.update(offerSdp),
      (session) => session.request('INFO'),
      (session) => session.request('OPTIONS'),
      (session) => session.refer('sip:carol@example.com'),
      (session) => session.request('UPDATE'),
    ];
    const outcomes: unknown[] = [];
    for (let round = 0; round < 120; round++) {
      const session = random() < 0.5 ? caller : bob.sessions[0]!;
      void asked[Math.floor(random() * asked.length)]!(session).then((outcome) => outcomes.push(outcome));
      await clock.advance(random() * 3_000);
    }
    await clock.advance(200_000);
    expect(outcomes).toHaveLength(120);
    expect([alice.ends, bob.ends]).toEqual([[], []]);
    expect([caller.state, bob.sessions[0]!.state]).toEqual(['confirmed', 'confirmed']);
    // A request that was overtaken by a later one comes again; none is lost for that.
    expect(outcomes.filter((outcome) => (outcome as { status?: number }).status === 500)).toEqual([]);
    const unknown = outcomes.filter((outcome) => (outcome as { outcome?: string }).outcome === 'unknown');
    expect(unknown).toEqual([]);
    caller.end({ status: 200 });
    await clock.advance(40_000);
    await expectNothingLeft(clock, alice, bob);
  },
);
