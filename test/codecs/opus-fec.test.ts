import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { carry, convertRate, measureLoss } from '../../bench/speech-figures.ts';
import type { Codec } from '../../codecs/codec.ts';
import { opus } from '../../codecs/opus.ts';
import { OpusDecoder } from '../../codecs/opus-decoder.ts';
import { opusAvailable, opusLibrary } from '../../codecs/opus-native.ts';
import { opusHasFec } from '../../codecs/opus-packet.ts';
import { mixDown, parseWav } from '../../codecs/wav.ts';
import { createRandom } from '../support/random.ts';

describe('a packet that says something of the one before it (RFC 6716 §4.2.3)', () => {
  // biome-ignore format: a table reads as a table
  const packets: readonly { readonly name: string; readonly hex: string; readonly fec: boolean }[] = [
    { name: '10 ms: one voice flag, then the LBRR flag',     hex: '0040',           fec: true },
    { name: '20 ms, voice alone',                            hex: '0880',           fec: false },
    { name: '20 ms, both',                                   hex: '08c0',           fec: true },
    { name: '40 ms: behind two voice flags',                 hex: '1020',           fec: true },
    { name: '40 ms, both of them voice',                     hex: '10c0',           fec: false },
    { name: '60 ms: behind three',                           hex: '1810',           fec: true },
    { name: '60 ms, all of them voice',                      hex: '18e0',           fec: false },
    { name: 'stereo, in the side channel',                   hex: '0c10',           fec: true },
    { name: 'stereo, voice in both',                         hex: '0ca0',           fec: false },
    { name: 'stereo of 60 ms, in the side channel',          hex: '1c01',           fec: true },
    { name: 'hybrid',                                        hex: '7840',           fec: true },
    { name: 'CELT has none',                                 hex: '9840',           fec: false },
    { name: 'two frames, the first of which counts',         hex: '094000',         fec: true },
    { name: 'two frames, the second of which does not',      hex: '090040',         fec: false },
    { name: 'two lengths',                                   hex: '0a014000',       fec: true },
    { name: 'two lengths, the first none',                   hex: '0a0040',         fec: false },
    { name: 'several of one length, padded',                 hex: '0b4201400000',   fec: true },
    { name: 'several lengths',                               hex: '0b8301014000cc', fec: true },
    { name: 'several lengths, the first none',               hex: '0b82004040',     fec: false },
    { name: 'silence',                                       hex: '08',             fec: false },
    { name: 'nothing at all',                                hex: '',               fec: false },
    { name: 'framing that cannot be true',                   hex: '0940',           fec: false },
  ];
  it.each(packets)('$name', ({ hex, fec }) => {
    const bytes = Buffer.from(`ff${hex}ff`, 'hex');
    expect(opusHasFec(bytes, 1, bytes.length - 2)).toBe(fec);
  });
});

describe.skipIf(!opusAvailable())('what Opus asks the other side for', () => {
  it('is in-band FEC where it can read it, and nothing elsewhere', () => {
    expect(opus.fmtp).toBe(opusLibrary === undefined ? undefined : 'useinbandfec=1');
    const recovers = opus.createDecoder(16_000).recover !== undefined;
    expect(recovers).toBe(true);
  });
});

/** An encoder for a peer that wants FEC. */
const withFec: Codec = {
  ...opus,
  createEncoder: (sampleRateHz) => opus.createEncoder(sampleRateHz, 'useinbandfec=1'),
};

