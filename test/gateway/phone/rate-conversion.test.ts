import { describe, expect, test } from 'vitest';
import { convertRate } from '../../../gateway/phone/rate-conversion.ts';

function createTone(frequencyHz: number, rateHz: number, seconds = 0.5): Int16Array {
  return Int16Array.from({ length: rateHz * seconds }, (_, i) =>
    Math.round(16_000 * Math.sin((2 * Math.PI * frequencyHz * i) / rateHz)),
  );
}

/** dB of the difference below the wanted signal, without the edges, where the filter sees the silence outside. */
function signalToNoise(wanted: Int16Array, got: Int16Array): number {
  const edge = Math.floor(wanted.length / 10);
  let signal = 0;
  let noise = 0;
  for (let i = edge; i < wanted.length - edge; i++) {
    signal += wanted[i]! ** 2;
    noise += (wanted[i]! - got[i]!) ** 2;
  }
  return 10 * Math.log10(signal / Math.max(noise, 1e-9));
}

describe('rate conversion', () => {
  test.each([
    [8_000, 16_000],
    [16_000, 8_000],
    [22_050, 8_000],
    [44_100, 8_000],
    [48_000, 8_000],
    [32_000, 8_000],
    [11_025, 16_000],
    [16_000, 44_100],
    [8_000, 96_000],
  ])('a 1 kHz tone from %i to %i Hz keeps its level and its moment', (fromHz, toHz) => {
    const converted = convertRate(createTone(1_000, fromHz), fromHz, toHz);
    expect(converted.length).toBe(Math.ceil((Math.floor(fromHz / 2) * toHz) / fromHz));
    expect(signalToNoise(createTone(1_000, toHz), converted)).toBeGreaterThan(70);
  });

  test('what the new rate cannot hold is gone', () => {
    const converted = convertRate(createTone(6_000, 16_000), 16_000, 8_000).slice(400, -400);
    expect(Math.max(...converted.map(Math.abs))).toBeLessThan(5);
  });

  test('the same rate is the same audio', () => {
    const tone = createTone(440, 8_000);
    expect(convertRate(tone, 8_000, 8_000)).toBe(tone);
  });

  test('a rate that fits no small ratio is refused with advice', () => {
    expect(() => convertRate(new Int16Array(10), 8_000, 44_101)).toThrow(
      'cannot convert 8000 Hz to 44101 Hz: convert the file to 44101 Hz first',
    );
  });
});
