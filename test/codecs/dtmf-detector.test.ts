import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { talkOff } from '../../bench/talk-off.ts';
import { DtmfDetector } from '../../codecs/dtmf-detector.ts';
import { pcma, pcmu } from '../../codecs/g711.ts';
import { dtmfFrequenciesHz } from '../../codecs/tones.ts';
import { mixDown, parseWav } from '../../codecs/wav.ts';
import { createRandom } from '../support/random.ts';
import { rounds } from '../support/rounds.ts';

const digits = '0123456789*#ABCD';

interface Line {
  readonly levelDbfs?: number;
  readonly onMs?: number;
  readonly offMs?: number;
  /** White noise below the digit. */
  readonly snrDb?: number;
  readonly detunedPercent?: number;
  /** Row below column; negative the other way. */
  readonly twistDb?: number;
  readonly sampleRateHz?: number;
}

/** Digits one after the other, at any phase and not aligned with anything. */
function dial(text: string, line: Line, random: () => number): Int16Array {
  const { levelDbfs = -12, onMs = 70, offMs = 60, snrDb = 60, detunedPercent = 0, twistDb = 0 } = line;
  const { sampleRateHz = 8000 } = line;
  const amplitude = 32_767 * 10 ** (levelDbfs / 20);
  const rowAmplitude = amplitude * 10 ** (-Math.max(0, twistDb) / 20);
  const columnAmplitude = amplitude * 10 ** (Math.min(0, twistDb) / 20);
  const noise = amplitude * 10 ** (-snrDb / 20);
  const pcm: number[] = [];
  for (const digit of text) {
    const frequencies = dtmfFrequenciesHz.get(digit)!;
    const [row, column] = frequencies.map(
      (hz) => (2 * Math.PI * hz * (1 + detunedPercent / 100)) / sampleRateHz,
    );
    const onSamples = Math.round((onMs * sampleRateHz) / 1000);
    const samples = onSamples + Math.round(((offMs + 7 * random()) * sampleRateHz) / 1000);
    const phase = 6 * random();
    for (let i = 0; i < samples; i++) {
      const tone =
        i >= onSamples
          ? 0
          : rowAmplitude * Math.sin(row! * i + phase) + columnAmplitude * Math.sin(column! * i);
      pcm.push(Math.round(tone + 2 * noise * (random() + random() + random() - 1.5)));
    }
  }
  return Int16Array.from(pcm);
}

function detect(pcm: Int16Array, sampleRateHz = 8000): { digits: string; durationsMs: number[] } {
  const detector = new DtmfDetector(sampleRateHz);
  let heard = '';
  const durationsMs: number[] = [];
  const take = () => {
    for (let ended = detector.next(); ended !== undefined; ended = detector.next()) {
      heard += ended.digit;
      durationsMs.push(ended.durationMs);
    }
  };
  const packet = sampleRateHz / 50;
  for (let at = 0; at < pcm.length; at += packet) {
    detector.listen(pcm, at, Math.min(packet, pcm.length - at));
    take();
  }
  detector.flush();
  take();
  return { digits: heard, durationsMs };
}

function randomDigits(count: number, random: () => number): string {
  return Array.from({ length: count }, () => digits[Math.floor(16 * random())]).join('');
}

describe('DTMF in the audio', () => {
  it.each<[string, Line]>([
    ['plain', {}],
    ['at 16 kHz', { sampleRateHz: 16_000 }],
    ['at 48 kHz', { sampleRateHz: 48_000 }],
    ['loud', { levelDbfs: -6.1 }],
    ['quiet', { levelDbfs: -34 }],
    ['of 40 ms with pauses of 40', { onMs: 40, offMs: 40 }],
    ['in noise 15 dB below', { snrDb: 15, onMs: 50, offMs: 50 }],
    ['1.5 % too high', { detunedPercent: 1.5, onMs: 45 }],
    ['1.5 % too low', { detunedPercent: -1.5, onMs: 45 }],
    ['with the columns 8 dB above', { twistDb: 8, onMs: 45 }],
    ['with the rows 4 dB above', { twistDb: -4, onMs: 45 }],
  ])('is heard once a digit: %s', (_name, line) => {
    const random = createRandom(3);
    const said = randomDigits(200, random);
    expect(detect(dial(said, line, random), line.sampleRateHz).digits).toBe(said);
  });

  it.each<[string, Line]>([
    ['3.5 % beside', { detunedPercent: 3.5 }],
    ['of 20 ms', { onMs: 20 }],
    ['below -45 dBFS', { levelDbfs: -46 }],
    ['with the columns 14 dB above', { twistDb: 14 }],
  ])('is none: %s', (_name, line) => {
    const random = createRandom(4);
    expect(detect(dial(randomDigits(100, random), line, random)).digits).toBe('');
  });

  it.each([pcmu, pcma])('is heard through $name', (codec) => {
    const random = createRandom(5);
    const said = randomDigits(200, random);
    const pcm = dial(said, { onMs: 50, offMs: 50, levelDbfs: -25 }, random);
    const payload = new Uint8Array(pcm.length);
    codec.createEncoder().encode(pcm, 0, pcm.length, payload, 0);
    codec.createDecoder().decode(payload, 0, payload.length, pcm, 0);
    expect(detect(pcm).digits).toBe(said);
  });

  it('is one long digit where it lasts, also over a drop-out of 10 ms', () => {
    const pcm = dial('7', { onMs: 3000 }, createRandom(6));
    pcm.fill(0, 8000, 8080);
    const { digits: heard, durationsMs } = detect(pcm);
    expect(heard).toBe('7');
    expect(Math.abs(durationsMs[0]! - 3000)).toBeLessThan(20);
  });

  it('says from the first window on that one may be sounding, and stops saying so', () => {
    const pcm = dial('5', { onMs: 100, offMs: 100 }, createRandom(7));
    const detector = new DtmfDetector(8000);
    const sounding: boolean[] = [];
    for (let at = 0; at < 1600; at += 160) {
      detector.listen(pcm, at, 160);
      sounding.push(detector.sounding);
    }
    expect(sounding.slice(0, 5)).toEqual([true, true, true, true, true]);
    expect(sounding.slice(7)).toEqual([false, false, false]);
  });

  it('is not in minutes of speech', () => {
    const wav = parseWav(readFileSync(new URL('../../gateway/assets/speech.wav', import.meta.url)));
    const material = talkOff({
      speech: mixDown(wav),
      speechRateHz: wav.sampleRateHz,
      random: createRandom(8),
    });
    let samples = 0;
    let heard = '';
    const secondsMin = rounds(120, 600);
    for (const pcm of material) {
      samples += pcm.length;
      heard += detect(pcm).digits;
      if (samples / 8000 > secondsMin) break;
    }
    expect(samples / 8000).toBeGreaterThan(secondsMin);
    expect(heard).toBe('');
  });

  it('is not in what is anything at all', () => {
    const random = createRandom(9);
    const pcm = Int16Array.from({ length: 400_000 }, () => Math.floor(65_536 * random()) - 32_768);
    expect(detect(pcm).digits).toBe('');
    expect(detect(pcm.map((sample) => (sample < 0 ? -32_768 : 32_767))).digits).toBe('');
  });
});
