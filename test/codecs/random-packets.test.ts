import { afterAll, expect, it } from 'vitest';
import { codecNamed, codecs } from '../../codecs/catalogue.ts';
import type { AudioDecoder, Codec } from '../../codecs/codec.ts';
import { createRandom } from '../support/random.ts';
import { rounds } from '../support/rounds.ts';

const packets = rounds(4_000, 200_000);

const all: Codec[] = [...codecs, codecNamed('l16')!, codecNamed('l16-8000')!];
const opened: AudioDecoder[] = [];
afterAll(() => {
  for (const decoder of opened) decoder.close();
});

it.each(all.map((codec) => [codec.name, codec] as const))(
  `%s: ${packets} random packets, cut ones, losses and resets between them, never a throw`,
  (_name, codec) => {
    const random = createRandom(17);
    const whole = (below: number) => Math.floor(below * random());
    const ratesHz = codec.name === 'opus' ? [8000, 16_000, 24_000, 48_000] : [codec.sampleRateHz];
    const decoders = ratesHz.map((rateHz) => codec.createDecoder(rateHz));
    opened.push(...decoders);
    const payload = new Uint8Array(1500);
    const pcm = new Int16Array(5760);
    for (let i = 0; i < payload.length; i++) payload[i] = whole(256);
    for (let count = 0; count < packets; count++) {
      const decoder = decoders[count % decoders.length]!;
      // Some fresh bytes each time, the rest left from before; mostly short packets, as real ones are.
      const offset = whole(8);
      const sizeBytes = count % 16 === 0 ? whole(1400) : whole(160);
      for (let i = 0; i < 24; i++) payload[offset + (i < 8 ? i : whole(Math.max(1, sizeBytes)))] = whole(256);
      const samples = decoder.decode(payload, offset, sizeBytes, pcm, count % 7 === 0 ? 5000 : 0);
      if (!(samples >= 0 && samples <= pcm.length)) expect.fail(`${samples} samples`);
      if (count % 50 === 0) decoder.conceal(pcm, 0, 160);
      if (count % 1000 === 0) decoder.reset();
    }
  },
);
