/** Minutes of speech and of what resembles it, to try what must not react to a voice. */

import { createResampler } from '../codecs/resampler.ts';

export interface TalkOffOptions {
  readonly speech: Int16Array;
  readonly speechRateHz: number;
  /** 0..1; seeded where the run is to be the same each time. */
  readonly random: () => number;
}

const rateHz = 8000;

/** Pieces at 8 kHz, ten minutes and more in all: the recording at some sixty speeds and pitches, mixes of two of
 *  them, and harmonic voices whose pitch and formants wander. */
export function* talkOff({ speech, speechRateHz, random }: TalkOffOptions): Generator<Int16Array> {
  const narrow = toNarrow(speech, speechRateHz);
  for (let speed = 0.55; speed < 1.9; speed *= 1.02) yield changeSpeed(narrow, speed, 1.5);
  for (let count = 0; count < 24; count++) {
    const one = changeSpeed(narrow, 0.6 + 1.1 * random(), 1);
    const other = changeSpeed(narrow, 0.6 + 1.1 * random(), 0.7);
    yield one.map((sample, i) => clip(sample + other[(i + rateHz / 2) % other.length]!));
  }
  for (let count = 0; count < 8; count++) yield harmonicVoice(30, random);
}

function toNarrow(pcm: Int16Array, sampleRateHz: number): Int16Array {
  const resampler = createResampler(sampleRateHz, rateHz);
  const output = new Int16Array(resampler.outputSamplesMax(pcm.length));
  return output.subarray(0, resampler.process(pcm, 0, pcm.length, output, 0));
}

function changeSpeed(pcm: Int16Array, speed: number, gain: number): Int16Array {
  const output = new Int16Array(Math.floor((pcm.length - 1) / speed));
  for (let i = 0; i < output.length; i++) {
    const at = i * speed;
    const before = Math.floor(at);
    const share = at - before;
    output[i] = clip(gain * ((1 - share) * pcm[before]! + share * pcm[before + 1]!));
  }
  return output;
}

/** Harmonics of a pitch of 80 to 330 Hz, through three narrow formants that change every 150 ms. */
function harmonicVoice(seconds: number, random: () => number): Int16Array {
  const output = new Int16Array(seconds * rateHz);
  let pitchHz = 120;
  let pitchGoalHz = 120;
  const formantsHz = [500, 1500, 2500];
  let goalsHz = formantsHz.slice();
  let phase = 0;
  for (let i = 0; i < output.length; i++) {
    if (i % 1200 === 0) {
      pitchGoalHz = 80 + 250 * random();
      goalsHz = [250 + 700 * random(), 900 + 1500 * random(), 2200 + 1000 * random()];
    }
    pitchHz += (pitchGoalHz - pitchHz) * 0.0008;
    for (let k = 0; k < 3; k++) formantsHz[k] = formantsHz[k]! + (goalsHz[k]! - formantsHz[k]!) * 0.001;
    phase += (2 * Math.PI * pitchHz) / rateHz;
    output[i] = clip(5000 * harmonicSum(phase, pitchHz, formantsHz));
  }
  return output;
}

function harmonicSum(phase: number, pitchHz: number, formantsHz: readonly number[]): number {
  // sin(n x) from sin((n-1) x) and sin((n-2) x).
  const twiceCos = 2 * Math.cos(phase);
  let before = 0;
  let sine = Math.sin(phase);
  let sum = 0;
  for (let hz = pitchHz; hz < 3500; hz += pitchHz) {
    let level = 0;
    for (let k = 0; k < 3; k++) {
      const away = (hz - formantsHz[k]!) / (60 + 20 * k);
      level += (1 - 0.25 * k) / (1 + away * away);
    }
    sum += level * sine;
    const next = twiceCos * sine - before;
    before = sine;
    sine = next;
  }
  return sum;
}

function clip(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(value)));
}
