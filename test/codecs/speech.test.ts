import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  align,
  carry,
  convertRate,
  limitToTelephoneBand,
  measureLoss,
  measureRoundTrip,
  snrDb,
} from '../../bench/speech-figures.ts';
import { codecs } from '../../codecs/catalogue.ts';
import type { Codec } from '../../codecs/codec.ts';
import { pcma, pcmu } from '../../codecs/g711.ts';
import { g722 } from '../../codecs/g722.ts';
import { mixDown, parseWav } from '../../codecs/wav.ts';
import { createRandom } from '../support/random.ts';

const speech16k = mixDown(
  parseWav(readFileSync(new URL('../../gateway/assets/speech.wav', import.meta.url))),
);
const speech8k = convertRate(limitToTelephoneBand(speech16k, 16_000), 16_000, 8000);

describe('speech', () => {
  it.each([16_000, 24_000, 44_100, 48_000, 96_000])(
    'comes back from a PCMU echo at %i Hz',
    (streamRateHz) => {
      const { spokenDb, carriedDb } = measureRoundTrip(pcmu, speech8k, streamRateHz);
      expect(spokenDb).toBeGreaterThanOrEqual(35);
      expect(carriedDb).toBeGreaterThanOrEqual(45);
    },
  );

  const floors: readonly { readonly codec: Codec; readonly speech: Int16Array; readonly db: number }[] = [
    { codec: pcmu, speech: speech8k, db: 36 },
    { codec: pcma, speech: speech8k, db: 36 },
    { codec: g722, speech: speech16k, db: 18 },
  ];
  it.each(floors)('keeps $db dB through $codec.name', ({ codec, speech, db }) => {
    const { heard } = carry(codec, speech, codec.sampleRateHz);
    expect(snrDb(speech, align(speech, heard, 40))).toBeGreaterThanOrEqual(db);
  });

  it.each(floors)(
    'is nearer to the spectrum than silence where $codec.name conceals 5 % loss',
    ({ codec, speech }) => {
      const rateHz = codec.sampleRateHz;
      const kept = carry(codec, speech, rateHz).heard;
      const random = createRandom(5);
      const lostFrames = Array.from({ length: 300 }, () => random() < 0.05);
      const lost = (frame: number): boolean => lostFrames[frame]!;
      const silenced = kept.map((sample, i) => (lost(Math.floor(i / (rateHz / 50))) ? 0 : sample));
      const silence = measureLoss(kept, silenced, rateHz, lost);
      const concealed = measureLoss(kept, carry(codec, speech, rateHz, lost).heard, rateHz, lost);
      // The level in each third of an octave is what the ear goes by. The waveform itself is no measure: a pitch that is
      // 1 % off is out of phase after a frame, and then costs as much as silence.
      expect(silence.spectralDistanceDb - concealed.spectralDistanceDb).toBeGreaterThan(8);
    },
  );
});

describe.each(codecs)('$name', (codec) => {
  it('survives packets and losses of any kind', () => {
    const random = createRandom(codec.rtpClockRateHz + codec.name.length);
    const decoder = codec.createDecoder();
    const pcm = new Int16Array((decoder.sampleRateHz * 120) / 1000);
    for (let round = 0; round < 2000; round++) {
      const payload = Uint8Array.from({ length: Math.floor(random() * 400) }, () => random() * 256);
      const offset = Math.floor(random() * 20);
      const sizeBytes = Math.floor(random() * (payload.length + 10));
      const written =
        random() < 0.2
          ? decoder.conceal(pcm, offset, Math.floor(random() * pcm.length))
          : decoder.decode(payload, offset, sizeBytes, pcm, offset);
      expect(written).toBeGreaterThanOrEqual(0);
      expect(offset + written).toBeLessThanOrEqual(pcm.length);
    }
    decoder.close();
  });
});
