import { describe, expect, it } from 'vitest';
import { codecNamed, codecs } from '../../codecs/catalogue.ts';
import { l16, l16Narrow } from '../../codecs/l16.ts';
import { createTone } from '../../codecs/tones.ts';

describe.each([l16, l16Narrow])('$name', (codec) => {
  it('is every sample in network byte order (RFC 3551 §4.5.11)', () => {
    const payload = new Uint8Array(8);
    expect(codec.createEncoder().encode(Int16Array.of(0, 0x0102, -2, -32_768), 1, 3, payload, 2)).toBe(6);
    expect([...payload]).toEqual([0, 0, 0x01, 0x02, 0xff, 0xfe, 0x80, 0x00]);
  });

  it('gives back what was said, all 65,536 values', () => {
    const said = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const payload = new Uint8Array(131_072);
    codec.createEncoder().encode(said, 0, said.length, payload, 0);
    const heard = new Int16Array(65_536);
    expect(codec.createDecoder().decode(payload, 0, payload.length, heard, 0)).toBe(65_536);
    expect(heard).toEqual(said);
  });

  it('takes no more than there is room for, and no half sample', () => {
    const encoder = codec.createEncoder();
    const decoder = codec.createDecoder();
    expect(encoder.encode(new Int16Array(10), 8, 10, new Uint8Array(100), 0)).toBe(4);
    expect(encoder.encode(new Int16Array(10), 0, 10, new Uint8Array(7), 0)).toBe(6);
    expect(decoder.decode(new Uint8Array(9), 0, 9, new Int16Array(100), 0)).toBe(4);
    expect(decoder.decode(new Uint8Array(9), 8, 9, new Int16Array(100), 0)).toBe(0);
    expect(decoder.decode(new Uint8Array(20), 0, 20, new Int16Array(5), 3)).toBe(2);
  });

  it('conceals a lost packet', () => {
    const decoder = codec.createDecoder();
    const samples = codec.sampleRateHz / 50;
    const pcm = new Int16Array(samples);
    const payload = new Uint8Array(2 * samples);
    const tone = createTone(400, codec.sampleRateHz, -10);
    for (let count = 0; count < 5; count++) {
      tone.fill(pcm, 0, samples);
      codec.createEncoder().encode(pcm, 0, samples, payload, 0);
      decoder.decode(payload, 0, payload.length, pcm, 0);
    }
    expect(decoder.conceal(pcm, 0, samples)).toBe(samples);
    expect(Math.max(...pcm.subarray(0, 80))).toBeGreaterThan(8000);
  });

  it('is there only for who asks', () => {
    expect(codecNamed(codec.name)).toBe(codec);
    expect(codecs).not.toContain(codec);
    expect(codec.payloadTypeStatic).toBeUndefined();
  });
});
