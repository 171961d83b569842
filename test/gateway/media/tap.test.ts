import { describe, expect, it } from 'vitest';
import type { UnitCommand } from '../../../gateway/media/unit-messages.ts';
import { createMediaWorld } from '../../support/media-call.ts';
import { openPhone, openServer, tonesIn } from '../../support/media-room.ts';

type Hears = Extract<UnitCommand, { readonly type: 'openTap' }>['hears'];

/** A phone that says 440 Hz to a bot that says 1000 Hz, and somebody else who listens to them at 24 kHz. */
async function tapCall(hears: Hears, right?: 'bot') {
  const world = createMediaWorld({ link: { delayMs: 5, jitterMs: 20, seed: 5 } });
  const phone = await openPhone(world, 'phone');
  const bot = await openServer(world, 'bot', 16_000);
  const third = await openServer(world, 'third', 24_000);
  const { group } = phone.call;
  group.send({ type: 'bridge', a: phone.id, b: bot.id });
  const sides = right === undefined ? { left: phone.id } : { left: phone.id, right: bot.id };
  group.send({ type: 'openTap', endpointId: 'tap', ...sides, sink: third.id, hears, sampleRateHz: 24_000 });
  phone.say(440);
  bot.say(1000);
  await world.clock.advance(1500);
  return { ...world, phone, bot, third };
}

function side(pcm: Int16Array, channel: number): Int16Array {
  return pcm.filter((_, index) => index % 2 === channel);
}

function heard(pcm: Int16Array): string {
  return tonesIn(pcm, 24_000, [440, 1000])
    .map((levelDb) => (levelDb > -26 ? 'x' : levelDb < -55 ? '-' : `(${levelDb.toFixed(0)})`))
    .join('');
}

describe('a tap', () => {
  it.each<[Hears, 'bot' | undefined, string]>([
    ['left', undefined, 'x-'],
    ['right', undefined, '-x'],
    ['right', 'bot', '-x'],
  ])('hears one side alone: %s of %s', async (hears, right, expected) => {
    const { third } = await tapCall(hears, right);
    expect(heard(third.heard())).toBe(expected);
    // From the first word on, without a pause.
    expect(Math.abs(third.heard().length / 24 - 1500)).toBeLessThan(200);
  });

  it.each([undefined, 'bot' as const])(
    'hears both sides as stereo, the other one being %s',
    async (right) => {
      const { third } = await tapCall('stereo', right);
      const pcm = third.heard();
      expect([heard(side(pcm, 0)), heard(side(pcm, 1))]).toEqual(['x-', '-x']);
      expect(Math.abs(pcm.length / 48 - 1500)).toBeLessThan(200);
    },
  );

  it('is closed with one event, and the call goes on', async () => {
    const { clock, phone, third, bot } = await tapCall('stereo');
    phone.call.group.send({ type: 'closeTap', endpointId: 'tap' });
    await clock.advance(100);
    const before = third.heard().length;
    const bots = bot.heard().length;
    await clock.advance(1000);
    expect(third.heard().length).toBe(before);
    expect(bot.heard().length).toBe(bots + 16_000);
    expect(phone.call.all('tapClosed')).toHaveLength(1);
  });

  it('outlives those whom it hears', async () => {
    const { clock, phone, third, bot } = await tapCall('stereo', 'bot');
    phone.hush();
    phone.call.closeRtp();
    await clock.advance(1000);
    expect(heard(side(third.heard(), 1))).toBe('-x');
    bot.call.closeStream();
    bot.hush();
    const before = third.heard().length;
    await clock.advance(1000);
    expect(third.heard().length).toBe(before + 48_000);
    phone.call.group.send({ type: 'closeTap', endpointId: 'tap' });
    third.call.closeStream();
    await clock.advance(3000);
    expect(clock.timers).toBe(0);
  });
});
