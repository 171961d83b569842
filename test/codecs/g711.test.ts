import { describe, expect, it } from 'vitest';
import { codecNamed, codecs } from '../../codecs/catalogue.ts';
import type { Codec } from '../../codecs/codec.ts';
import { pcma, pcmu } from '../../codecs/g711.ts';
import { createRandom } from '../support/random.ts';

/** Index of the segment: how often `value` can be halved before it is below `limit`. */
function segmentOf(value: number, limit: number): number {
  let segment = 0;
  for (let rest = value; rest >= limit; rest >>= 1) segment++;
  return segment;
}

/** µ-law after ITU-T G.191: 14-bit one's complement magnitude plus 33, clipped, all bits of the code inverted. */
function encodePcmuReference(sample: number): number {
  const magnitude = Math.min((sample < 0 ? ~sample >> 2 : sample >> 2) + 33, 8191);
  const segment = segmentOf(magnitude, 64);
  const code = (segment << 4) | ((magnitude >> (segment + 1)) & 15);
  return (code ^ 0x7f) | (sample < 0 ? 0 : 0x80);
}

function decodePcmuReference(payloadByte: number): number {
  const code = ~payloadByte & 0x7f;
  const magnitude = ((((code & 15) * 2 + 33) << (code >> 4)) - 33) << 2;
  return payloadByte & 0x80 ? magnitude : -magnitude;
}

/** A-law after ITU-T G.191: 12-bit one's complement magnitude, even bits inverted. */
function encodePcmaReference(sample: number): number {
  const magnitude = (sample < 0 ? ~sample : sample) >> 4;
  const segment = segmentOf(magnitude, 32);
  const code = magnitude < 16 ? magnitude : ((segment + 1) << 4) | ((magnitude >> segment) & 15);
  return (code | (sample < 0 ? 0 : 0x80)) ^ 0x55;
}

function decodePcmaReference(payloadByte: number): number {
  const code = (payloadByte ^ 0x55) & 0x7f;
  const segment = code >> 4;
  const step = segment === 0 ? code & 15 : (code & 15) + 16;
  const magnitude = ((step << 4) + 8) << Math.max(0, segment - 1);
  return payloadByte & 0x80 ? magnitude : -magnitude;
}

const laws: readonly {
  codec: Codec;
  encode: (sample: number) => number;
  decode: (payloadByte: number) => number;
}[] = [
  { codec: pcmu, encode: encodePcmuReference, decode: decodePcmuReference },
  { codec: pcma, encode: encodePcmaReference, decode: decodePcmaReference },
];

describe.each(laws)('$codec.name', ({ codec, encode, decode }) => {
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
