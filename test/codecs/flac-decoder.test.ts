import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FlacError, FlacReader } from '../../codecs/flac-decoder.ts';
import { buildFlacHeader, FlacEncoder } from '../../codecs/flac-encoder.ts';
import { toneLevel } from '../../codecs/goertzel.ts';
import { createRandom } from '../support/random.ts';

const tone = readFileSync(new URL('../gateway/audio/fixtures/tone-16000.flac', import.meta.url));

function read(file: Uint8Array, pieceBytes = 1000): number[] {
  const reader = new FlacReader();
  const samples: number[] = [];
  for (let at = 0; at < file.length; at += pieceBytes)
    for (const pcm of reader.push(file.subarray(at, at + pieceBytes))) samples.push(...pcm);
  for (const pcm of reader.finish()) samples.push(...pcm);
  return samples;
}

describe('a FLAC file', () => {
  it.each([1, 17, 4096, 100_000])('is read in pieces of %i bytes: 0.5 s of 1 kHz', (pieceBytes) => {
    const pcm = Int16Array.from(read(tone, pieceBytes));
    expect(pcm.length).toBe(8000);
    expect(toneLevel(pcm, 16_000, 1000)).toBeCloseTo(-6, 0);
  });

  it('is read as far as it goes where it is cut off', () => {
    const half = read(tone.subarray(0, Math.floor(tone.length * 0.7)));
    expect(half.length).toBe(4096);
  });

  it('goes on behind a frame that is damaged', () => {
    const encoder = new FlacEncoder({ channels: 1, sampleRateHz: 8000 });
    const random = createRandom(3);
    const pcm = Int16Array.from({ length: 4096 * 3 }, () => Math.floor(random() * 999));
    const frames = encoder.push(pcm);
    frames[1]![100] = frames[1]![100]! ^ 4;
    const file = Buffer.concat([buildFlacHeader({ channels: 1, sampleRateHz: 8000 }), ...frames]);
    expect(read(file)).toEqual([...pcm.subarray(0, 4096), ...pcm.subarray(8192)]);
  });

  it('of 1 MB that holds nothing is no work without end', () => {
    const random = createRandom(4);
    const junk = Buffer.from(
      Uint8Array.from({ length: 1_000_000 }, () => (random() < 0.2 ? 0xff : random() * 256)),
    );
    const startedMs = performance.now();
    expect(
      read(Buffer.concat([buildFlacHeader({ channels: 1, sampleRateHz: 8000 }), junk]), 4096).length,
    ).toBeLessThan(100_000);
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });

  it.each([
    { name: 'another file', file: Buffer.from('RIFF----') },
    { name: 'a file that ends too soon', file: Buffer.from('fLaC') },
    { name: 'a file without STREAMINFO', file: Buffer.from([0x66, 0x4c, 0x61, 0x43, 0x84, 0, 0, 0, 0, 0]) },
  ])('is not $name', ({ file }) => {
    expect(() => read(file)).toThrow(FlacError);
  });
});
