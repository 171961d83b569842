import { describe, expect, it } from 'vitest';
import {
  digest,
  type G722Vector,
  g722Vectors,
  runG722,
  g722Samples as SAMPLES,
} from '../../bench/codec-references.ts';
import { codecNamed } from '../../codecs/catalogue.ts';
import { g722 } from '../../codecs/g722.ts';
import { measureTone } from '../../codecs/goertzel.ts';
import { createTone } from '../../codecs/tones.ts';
import { createRandom } from '../support/random.ts';

function randomSamples(seed: number, low: number, values: number): (i: number) => number {
  const random = createRandom(seed);
  return () => Math.floor(random() * values) + low;
}

const fullScale = randomSamples(3, -32_768, 65_536);

const vectors: readonly G722Vector[] = [
  ...g722Vectors,
  {
    name: 'noise',
    sample: randomSamples(1, -10_000, 20_000),
    start: '56e38823973404a018a2a9918e0f13b98abeb817341d30ae9a1492b80e17b7edda6dace8ba17372c',
    payload: 'cf90b9ef2d9e3a854c512558df78a1bf',
    audio: '9ef0466e64267078582541e3ba79966d',
  },
  {
    name: 'noise at full scale',
    sample: randomSamples(2, -32_768, 65_536),
    start: '8920842084208426aa1c1b11a80f2c370584ad241789841cad9aa80d1ea02939a05f3aa42ca286b2',
    payload: '25eeac031458c5f7deb0ac8a6400f273',
    audio: 'f9dbb89120182856fdb9747dccdeed5a',
  },
  {
    name: 'bursts out of near silence',
    sample: (
      (quiet) => (i: number) =>
        Math.floor(i / 1500) % 2 === 0 ? Math.floor(quiet() * 9) - 4 : Math.floor(quiet() * 65_536) - 32_768
    )(createRandom(3)),
    start: 'de7af7f0f7f75ef7f29eb8b3afb8f8f6fb5ff4b6bb789ff4f6f6bbfbf8dff6f678f8b6f6f9dab6f9',
    payload: '388622ec71017284091e454a2ebeeea6',
    audio: '1b7c2d918ee6c88eb69cbbf2384eb28d',
  },
];

function bytesOf(pcm: Int16Array): Uint8Array {
  return new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
}

describe('G.722', () => {
  it.each(vectors)('encodes and decodes $name bit by bit', (vector) => {
    const { start, payload, audio } = vector;
    expect(runG722(vector)).toEqual({ start, payload, audio });
  });

  it('decodes random octets bit by bit', () => {
    const random = createRandom(4);
    const payload = Uint8Array.from({ length: 4000 }, () => Math.floor(random() * 256));
    const decoded = new Int16Array(8000);
    g722.createDecoder().decode(payload, 0, 4000, decoded, 0);
    expect(digest(bytesOf(decoded))).toBe('c3ab595b82850b2fed3c223a0efa1c79');
  });

  it('is the same in frames of any length as in one piece', () => {
    const random = createRandom(5);
    const pcm = Int16Array.from({ length: SAMPLES }, (_, i) => fullScale(i) >> 2);
    const whole = new Uint8Array(SAMPLES / 2);
    g722.createEncoder().encode(pcm, 0, SAMPLES, whole, 0);
    const heardWhole = new Int16Array(SAMPLES);
    g722.createDecoder().decode(whole, 0, whole.length, heardWhole, 0);
    const encoder = g722.createEncoder();
    const decoder = g722.createDecoder();
    const parts = new Uint8Array(SAMPLES / 2);
    const heard = new Int16Array(SAMPLES);
    for (let at = 0; at < SAMPLES / 2; ) {
      const sizeBytes = Math.min(Math.floor(random() * 500), SAMPLES / 2 - at);
      expect(encoder.encode(pcm, 2 * at, 2 * sizeBytes, parts, at)).toBe(sizeBytes);
      expect(decoder.decode(parts, at, sizeBytes, heard, 2 * at)).toBe(2 * sizeBytes);
      at += sizeBytes;
    }
    expect(digest(parts)).toBe(digest(whole));
    expect(digest(bytesOf(heard))).toBe(digest(bytesOf(heardWhole)));
  });

  it.each([440, 1000, 3400, 6500])('carries a tone of %i Hz', (frequencyHz) => {
    const pcm = new Int16Array(16_000);
    createTone(frequencyHz, 16_000, -10).fill(pcm, 0, pcm.length);
    const payload = new Uint8Array(8000);
    g722.createEncoder().encode(pcm, 0, pcm.length, payload, 0);
    g722.createDecoder().decode(payload, 0, payload.length, pcm, 0);
    const measure = measureTone(pcm.subarray(1600), { sampleRateHz: 16_000, frequencyHz });
    expect(measure.levelDb).toBeCloseTo(-10, 0);
    expect(measure.present).toBe(1);
  });

  it('begins anew after a reset', () => {
    const encoder = g722.createEncoder();
    const decoder = g722.createDecoder();
    const pcm = Int16Array.from({ length: 640 }, (_, i) => fullScale(i));
    const first = new Uint8Array(320);
    const again = new Uint8Array(320);
    const heard = [new Int16Array(640), new Int16Array(640)];
    encoder.encode(pcm, 0, 640, first, 0);
    decoder.decode(first, 0, 320, heard[0]!, 0);
    encoder.reset();
    decoder.reset();
    encoder.encode(pcm, 0, 640, again, 0);
    decoder.decode(again, 0, 320, heard[1]!, 0);
    expect(again).toEqual(first);
    expect(heard[1]).toEqual(heard[0]);
  });

  it('stops where a buffer ends, and conceals within it', () => {
    const encoder = g722.createEncoder();
    const decoder = g722.createDecoder();
    expect(encoder.encode(new Int16Array(321), 0, 321, new Uint8Array(400), 0)).toBe(160);
    expect(encoder.encode(new Int16Array(320), 300, 320, new Uint8Array(400), 0)).toBe(10);
    expect(encoder.encode(new Int16Array(320), 0, 320, new Uint8Array(400), 390)).toBe(10);
    expect(decoder.decode(new Uint8Array(160), 100, 160, new Int16Array(640), 0)).toBe(120);
    expect(decoder.decode(new Uint8Array(160), 0, 160, new Int16Array(101), 0)).toBe(100);
    expect(decoder.decode(new Uint8Array(160), 200, 1, new Int16Array(101), 0)).toBe(0);
    expect(decoder.conceal(new Int16Array(320), 10, 320)).toBe(310);
  });

  it('has the clock of RFC 3551 and the rate of its audio', () => {
    expect(codecNamed('g722')).toBe(g722);
    expect([g722.rtpClockRateHz, g722.sampleRateHz, g722.payloadTypeStatic]).toEqual([8000, 16_000, 9]);
  });
});
