import { afterEach, describe, expect, it } from 'vitest';
import { closeAgents } from '../gateway/signaling/agents.ts';
import type { BarePhone } from './bare-phone.ts';
import {
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

const last = (pcm: Int16Array) => pcm.subarray(Math.max(0, pcm.length - 2_000));
const prompt = 'https://x/600';

/** Keys as SIP INFO: the media path has tests of its own. */
async function press(phone: BarePhone, keys: string): Promise<void> {
  for (const key of keys) {
    void phone.session.request('INFO', {
      headers: [{ name: 'Content-Type', value: 'application/dtmf-relay' }],
      body: Buffer.from(`Signal=${key}\r\nDuration=160\r\n`),
    });
    await control.world.clock.advance(300);
  }
}

async function inMenu(menus: readonly object[], more: object = {}): Promise<BarePhone> {
  control = await openControl();
  control.callbacks.ice = () => ({ action: { name: 'runMenu', menus, ...more } });
  const alice = await caller(control);
  await alice.call();
  return alice;
}

const results = () =>
  control.callbacks.asked.filter((message) => message.event === 'pie').map(({ menuResult }) => menuResult);

describe('runMenu', () => {
  it('answers, plays the prompt, and tells what a key means', async () => {
    const alice = await inMenu([
      { id: 'main', mainPrompt: prompt, options: [{ dtmf: '1', action: 'return(sales)' }] },
    ]);
    await control.world.clock.advance(600);
    expect(toneShare(last(alice.rtp.heardPcm), 600)).toBeGreaterThan(0.95);
    await press(alice, '1');
    expect(results()).toEqual([
      { menuId: 'main', type: 'return', value: 'sales', returnValue: '1', inputMethod: 'dtmf' },
    ]);
    await control.world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(control.callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'MANAGERHANGUP' }]);
  });

  it('without barge keys count only after the prompt', async () => {
    const alice = await inMenu(
      [{ id: 'main', mainPrompt: prompt, options: [{ dtmf: '1', action: 'return' }] }],
      { barge: false },
    );
    await press(alice, '1');
    expect(results()).toEqual([]);
    await control.world.clock.advance(1_500);
    await press(alice, '1');
    expect(results()).toMatchObject([{ type: 'return', value: '' }]);
  });

  it('goes from one menu to another', async () => {
    const alice = await inMenu([
      { id: 'main', options: [{ dtmf: '2', action: 'menu(more)' }] },
      { id: 'more', mainPrompt: 'https://x/900', options: [{ dtmf: '3', action: 'return(three)' }] },
    ]);
    await press(alice, '2');
    await control.world.clock.advance(300);
    expect(toneShare(last(alice.rtp.heardPcm), 900)).toBeGreaterThan(0.9);
    await press(alice, '3');
    expect(results()).toMatchObject([{ menuId: 'more', type: 'return', value: 'three' }]);
  });

  it('takes several digits until there are enough, `#` comes, or no more come', async () => {
    for (const [keys, waitMs] of [
      ['1234', 0],
      ['12#', 0],
      ['12', 2_000],
    ] as const) {
      const alice = await inMenu([{ id: 'main', mainPrompt: prompt, maxDigits: 4, timeoutMills: 2_000 }]);
      await press(alice, keys);
      await control.world.clock.advance(waitMs);
      expect(results()).toEqual([
        { menuId: 'main', type: 'sequence', value: keys.replace('#', ''), inputMethod: 'dtmf' },
      ]);
      if (keys === '12') break;
      expect(await leftovers(control)).toEqual(nothingLeft);
      await closeAgents();
      await control.world.close();
    }
  });

  it('repeats the prompt so often, then tells that no key came', async () => {
    const alice = await inMenu([
      {
        id: 'main',
        mainPrompt: prompt,
        repeatPrompt: 'https://x/900',
        repeats: 2,
        timeoutMills: 1_000,
        options: [{ dtmf: '1', action: 'return' }],
      },
    ]);
    await control.world.clock.until(() => results().length === 1, 20_000);
    expect(results()).toEqual([{ menuId: 'main', type: 'timeout' }]);
    expect(control.played.map((source) => source.kind === 'url' && source.url)).toEqual([
      prompt,
      'https://x/900',
      'https://x/900',
    ]);
    await control.world.clock.until(() => alice.agent.ends.length === 1, 10_000);
  });

  it('a key that means nothing counts as a try', async () => {
    const alice = await inMenu([{ id: 'main', repeats: 1, options: [{ dtmf: '1', action: 'return' }] }]);
    await press(alice, '99');
    expect(results()).toEqual([{ menuId: 'main', type: 'invalidinput', value: '9', inputMethod: 'dtmf' }]);
  });

  it('a prompt that cannot be played is skipped', async () => {
    const alice = await inMenu([
      { id: 'main', mainPrompt: 'https://x/none', options: [{ dtmf: '1', action: 'return(x)' }] },
    ]);
    await press(alice, '1');
    expect(results()).toMatchObject([{ type: 'return', value: 'x' }]);
  });

  it('the caller is gone: the application hears of that as well', async () => {
    const alice = await inMenu([
      { id: 'main', mainPrompt: prompt, options: [{ dtmf: '1', action: 'return' }] },
    ]);
    alice.session.end({ status: 200 });
    await control.world.clock.until(() => control.callbacks.dice.length === 1, 10_000);
    expect(results()).toEqual([{ menuId: 'main', type: 'hangup' }]);
    expect(control.callbacks.dice).toMatchObject([{ reason: 'CALLERHANGUP' }]);
  });

  it.each([
    ['fails', 'fail'],
    ['is garbage', { action: 'park' }],
  ])('a PIE that %s ends the call', async (_what, pie) => {
    const alice = await inMenu([{ id: 'main', options: [{ dtmf: '1', action: 'return' }] }]);
    control.callbacks.pie = () => pie;
    await press(alice, '1');
    await control.world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(control.callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'CALLBACKERROR' }]);
  });

  it('a PIE that says to continue ends the call once it was said good-bye: nothing is left to go on', async () => {
    const alice = await inMenu([{ id: 'main', options: [{ dtmf: '1', action: 'return' }] }]);
    control.callbacks.pie = () => ({
      instructions: [{ name: 'playFiles', ids: [prompt] }],
      action: { name: 'continue' },
    });
    await press(alice, '1');
    await control.world.clock.until(() => alice.agent.ends.length === 1, 10_000);
    expect(control.played).toHaveLength(1);
    expect(control.callbacks.dice).toMatchObject([
      { result: 'ANSWERED', reason: 'MANAGERHANGUP', duration: 1 },
    ]);
  });

  it('what the PIE says goes on with the same call', async () => {
    const alice = await inMenu([{ id: 'main', options: [{ dtmf: '1', action: 'return' }] }]);
    const bob = await callee(control);
    bob.frequencyHz = 700;
    control.callbacks.delayMs = 1_000;
    control.callbacks.pie = () => ({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } });
    await press(alice, '1');
    await control.world.clock.until(() => bob.agent.events.includes('confirmed'), 10_000);
    await control.world.clock.advance(2_500);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    bob.hangUp();
    await control.world.clock.until(() => alice.agent.ends.length === 1, 10_000);
  });

  it('keys of a phone that knows no telephone-event are heard as tones', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => ({
      action: { name: 'runMenu', menus: [{ id: 'main', options: [{ dtmf: '1', action: 'return(one)' }] }] },
    });
    const alice = await caller(control);
    alice.offer = () =>
      `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${alice.rtp.port} RTP/AVP 0\r\n`;
    await alice.call();
    const key = Int16Array.from({ length: 160 * 10 }, (_, at) =>
      Math.round(
        6_000 * (Math.sin((2 * Math.PI * 697 * at) / 8_000) + Math.sin((2 * Math.PI * 1_209 * at) / 8_000)),
      ),
    );
    for (let frame = 0; frame < 25; frame++) {
      const from = frame * 160;
      alice.rtp.sayPcm(frame < 10 ? key.subarray(from, from + 160) : new Int16Array(160));
      await world.clock.advance(20);
    }
    await world.clock.until(() => results().length === 1, 3_000);
    expect(results()).toMatchObject([{ type: 'return', value: 'one' }]);
  });
});

