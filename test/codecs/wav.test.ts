import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildWav, buildWavHeader, mixDown, parseWav, WAV_HEADER_BYTES, WavError } from '../../codecs/wav.ts';

interface Parts {
  readonly tag?: number;
  readonly channels?: number;
  readonly rateHz?: number;
  readonly bits?: number;
  readonly data: readonly number[];
  readonly dataSize?: number;
  readonly extra?: readonly number[];
  readonly extensible?: number;
}

/** A file by hand, with what no builder of ours writes. */
function file(parts: Parts): Uint8Array {
  const { tag = 1, channels = 1, rateHz = 8000, bits = 16, data, dataSize = data.length, extra = [] } = parts;
  const extension =
    parts.extensible === undefined
      ? []
      : [22, 0, bits, 0, 4, 0, 0, 0, parts.extensible, 0, ...Array(14).fill(9)];
  const formatBytes = Buffer.alloc(16);
  formatBytes.writeUInt16LE(tag, 0);
  formatBytes.writeUInt16LE(channels, 2);
  formatBytes.writeUInt32LE(rateHz, 4);
  formatBytes.writeUInt16LE((channels * bits) / 8, 12);
  formatBytes.writeUInt16LE(bits, 14);
  const size = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  return Buffer.concat([
    Buffer.from('RIFF\0\0\0\0WAVEfmt '),
    size(16 + extension.length),
    formatBytes,
    Buffer.from(extension),
    Buffer.from(extra),
    Buffer.from('data'),
    size(dataSize),
    Buffer.from(data),
  ]);
}

describe('WAVE parser', () => {
  const cases: readonly ({ readonly name: string; readonly pcm: readonly number[] } & Parts)[] = [
    { name: '8-bit PCM, unsigned', bits: 8, data: [0, 128, 255], pcm: [-32768, 0, 32512] },
    { name: '16-bit PCM', data: [1, 0, 255, 255, 0, 128, 255, 127], pcm: [1, -1, -32768, 32767] },
    {
      name: '24-bit PCM, rounded and saturated',
      bits: 24,
      data: [0x7f, 1, 0, 0x80, 1, 0, 0xff, 0xff, 0x7f, 0, 0, 0x80],
      pcm: [1, 2, 32767, -32768],
    },
    { name: '32-bit PCM', bits: 32, data: [0, 0, 0x34, 0x12, 0, 0x80, 0xff, 0xff], pcm: [0x1234, 0] },
    {
      name: '32-bit float, saturated',
      tag: 3,
      bits: 32,
      data: [0, 0, 0, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x40, 0, 0, 0xc0, 0x7f],
      pcm: [16384, -32768, 32767, 0],
    },
    { name: '64-bit float', tag: 3, bits: 64, data: [0, 0, 0, 0, 0, 0, 0xe0, 0xbf], pcm: [-16384] },
    { name: 'µ-law', tag: 7, bits: 8, data: [0xff, 0x80, 0x00], pcm: [0, 32124, -32124] },
    { name: 'A-law', tag: 6, bits: 8, data: [0xd5, 0xaa, 0x2a], pcm: [8, 32256, -32256] },
    { name: 'extensible PCM', tag: 0xfffe, extensible: 1, data: [1, 0], pcm: [1] },
    { name: 'extensible float', tag: 0xfffe, extensible: 3, bits: 32, data: [0, 0, 0, 0x3f], pcm: [16384] },
    {
      name: 'behind an odd chunk with its padding',
      extra: [...Buffer.from('LIST'), 3, 0, 0, 0, 1, 2, 3, 0],
      data: [5, 0],
      pcm: [5],
    },
    { name: 'a length never filled in', dataSize: 0, data: [5, 0, 6, 0], pcm: [5, 6] },
    { name: 'an open length', dataSize: 0xffff_ffff, data: [5, 0, 6, 0], pcm: [5, 6] },
    { name: 'cut off within a sample', dataSize: 100, data: [5, 0, 6], pcm: [5] },
    { name: 'cut off within a frame', channels: 2, dataSize: 100, data: [5, 0, 6, 0, 7, 0], pcm: [5, 6] },
    { name: 'no samples', data: [], pcm: [] },
  ];
  it.each(cases)('reads $name', ({ pcm, ...parts }) => {
    const wav = parseWav(file(parts));
    expect([...wav.pcm]).toEqual(pcm);
    expect(wav.sampleRateHz).toBe(8000);
    expect(wav.channels).toBe(parts.channels ?? 1);
  });

  const refused: readonly { readonly name: string; readonly bytes: Uint8Array; readonly message: string }[] =
    [
      {
        name: 'nothing',
        bytes: new Uint8Array(0),
        message: 'must begin with RIFF … WAVE, got an empty file',
      },
      { name: 'an MP3', bytes: Buffer.from('ID3\x04\0\0\0\0\0\0\0\0\0'), message: "got 'ID3.........'" },
      {
        name: 'ADPCM',
        bytes: file({ tag: 2, bits: 4, data: [0] }),
        message: 'got Microsoft ADPCM of 4 bits; convert',
      },
      { name: '12-bit PCM', bytes: file({ bits: 12, data: [0] }), message: 'got format 1 of 12 bits' },
      { name: 'no channels', bytes: file({ channels: 0, data: [0] }), message: '1 to 8 channels, got 0' },
      { name: 'a rate of 0', bytes: file({ rateHz: 0, data: [0] }), message: '1000 to 384000 Hz, got 0' },
      { name: 'no data chunk', bytes: file({ data: [] }).subarray(0, 36), message: 'must have a data chunk' },
      {
        name: 'data before fmt',
        bytes: Buffer.from('RIFF\0\0\0\0WAVEdata\0\0\0\0'),
        message: 'must come before',
      },
      {
        name: 'a short fmt',
        bytes: Buffer.from('RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd'),
        message: '16 bytes, got 4',
      },
    ];
  it.each(refused)('refuses $name and says why', ({ bytes, message }) => {
    expect(() => parseWav(bytes)).toThrow(WavError);
    expect(() => parseWav(bytes)).toThrow(message);
  });

  it('throws nothing but WavError, whatever the bytes', () => {
    const valid = file({
      channels: 2,
      extra: [...Buffer.from('LIST'), 2, 0, 0, 0, 1, 2],
      data: Array(64).fill(3),
    });
    const mutated = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 })
      .map((changes) => {
        const bytes = Uint8Array.from(valid);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
        try {
          parseWav(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WavError);
        }
      }),
      { seed: 44, numRuns: 3000 },
    );
  });

  it('takes linear time over 60 KB of tiny chunks', () => {
    const chunks = Buffer.from('RIFF\0\0\0\0WAVE'.padEnd(12) + 'LIST\0\0\0\0'.repeat(7500));
    const startMs = performance.now();
    expect(() => parseWav(chunks)).toThrow(WavError);
    expect(performance.now() - startMs).toBeLessThan(500);
  });
});

