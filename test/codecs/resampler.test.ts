import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertTone, fitTone, measureResampling } from '../../bench/resampling-figures.ts';
import { createResampler, type Resampler, sampleRatesHz } from '../../codecs/resampler.ts';
import { ResamplerEngine, threadEngine } from '../../codecs/resampler-engine.ts';
import { createJavascriptKernel } from '../../codecs/resampler-kernel.ts';
import { createRandom } from '../support/random.ts';

const pairs = sampleRatesHz.flatMap((fromHz) => sampleRatesHz.map((toHz) => ({ fromHz, toHz })));
const convertingPairs = pairs.filter(({ fromHz, toHz }) => fromHz !== toHz);
const javascriptEngine = new ResamplerEngine(createJavascriptKernel());

function noise(samples: number, seed: number, amplitude = 20_000): Int16Array {
  const random = createRandom(seed);
  return Int16Array.from({ length: samples }, () => (2 * random() - 1) * amplitude);
}

function convert(resampler: Resampler, input: Int16Array): Int16Array {
  const output = new Int16Array(resampler.outputSamplesMax(input.length));
  return output.subarray(0, resampler.process(input, 0, input.length, output, 0));
}

describe.each(convertingPairs)('resampler $fromHz to $toHz', ({ fromHz, toHz }) => {
  const figures = measureResampling(createResampler(fromHz, toHz));

  it('keeps 85 dB of SNR at 1 kHz', () => expect(figures.snrDb).toBeGreaterThanOrEqual(85));
  it('is flat over 300-3400 Hz', () => {
    expect(figures.rippleDb).toBeLessThanOrEqual(0.05);
    expect(Math.abs(figures.edgeDb)).toBeLessThanOrEqual(0.01);
  });
  it('keeps images and aliases below -80 dB', () => {
    expect(figures.worstImageDb).toBeLessThanOrEqual(-80);
    expect(figures.worstAliasDb).toBeLessThanOrEqual(-80);
  });
  it('delays by 4 ms at 8 kHz and less above', () => {
    expect(figures.delayMs).toBeLessThanOrEqual(33_000 / Math.min(fromHz, toHz));
    // The phase of a low tone tells the true delay.
    const settled = convertTone(createResampler(fromHz, toHz), 50, -6);
    const phase = fitTone(settled, toHz, 50).phase;
    const delayMs = 1000 * (0.02 - phase / (2 * Math.PI * 50));
    expect(delayMs % 20).toBeCloseTo(figures.delayMs, 2);
  });
});

describe.each(pairs)('resampler $fromHz to $toHz', ({ fromHz, toHz }) => {
  it('gives 20 ms for each 20 ms from the first on', () => {
    const resampler = createResampler(fromHz, toHz);
    const output = new Int16Array(toHz / 50);
    for (let frame = 0; frame < 100; frame++)
      expect(resampler.process(noise(fromHz / 50, frame), 0, fromHz / 50, output, 0)).toBe(toHz / 50);
  });

  it('gives the same samples and the exact count whatever the chunks', () => {
    const input = noise(fromHz / 8, fromHz + toHz);
    const whole = convert(createResampler(fromHz, toHz), input);
    expect(whole.length).toBe(Math.floor((input.length * toHz) / fromHz));
    const chunk = fc.oneof(fc.nat(5), fc.nat(fromHz / 20));
    fc.assert(
      fc.property(fc.array(chunk, { minLength: 1, maxLength: 40 }), (chunks) => {
        const resampler = createResampler(fromHz, toHz);
        const output = new Int16Array(whole.length + 8);
        let taken = 0;
        let written = 0;
        for (const size of [...chunks, input.length]) {
          const samples = Math.min(size, input.length - taken);
          const count = resampler.process(input, taken, samples, output, written);
          if (count > resampler.outputSamplesMax(samples)) return false;
          taken += samples;
          written += count;
          if (written !== Math.floor((taken * toHz) / fromHz)) return false;
        }
        return Buffer.compare(Buffer.from(output.buffer, 0, 2 * written), bytesOf(whole)) === 0;
      }),
      { seed: 20, numRuns: 12 },
    );
  });

  it('gives the same in plain JavaScript within one step', () => {
    const input = noise(fromHz / 20, 7, 32_000);
    const fast = convert(createResampler(fromHz, toHz), input);
    const plain = convert(createResampler(fromHz, toHz, javascriptEngine), input);
    expect(fast.length).toBe(plain.length);
    expect(fast.reduce((worst, sample, i) => Math.max(worst, Math.abs(sample - plain[i]!)), 0)).toBeLessThan(
      2,
    );
  });

  it('saturates instead of wrapping', () => {
    for (const engine of [threadEngine, javascriptEngine]) {
      // A square wave overshoots its own height by the missing harmonics.
      const input = Int16Array.from({ length: fromHz / 10 }, (_, i) =>
        (i * 1000) % fromHz < fromHz / 2 ? 32_767 : -32_768,
      );
      const output = convert(createResampler(fromHz, toHz, engine), input);
      let jumps = 0;
      const settled = output.subarray(toHz / 50);
      for (let i = 1; i < settled.length - 1; i++) {
        const lower = Math.max(settled[i - 1]!, settled[i + 1]!) < -20_000;
        const higher = Math.min(settled[i - 1]!, settled[i + 1]!) > 20_000;
        if ((lower && settled[i]! > 0) || (higher && settled[i]! < 0)) jumps++;
      }
      expect(jumps).toBe(0);
      expect(Math.max(...settled)).toBe(32_767);
      expect(Math.min(...settled)).toBe(-32_768);
    }
  });

  it('begins anew after a reset', () => {
    const resampler = createResampler(fromHz, toHz);
    const input = noise(777, 3);
    const first = convert(resampler, input).slice();
    convert(resampler, noise(1000, 4));
    resampler.reset();
    expect(convert(resampler, input)).toEqual(first);
  });
});

