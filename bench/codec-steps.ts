/** The steps of the packet path that belong to codecs, one frame of 20 ms each, ready to be timed. */

import { codecs } from '../codecs/catalogue.ts';
import type { Codec } from '../codecs/codec.ts';
import { toneLevel } from '../codecs/goertzel.ts';
import { createResampler } from '../codecs/resampler.ts';
import { createTone } from '../codecs/tones.ts';

export interface Step {
  readonly name: string;
  readonly run: () => void;
}

export function codecSteps(): Step[] {
  return [...codecs.flatMap(stepsOf), ...resamplingSteps(), ...toneSteps()];
}

/** Something like a voice: 20 ms differ from the 20 ms before. */
function sound(samples: number): Int16Array {
  return Int16Array.from(
    { length: samples },
    (_, i) => 6000 * Math.sin(i * 0.11) + 3000 * Math.sin(i * i * 1e-4),
  );
}

function stepsOf(codec: Codec): Step[] {
  const rateHz = codec.name === 'opus' ? 16_000 : codec.sampleRateHz;
  const encoder = codec.createEncoder(rateHz);
  const decoder = codec.createDecoder(rateHz);
  const samples = rateHz / 50;
  const spoken = sound(samples * 50);
  const payload = new Uint8Array(codec.payloadBytesMax);
  const heard = new Int16Array(samples);
  let at = 0;
  let sizeBytes = encoder.encode(spoken, 0, samples, payload, 0);
  return [
    {
      name: `${codec.name} encode, ${rateHz} Hz`,
      run: () => {
        at = (at + samples) % spoken.length;
        sizeBytes = encoder.encode(spoken, at, samples, payload, 0);
      },
    },
    { name: `${codec.name} decode`, run: () => decoder.decode(payload, 0, sizeBytes, heard, 0) },
    {
      name: `${codec.name} conceal a frame and decode the next`,
      run: () => {
        decoder.conceal(heard, 0, samples);
        decoder.decode(payload, 0, sizeBytes, heard, 0);
      },
    },
  ];
}

function resamplingSteps(): Step[] {
  return [16_000, 24_000, 44_100, 48_000, 96_000].flatMap((rateHz) =>
    [
      { fromHz: 8000, toHz: rateHz },
      { fromHz: rateHz, toHz: 8000 },
    ].map(({ fromHz, toHz }) => {
      const resampler = createResampler(fromHz, toHz);
      const input = sound(fromHz / 50);
      const output = new Int16Array(toHz / 50);
      return {
        name: `resample ${fromHz} to ${toHz} Hz`,
        run: () => {
          resampler.process(input, 0, input.length, output, 0);
        },
      };
    }),
  );
}

function toneSteps(): Step[] {
  const pcm = new Int16Array(160);
  const tone = createTone(1000, 8000, -10);
  return [
    { name: 'tone, 8000 Hz', run: () => tone.fill(pcm, 0, 160) },
    { name: 'level of a tone, 8000 Hz', run: () => void toneLevel(pcm, 8000, 1000) },
  ];
}
