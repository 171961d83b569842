import { describe, expect, it } from 'vitest';
import { countG711Errors, g711Laws } from '../../bench/codec-references.ts';
import { codecNamed, codecs } from '../../codecs/catalogue.ts';
import { pcma, pcmu } from '../../codecs/g711.ts';
import { createRandom } from '../support/random.ts';

describe.each(g711Laws)('$codec.name', ({ codec, encode, decode }) => {
  it('encodes all 65,536 samples as G.191 does', () => {
    const pcm = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const payload = new Uint8Array(pcm.length);
    expect(codec.createEncoder().encode(pcm, 0, pcm.length, payload, 0)).toBe(pcm.length);
    const wrong = [...pcm].filter((sample, i) => payload[i] !== encode(sample));
    expect(wrong).toEqual([]);
  });

  it('decodes all 256 bytes as G.191 does', () => {
    const payload = Uint8Array.from({ length: 256 }, (_, i) => i);
    const pcm = new Int16Array(256);
    expect(codec.createDecoder().decode(payload, 0, 256, pcm, 0)).toBe(256);
    expect(pcm).toEqual(Int16Array.from(payload, decode));
  });

  it('has none of all samples and codes otherwise, as the table of audio quality counts them', () => {
    expect(countG711Errors({ codec, encode, decode } as (typeof g711Laws)[number])).toBe(0);
  });

  it('works inside larger buffers and leaves the rest alone', () => {
    const pcm = new Int16Array(400).fill(77);
    const payload = new Uint8Array(400).fill(9);
    pcm.fill(1000, 100, 260);
    expect(codec.createEncoder().encode(pcm, 100, 160, payload, 12)).toBe(160);
    expect(new Set(payload.subarray(12, 172))).toEqual(new Set([encode(1000)]));
    expect([payload[11], payload[172]]).toEqual([9, 9]);
    expect(codec.createDecoder().decode(payload, 12, 160, pcm, 0)).toBe(160);
    expect(new Set(pcm.subarray(0, 160))).toEqual(new Set([decode(encode(1000))]));
    expect(pcm[160]).toBe(1000);
  });

  it('stops where a buffer ends', () => {
    const decoder = codec.createDecoder();
    expect(decoder.decode(new Uint8Array(10), 4, 100, new Int16Array(100), 0)).toBe(6);
    expect(decoder.decode(new Uint8Array(100), 0, 100, new Int16Array(8), 3)).toBe(5);
    expect(decoder.decode(new Uint8Array(10), 20, 5, new Int16Array(8), 0)).toBe(0);
    expect(decoder.conceal(new Int16Array(10), 4, 160)).toBe(6);
    expect(codec.createEncoder().encode(new Int16Array(10), 8, 160, new Uint8Array(160), 0)).toBe(2);
  });

  it('takes any bytes', () => {
    const random = createRandom(711);
    const decoder = codec.createDecoder();
    const pcm = new Int16Array(500);
    for (let round = 0; round < 2000; round++) {
      const payload = Uint8Array.from({ length: Math.floor(random() * 500) }, () => random() * 256);
      expect(decoder.decode(payload, 0, payload.length, pcm, 0)).toBe(payload.length);
    }
  });
});

describe('catalogue', () => {
  it('finds a codec by its name', () => {
    expect(codecNamed('pcmu')).toBe(pcmu);
    expect(codecNamed('pcma')).toBe(pcma);
    for (const codec of codecs) expect(codecNamed(codec.name)).toBe(codec);
  });
});
