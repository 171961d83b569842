import { describe, expect, it } from 'vitest';
import { GuessBrake } from '../../../gateway/signaling/guess-brake.ts';

let attempts = 0;

interface Guess {
  readonly source?: string;
  readonly username?: string;
  readonly identity?: string;
  readonly atMs?: number;
}

const attempt = ({ source = '192.0.2.1', username = 'alice', identity = String(attempts++) }: Guess) => ({
  source,
  username,
  identity,
});

/** The delay of a wrong password, whose answer is then given. */
function guess(brake: GuessBrake, options: Guess = {}): number | undefined {
  const braking = brake.wrong(attempt(options), options.atMs ?? 0);
  braking?.release();
  return braking?.delayMs;
}

describe('wrong passwords', () => {
  it('cost nothing at first, then ever more, up to a limit', () => {
    const brake = new GuessBrake();
    expect(Array.from({ length: 10 }, () => guess(brake))).toEqual([
      0, 0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000,
    ]);
  });

  it('count once however often the same request comes', () => {
    const brake = new GuessBrake();
    const same = Array.from({ length: 20 }, () => guess(brake, { identity: 'same' }));
    expect(same).toEqual(Array(20).fill(0));
  });

  it('are forgotten after a quarter of an hour, and when the right one came', () => {
    const brake = new GuessBrake();
    for (let round = 0; round < 5; round++) guess(brake);
    expect(guess(brake, { atMs: 15 * 60_000 + 1 })).toBe(0);
    for (let round = 0; round < 5; round++) guess(brake, { atMs: 1_000_000 });
    brake.right(attempt({}));
    expect(guess(brake, { atMs: 1_000_001 })).toBe(0);
  });

  it('of one user leave the others and other sources alone', () => {
    const brake = new GuessBrake();
    for (let round = 0; round < 8; round++) guess(brake);
    expect([guess(brake, { username: 'bob' }), guess(brake, { source: '192.0.2.2' })]).toEqual([0, 0]);
  });

  it('for many users slow the source down too', () => {
    const brake = new GuessBrake();
    const delays = Array.from({ length: 30 }, (_, user) => guess(brake, { username: `user${user}` }));
    expect(delays.slice(0, 20)).toEqual(Array(20).fill(0));
    expect(delays.slice(20, 24)).toEqual([500, 1_000, 2_000, 4_000]);
  });

  it('stop everything of that user while an answer is held back', () => {
    const brake = new GuessBrake();
    for (let round = 0; round < 2; round++) guess(brake);
    const braking = brake.wrong(attempt({}), 0)!;
    expect(braking).toMatchObject({ delayMs: 500, first: true });
    expect([brake.isHeld(attempt({})), brake.isHeld(attempt({ username: 'bob' }))]).toEqual([true, false]);
    braking.release();
    expect([brake.isHeld(attempt({})), brake.held]).toEqual([false, 0]);
  });

  it('stop everything of the source, but whom it was right about', () => {
    const brake = new GuessBrake();
    brake.right(attempt({ username: 'honest' }));
    for (let user = 0; user < 20; user++) guess(brake, { username: `user${user}` });
    const braking = brake.wrong(attempt({ username: 'last' }), 0)!;
    expect(braking.delayMs).toBe(500);
    const held = ['honest', 'user1', 'new'].map((username) => brake.isHeld(attempt({ username })));
    expect(held).toEqual([false, true, true]);
    braking.release();
  });

  it('are answered by silence where too many answers are held back', () => {
    const brake = new GuessBrake();
    const open = [];
    for (let user = 0; user < 1_500; user++) {
      const source = `source${user}`;
      for (let round = 0; round < 2; round++) guess(brake, { source });
      open.push(brake.wrong(attempt({ source }), 0));
    }
    expect(brake.held).toBe(1_000);
    expect(open.filter((braking) => braking === undefined)).toHaveLength(500);
  });
});
