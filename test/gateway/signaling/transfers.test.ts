import { afterEach, describe, expect, it } from 'vitest';
import type { ReferOptions, ReferOutcome, Referral } from '../../../gateway/signaling/session.ts';
import { headerValue } from '../../../protocol/sip/message.ts';
import {
  type Agent,
  accept,
  closeAgents,
  createAgent,
  createCall,
  createPair,
  createWorld,
  expectNothingLeft,
  labelOf,
} from './agents.ts';
import { callFrom, RawPhone } from './raw-phone.ts';

/** REFER, its NOTIFYs, and INVITE with Replaces, over a link that loses a fifth of what it carries. */

afterEach(closeAgents);

const lossy = { delayMs: 20, lossPercent: 20, seed: 31 };

async function referredCall(referred: (referral: Referral) => { status: number }) {
  const world = createWorld({ ...lossy });
  const alice = await createAgent(world, { seed: 1 });
  const bob = await createAgent(world, { seed: 2 });
  bob.on.referred = referred;
  bob.on.invited = (session) => session.accept(accept);
  const caller = alice.call(bob);
  await world.clock.until(() => bob.events.includes('confirmed'), 60_000);
  return { ...world, alice, bob, caller };
}

const outcomes: readonly {
  readonly name: string;
  readonly referred: (referral: Referral, after: (ms: number, run: () => void) => void) => { status: number };
  readonly options?: ReferOptions;
  readonly outcome: ReferOutcome;
  readonly progress?: readonly number[];
}[] = [
  {
    name: 'that gets through',
    referred: (referral, after) => {
      after(2_000, () => referral.report(180));
      after(10_000, () => referral.report(200));
      return { status: 202 };
    },
    outcome: { outcome: 'succeeded', status: 200, reasonPhrase: 'OK' },
    progress: [100, 180],
  },
  {
    name: 'to somebody who is busy',
    referred: (referral, after) => {
      after(5_000, () => referral.report(486));
      return { status: 202 };
    },
    outcome: { outcome: 'failed', status: 486, reasonPhrase: 'Busy Here' },
    progress: [100],
  },
  {
    name: 'that is settled at once',
    referred: (referral) => {
      referral.report(200);
      return { status: 202 };
    },
    outcome: { outcome: 'succeeded', status: 200, reasonPhrase: 'OK' },
  },
  {
    name: 'that is declined',
    referred: () => ({ status: 603 }),
    outcome: { outcome: 'failed', status: 603, reasonPhrase: 'Decline' },
  },
  {
    name: 'of which nobody hears',
    referred: () => ({ status: 202 }),
    options: { limitMs: 20_000 },
    outcome: { outcome: 'unknown', why: 'silence' },
    progress: [100],
  },
  {
    name: 'that is never settled ends its subscription',
    referred: () => ({ status: 202 }),
    options: { limitMs: 1_000_000 },
    outcome: { outcome: 'failed', status: 408, reasonPhrase: 'Request Timeout' },
    progress: [100],
  },
];

