import { createBeep, createCallTone } from '../../codecs/call-tones.ts';
import type { AudioSource } from './audio-source.ts';
import { createHoldMusic } from './hold-music.ts';

const chunkMs = 500;
const beepMs = 200;

/** The tone in chunks of half a second; without end but for the beep. */
export function* toneChunks(
  { name, country }: AudioSource & { kind: 'tone' },
  sampleRateHz: number,
): Generator<Int16Array> {
  const chunkSamples = (sampleRateHz * chunkMs) / 1000;
  if (name === 'beep') {
    const pcm = new Int16Array((sampleRateHz * beepMs) / 1000);
    createBeep({ sampleRateHz, lengthMs: beepMs }).fill(pcm, 0, pcm.length);
    yield pcm;
    return;
  }
  const tone =
    name === 'music'
      ? createHoldMusic(sampleRateHz)
      : createCallTone(name, { sampleRateHz, ...(country === undefined ? {} : { country }) });
  for (;;) {
    const pcm = new Int16Array(chunkSamples);
    tone.fill(pcm, 0, pcm.length);
    yield pcm;
  }
}
