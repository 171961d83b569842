import { describe, expect, it } from 'vitest';
import { opus } from '../../codecs/opus.ts';
import { parseOpusFmtp } from '../../codecs/opus-fmtp.ts';
import { opusAvailable } from '../../codecs/opus-native.ts';
import { createTone } from '../../codecs/tones.ts';

const nothing = {
  maxPlaybackRateHz: 48_000,
  maxCaptureRateHz: 48_000,
  maxAverageBitrate: undefined,
  minPtimeMs: 3,
  stereo: false,
  sendsStereo: false,
  inbandFec: false,
  dtx: false,
  constantBitrate: false,
};

describe('Opus parameters of the SDP (RFC 7587 §6.1)', () => {
  it.each<[string | undefined, object]>([
    [undefined, {}],
    ['', {}],
    [
      'maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; usedtx=0',
      {
        maxPlaybackRateHz: 16_000,
        maxCaptureRateHz: 16_000,
        maxAverageBitrate: 20_000,
        stereo: true,
        inbandFec: true,
      },
    ],
    ['minptime=10;useinbandfec=1', { minPtimeMs: 10, inbandFec: true }],
    ['CBR=1;UseDTX=1 ;sprop-stereo=1', { constantBitrate: true, dtx: true, sendsStereo: true }],
    ['maxplaybackrate=96000;maxaveragebitrate=5;minptime=0;stereo=yes;cbr', {}],
    ['maxaveragebitrate=-20000;maxplaybackrate=1e4;;=;==;useinbandfec=', {}],
  ])('%s', (text, expected) => {
    expect(parseOpusFmtp(text)).toEqual({ ...nothing, ...expected });
  });
});

describe.skipIf(!opusAvailable())('what the peer asks for', () => {
  /** Bytes of each of 50 frames of a rich sound; the first ones settle. */
  function encode(fmtp: string | undefined, wishedHz = 48_000): { rateHz: number; sizes: number[] } {
    const encoder = opus.createEncoder(wishedHz, fmtp);
    const samples = encoder.sampleRateHz / 50;
    const pcm = new Int16Array(samples);
    const payload = new Uint8Array(1500);
    const tones = [180, 700, 1900].map((hz) => createTone(hz, encoder.sampleRateHz, -20));
    const part = new Int16Array(samples);
    const sizes = Array.from({ length: 60 }, () => {
      pcm.fill(0);
      for (const tone of tones) {
        tone.fill(part, 0, samples);
        for (let i = 0; i < samples; i++) pcm[i] = pcm[i]! + part[i]!;
      }
      return encoder.encode(pcm, 0, samples, payload, 0);
    });
    encoder.close();
    return { rateHz: encoder.sampleRateHz, sizes: sizes.slice(10) };
  }

  it.each([
    [undefined, 48_000, 48_000],
    ['maxplaybackrate=16000', 48_000, 16_000],
    ['maxplaybackrate=8000', 16_000, 8000],
    ['maxplaybackrate=12000', 48_000, 8000],
    ['maxplaybackrate=24000', 16_000, 16_000],
    ['maxplaybackrate=20000', 48_000, 16_000],
  ])('%s: from %i Hz no wider than %i', (fmtp, wishedHz, expectedHz) => {
    expect(encode(fmtp, wishedHz).rateHz).toBe(expectedHz);
  });

  it('bits: fewer, and always as many', () => {
    const usual = encode(undefined).sizes.reduce((sum, size) => sum + size, 0) / 50;
    const few = encode('maxaveragebitrate=12000').sizes.reduce((sum, size) => sum + size, 0) / 50;
    expect(few).toBeLessThan(usual * 0.6);
    const constant = encode('cbr=1;maxaveragebitrate=16000').sizes;
    expect(new Set(constant)).toEqual(new Set([40]));
    // And not in the next call, which has the same native encoder.
    expect(new Set(encode(undefined).sizes).size).toBeGreaterThan(1);
  });

  it('nothing during silence', () => {
    const encoder = opus.createEncoder(16_000, 'usedtx=1');
    const payload = new Uint8Array(1500);
    const sizes = Array.from({ length: 100 }, () => encoder.encode(new Int16Array(320), 0, 320, payload, 0));
    encoder.close();
    expect(sizes.slice(30).filter((size) => size <= 2).length).toBeGreaterThan(50);
  });
});