describe('park', () => {
  const park = (more: object) => ({ action: { name: 'park', ...more } });

  it('plays the intro, then the hold prompt again and again, and lets the last one end', async () => {
    control = await openControl();
    const { world, callbacks, played } = control;
    callbacks.ice = () => park({ introPrompt: 'https://x/600', holdPrompt: 'https://x/900', maxDuration: 4 });
    const alice = await caller(control);
    await alice.call();
    const answeredMs = world.clock.nowMs();
    await world.clock.until(() => alice.agent.ends.length === 1, 20_000);
    expect(played.length).toBeGreaterThanOrEqual(4);
    expect(world.clock.nowMs() - answeredMs).toBeGreaterThanOrEqual(4_000);
    expect(world.clock.nowMs() - answeredMs).toBeLessThan(5_500);
    expect(callbacks.dice).toMatchObject([{ result: 'ANSWERED', reason: 'TIMEOUT' }]);
  });

  it.each([['https://x/none'], ['dance']])('with %s waits in silence', async (holdPrompt) => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => park({ holdPrompt, maxDuration: 2 });
    const alice = await caller(control);
    await alice.call();
    await world.clock.until(() => alice.agent.ends.length === 1, 20_000);
    expect(callbacks.dice).toMatchObject([{ reason: 'TIMEOUT', duration: 2 }]);
  });

  it('until the call is modified', async () => {
    control = await openControl();
    const { world, callbacks } = control;
    callbacks.ice = () => park({ holdPrompt: 'https://x/900' });
    const alice = await caller(control);
    await alice.call();
    const bob = await callee(control);
    bob.frequencyHz = 700;
    await world.clock.advance(1_500);
    const { callId } = (await world.gateway.calls())[0]!;
    const { checkSvaml } = await import('../../protocol/svaml/svaml.ts');
    await world.gateway.control.modify(
      callId,
      checkSvaml({ action: { name: 'connectSip', destination: { endpoint: bob.uri() } } }),
    );
    await world.clock.advance(2_000);
    expect(toneShare(last(alice.rtp.heardPcm), 700)).toBeGreaterThan(0.9);
    expect(world.gateway.control.describe(callId)).toMatchObject({
      status: 'ONGOING',
      applicationKey: 'test-app',
    });
    alice.session.end({ status: 200 });
    await world.clock.until(() => bob.ended, 10_000);
    await world.clock.advance(500);
    expect(world.gateway.control.describe(callId)).toMatchObject({ status: 'FINAL', reason: 'CALLERHANGUP' });
  });
});