describe.skipIf(opusLibrary === undefined)('in-band FEC', () => {
  const wav = parseWav(readFileSync(new URL('../../gateway/assets/speech.wav', import.meta.url)));
  const speechAt = (rateHz: number) => convertRate(mixDown(wav), wav.sampleRateHz, rateHz);

  it.each([8000, 16_000, 24_000])(
    'gives back lost frames of speech much better than concealment, at %i Hz',
    (rateHz) => {
      const speech = speechAt(rateHz);
      const kept = carry(withFec, speech, rateHz).heard;
      const concealing: Codec = {
        ...withFec,
        createDecoder: (wishedHz) => new OpusDecoder(wishedHz, 'module'),
      };
      const random = createRandom(3);
      const lostFrames = Array.from({ length: 400 }, () => random() < 0.1);
      const lost = (frame: number): boolean => lostFrames[frame]!;
      const [recovered, concealed] = [withFec, concealing].map((codec) =>
        measureLoss(kept, carry(codec, speech, rateHz, lost).heard, rateHz, lost),
      );
      expect(recovered!.snrDb - concealed!.snrDb).toBeGreaterThan(2);
      expect(concealed!.spectralDistanceDb - recovered!.spectralDistanceDb).toBeGreaterThan(2);
    },
  );

  it('is that of the packet behind the loss alone, and changes nothing of what comes after', () => {
    const encoder = withFec.createEncoder(16_000);
    const decoder = opus.createDecoder(16_000);
    const speech = speechAt(16_000);
    const pcm = new Int16Array(640);
    const payload = new Uint8Array(1500);
    let recovered = 0;
    for (let frame = 0; (frame + 1) * 320 <= speech.length; frame++) {
      const sizeBytes = encoder.encode(speech, frame * 320, 320, payload, 0);
      if (frame % 10 === 9) {
        const fec = opusHasFec(payload, 0, sizeBytes);
        expect(decoder.recover!(payload, 0, sizeBytes, pcm, 40, 320)).toBe(fec ? 320 : 0);
        if (fec) recovered++;
      }
      if (frame % 10 !== 8) expect(decoder.decode(payload, 0, sizeBytes, pcm, 0)).toBe(320);
    }
    expect(recovered).toBeGreaterThan(10);
    encoder.close();
    decoder.close();
  });

  it('takes no length that is none of Opus, and no packet that there is no room for', () => {
    const decoder = opus.createDecoder(16_000);
    const packet = Uint8Array.of(0x08, 0xc0, 1, 2, 3);
    const pcm = new Int16Array(400);
    for (const samples of [0, -320, 1, 319, 321, 1.5, Number.NaN, 40_000])
      expect(decoder.recover!(packet, 0, 5, pcm, 0, samples)).toBe(0);
    expect(decoder.recover!(packet, 0, 5, pcm, 100, 320)).toBe(0);
    expect(decoder.recover!(packet, 0, 5, pcm, 80, 320)).toBe(320);
    decoder.close();
    expect(decoder.recover!(packet, 0, 5, pcm, 0, 320)).toBe(0);
  });

  it('survives any bytes', () => {
    const decoder = opus.createDecoder(8000);
    const random = createRandom(67);
    const pcm = new Int16Array(960);
    for (let round = 0; round < 3000; round++) {
      const payload = Uint8Array.from({ length: Math.floor(random() * 80) }, () => random() * 256);
      if (payload.length > 0 && round % 2 === 0) payload[0] = payload[0]! & 0x7c;
      const samples = 20 * (1 + Math.floor(random() * 48));
      expect([0, samples]).toContain(decoder.recover!(payload, 0, payload.length, pcm, 0, samples));
      decoder.decode(payload, 0, payload.length, pcm, 0);
    }
    decoder.close();
  });

  it('is read by a decoder that else does the same as that of the module', () => {
    const encoder = opus.createEncoder(16_000);
    const decoders = [new OpusDecoder(16_000), new OpusDecoder(16_000, 'module')];
    expect(decoders[1]!.recover(Uint8Array.of(0x08, 0xc0, 1), 0, 3, new Int16Array(320), 0, 320)).toBe(0);
    const speech = speechAt(16_000);
    const payload = new Uint8Array(1500);
    for (let frame = 0; frame < 120; frame++) {
      const sizeBytes = encoder.encode(speech, frame * 320, 320, payload, 0);
      const heard = decoders.map((decoder) => {
        const pcm = new Int16Array(320);
        if (frame % 9 === 8) decoder.conceal(pcm, 0, 320);
        else decoder.decode(payload, 0, sizeBytes, pcm, 0);
        return pcm;
      });
      expect(heard[0]).toEqual(heard[1]);
    }
    for (const codec of [encoder, ...decoders]) codec.close();
  });
});
