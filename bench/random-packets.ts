/** Whether a decoder lives through anything. */

import type { Codec } from '../codecs/codec.ts';

/** Random packets, cut ones, losses and resets between them. How many samples too many or too few came of one, at most;
 *  whatever a decoder throws is thrown on. */
export function throwAtDecoder(codec: Codec, packets: number, random: () => number): number {
  const whole = (below: number) => Math.floor(below * random());
  const ratesHz = codec.name === 'opus' ? [8000, 16_000, 24_000, 48_000] : [codec.sampleRateHz];
  const decoders = ratesHz.map((rateHz) => codec.createDecoder(rateHz));
  const payload = new Uint8Array(1500);
  const pcm = new Int16Array(5760);
  let wrong = 0;
  for (let i = 0; i < payload.length; i++) payload[i] = whole(256);
  try {
    for (let count = 0; count < packets; count++) {
      const decoder = decoders[count % decoders.length]!;
      // Some fresh bytes each time, the rest left from before; mostly short packets, as real ones are.
      const offset = whole(8);
      const sizeBytes = count % 16 === 0 ? whole(1400) : whole(160);
      for (let i = 0; i < 24; i++) payload[offset + (i < 8 ? i : whole(Math.max(1, sizeBytes)))] = whole(256);
      const room = count % 7 === 0 ? 760 : 5760;
      const at = pcm.length - room;
      const samples = decoder.decode(payload, offset, sizeBytes, pcm, at);
      if (!(samples >= 0 && samples <= room)) wrong++;
      if (count % 50 === 0) decoder.conceal(pcm, 0, 160);
      if (count % 50 === 25) decoder.recover?.(payload, offset, sizeBytes, pcm, 0, 320);
      if (count % 1000 === 0) decoder.reset();
    }
  } finally {
    for (const decoder of decoders) decoder.close();
  }
  return wrong;
}
