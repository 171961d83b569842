import { describe, expect, test } from 'vitest';
import {
  createBurst,
  createMarkerLoop,
  loopFrames,
  MarkerDetector,
  markerIntervalMs,
  markerTones,
} from '../../bench/marker-audio.ts';
import { createEar, createVoice, type Heard, listenToPcm } from '../../bench/phone-audio.ts';
import { codecs } from '../../codecs/catalogue.ts';
import { pcma, pcmu } from '../../codecs/g711.ts';

interface Found {
  readonly tone: number;
  readonly onsetMs: number;
}

/** The loop, shifted by `delayMs`, through a codec and the ear of a phone. */
function hearThroughG711(codec: typeof pcmu, delayMs: number): Found[] {
  const pcm = delayed(createMarkerLoop(8000), (delayMs * 8000) / 1000);
  const payload = new Uint8Array(pcm.length);
  codec.createEncoder().encode(pcm, 0, pcm.length, payload, 0);
  const ear = createEar(codec);
  const found: Found[] = [];
  for (let frame = 0; frame < loopFrames; frame++)
    if (ear.listen(payload, frame * 160, 160, frame * 20) === 'marker')
      found.push({ tone: ear.detector.tone, onsetMs: ear.detector.onsetMs });
  expect(ear.detector.unknown).toBe(0);
  return found;
}

function delayed(pcm: Int16Array, samples: number): Int16Array {
  const shifted = new Int16Array(pcm.length);
  shifted.set(pcm.subarray(0, pcm.length - samples), samples);
  shifted.set(pcm.subarray(pcm.length - samples));
  return shifted;
}

/** Low-pass by a windowed sinc of 63 taps: what a resampler does to the edges. Delay 31 samples. */
function smooth(pcm: Int16Array): Int16Array {
  const taps = Array.from({ length: 63 }, (_, tap) => {
    const x = tap - 31;
    const sinc = x === 0 ? 0.85 : Math.sin(Math.PI * 0.85 * x) / (Math.PI * x);
    return sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / 32));
  });
  return pcm.map((_, at) => taps.reduce((sum, tap, i) => sum + tap * (pcm[at - i] ?? 0), 0));
}

describe('markers', () => {
  test.each([
    { codec: pcmu, delayMs: 0 },
    { codec: pcmu, delayMs: 7.125 },
    { codec: pcmu, delayMs: 19.875 },
    { codec: pcma, delayMs: 13 },
  ])('are told apart and placed within 0.5 ms after $codec.name, $delayMs ms late', ({ codec, delayMs }) => {
    const found = hearThroughG711(codec, delayMs);
    expect(found.map(({ tone }) => tone)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const { tone, onsetMs } of found)
      expect(Math.abs(onsetMs - delayMs - tone * markerIntervalMs)).toBeLessThanOrEqual(0.5);
  });

  test.each(codecs)('are told apart after $name', (codec) => {
    const { payloads } = createVoice(codec.name);
    const ear = createEar(codec);
    const found: number[] = [];
    for (const [frame, payload] of payloads.entries())
      if (ear.listen(payload, 0, payload.length, frame * 20) === 'marker')
        found.push(ear.detector.onsetMs - ear.detector.tone * markerIntervalMs);
    expect(found.length).toBeGreaterThanOrEqual(markerTones - 1);
    // One delay for all, but for half a millisecond of doubt in the codec and as much in the onset.
    expect(Math.max(...found) - Math.min(...found)).toBeLessThan(2.5);
  });

  test('keep their place through a low-pass filter', () => {
    const detector = new MarkerDetector(8000);
    const pcm = smooth(createMarkerLoop(8000));
    const found: number[] = [];
    for (let at = 0; at < pcm.length; at += 160)
      if (listenToPcm(detector, pcm.subarray(at, at + 160), 160, at / 8) === 'marker')
        found.push(detector.onsetMs);
    expect(found).toHaveLength(markerTones);
    for (const [tone, onsetMs] of found.entries())
      expect(Math.abs(onsetMs - 31 / 8 - tone * markerIntervalMs)).toBeLessThanOrEqual(0.3);
  });

  test('are given up when their beginning was lost', () => {
    const detector = new MarkerDetector(8000);
    const pcm = createMarkerLoop(8000);
    for (let at = 160; at < 1600; at += 160)
      expect(listenToPcm(detector, pcm.subarray(at, at + 160), 160, 0)).not.toBe('marker');
    expect(detector.unknown).toBe(1);
  });

  test('are given up when a frame is missing inside', () => {
    const detector = new MarkerDetector(8000);
    const pcm = createMarkerLoop(8000);
    detector.push(pcm, 160, 0);
    detector.interrupt();
    expect(detector.push(pcm.subarray(320), 160, 40)).toBe(false);
    expect(detector.unknown).toBe(1);
  });

  test.each([8000, 16_000, 24_000, 44_100, 48_000, 96_000])('are found at %i Hz', (sampleRateHz) => {
    const detector = new MarkerDetector(sampleRateHz);
    const burst = createBurst(sampleRateHz, 2000, 5);
    expect(burst).toHaveLength(sampleRateHz * 2);
    const frame = sampleRateHz / 50;
    const tones: number[] = [];
    for (let at = 0; at < burst.length; at += frame)
      if (listenToPcm(detector, burst.subarray(at, at + frame), frame, 0) === 'marker')
        tones.push(detector.tone);
    expect(tones).toEqual([5]);
  });
});

describe('a phone', () => {
  test('says the loop in frames of its codec', () => {
    const voice = createVoice('pcma');
    expect(voice).toMatchObject({ payloadType: 8, timestampStep: 160 });
    expect(voice.payloads).toHaveLength(loopFrames);
    expect(voice.payloads.every((payload) => payload.length === 160)).toBe(true);
  });

  test.each([
    { name: 'the pilot', change: () => {}, expected: 'sound' },
    { name: 'silence', change: (frame: Int16Array) => frame.fill(0), expected: 'silence' },
    {
      name: 'a frame whose end was missing',
      change: (frame: Int16Array) => frame.fill(0, 140),
      expected: 'silence',
    },
    {
      name: 'a frame whose beginning was missing',
      change: (frame: Int16Array) => frame.fill(0, 0, 20),
      expected: 'silence',
    },
  ] satisfies { name: string; change: (frame: Int16Array) => void; expected: Heard }[])(
    'hears $expected in $name',
    ({ change, expected }) => {
      const frame = createMarkerLoop(8000).slice(1600, 1760);
      change(frame);
      const payload = new Uint8Array(160);
      pcmu.createEncoder().encode(frame, 0, 160, payload, 0);
      expect(createEar(pcmu).listen(payload, 0, 160, 0)).toBe(expected);
    },
  );
});
