import { describe, expect, it } from 'vitest';
import { buildWav, parseWav, WavError } from '../../codecs/wav.ts';
import { buildGrowingWavHeader, GROWING_WAV_HEADER_BYTES, WavReader } from '../../codecs/wav-stream.ts';

const pcm = Int16Array.from({ length: 200 }, (_, i) => (i * 7919) % 20_011);

function readIn(pieceBytes: number, file: Uint8Array): number[] {
  const reader = new WavReader();
  const samples: number[] = [];
  for (let at = 0; at < file.length; at += pieceBytes) {
    samples.push(...(reader.push(file.subarray(at, at + pieceBytes))?.pcm ?? []));
  }
  reader.finish();
  return samples;
}

describe('a WAVE file that arrives in pieces', () => {
  it.each([1, 2, 3, 7, 44, 1000])('gives the same samples in pieces of %i bytes', (pieceBytes) => {
    for (const channels of [1, 2]) {
      const file = buildWav({ sampleRateHz: 8000, channels, pcm });
      expect(readIn(pieceBytes, file)).toEqual([...pcm]);
    }
  });

  it('skips what lies before and behind the audio', () => {
    const plain = buildWav({ sampleRateHz: 8000, channels: 1, pcm });
    const extra = Uint8Array.from([...Buffer.from('LIST'), 5, 0, 0, 0, 1, 2, 3, 4, 5, 0]);
    const file = Buffer.concat([plain.subarray(0, 12), extra, plain.subarray(12), extra]);
    for (const pieceBytes of [1, 5, 500]) expect(readIn(pieceBytes, file)).toEqual([...pcm]);
  });

  it.each([
    { name: 'the length of a stream', value: 0xffff_ffff },
    { name: 'a length that was never filled in', value: 0 },
    { name: 'a length beyond the end', value: 100_000 },
  ])('reads to the end with $name', ({ value }) => {
    const file = buildWav({ sampleRateHz: 8000, channels: 1, pcm });
    new DataView(file.buffer).setUint32(40, value, true);
    expect(readIn(64, file)).toEqual([...pcm]);
  });

  it.each([
    { name: 'something else', bytes: Buffer.from('ID3\x03 a song and more'), code: 'not-wav' },
    { name: 'audio before its format', bytes: Buffer.from('RIFF____WAVEdata____'), code: 'bad-format' },
    { name: 'an end before the audio', bytes: Buffer.from('RIFF____WAVE'), code: 'no-data' },
    { name: 'nothing', bytes: Buffer.alloc(0), code: 'not-wav' },
  ])('refuses $name', ({ bytes, code }) => {
    const reader = new WavReader();
    const read = () => {
      reader.push(bytes);
      reader.finish();
    };
    expect(read).toThrow(WavError);
    expect(read).toThrow(expect.objectContaining({ code }));
  });
});

describe('the header of a file that grows', () => {
  it('is that of a plain WAVE file', () => {
    const header = buildGrowingWavHeader({ sampleRateHz: 16_000, channels: 2, dataBytes: pcm.byteLength });
    const file = Buffer.concat([header, Buffer.from(pcm.buffer)]);
    expect(parseWav(file)).toEqual({ sampleRateHz: 16_000, channels: 2, pcm });
    expect(header).toHaveLength(GROWING_WAV_HEADER_BYTES);
    expect(new DataView(header.buffer).getUint32(4, true)).toBe(file.length - 8);
  });

  it('becomes RF64 beyond 4 GB, with lengths of 64 bits', () => {
    const dataBytes = 5_000_000_000;
    const header = buildGrowingWavHeader({ sampleRateHz: 16_000, channels: 2, dataBytes });
    const view = new DataView(header.buffer);
    expect(Buffer.from(header.subarray(0, 16)).toString('latin1')).toBe('RF64\xff\xff\xff\xffWAVEds64');
    expect([view.getBigUint64(20, true), view.getBigUint64(28, true), view.getBigUint64(36, true)]).toEqual([
      5_000_000_072n,
      5_000_000_000n,
      1_250_000_000n,
    ]);
    const reader = new WavReader();
    reader.push(header);
    expect(reader.push(new Uint8Array(8))).toMatchObject({ sampleRateHz: 16_000, channels: 2 });
  });
});