describe('a transfer', () => {
  it.each(outcomes)('$name', async ({ referred, options, outcome, progress = [] }) => {
    const run: { after?: (ms: number, run: () => void) => void } = {};
    const { clock, alice, bob, caller } = await referredCall((referral) =>
      referred(referral, (ms, action) => run.after?.(ms, action)),
    );
    run.after = (ms, action) => clock.after(ms, action);
    const seen: number[] = [];
    let accepted = false;
    let settled: ReferOutcome | undefined;
    void caller
      .refer('sip:carol@example.com', {
        ...options,
        accepted: () => {
          accepted = true;
        },
        progressed: ({ status }) => seen.push(status),
      })
      .then((result) => {
        settled = result;
      });
    await clock.until(() => settled !== undefined, 400_000, 100);
    expect(settled).toEqual(outcome);
    expect(seen).toEqual(progress);
    expect(accepted).toBe(outcome.outcome !== 'failed' || outcome.status !== 603);
    expect([caller.state, bob.sessions[0]!.state]).toEqual(['confirmed', 'confirmed']);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob);
  });

  it('names whom to call, what to replace and who asked', async () => {
    const referrals: Referral[] = [];
    const { clock, caller } = await referredCall((referral) => {
      referrals.push(referral);
      return { status: 202 };
    });
    void caller.refer('sip:carol@example.com;transport=tcp', {
      replaces: 'abc@1;to-tag=x;from-tag=y',
      referredBy: '<sip:alice@example.com>',
    });
    await clock.until(() => referrals.length === 1, 60_000);
    expect(referrals[0]).toMatchObject({
      target: 'sip:carol@example.com;transport=tcp',
      replaces: { callId: 'abc@1', toTag: 'x', fromTag: 'y', earlyOnly: false },
      referredBy: '<sip:alice@example.com>',
    });
  });

  it('whose far side hangs up is left unknown', async () => {
    const { clock, alice, bob, caller } = await referredCall(() => ({ status: 202 }));
    const outcome = caller.refer('sip:carol@example.com');
    await clock.until(() => alice.received.some((message) => labelOf(message) === 'NOTIFY'), 60_000);
    bob.sessions[0]!.end({ status: 200 });
    expect(await waitFor(clock, outcome)).toEqual({ outcome: 'unknown', why: 'hungUp' });
    await expectNothingLeft(clock, alice, bob);
  });

  it('is one at a time', async () => {
    const { clock, caller } = await referredCall(() => ({ status: 202 }));
    void caller.refer('sip:carol@example.com');
    expect(await caller.refer('sip:dave@example.com')).toMatchObject({ outcome: 'failed', status: 491 });
    await clock.advance(0);
  });

  it('without NOTIFYs is agreed on with Refer-Sub (RFC 4488)', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.referred = () => ({ status: 202 });
    const toTag = await callFrom(phone, clock, bob);
    const headers = [
      { name: 'Refer-To', value: '<sip:carol@example.com>' },
      { name: 'Refer-Sub', value: 'false' },
    ];
    phone.request('REFER', { toTag, cseq: 2, headers });
    await clock.advance(5_000);
    expect(headerValue(phone.last('202'), 'Refer-Sub')).toBe('false');
    expect(phone.labels).not.toContain('NOTIFY');
  });

  it.each([
    ['no Refer-To', []],
    ['two of them', ['<sip:a@b>', '<sip:c@d>']],
    ['one that is no URI', ['<>']],
  ])('with %s gets 400', async (_what, targets) => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    bob.on.referred = () => ({ status: 202 });
    const toTag = await callFrom(phone, clock, bob);
    phone.request('REFER', {
      toTag,
      cseq: 2,
      headers: targets.map((value) => ({ name: 'Refer-To', value })),
    });
    await clock.advance(50);
    expect(phone.labels.at(-1)).toBe('400');
  });

  it('NOTIFYs of transfers that nobody asked for get 481, of other things what the owner says', async () => {
    const { clock, network, bob } = await createPair();
    const phone = await RawPhone.open(network, bob);
    const toTag = await callFrom(phone, clock, bob);
    const notify = (cseq: number, event: string) =>
      phone.request('NOTIFY', {
        toTag,
        cseq,
        headers: [
          { name: 'Event', value: event },
          { name: 'Subscription-State', value: 'active' },
        ],
      });
    notify(2, 'refer');
    await clock.advance(50);
    notify(3, 'talk');
    await clock.advance(50);
    expect(phone.labels.slice(-2)).toEqual(['481', '200']);
    expect(bob.events).toEqual(['confirmed', 'requested:NOTIFY']);
  });
});

async function waitFor<T>(
  clock: { until(done: () => boolean, limitMs?: number): Promise<void> },
  promise: Promise<T>,
) {
  let result: { value: T } | undefined;
  void promise.then((value) => {
    result = { value };
  });
  await clock.until(() => result !== undefined, 60_000);
  return result!.value;
}

