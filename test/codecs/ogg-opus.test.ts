import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codecs } from '../../codecs/catalogue.ts';
import { toneLevel } from '../../codecs/goertzel.ts';
import { OggOpusReader, OggOpusWriter } from '../../codecs/ogg-opus.ts';
import { OggPageReader } from '../../codecs/ogg-page.ts';
import { createTone } from '../../codecs/tones.ts';

function tone(hz: number, rateHz: number, samples: number): Int16Array {
  const pcm = new Int16Array(samples);
  createTone(hz, rateHz, -12).fill(pcm, 0, samples);
  return pcm;
}

function read(file: Uint8Array, pieceBytes = 1000): Int16Array {
  const reader = new OggOpusReader();
  const samples: number[] = [];
  for (let at = 0; at < file.length; at += pieceBytes)
    for (const pcm of reader.push(file.subarray(at, at + pieceBytes))) samples.push(...pcm);
  reader.close();
  return Int16Array.from(samples);
}

function write(pcm: Int16Array, sampleRateHz: number, channels: 1 | 2): Uint8Array {
  const writer = new OggOpusWriter({ sampleRateHz, channels, serial: 99 });
  const parts = [writer.header()];
  for (let at = 0; at < pcm.length; at += 777 * channels)
    parts.push(writer.push(pcm.subarray(at, at + 777 * channels)));
  parts.push(writer.finish());
  writer.close();
  return Buffer.concat(parts);
}

describe.skipIf(!codecs.some(({ name }) => name === 'opus'))('Opus in an Ogg file', () => {
  it.each([
    { sampleRateHz: 8000, samples: 12_345 },
    { sampleRateHz: 16_000, samples: 16_000 },
    { sampleRateHz: 48_000, samples: 5 },
  ])('is exactly as long as what was recorded at $sampleRateHz Hz', ({ sampleRateHz, samples }) => {
    const heard = read(write(tone(1000, sampleRateHz, samples), sampleRateHz, 1));
    expect(heard.length).toBe((samples * 48_000) / sampleRateHz);
    if (samples > 100) expect(toneLevel(heard.subarray(4800), 48_000, 1000)).toBeCloseTo(-12, 0);
  });

  it('keeps two sides apart: each is a stream of its own', () => {
    const left = tone(700, 16_000, 16_000);
    const right = tone(1900, 16_000, 16_000);
    const both = Int16Array.from({ length: 32_000 }, (_, i) => (i % 2 === 0 ? left : right)[i >> 1]!);
    const file = write(both, 16_000, 2);
    const heard = read(file).subarray(4800);
    expect(toneLevel(heard, 48_000, 700)).toBeCloseTo(-18, 0);
    expect(toneLevel(heard, 48_000, 1900)).toBeCloseTo(-18, 0);
    const [head] = new OggPageReader().push(file);
    expect([...head!.packets[0]!.subarray(8)]).toEqual([1, 2, 56, 1, 128, 62, 0, 0, 0, 0, 1, 2, 0, 0, 1]);
  });

  it('is played as far as it goes where it was cut off', () => {
    const file = write(tone(1000, 16_000, 32_000), 16_000, 1);
    const heard = read(file.subarray(0, Math.floor(file.length * 0.8)));
    expect(heard.length).toBeGreaterThan(48_000);
    expect(heard.length).toBeLessThan(96_000);
  });

  it('is read as other programs write it: 0.5 s of 1 kHz in stereo', () => {
    const file = readFileSync(new URL('../gateway/audio/fixtures/tone-opus-stereo.ogg', import.meta.url));
    for (const pieceBytes of [1, 100, 100_000]) {
      const heard = read(file, pieceBytes);
      expect(heard.length).toBe(24_000);
      expect(toneLevel(heard.subarray(4800), 48_000, 1000)).toBeCloseTo(-6.2, 0);
    }
  });

  it('refuses a rate that Opus does not have', () => {
    expect(() => new OggOpusWriter({ sampleRateHz: 44_100, channels: 1, serial: 1 })).toThrow(RangeError);
  });
});
