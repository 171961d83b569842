import { createTone } from '../../codecs/tones.ts';

/** What a phone says: a recording, a tone, or silence, frame by frame, at the codec's own rate. */
export interface AudioSource {
  /** Fills all of `frame`; what there is no audio for is silence. */
  fill(frame: Int16Array): void;
}

export const silence: AudioSource = { fill: (frame) => frame.fill(0) };

/** Plays `pcm` once. */
export function createPlayer(pcm: Int16Array): AudioSource {
  let position = 0;
  return {
    fill(frame) {
      const part = pcm.subarray(position, position + frame.length);
      frame.set(part);
      frame.fill(0, part.length);
      position += part.length;
    },
  };
}

/** A sine that goes on for ever. RangeError for a level above 0 and a frequency that the rate cannot carry. */
export function createTonePlayer(options: {
  readonly frequencyHz: number;
  /** 0 is a sine of full scale. */
  readonly levelDbfs: number;
  readonly sampleRateHz: number;
}): AudioSource {
  const tone = createTone(options.frequencyHz, options.sampleRateHz, options.levelDbfs);
  return { fill: (frame) => tone.fill(frame, 0, frame.length) };
}