describe('INVITE with Replaces', () => {
  async function replacing(
    replaces: (value: string) => string,
    world: Awaited<ReturnType<typeof createCall>>,
  ) {
    const carol = await createAgent(world, { seed: 3 });
    const session = carol.call(world.bob, {
      headers: [{ name: 'Replaces', value: replaces(world.caller.replacesValue!) }],
    });
    return { carol, session };
  }

  it('takes the place of a call', async () => {
    const world = await createCall({ ...lossy });
    const { clock, alice, bob } = world;
    const { carol, session } = await replacing((value) => value, world);
    await clock.until(() => alice.ends.length === 1 && carol.events.includes('accepted'), 60_000);
    expect([alice.events.at(-1), session.state]).toEqual(['ended:bye', 'confirmed']);
    expect(bob.events).toContain('replacing');
    session.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob, carol);
  });

  /** RFC 3891 §3. */
  const refusals: readonly (readonly [string, string, (value: string) => string])[] = [
    ['481', 'a call that is not there', (value) => value.replace('to-tag=', 'to-tag=x')],
    [
      '481',
      'its own side of the call',
      (value) => value.replace('to-tag', 'x').replace('from-tag', 'to-tag').replace('x', 'from-tag'),
    ],
    ['486', 'an early one, and it is answered', (value) => `${value};early-only`],
    ['400', 'no tags', (value) => value.split(';')[0]!],
  ];
  it.each(refusals)('gets %s where it names %s', async (status, _what, replaces) => {
    const world = await createCall({ ...lossy });
    const { clock, alice, bob, caller } = world;
    const { carol } = await replacing(replaces, world);
    await clock.until(() => carol.ends.length === 1, 60_000);
    expect(carol.events.at(-1)).toBe(`ended:${status}`);
    expect([caller.state, bob.events.includes('replacing')]).toEqual(['confirmed', false]);
    caller.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob, carol);
  });

  it('gets 603 where the call has just ended', async () => {
    const world = await createCall();
    const { clock, network, bob } = world;
    network.link.filter = (_datagram, from) => (from === world.alice.port ? 'drop' : 'pass');
    world.callee.end({ status: 200 });
    const { carol } = await replacing((value) => value, world);
    await clock.until(() => carol.ends.length === 1, 60_000);
    expect(carol.events.at(-1)).toBe('ended:603');
    await expectNothingLeft(clock, bob);
  });

  it('gets 481 for a call that rings here, and takes one that we ring', async () => {
    const { clock, network, alice, bob } = await createPair();
    bob.on.invited = (session) => session.progress(180);
    const caller = alice.call(bob);
    await clock.advance(100);
    const value = caller.replacesValue!;
    const carol = await createAgent({ clock, network }, { seed: 3 });
    const toBob = carol.call(bob, { headers: [{ name: 'Replaces', value }] });
    await clock.advance(500);
    expect([carol.events.at(-1), toBob.state]).toEqual(['ended:481', 'ended']);
    const mirrored = bob.sessions[0]!.replacesValue!;
    const toAlice = carol.call(alice, { headers: [{ name: 'Replaces', value: mirrored }] });
    await clock.advance(2_000);
    expect([toAlice.state, alice.events.includes('ended:local'), bob.events.at(-1)]).toEqual([
      'confirmed',
      true,
      'ended:cancel',
    ]);
    toAlice.end({ status: 200 });
    await expectNothingLeft(clock, alice, bob, carol as Agent);
  });
});

describe('MESSAGE outside a call', () => {
  it.each([
    ['is answered by its handler', ['MESSAGE'], 202, ['outside:MESSAGE']],
    ['gets 405 where nobody serves it', [], 405, []],
  ])('%s', async (_what, methodsServed, status, events) => {
    const world = createWorld({ ...lossy });
    const bob = await createAgent(world, { seed: 2, methodsServed });
    const alice = await createAgent(world, { seed: 1 });
    bob.on.requestedOutside = (request) => ({
      status: Buffer.from(request.body).toString() === 'hello' ? 202 : 500,
    });
    const response = await waitFor(
      world.clock,
      alice.userAgent.request({
        method: 'MESSAGE',
        target: bob.uri,
        from: alice.uri,
        headers: [{ name: 'Content-Type', value: 'text/plain' }],
        body: Buffer.from('hello'),
      }),
    );
    expect([response.status, bob.events]).toEqual([status, events]);
    await expectNothingLeft(world.clock, alice, bob);
  });
});
