import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecNamed } from '../../codecs/catalogue.ts';
import { measureTone } from '../../codecs/goertzel.ts';
import { createOpusEncoder, opus } from '../../codecs/opus.ts';
import { opusAvailable, opusIdleCounts, opusUnavailableReason } from '../../codecs/opus-native.ts';
import { opusFrameMs, opusPacketMs } from '../../codecs/opus-packet.ts';
import { createTone } from '../../codecs/tones.ts';
import { createRandom } from '../support/random.ts';

describe('Opus packet', () => {
  const packets: readonly { readonly name: string; readonly hex: string; readonly ms: number | undefined }[] =
    [
      { name: 'nothing', hex: '', ms: undefined },
      { name: 'SILK of 20 ms, one frame', hex: '08aabb', ms: 20 },
      { name: 'SILK of 60 ms, one empty frame', hex: '18', ms: 60 },
      { name: 'hybrid of 10 ms', hex: '60aa', ms: 10 },
      { name: 'CELT of 2.5 ms', hex: '80aa', ms: 2.5 },
      { name: 'two equal frames', hex: '09aabb', ms: 40 },
      { name: 'two equal frames of odd length', hex: '09aabbcc', ms: undefined },
      { name: 'two frames of their own length', hex: '0a01aabbcc', ms: 40 },
      { name: 'two frames, the first too long', hex: '0a04aabbcc', ms: undefined },
      { name: 'two frames, the length cut off', hex: '0afc', ms: undefined },
      { name: 'three frames of constant length', hex: '0b03aabbcc', ms: 60 },
      { name: 'three frames that do not divide', hex: '0b03aabb', ms: undefined },
      { name: 'no frames', hex: '0b00', ms: undefined },
      { name: 'no frame count', hex: '0b', ms: undefined },
      { name: '120 ms', hex: '0b06', ms: 120 },
      { name: '140 ms', hex: '0b07', ms: undefined },
      { name: 'padding', hex: '0b4202aabb0000', ms: 40 },
      { name: 'more padding than packet', hex: '0b42ff05aabb', ms: undefined },
      { name: 'three frames of varying length', hex: '0b830102aabbbbcc', ms: 60 },
      { name: 'varying lengths beyond the packet', hex: '0b830109aabbbb', ms: undefined },
    ];
  it.each(packets)('$name', ({ hex, ms }) => {
    const bytes = Buffer.from(`ee${hex}`, 'hex');
    expect(opusPacketMs(bytes, 1, bytes.length - 1)).toBe(ms);
  });

  it('knows the frame length of each configuration', () => {
    const lengths = Array.from({ length: 32 }, (_, config) => opusFrameMs(config << 3));
    const silk = [10, 20, 40, 60];
    const celt = [2.5, 5, 10, 20];
    expect(lengths).toEqual([...silk, ...silk, ...silk, 10, 20, 10, 20, ...celt, ...celt, ...celt, ...celt]);
  });
});

it('Opus is in the catalogue where it can be loaded, and says why not elsewhere', () => {
  expect(codecNamed('opus')).toBe(opusAvailable() ? opus : undefined);
  if (opusAvailable()) expect(opusUnavailableReason()).toBeUndefined();
  else expect(opusUnavailableReason()).toContain('npm rebuild @discordjs/opus');
});