describe('WAVE builder', () => {
  it('writes what the parser reads', () => {
    fc.assert(
      fc.property(
        fc.int16Array({ maxLength: 100 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(8000, 44_100, 96_000),
        (samples, channels, sampleRateHz) => {
          const pcm = samples.slice(0, samples.length - (samples.length % channels));
          expect(parseWav(buildWav({ sampleRateHz, channels, pcm }))).toEqual({
            sampleRateHz,
            channels,
            pcm,
          });
        },
      ),
      { seed: 45, numRuns: 200 },
    );
  });

  it('writes the header byte by byte', () => {
    const header = buildWavHeader({ sampleRateHz: 16_000, channels: 2, dataBytes: 640 });
    expect(Buffer.from(header).toString('hex')).toBe(
      '52494646a402000057415645666d7420100000000100020' + '0803e000000fa00000400100064617461' + '80020000',
    );
    expect(header.length).toBe(WAV_HEADER_BYTES);
  });

  it('leaves the length of a stream open', () => {
    const header = buildWavHeader({ sampleRateHz: 8000, channels: 1 });
    const bytes = Buffer.concat([header, Buffer.from([1, 0, 2, 0, 3, 0])]);
    expect([...parseWav(bytes).pcm]).toEqual([1, 2, 3]);
  });
});

describe('mix-down', () => {
  it.each([
    { name: 'mono as it is', channels: 1, pcm: [1, 2, 3], mono: [1, 2, 3] },
    {
      name: 'stereo as the mean',
      channels: 2,
      pcm: [10, 20, 32767, 32767, -32768, -32768],
      mono: [15, 32767, -32768],
    },
    { name: 'four channels', channels: 4, pcm: [4, 8, 12, 16], mono: [10] },
  ])('gives $name', ({ channels, pcm, mono }) => {
    expect([...mixDown({ sampleRateHz: 8000, channels, pcm: Int16Array.from(pcm) })]).toEqual(mono);
  });
});
