import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { VoiceActivity } from '../../codecs/vad.ts';
import { parseWav } from '../../codecs/wav.ts';
import { createRandom } from '../support/random.ts';

const sampleRateHz = 8_000;

function sound(seconds: number, levelDb: number, seed = 1): Int16Array {
  const random = createRandom(seed);
  const peak = 32_768 * 10 ** (levelDb / 20) * Math.sqrt(3);
  return Int16Array.from({ length: seconds * sampleRateHz }, () => (random() * 2 - 1) * peak);
}

/** What was said, with its time in ms; frames of `frameMs`. */
function changes(pcm: Int16Array, frameMs = 20): string[] {
  const activity = new VoiceActivity({ sampleRateHz });
  const seen: string[] = [];
  const samples = (sampleRateHz * frameMs) / 1000;
  for (let at = 0; at + samples <= pcm.length; at += samples) {
    const change = activity.push(pcm, at, samples);
    if (change !== undefined) seen.push(`${change} ${(at + samples) / 8}`);
  }
  return seen;
}

function joined(...parts: Int16Array[]): Int16Array {
  return Int16Array.from(parts.flatMap((part) => [...part]));
}

describe('voice activity', () => {
  it('starts within 60 ms of voice and stops 400 ms after it', () => {
    const pcm = joined(sound(1, -70), sound(1, -25), sound(1, -70));
    expect(changes(pcm)).toEqual(['started 1060', 'stopped 2400']);
  });

  test.each([10, 20, 30, 60])('says the same with frames of %i ms', (frameMs) => {
    const pcm = joined(sound(1.2, -70), sound(1.2, -25), sound(1.2, -70));
    expect(changes(pcm, frameMs).map((change) => change.split(' ')[0])).toEqual(['started', 'stopped']);
  });

  it('does not start for a click, nor for noise however long, nor for silence', () => {
    const click = joined(sound(1, -70), sound(0.03, -10), sound(1, -70));
    expect(changes(click)).toEqual([]);
    expect(changes(sound(20, -55))).toEqual([]);
    expect(changes(new Int16Array(80_000))).toEqual([]);
  });

  it('hears voice over noise that it has got used to', () => {
    const noise = sound(12, -45, 3);
    const voice = sound(1, -25, 4);
    const seen = changes(joined(noise, voice, noise));
    expect(seen.at(-2)).toMatch(/^started 12\d\d\d|^started 13\d\d\d/);
    expect(seen.at(-1)).toMatch(/^stopped 13\d\d\d/);
  });

  it('bridges the holes between the words of speech', () => {
    const { pcm, sampleRateHz: rateHz } = parseWav(readFileSync('gateway/assets/speech.wav'));
    const activity = new VoiceActivity({ sampleRateHz: rateHz });
    let [starts, activeFrames, frames] = [0, 0, 0];
    const samples = rateHz / 50;
    for (let at = 0; at + samples <= pcm.length; at += samples) {
      if (activity.push(pcm, at, samples) === 'started') starts++;
      frames++;
      if (activity.active) activeFrames++;
    }
    expect(starts).toBeGreaterThan(0);
    expect(starts).toBeLessThan(frames / 50);
    expect(activeFrames / frames).toBeGreaterThan(0.6);
  });
});
