import { describe, expect, it } from 'vitest';
import { StreamCircuits } from '../../../gateway/calls/stream-circuits.ts';

function createCircuits() {
  const clock = { now: 0, nowMs: () => clock.now };
  const changes: string[] = [];
  const circuits = new StreamCircuits({
    clock,
    changed: (endpoint, state) => changes.push(`${endpoint} ${state}`),
  });
  const fail = (endpoint: string, times: number) => {
    for (let index = 0; index < times; index++) circuits.failed(endpoint);
  };
  return { clock, changes, circuits, fail };
}

const bot = 'wss://bot.test/calls';

describe('circuit breaker of an endpoint', () => {
  it('opens after five failures one after the other, whatever the query', () => {
    const { circuits, changes, fail } = createCircuits();
    fail(`${bot}?call=1`, 4);
    circuits.succeeded(bot);
    fail(`${bot}?call=2`, 4);
    expect(circuits.admits(bot)).toBe(true);
    fail('wss://user:secret@bot.test/calls?call=3', 1);
    expect([circuits.admits(bot), circuits.admits('wss://bot.test/others')]).toEqual([false, true]);
    expect(changes).toEqual([`${bot} open`]);
  });

  it('lets one call try after five seconds, and twice as long after each that fails, up to a minute', () => {
    const { circuits, changes, clock, fail } = createCircuits();
    fail(bot, 5);
    const waits: number[] = [];
    for (let round = 0; round < 6; round++) {
      const from = clock.now;
      while (!circuits.admits(bot)) clock.now += 1000;
      waits.push(clock.now - from);
      expect(circuits.admits(bot)).toBe(false);
      circuits.failed(bot);
    }
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    expect(changes).toEqual([`${bot} open`]);
  });

  it('closes again with the first call that gets through', () => {
    const { circuits, changes, clock, fail } = createCircuits();
    fail(bot, 5);
    clock.now += 5_000;
    expect(circuits.admits(bot)).toBe(true);
    circuits.succeeded(bot);
    expect([circuits.admits(bot), circuits.admits(bot)]).toEqual([true, true]);
    expect(changes).toEqual([`${bot} open`, `${bot} closed`]);
  });

  it('lets another call try where the caller of the first hung up', () => {
    const { circuits, clock, fail } = createCircuits();
    fail(bot, 5);
    clock.now += 5_000;
    expect(circuits.admits(bot)).toBe(true);
    circuits.released(bot);
    expect(circuits.admits(bot)).toBe(true);
  });

  it('remembers a thousand endpoints at most', () => {
    const { circuits, fail } = createCircuits();
    fail(bot, 5);
    for (let index = 0; index < 1_000; index++) fail(`wss://bot.test/${index}`, 1);
    expect(circuits.admits(bot)).toBe(true);
  });
});
