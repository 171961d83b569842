import { afterEach, describe, expect, it } from 'vitest';
import type { ReferOutcome } from '../../gateway/signaling/session.ts';
import { closeAgents } from '../gateway/signaling/agents.ts';
import type { BarePhone } from './bare-phone.ts';
import type { CalleePhone } from './callee-phone.ts';
import {
  appKey,
  type ControlWorld,
  callee,
  caller,
  leftovers,
  nothingLeft,
  openControl,
  toneShare,
} from './control-world.ts';

let control: ControlWorld;

afterEach(async () => {
  expect(await leftovers(control)).toEqual(nothingLeft);
  await closeAgents();
  await control.world.close();
});

const last = (pcm: Int16Array) => pcm.subarray(Math.max(0, pcm.length - 4_000));

/** Alice and Bob talk, Carol can be called; the route lets phones transfer. */
async function talking(
  transfers = true,
): Promise<{ alice: BarePhone; bob: CalleePhone; carol: CalleePhone }> {
  control = await openControl({ config: { routes: [{ to: '*', application: appKey, transfers }] } as never });
  const { world, callbacks } = control;
  const [bob, carol] = [await callee(control), await callee(control, 32)];
  bob.frequencyHz = 700;
  carol.frequencyHz = 900;
  callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
  const alice = await caller(control);
  await alice.call();
  alice.rtp.sayTone({ frequencyHz: 1_100 });
  await world.clock.advance(1_000);
  return { alice, bob, carol };
}

async function outcomeOf(refer: Promise<ReferOutcome>): Promise<ReferOutcome> {
  let outcome: ReferOutcome | undefined;
  void refer.then((found) => {
    outcome = found;
  });
  await control.world.clock.until(() => outcome !== undefined, 70_000);
  return outcome!;
}

describe('a phone asks for a transfer, and the gateway follows it', () => {
  it('the caller: another phone is in its place, the called party hears that one', async () => {
    const { alice, bob, carol } = await talking();
    const outcome = await outcomeOf(alice.session.refer(carol.uri('carol')));
    expect(outcome).toMatchObject({ outcome: 'succeeded', status: 200 });
    await control.world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    alice.rtp.stop();
    await control.world.clock.advance(2_000);
    expect(toneShare(last(bob.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    expect(toneShare(last(carol.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    carol.hangUp();
    await control.world.clock.until(() => bob.ended, 10_000);
    expect(control.callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLEEHANGUP' }]);
  });

  it('the called party, and hangs up at once: the caller hears ringing, then the other', async () => {
    const { alice, bob, carol } = await talking();
    carol.ringMs = 3_000;
    void bob.session.refer(carol.uri('carol'));
    await control.world.clock.advance(500);
    bob.hangUp();
    await control.world.clock.advance(1_500);
    expect(toneShare(last(alice.rtp.heardPcm), 500)).toBeGreaterThan(0.9);
    await control.world.clock.advance(4_000);
    expect(toneShare(last(alice.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    expect(toneShare(last(carol.rtp.heardPcm), 1_100)).toBeGreaterThan(0.9);
    alice.session.end({ status: 200 });
    await control.world.clock.until(() => carol.ended, 10_000);
    expect(control.callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLERHANGUP' }]);
  });

  it('to somebody who is busy: told so, and the two talk on', async () => {
    const { alice, bob, carol } = await talking();
    carol.reply = 486;
    const outcome = await outcomeOf(alice.session.refer(carol.uri('carol')));
    expect(outcome).toMatchObject({ outcome: 'failed', status: 486 });
    await control.world.clock.advance(2_000);
    expect(toneShare(last(bob.rtp.heardPcm), 1_100)).toBeGreaterThan(0.9);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    alice.session.end({ status: 200 });
  });

  it('to somebody who is busy, having hung up: the call is over', async () => {
    const { alice, bob, carol } = await talking();
    carol.reply = 486;
    carol.ringMs = 2_000;
    void alice.session.refer(carol.uri('carol'));
    await control.world.clock.advance(500);
    alice.rtp.stop();
    alice.session.end({ status: 200 });
    await control.world.clock.until(() => bob.ended, 10_000);
    expect(control.callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLEEHANGUP' }]);
  });

  it('everybody hangs up while it rings: nothing is left', async () => {
    const { alice, bob, carol } = await talking();
    carol.reply = 'never';
    void alice.session.refer(carol.uri('carol'));
    await control.world.clock.advance(1_000);
    bob.hangUp();
    await control.world.clock.until(() => alice.agent.ends.length === 1 && carol.ended, 10_000);
    expect(carol.agent.ends[0]).toMatchObject({ cause: 'cancel' });
  });

  it('to somebody it talks to already: the two that it spoke with are joined, and it is out of both', async () => {
    const { alice, bob, carol } = await talking();
    const { world, callbacks } = control;
    callbacks.ice = () => ({ action: { name: 'connectSip', destination: { endpoint: carol.uri() } } });
    const second = await caller(control, 6);
    await second.call();
    await world.clock.advance(1_000);
    const outcome = await outcomeOf(
      alice.session.refer(world.target, { replaces: second.session.replacesValue! }),
    );
    expect(outcome).toMatchObject({ outcome: 'succeeded' });
    await world.clock.until(() => alice.agent.ends.length === 1 && second.agent.ends.length === 1, 10_000);
    alice.rtp.stop();
    await world.clock.advance(2_000);
    expect(toneShare(last(bob.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    expect(toneShare(last(carol.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    carol.hangUp();
    await world.clock.until(() => bob.ended, 10_000);
    expect(callbacks.dice).toHaveLength(2);
  });

  it('where the route does not let it, it is declined', async () => {
    const { alice, carol } = await talking(false);
    const outcome = await outcomeOf(alice.session.refer(carol.uri('carol')));
    expect(outcome).toMatchObject({ outcome: 'failed', status: 603 });
    expect(carol.agent.sessions).toEqual([]);
    alice.session.end({ status: 200 });
  });

  it('of a call with a stream: the stream notices nothing but another voice', async () => {
    control = await openControl({
      config: {
        routes: [
          {
            to: '*',
            transfers: true,
            action: { name: 'connectStream', destination: { type: 'Websocket', endpoint: 'ws://s.test/' } },
          },
        ],
      } as never,
    });
    const { world } = control;
    const alice = await caller(control);
    const carol = await callee(control, 32);
    carol.frequencyHz = 900;
    await alice.call();
    const outcome = await outcomeOf(alice.session.refer(carol.uri('carol')));
    expect(outcome).toMatchObject({ outcome: 'succeeded' });
    await world.clock.advance(2_000);
    expect(world.server.streams).toHaveLength(1);
    expect(toneShare(last(world.server.last.audio), 900)).toBeGreaterThan(0.9);
    expect(toneShare(last(carol.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    carol.hangUp();
    await world.clock.until(() => world.server.last.closedWith !== undefined, 10_000);
  });
});
