import { afterEach, expect, it } from 'vitest';
import { CallWorld } from '../support/call-world.ts';
import { BarePhone } from './bare-phone.ts';

/** Row 5 of docs/reliability.md: a phone whose audio stops for good is hung up on, one that is on hold is not. */

const timeoutSeconds = 10;
const rtp = { address: '127.0.0.1', ports: [0, 0] as [number, number], timeout: timeoutSeconds };
let world: CallWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function talkingPhone(): Promise<{ world: CallWorld; phone: BarePhone }> {
  const opened = await CallWorld.open({ config: { rtp } });
  world = opened;
  const phone = await BarePhone.open(opened);
  await phone.call();
  phone.rtp.sayTone();
  await opened.clock.advance(2_000);
  return { world: opened, phone };
}

/** How long after now the gateway has no call any more. */
async function lifeMs(world: CallWorld, limitMs: number): Promise<number> {
  const fromMs = world.clock.nowMs();
  await world.clock.until(() => world.gateway.counts().calls === 0, limitMs, 20);
  return world.clock.nowMs() - fromMs;
}

function figure(what: string, ms: number): void {
  if (process.env.CALLWIRE_FIGURES !== undefined) console.log(`figure row 5: ${what}: ${ms} ms`);
}

it('a phone that falls silent is hung up on at rtp.timeout', async () => {
  const { world, phone } = await talkingPhone();
  phone.rtp.stop();
  const tookMs = await lifeMs(world, 60_000);
  figure('ended after its last packet, at a timeout of 10,000 ms', tookMs);
  expect(Math.abs(tookMs - timeoutSeconds * 1_000)).toBeLessThan(1_000);
  expect(phone.agent.events.join()).toMatch(/end/i);
  expect(world.server.last.closedWith).toEqual({ code: 4003, reason: 'RTPTIMEOUT' });
});

it('a phone that never says anything, too', async () => {
  world = await CallWorld.open({ config: { rtp } });
  const phone = await BarePhone.open(world);
  await phone.call();
  expect(Math.abs((await lifeMs(world, 60_000)) - timeoutSeconds * 1_000)).toBeLessThan(1_000);
});

it.each(['sendonly', 'inactive'])(
  'a phone that holds us (%s) may be silent for as long as it likes',
  async (direction) => {
    const { world, phone } = await talkingPhone();
    await phone.reoffer({ direction });
    phone.rtp.stop();
    // Short of stream.idleTimeout: the echo has nothing to say either.
    await world.clock.advance(timeoutSeconds * 5_000);
    expect(world.gateway.counts().calls).toBe(1);
    await phone.reoffer({ direction: 'sendrecv' });
    const tookMs = await lifeMs(world, 60_000);
    figure(`taken from hold (${direction}) and silent, ended after`, tookMs);
    expect(Math.abs(tookMs - timeoutSeconds * 1_000)).toBeLessThan(1_000);
  },
);

it('what others send to its port does not keep the call of a silent phone', async () => {
  const { world, phone } = await talkingPhone();
  phone.rtp.stop();
  const stranger = await BarePhone.open(world, { seed: 9 });
  stranger.rtp.to = phone.rtp.to;
  stranger.rtp.sayTone();
  expect(Math.abs((await lifeMs(world, 60_000)) - timeoutSeconds * 1_000)).toBeLessThan(1_000);
  stranger.rtp.stop();
});