function bytesOf(pcm: Int16Array): Buffer {
  return Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
}

describe('resamplers of one thread', () => {
  it('do not disturb each other', () => {
    const alone = convertingPairs.map(({ fromHz, toHz }) =>
      convert(createResampler(fromHz, toHz), noise(fromHz / 10, toHz)).slice(),
    );
    const together = convertingPairs.map(({ fromHz, toHz }) => ({
      resampler: createResampler(fromHz, toHz),
      input: noise(fromHz / 10, toHz),
      output: new Int16Array(toHz / 10),
    }));
    for (let frame = 0; frame < 5; frame++) {
      for (const { resampler, input, output } of together) {
        const { fromHz, toHz } = resampler;
        resampler.process(input, (frame * fromHz) / 50, fromHz / 50, output, (frame * toHz) / 50);
      }
    }
    together.forEach(({ output }, i) => {
      expect(bytesOf(output).equals(bytesOf(alone[i]!))).toBe(true);
    });
  });

  it('run on WASM here', () => expect(threadEngine.kernel.name).toBe('wasm'));

  it('refuse other rates by name', () => {
    expect(() => createResampler(8000, 11_025)).toThrow(
      'sample rate must be one of 8000, 16000, 24000, 44100, 48000, 96000 Hz, got 11025',
    );
  });
});

describe('a call that goes up and comes back', () => {
  it.each(sampleRatesHz.filter((rateHz) => rateHz > 8000))(
    'returns the same speech band through %i',
    (rateHz) => {
      const up = createResampler(8000, rateHz);
      const down = createResampler(rateHz, 8000);
      // Noise below 3.4 kHz, made at 96 kHz from tones.
      const random = createRandom(5);
      const tones = Array.from({ length: 60 }, (_, i) => ({ hz: 300 + 52 * i, phase: random() * 7 }));
      const input = Int16Array.from({ length: 4000 }, (_, i) =>
        tones.reduce((sum, { hz, phase }) => sum + 400 * Math.sin((2 * Math.PI * hz * i) / 8000 + phase), 0),
      );
      const back = convert(down, convert(up, input));
      const delay = Math.round((up.delayMs + down.delayMs) * 8);
      expect((up.delayMs + down.delayMs) * 8).toBeCloseTo(delay, 6);
      let signal = 0;
      let error = 0;
      for (let i = 200; i < back.length; i++) {
        signal += input[i - delay]! ** 2;
        error += (back[i]! - input[i - delay]!) ** 2;
      }
      expect(10 * Math.log10(signal / error)).toBeGreaterThan(70);
    },
  );
});