describe.skipIf(!opusAvailable())('Opus', () => {
  const ratesHz = [8000, 12_000, 16_000, 24_000, 48_000];

  it.each(ratesHz)('carries a tone at %i Hz, whatever the length of its frames', (rateHz) => {
    for (const frameMs of [10, 20, 40, 60]) {
      const encoder = opus.createEncoder(rateHz);
      const decoder = opus.createDecoder(rateHz);
      const samples = (rateHz * frameMs) / 1000;
      const tone = createTone(1000, rateHz, -10);
      const pcm = new Int16Array(samples);
      const payload = new Uint8Array(4000);
      const heard = new Int16Array(rateHz);
      let written = 0;
      while (written + samples <= rateHz) {
        tone.fill(pcm, 0, samples);
        const sizeBytes = encoder.encode(pcm, 0, samples, payload, 3);
        expect(sizeBytes).toBeGreaterThan(0);
        const decoded = decoder.decode(payload, 3, sizeBytes, heard, written);
        expect(decoded).toBe(samples);
        written += decoded;
      }
      const measure = measureTone(heard.subarray(rateHz / 5, written), {
        sampleRateHz: rateHz,
        frequencyHz: 1000,
      });
      expect(Math.abs(measure.levelDb + 10)).toBeLessThan(1);
      expect(measure.present).toBe(1);
      encoder.close();
      decoder.close();
    }
  });

  it('takes 48 kHz where libopus does not know the rate', () => {
    for (const wish of [undefined, 44_100, 96_000, 0]) {
      const encoder = opus.createEncoder(wish);
      const decoder = opus.createDecoder(wish);
      expect([encoder.sampleRateHz, decoder.sampleRateHz]).toEqual([48_000, 48_000]);
      encoder.close();
      decoder.close();
    }
  });

  it('refuses frames that are no Opus frames', () => {
    const encoder = opus.createEncoder(16_000);
    const payload = new Uint8Array(4000);
    for (const samples of [0, 1, 39, 100, 319, 321, 800, 1920, -320, Number.NaN])
      expect(encoder.encode(new Int16Array(5000), 0, samples, payload, 0)).toBe(0);
    expect(encoder.encode(new Int16Array(300), 0, 320, payload, 0)).toBe(0);
    expect(encoder.encode(new Int16Array(320), 0, 320, new Uint8Array(2), 0)).toBe(0);
    expect(encoder.encode(new Int16Array(320), 0, 320, payload, 0)).toBeGreaterThan(0);
    encoder.close();
  });

  it('conceals with fading audio, in any length', () => {
    const encoder = opus.createEncoder(16_000);
    const decoder = opus.createDecoder(16_000);
    const tone = createTone(400, 16_000, -10);
    const pcm = new Int16Array(320);
    const payload = new Uint8Array(1500);
    expect(decoder.conceal(pcm, 0, 320)).toBe(320);
    expect(new Set(pcm)).toEqual(new Set([0]));
    for (let frame = 0; frame < 25; frame++) {
      tone.fill(pcm, 0, 320);
      decoder.decode(payload, 0, encoder.encode(pcm, 0, 320, payload, 0), pcm, 0);
    }
    const lost = new Int16Array(4800);
    expect(decoder.conceal(lost, 0, 100)).toBe(100);
    expect(decoder.conceal(lost, 100, 4700)).toBe(4700);
    const rms = (from: number, to: number): number =>
      Math.sqrt(lost.subarray(from, to).reduce((sum, sample) => sum + sample * sample, 0) / (to - from));
    expect(rms(0, 320)).toBeGreaterThan(2000);
    expect(rms(1920, 4800)).toBe(0);
    expect(decoder.conceal(lost, 4700, 320)).toBe(100);
    encoder.close();
    decoder.close();
  });

  it('survives any bytes, and never takes an empty packet', () => {
    const decoder = opus.createDecoder(16_000);
    const pcm = new Int16Array(1920);
    expect(decoder.decode(new Uint8Array(0), 0, 0, pcm, 0)).toBe(0);
    expect(decoder.decode(new Uint8Array(8), 6, 4, pcm, 0)).toBe(0);
    const random = createRandom(6716);
    for (let round = 0; round < 3000; round++) {
      const payload = Uint8Array.from({ length: Math.floor(random() * 60) }, () => random() * 256);
      const durationMs = opusPacketMs(payload, 0, payload.length);
      const samples = decoder.decode(payload, 0, payload.length, pcm, 0);
      if (durationMs === undefined) expect(samples).toBe(0);
      else expect([0, durationMs * 16]).toContain(samples);
    }
    decoder.close();
  });

  it('decodes every packet that its framing rules let through', () => {
    const decoder = opus.createDecoder(8000);
    const pcm = new Int16Array(960);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (payload) => {
        const durationMs = opusPacketMs(payload, 0, payload.length);
        return decoder.decode(payload, 0, payload.length, pcm, 0) === (durationMs ?? 0) * 8;
      }),
      { seed: 6716, numRuns: 2000 },
    );
    decoder.close();
  });

  it('stays within a buffer that is too short', () => {
    const encoder = opus.createEncoder(8000);
    const decoder = opus.createDecoder(8000);
    const payload = new Uint8Array(1500);
    const sizeBytes = encoder.encode(new Int16Array(160), 0, 160, payload, 0);
    expect(decoder.decode(payload, 0, sizeBytes, new Int16Array(100), 30)).toBe(70);
    encoder.close();
    decoder.close();
  });

  it('reuses native objects, clean of what they heard before', () => {
    const loud = createTone(500, 8000, -3);
    const pcm = new Int16Array(160);
    const payload = new Uint8Array(1500);
    opus.createEncoder(8000).close();
    opus.createDecoder(8000).close();
    const before = opusIdleCounts();
    for (let call = 0; call < 300; call++) {
      const encoder = opus.createEncoder(8000);
      const decoder = opus.createDecoder(8000);
      loud.fill(pcm, 0, 160);
      decoder.decode(payload, 0, encoder.encode(pcm, 0, 160, payload, 0), pcm, 0);
      encoder.close();
      encoder.close();
      decoder.close();
      decoder.close();
      expect(encoder.encode(pcm, 0, 160, payload, 0)).toBe(0);
      expect(decoder.decode(payload, 0, 4, pcm, 0)).toBe(0);
    }
    expect(opusIdleCounts()).toEqual(before);
    const decoder = opus.createDecoder(8000);
    expect(decoder.conceal(pcm, 0, 160)).toBe(160);
    expect(new Set(pcm)).toEqual(new Set([0]));
    decoder.close();
  });

  it('obeys its settings', () => {
    const sizes = [12_000, 64_000].map((bitrate) => {
      const encoder = createOpusEncoder({ sampleRateHz: 16_000, bitrate, complexity: 0 });
      const random = createRandom(1);
      const payload = new Uint8Array(1500);
      const pcm = new Int16Array(320);
      let bytes = 0;
      for (let frame = 0; frame < 20; frame++) {
        for (let i = 0; i < 320; i++) pcm[i] = (random() - 0.5) * 20_000;
        bytes += encoder.encode(pcm, 0, 320, payload, 0);
      }
      encoder.close();
      return bytes;
    });
    expect(sizes[1]! / sizes[0]!).toBeGreaterThan(3);
  });
});
