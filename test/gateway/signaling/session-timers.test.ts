import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../../protocol/sip/message.ts';
import type { SessionTimerSettings } from '../../../protocol/sip/session-timer.ts';
import {
  accept,
  closeAgents,
  createAgent,
  createWorld,
  expectNothingLeft,
  labelOf,
  offerSdp,
} from './agents.ts';
import { RawPhone } from './raw-phone.ts';

/** RFC 4028 between whole user agents, over a link that loses a fifth of what it carries. */

afterEach(closeAgents);

const lossy = { delayMs: 20, lossPercent: 20, seed: 17 };

async function createTimed(
  alices: SessionTimerSettings | undefined,
  bobs: SessionTimerSettings | undefined,
  link: object = lossy,
) {
  const world = createWorld({ ...link });
  const alice = await createAgent(world, { seed: 1, sessionTimer: alices });
  const bob = await createAgent(world, { seed: 2, sessionTimer: bobs });
  bob.on.invited = (session) => session.accept(accept);
  const caller = alice.call(bob);
  await world.clock.until(() => bob.events.includes('confirmed') || alice.ends.length > 0, 60_000);
  return { ...world, alice, bob, caller };
}

function settings(changes: Partial<SessionTimerSettings> = {}): SessionTimerSettings {
  return { expiresSeconds: 200, minSeSeconds: 90, refresher: 'peer', ...changes };
}

const roles: readonly {
  readonly name: string;
  readonly alice: SessionTimerSettings;
  readonly bob: SessionTimerSettings;
  readonly refresher: 'alice' | 'bob';
}[] = [
  { name: 'the caller, who leaves it open', alice: settings(), bob: settings(), refresher: 'alice' },
  {
    name: 'the caller, who wants to',
    alice: settings({ refresher: 'us' }),
    bob: settings({ refresher: 'us' }),
    refresher: 'alice',
  },
  {
    name: 'the callee, who wants to',
    alice: settings(),
    bob: settings({ refresher: 'us' }),
    refresher: 'bob',
  },
];

describe('a session that is refreshed', () => {
  it.each(roles)('by $name lives on', async ({ alice: alices, bob: bobs, refresher }) => {
    const { clock, alice, bob, caller } = await createTimed(alices, bobs);
    await clock.advance(1_000_000);
    expect([caller.state, bob.sessions[0]!.state]).toEqual(['confirmed', 'confirmed']);
    const updates = { alice: alice.times('UPDATE').length, bob: bob.times('UPDATE').length };
    expect(updates[refresher]).toBeGreaterThanOrEqual(9);
    expect(updates[refresher === 'alice' ? 'bob' : 'alice']).toBe(0);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('by re-INVITE, where UPDATE is not allowed, keeps its description', async () => {
    const world = createWorld({ delayMs: 5 });
    const bob = await createAgent(world, { sessionTimer: settings({ refresher: 'us' }) });
    const phone = await RawPhone.open(world.network, bob);
    bob.on.invited = (session) => session.accept(accept);
    phone.request('INVITE', {
      sdp: offerSdp,
      headers: [
        { name: 'Supported', value: 'timer' },
        { name: 'Allow', value: 'INVITE, ACK, BYE' },
      ],
    });
    await world.clock.advance(50);
    expect(headerValue(phone.last('200'), 'Session-Expires')).toBe('200;refresher=uas');
    phone.request('ACK', { toTag: phone.toTag('200') });
    await world.clock.advance(100_000);
    const reinvite = phone.lastRequest('INVITE');
    expect(Buffer.from(reinvite.body).toString()).toBe(accept.sdp);
    expect(headerValue(reinvite, 'Session-Expires')).toBe('200;refresher=uac');
    phone.respond(reinvite, 200, {
      sdp: offerSdp,
      headers: [{ name: 'Session-Expires', value: '200;refresher=uac' }],
    });
    await world.clock.advance(50);
    expect(bob.events).toEqual(['confirmed', 'refreshed']);
    // Nobody answers the next one: BYE before the session is over.
    await world.clock.advance(150_000);
    expect(bob.events).toEqual(['confirmed', 'refreshed', 'ended:unreachable']);
    await expectNothingLeft(world.clock, bob);
  });
});

describe('a session that nobody refreshes', () => {
  it.each(roles)(
    'ends on both sides, where $name is gone',
    async ({ alice: alices, bob: bobs, refresher }) => {
      const { clock, network, alice, bob } = await createTimed(alices, bobs);
      network.link.filter = () => 'drop';
      await clock.advance(300_000);
      expect([alice.events.at(-1), bob.events.at(-1)]).toEqual(['ended:unreachable', 'ended:unreachable']);
      const waiting = refresher === 'alice' ? bob : alice;
      const [bye] = waiting.sent.filter(({ message }) => labelOf(message) === 'BYE');
      expect(headerValue(bye!.message, 'Reason')).toContain('not refreshed in time');
      await expectNothingLeft(clock, alice, bob);
    },
  );
});

describe('an interval', () => {
  it('too small for the callee is raised by 422', async () => {
    const { clock, alice, bob, caller } = await createTimed(
      settings({ expiresSeconds: 100 }),
      settings({ minSeSeconds: 300, expiresSeconds: 600 }),
    );
    expect(caller.state).toBe('confirmed');
    expect(bob.counted).toContain('session-interval-too-small');
    expect([headerValue(caller.invite, 'Session-Expires'), headerValue(caller.invite, 'Min-SE')]).toEqual([
      '300',
      '300',
    ]);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('is shortened by the callee, never lengthened', async () => {
    const { bob } = await createTimed(settings({ expiresSeconds: 1_800 }), settings({ expiresSeconds: 120 }));
    const answers = bob.sent.filter(({ message }) => labelOf(message) === '200');
    expect(headerValue(answers[0]!.message, 'Session-Expires')).toBe('120;refresher=uac');
  });

  it.each([
    ['only the caller', settings(), undefined],
    ['only the callee', undefined, settings()],
  ])('is agreed on by nobody where %s knows timers', async (_who, alices, bobs) => {
    const { clock, alice, bob, caller } = await createTimed(alices, bobs);
    await clock.advance(1_000_000);
    expect([caller.state, alice.times('UPDATE').length, bob.times('UPDATE').length]).toEqual([
      'confirmed',
      0,
      0,
    ]);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });
});
