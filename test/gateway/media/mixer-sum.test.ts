import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toneLevel } from '../../../codecs/goertzel.ts';
import { createTone } from '../../../codecs/tones.ts';
import type { AudioSink } from '../../../gateway/media/audio-route.ts';
import { Mixer } from '../../../gateway/media/mixer.ts';
import type { MixerSeat } from '../../../gateway/media/mixer-seat.ts';
import { TimingWheel } from '../../../gateway/media/timing-wheel.ts';

/** A room without phones: members push 20 ms each and keep what they hear. */
function createRoom() {
  let nowMs = 1;
  const wheel = new TimingWheel({
    nowMs,
    failed: (_member, error) => {
      throw error;
    },
  });
  const failures: string[] = [];
  const failed = (member: string) => {
    failures.push(member);
    mixer.remove(mixer.seatOf(member)!);
  };
  const mixer: Mixer = new Mixer({ endpointId: 'room', wheel, failed });
  const add = (sampleRateHz: number) => {
    const seat = mixer.add(
      `${mixer.seats.length}`,
      { sampleRateHz, mode: { speaks: true, hears: true } },
      nowMs,
    );
    const heard: number[] = [];
    seat.addSink(keeping(heard));
    seat.plug({ sampleRateHz, queueBytesMax: sampleRateHz });
    return { seat, heard, sampleRateHz };
  };
  /** One turn: all say their frame, then all hear. */
  const turn = (frames: readonly { readonly seat: MixerSeat; readonly pcm: Int16Array }[]) => {
    for (const { seat, pcm } of frames) seat.play(pcm, 0, pcm.length, nowMs);
    nowMs += 20;
    wheel.run(nowMs);
  };
  return { mixer, add, turn, failures };
}

function keeping(heard: number[]): AudioSink {
  return {
    plug: () => {},
    unplug: () => {},
    play: (pcm, offset, samples) => {
      for (let i = 0; i < samples; i++) heard.push(pcm[offset + i]!);
    },
    playBytes: () => {},
    clear: () => {},
    queuedMs: 0,
    droppedMs: 0,
  };
}

describe('the sum of a conference', () => {
  it('is exactly that of the others, where it fits into 16 bits', () => {
    const members = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(members, fc.integer(), (count, seed) => {
        const room = createRoom();
        const people = Array.from({ length: count }, () => room.add(8000));
        // Loud enough in each frame to be no silence, and all of them together no overflow.
        const said = (member: number, at: number) =>
          100 + ((Math.imul(at + 1, seed + member * 7919) >>> 8) % 3400);
        const frames = 12;
        for (let frame = 0; frame < frames; frame++) {
          room.turn(
            people.map(({ seat }, member) => ({
              seat,
              pcm: Int16Array.from({ length: 160 }, (_, i) => said(member, frame * 160 + i)),
            })),
          );
        }
        for (const [member, { heard }] of people.entries()) {
          const lag = heard.findIndex((sample) => sample !== 0);
          expect(heard).toHaveLength(frames * 160);
          if (count === 1) expect(lag).toBe(-1);
          const expected = heard.map((_, i) => {
            if (lag < 0 || i < lag) return 0;
            let sum = 0;
            for (let other = 0; other < count; other++) if (other !== member) sum += said(other, i - lag);
            return sum;
          });
          expect(heard).toEqual(expected);
        }
      }),
      { seed: 11, numRuns: 15 },
    );
  });

  it('of fifty loud voices at three rates is not clipped: the tones stay pure, and everybody hears all others', () => {
    const room = createRoom();
    const rates = [8000, 16_000, 48_000];
    const people = Array.from({ length: 50 }, (_, index) => {
      const person = room.add(rates[index % 3]!);
      const frequencyHz = 300 + index * 60;
      return { ...person, frequencyHz, tone: createTone(frequencyHz, person.sampleRateHz, -0.5) };
    });
    for (let frame = 0; frame < 100; frame++) {
      room.turn(
        people.map(({ seat, tone, sampleRateHz }) => {
          const pcm = new Int16Array(sampleRateHz / 50);
          tone.fill(pcm, 0, pcm.length);
          return { seat, pcm };
        }),
      );
    }
    for (const { heard, sampleRateHz, frequencyHz } of people.slice(0, 6)) {
      // A second holds whole periods of every tone: what is between them is distortion.
      const pcm = Int16Array.from(heard.slice(-sampleRateHz));
      const levels = people.map((other) => toneLevel(pcm, sampleRateHz, other.frequencyHz));
      const others = levels.filter((_, index) => people[index]!.frequencyHz !== frequencyHz);
      expect(Math.max(...others) - Math.min(...others)).toBeLessThan(6);
      expect(Math.min(...others)).toBeGreaterThan(-42);
      expect(Math.max(...pcm.map(Math.abs))).toBeLessThanOrEqual(32_767);
      const own = toneLevel(pcm, sampleRateHz, frequencyHz);
      const between = toneLevel(pcm, sampleRateHz, frequencyHz + 30);
      expect(Math.max(own, between)).toBeLessThan(Math.min(...others) - 20);
    }
  });

  it('goes on without a member that fails, and without any other', () => {
    const room = createRoom();
    const [speaker, broken, listener] = [room.add(8000), room.add(16_000), room.add(8000)];
    broken.seat.sinks[0]!.play = () => {
      throw new Error('broken');
    };
    const pcm = Int16Array.from({ length: 160 }, (_, i) => 5000 * Math.sin(i / 3));
    for (let frame = 0; frame < 10; frame++) room.turn([{ seat: speaker.seat, pcm }]);
    expect(room.failures).toEqual(['1']);
    expect(listener.heard).toHaveLength(1600);
    expect(Math.max(...listener.heard)).toBeGreaterThan(4000);
  });

  it('costs those who are silent nothing: they all hear the one sum', () => {
    const room = createRoom();
    const speaker = room.add(8000);
    const silent = [room.add(8000), room.add(16_000), room.add(8000)];
    const pcm = Int16Array.from({ length: 160 }, (_, i) => 5000 * Math.sin(i / 3));
    for (let frame = 0; frame < 10; frame++) room.turn([{ seat: speaker.seat, pcm }]);
    expect(silent.map(({ seat }) => seat.speaks)).toEqual([false, false, false]);
    expect(silent[0]!.heard).toEqual(silent[2]!.heard);
    expect(Math.max(...silent[1]!.heard)).toBeGreaterThan(4000);
    expect(speaker.heard.every((sample) => sample === 0)).toBe(true);
  });
});
