import { describe, expect, it } from 'vitest';
import { TimingWheel, type WheelMember } from '../../../gateway/media/timing-wheel.ts';

interface Recorder extends WheelMember {
  readonly sentMs: number[];
  skipped: number;
}

function recorder(log: string[] = [], name = ''): Recorder {
  const sentMs: number[] = [];
  return {
    sentMs,
    skipped: 0,
    deliver: () => log.push(`deliver ${name}`),
    mix: () => log.push(`mix ${name}`),
    send(nowMs) {
      log.push(`send ${name}`);
      sentMs.push(nowMs);
    },
    skip() {
      this.skipped++;
    },
  };
}

function wheelAt(nowMs: number): TimingWheel {
  return new TimingWheel({
    nowMs,
    failed: (_member, error) => {
      throw error;
    },
  });
}

function runUntil(wheel: TimingWheel, untilMs: number): void {
  while (wheel.nextMs <= untilMs) wheel.run(wheel.nextMs);
}

describe('timing wheel', () => {
  it.each([10, 20, 30, 40, 50, 60])('runs a member every %i ms, without drift', (periodMs) => {
    const wheel = wheelAt(1000.3);
    const member = recorder();
    wheel.add(member, periodMs, 1000.3);
    runUntil(wheel, 11_000);
    const first = member.sentMs[0]!;
    expect(first - 1000.3).toBeLessThan(periodMs);
    expect(member.sentMs).toEqual(member.sentMs.map((_, index) => first + index * periodMs));
    expect(member.sentMs.length).toBeGreaterThanOrEqual(Math.floor(10_000 / periodMs));
  });

  it('keeps its deadlines however late it is called', () => {
    const wheel = wheelAt(0);
    const member = recorder();
    wheel.add(member, 20, 0);
    for (let nowMs = 0.7; nowMs < 10_000; nowMs += 7.9) wheel.run(nowMs);
    expect(member.sentMs).toHaveLength(500);
  });

  it('spreads members evenly, and closes the holes that leaving members tear', () => {
    const wheel = wheelAt(0);
    const members = Array.from({ length: 45 }, () => recorder());
    for (const member of members) wheel.add(member, 20, 0);
    for (const member of members.splice(0, 25)) wheel.remove(member);
    for (let added = 0; added < 10; added++) {
      const member = recorder();
      members.push(member);
      wheel.add(member, 20, 0);
    }
    runUntil(wheel, 19.9);
    const perSlot = new Map<number, number>();
    for (const { sentMs } of members) perSlot.set(sentMs[0]!, (perSlot.get(sentMs[0]!) ?? 0) + 1);
    expect([...perSlot.values()]).toEqual(new Array(10).fill(3));
  });

  it('delivers, then mixes, then sends', () => {
    const wheel = wheelAt(0);
    const log: string[] = [];
    for (let index = 0; index < 11; index++) wheel.add(recorder(log, `${index}`), 20, 0);
    wheel.run(0);
    expect(log).toEqual(['deliver 0', 'deliver 10', 'mix 0', 'mix 10', 'send 0', 'send 10']);
  });

  it('catches up after a stall and skips what is more than 200 ms late', () => {
    const wheel = wheelAt(0);
    const member = recorder();
    wheel.add(member, 20, 0);
    runUntil(wheel, 99);
    wheel.run(1000);
    expect(member.skipped).toBe(35);
    expect(member.sentMs).toHaveLength(5 + 11);
    expect(wheel.framesSkipped).toBe(35);
    expect(wheel.latenessMsBuckets.at(-1)).toBe(35);
  });

  it('has nothing to catch up with after it was empty', () => {
    const wheel = wheelAt(0);
    expect(wheel.nextMs).toBe(Number.POSITIVE_INFINITY);
    const member = recorder();
    wheel.add(member, 20, 60_000);
    wheel.run(60_001);
    expect([member.sentMs.length, member.skipped]).toEqual([1, 0]);
    wheel.remove(member);
    wheel.run(61_000);
    expect([member.sentMs.length, wheel.size]).toEqual([1, 0]);
  });

  it('lets the others go on when one fails as it is skipped', () => {
    const failures: unknown[] = [];
    const wheel = new TimingWheel({ nowMs: 0, failed: (_member, error) => failures.push(error) });
    const good = recorder();
    const bad: WheelMember = {
      ...recorder(),
      skip: () => {
        throw new Error('broken');
      },
    };
    // One in each slot of a period; the good one shares its slot with the first.
    for (let index = 0; index < 10; index++) wheel.add({ ...bad }, 20, 0);
    wheel.add(good, 20, 0);
    wheel.run(1000);
    expect(failures).toHaveLength(10 * 40);
    expect(good.skipped).toBe(40);
  });

  it('lets the others go on when one fails, and stands a member that leaves in the middle', () => {
    const failures: unknown[] = [];
    const wheel = new TimingWheel({
      nowMs: 0,
      failed: (member, error) => {
        failures.push(error);
        wheel.remove(member);
      },
    });
    const good = recorder();
    const bad: WheelMember = {
      ...recorder(),
      deliver: () => {
        throw new Error('broken');
      },
    };
    wheel.add(bad, 10, 0);
    for (let index = 0; index < 5; index++) wheel.add(good, 10, 0);
    runUntil(wheel, 100);
    expect(failures).toHaveLength(1);
    expect(good.sentMs.length).toBeGreaterThanOrEqual(10);
  });
});
