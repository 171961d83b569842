import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FlacReader } from '../../codecs/flac-decoder.ts';
import { buildFlacHeader, FlacEncoder, flacCrc8, flacCrc16 } from '../../codecs/flac-encoder.ts';
import { createTone } from '../../codecs/tones.ts';
import { createRandom } from '../support/random.ts';

const random = createRandom(5);

const signals: { name: string; samples: number; channels: 1 | 2; make: (i: number) => number }[] = [
  { name: 'silence', samples: 9000, channels: 1, make: () => 0 },
  { name: 'an offset', samples: 4096, channels: 2, make: () => -1234 },
  {
    name: 'noise at full scale',
    samples: 9001,
    channels: 2,
    make: () => Math.floor(random() * 65_536) - 32_768,
  },
  {
    name: 'steps from one end to the other',
    samples: 5000,
    channels: 1,
    make: (i) => (i % 9 < 5 ? 32_767 : -32_768),
  },
  { name: 'faint noise', samples: 4096 * 3 + 17, channels: 1, make: () => Math.floor(random() * 9) - 4 },
  { name: 'a ramp', samples: 4097, channels: 1, make: (i) => (i * 13) % 30_000 },
  { name: 'one sample', samples: 1, channels: 1, make: () => 77 },
];

function encode(pcm: Int16Array, channels: 1 | 2, sampleRateHz = 16_000): Buffer {
  const encoder = new FlacEncoder({ channels, sampleRateHz });
  const frames: Uint8Array[] = [];
  for (let at = 0; at < pcm.length; at += 1234) frames.push(...encoder.push(pcm.subarray(at, at + 1234)));
  const last = encoder.finish();
  if (last !== undefined) frames.push(last);
  const md5 = createHash('md5')
    .update(Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength))
    .digest();
  return Buffer.concat([
    buildFlacHeader({ sampleRateHz, channels, samples: pcm.length / channels, md5 }),
    ...frames,
  ]);
}

function decode(file: Uint8Array): Int16Array {
  const reader = new FlacReader();
  return Int16Array.from([...reader.push(file), ...reader.finish()].flatMap((pcm) => [...pcm]));
}

describe('FLAC', () => {
  it.each(signals)('gives back $name', ({ samples, channels, make }) => {
    const pcm = Int16Array.from({ length: samples * channels }, (_, i) => make(i));
    const mono = Array.from({ length: samples }, (_, i) =>
      channels === 1 ? pcm[i]! : Math.round((pcm[2 * i]! + pcm[2 * i + 1]!) / 2),
    );
    expect([...decode(encode(pcm, channels))]).toEqual(mono);
  });

  it('is half as long as PCM for a tone, and no longer for noise', () => {
    const tone = new Int16Array(16_000);
    createTone(440, 16_000, -12).fill(tone, 0, tone.length);
    expect(encode(tone, 1).length).toBeLessThan(tone.byteLength / 2);
    const noise = Int16Array.from({ length: 16_384 }, () => Math.floor(random() * 65_536) - 32_768);
    expect(encode(noise, 1).length).toBeLessThan(noise.byteLength * 1.003);
  });

  it('has the check values of its two checksums (CRC-8/SMBUS, CRC-16/UMTS)', () => {
    const check = Buffer.from('123456789');
    expect(flacCrc8(check)).toBe(0xf4);
    expect(flacCrc16(check)).toBe(0xfee8);
  });
});
