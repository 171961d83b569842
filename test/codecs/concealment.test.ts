import { describe, expect, it } from 'vitest';
import { Concealment } from '../../codecs/concealment.ts';
import { pcma, pcmu } from '../../codecs/g711.ts';
import { measureTone } from '../../codecs/goertzel.ts';
import { createTone } from '../../codecs/tones.ts';
import { createRandom } from '../support/random.ts';

function rms(pcm: Int16Array): number {
  return Math.sqrt(pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length);
}

/** A buzz like that of a voice: every harmonic of 120 Hz, weaker as it gets higher. */
function voice(samples: number, sampleRateHz: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => {
    let sum = 0;
    for (let harmonic = 1; harmonic <= 20; harmonic++)
      sum += Math.sin((2 * Math.PI * 120 * harmonic * i) / sampleRateHz + harmonic) / harmonic;
    return 6000 * sum;
  });
}

/** Loses the named frames of 20 ms. */
function lose(pcm: Int16Array, sampleRateHz: number, lost: (frame: number) => boolean): Int16Array {
  const concealment = new Concealment(sampleRateHz);
  const heard = pcm.slice();
  const frameSamples = sampleRateHz / 50;
  for (let frame = 0; (frame + 1) * frameSamples <= pcm.length; frame++) {
    if (lost(frame)) concealment.conceal(heard, frame * frameSamples, frameSamples);
    else concealment.accept(heard, frame * frameSamples, frameSamples);
  }
  return heard;
}

describe.each([8000, 16_000])('concealment at %i Hz', (rateHz) => {
  const frameSamples = rateHz / 50;

  it('changes nothing while nothing is lost', () => {
    const pcm = voice(rateHz, rateHz);
    expect(lose(pcm, rateHz, () => false)).toEqual(pcm);
  });

  it('goes on with a voice where silence would be 0 dB', () => {
    const pcm = voice(rateHz, rateHz);
    const heard = lose(pcm, rateHz, (frame) => frame % 10 === 9);
    let signal = 0;
    let error = 0;
    for (let frame = 9; frame < 50; frame += 10) {
      for (let i = frame * frameSamples; i < (frame + 1) * frameSamples; i++) {
        signal += pcm[i]! ** 2;
        error += (pcm[i]! - heard[i]!) ** 2;
      }
    }
    expect(10 * Math.log10(signal / error)).toBeGreaterThan(10);
  });

  it.each([400, 440, 1000, 2717])('leaves no hole in a tone of %i Hz', (frequencyHz) => {
    const pcm = new Int16Array(rateHz * 2);
    createTone(frequencyHz, rateHz, -10).fill(pcm, 0, pcm.length);
    const heard = lose(pcm, rateHz, (frame) => frame % 12 === 11);
    const measure = measureTone(heard, { sampleRateHz: rateHz, frequencyHz });
    expect(measure.gapMsMax).toBe(0);
    expect(measure.levelDb).toBeCloseTo(-10, 0);
  });

  it('clicks neither when a loss begins nor when it ends', () => {
    const pcm = new Int16Array(rateHz);
    createTone(440, rateHz, -10).fill(pcm, 0, pcm.length);
    const heard = lose(pcm, rateHz, (frame) => frame % 7 >= 5);
    const steepest = (of: Int16Array): number =>
      of.reduce((most, sample, i) => Math.max(most, Math.abs(sample - (of[i - 1] ?? 0))), 0);
    expect(steepest(heard)).toBeLessThan(1.6 * steepest(pcm));
  });

  it('fades to silence within 60 ms', () => {
    const pcm = voice(rateHz, rateHz);
    const heard = lose(pcm, rateHz, (frame) => frame >= 40);
    const levels = [40, 41, 42, 43, 44].map((frame) =>
      rms(heard.subarray(frame * frameSamples, (frame + 1) * frameSamples)),
    );
    expect(levels[0]).toBeGreaterThan(0.7 * rms(pcm));
    expect(levels[1]).toBeLessThan(levels[0]!);
    expect(levels[2]).toBeLessThan(levels[1]!);
    expect(levels.slice(3)).toEqual([0, 0]);
  });

  it('is silence when nothing was heard before, and after a reset', () => {
    const concealment = new Concealment(rateHz);
    const pcm = new Int16Array(frameSamples).fill(5);
    expect(concealment.conceal(pcm, 0, frameSamples)).toBe(frameSamples);
    expect(rms(pcm)).toBe(0);
    const loud = voice(frameSamples * 5, rateHz);
    concealment.accept(loud, 0, loud.length);
    concealment.reset();
    concealment.conceal(pcm, 0, frameSamples);
    expect(rms(pcm)).toBe(0);
  });

  it('takes frames of any length and stays in the buffer', () => {
    const random = createRandom(11);
    const concealment = new Concealment(rateHz);
    const pcm = new Int16Array(2000);
    for (let round = 0; round < 500; round++) {
      const samples = Math.floor(random() * 2000);
      const offset = Math.floor(random() * (2000 - samples));
      for (let i = 0; i < pcm.length; i++) pcm[i] = (random() - 0.5) * 65_535;
      if (random() < 0.5) concealment.accept(pcm, offset, samples);
      else expect(concealment.conceal(pcm, offset, samples + 50)).toBe(Math.min(samples + 50, 2000 - offset));
    }
  });
});

it.each([pcmu, pcma])('$name conceals with what it decoded', (codec) => {
  const encoder = codec.createEncoder();
  const decoder = codec.createDecoder();
  const payload = new Uint8Array(160);
  const pcm = voice(1600, 8000);
  for (let at = 0; at < 1600; at += 160) {
    encoder.encode(pcm, at, 160, payload, 0);
    expect(decoder.decode(payload, 0, 160, pcm, at)).toBe(160);
  }
  const lost = new Int16Array(160);
  expect(decoder.conceal(lost, 0, 160)).toBe(160);
  expect(rms(lost)).toBeGreaterThan(0.7 * rms(pcm));
  decoder.reset();
  decoder.conceal(lost, 0, 160);
  expect(rms(lost)).toBe(0);
});
