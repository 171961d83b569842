import { afterEach, expect, it } from 'vitest';
import { CallWorld } from '../support/call-world.ts';

/** Row 19 of docs/reliability.md: the wall clock is set while calls are on, and the event loop stands still. */

const hourMs = 3_600_000;
let world: CallWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

it.each([
  ['back by an hour', -hourMs],
  ['on by an hour', hourMs],
  ['back by a year', -8_760 * hourMs],
  ['to 1970', -1_700_000_000_000],
])('a wall clock that is set %s harms no call, and ends none early or late', async (_name, stepMs) => {
  let stepped = 0;
  world = await CallWorld.open({
    maxDuration: 20,
    io: (clock) => {
      const wallMs = clock.wallMs.bind(clock);
      clock.wallMs = () => wallMs() + stepped;
      return {};
    },
  });
  const call = await world.call();
  await world.clock.advance(5_000);
  const heardBefore = world.server.last.binaries.length;
  stepped = stepMs;
  await world.clock.advance(5_000);
  expect(world.server.last.binaries.length - heardBefore).toBeGreaterThan(245);
  // One that begins meanwhile.
  const second = await world.call({ durationMs: 2_000 });
  await world.clock.advance(3_000);
  expect((await second.ended).outcome).toBe('completed');
  const result = await world.finish(call);
  expect(result.outcome).toBe('completed');
  expect(Math.abs(result.durationMs - 20_000)).toBeLessThan(100);
  expect(result.packetsLost).toBe(0);
});

it('timers that are all late by 300 ms, again and again, lose no call', async () => {
  world = await CallWorld.open({
    // Whatever is due waits for the end of a stall: 300 ms of every second.
    io: (clock) => {
      const after = clock.after.bind(clock);
      clock.after = (delayMs, run) => {
        const dueMs = clock.nowMs() + Math.max(0, delayMs);
        const intoMs = dueMs % 1_000;
        return after(Math.max(0, delayMs) + (intoMs < 300 ? 300 - intoMs : 0), run);
      };
      return {};
    },
  });
  const result = await world.finish(await world.call({ durationMs: 20_000 }));
  expect(result.outcome).toBe('completed');
  expect(result.endedBy).toBe('phone');
  expect(world.gateway.counts().calls).toBe(0);
});
