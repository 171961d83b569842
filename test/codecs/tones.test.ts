import { describe, expect, it } from 'vitest';
import { measureTone, toneLevel } from '../../codecs/goertzel.ts';
import { createDtmfTone, createTone, dtmfFrequenciesHz } from '../../codecs/tones.ts';

function fill(tone: { fill: ReturnType<typeof createTone>['fill'] }, samples: number): Int16Array {
  const pcm = new Int16Array(samples);
  tone.fill(pcm, 0, samples);
  return pcm;
}

describe('tone', () => {
  it.each([
    { frequencyHz: 1000, sampleRateHz: 8000, levelDb: -10 },
    { frequencyHz: 440, sampleRateHz: 16_000, levelDb: 0 },
    { frequencyHz: 3399.5, sampleRateHz: 44_100, levelDb: -40 },
    { frequencyHz: 61, sampleRateHz: 96_000, levelDb: -3 },
  ])(
    'has its level: $frequencyHz Hz at $levelDb dBFS, $sampleRateHz Hz',
    ({ frequencyHz, sampleRateHz, levelDb }) => {
      const pcm = fill(createTone(frequencyHz, sampleRateHz, levelDb), sampleRateHz / 7);
      expect(toneLevel(pcm, sampleRateHz, frequencyHz)).toBeCloseTo(levelDb, 2);
    },
  );

  it('is the same in frames as in one piece', () => {
    const whole = fill(createTone(1234.5, 8000, -6), 8000);
    const tone = createTone(1234.5, 8000, -6);
    const framed = new Int16Array(8000);
    for (let at = 0; at < 8000; at += 160) tone.fill(framed, at, 160);
    expect(framed).toEqual(whole);
    tone.reset();
    expect(fill(tone, 8000)).toEqual(whole);
  });

  it('never leaves the buffer', () => {
    const pcm = new Int16Array(10);
    createTone(1000, 8000, 0).fill(pcm, 5, 160);
    expect([...pcm.subarray(0, 5)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('refuses what cannot be', () => {
    expect(() => createTone(4000, 8000, -6)).toThrow('frequency must be above 0 and below 4000 Hz, got 4000');
    expect(() => createTone(1000, 8000, 1)).toThrow('level must be at most 0.00 dBFS, got 1');
    expect(() => createDtmfTone('E', 8000, -10)).toThrow("DTMF digit must be one of 0-9 * # A-D, got 'E'");
    expect(() => createDtmfTone('1', 8000, -6)).toThrow('level must be at most -6.02 dBFS, got -6');
  });
});

describe('DTMF tone', () => {
  it('has sixteen digits', () => expect([...dtmfFrequenciesHz.keys()].join('')).toBe('123A456B789C*0#D'));

  it.each([...dtmfFrequenciesHz])('%s has its two frequencies and no other', (digit, frequencies) => {
    const pcm = fill(createDtmfTone(digit, 8000, -12), 8000);
    for (const frequencyHz of [697, 770, 852, 941, 1209, 1336, 1477, 1633]) {
      const levelDb = toneLevel(pcm, 8000, frequencyHz);
      if (frequencies.some((own) => own === frequencyHz)) expect(levelDb).toBeCloseTo(-12, 1);
      else expect(levelDb).toBeLessThan(-50);
    }
  });
});

describe('measured tone', () => {
  const search = { sampleRateHz: 8000, frequencyHz: 1000 };

  it('is present throughout', () => {
    const measure = measureTone(fill(createTone(1000, 8000, -10), 16_000), search);
    expect(measure.levelDb).toBeCloseTo(-10, 2);
    expect(measure.snrDb).toBeGreaterThan(60);
    expect(measure.present).toBe(1);
    expect(measure.gapMsMax).toBe(0);
  });

  it.each([20, 40, 100, 300])('has a gap of %i ms', (gapMs) => {
    const pcm = fill(createTone(1000, 8000, -10), 16_000);
    pcm.fill(0, 8003, 8003 + gapMs * 8);
    const measure = measureTone(pcm, { ...search, windowMs: 10 });
    expect(Math.abs(measure.gapMsMax - gapMs)).toBeLessThanOrEqual(5);
    expect(measure.present).toBeCloseTo(1 - gapMs / 2000, 2);
    expect(measure.levelDb).toBeCloseTo(-10, 2);
  });

  it('is absent from silence, from another tone and from nothing', () => {
    const nowhere = { levelDb: Number.NEGATIVE_INFINITY, present: 0 };
    expect(measureTone(new Int16Array(8000), search)).toMatchObject({ ...nowhere, gapMsMax: 990 });
    expect(measureTone(fill(createTone(2000, 8000, -10), 8000), search)).toMatchObject(nowhere);
    expect(measureTone(new Int16Array(0), search)).toMatchObject({ ...nowhere, gapMsMax: 0 });
  });

  it('has the ratio to the noise around it', () => {
    const pcm = fill(createTone(1000, 8000, -10), 16_000);
    const disturbance = fill(createTone(2650, 8000, -40), 16_000);
    for (let i = 0; i < pcm.length; i++) pcm[i] = pcm[i]! + disturbance[i]!;
    expect(measureTone(pcm, search).snrDb).toBeCloseTo(30, 0);
  });
});
