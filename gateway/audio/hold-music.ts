import type { Tone } from '../../codecs/tones.ts';

/** Four chords of the key of C, a broken chord of eight notes each, as semitones from middle C. */
const bars = [
  [-12, 0, 4, 7, 11, 7, 4, 0],
  [-15, -3, 0, 4, 7, 4, 0, -3],
  [-19, -7, -3, 0, 4, 0, -3, -7],
  [-17, -5, -1, 2, 5, 2, -1, -5],
];
const middleCHz = 261.626;
const noteMs = 400;
/** A note rings on under those that follow it. */
const ringMs = 2_400;
const attackMs = 12;
/** A sine with a little of its octave and twelfth: mild, and inside a telephone's 300 to 3400 Hz. */
const partials = [1, 0.32, 0.1];
const levelPeak = 2_600;

const scores = new Map<number, Int16Array>();

/** Soft broken chords, over and over: music on hold that belongs to nobody. About 13 s a round, rendered once a rate
 *  and shared. */
export function createHoldMusic(sampleRateHz: number): Tone {
  let score = scores.get(sampleRateHz);
  if (score === undefined) {
    score = render(sampleRateHz);
    scores.set(sampleRateHz, score);
  }
  const round = score;
  let at = 0;
  return {
    fill(pcm, pcmOffset, samples) {
      const end = Math.min(pcmOffset + samples, pcm.length);
      for (let i = pcmOffset; i < end; i++) {
        pcm[i] = round[at]!;
        at = at + 1 === round.length ? 0 : at + 1;
      }
    },
    reset() {
      at = 0;
    },
  };
}

function render(sampleRateHz: number): Int16Array {
  const notes = bars.flat();
  const noteSamples = Math.round((noteMs * sampleRateHz) / 1000);
  const mix = new Float32Array(noteSamples * notes.length);
  notes.forEach((semitones, index) => {
    addNote(mix, index * noteSamples, middleCHz * 2 ** (semitones / 12), sampleRateHz);
  });
  return Int16Array.from(mix, (sample) => Math.round(sample * levelPeak));
}

/** The end of the last notes goes to the beginning, so that the round closes without a seam. */
function addNote(mix: Float32Array, start: number, hz: number, sampleRateHz: number): void {
  const samples = Math.round((ringMs * sampleRateHz) / 1000);
  const attack = (attackMs * sampleRateHz) / 1000;
  for (let i = 0; i < samples; i++) {
    const left = 1 - i / samples;
    const envelope = Math.min(1, i / attack) * left * left * left;
    let wave = 0;
    for (let k = 0; k < partials.length; k++) {
      wave += partials[k]! * Math.sin((2 * Math.PI * hz * (k + 1) * i) / sampleRateHz);
    }
    const at = (start + i) % mix.length;
    mix[at] = mix[at]! + wave * envelope;
  }
}
