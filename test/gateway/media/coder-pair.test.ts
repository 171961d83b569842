import { describe, expect, it } from 'vitest';
import { opusAvailable, opusIdleCounts } from '../../../codecs/opus-native.ts';
import { CoderPair } from '../../../gateway/media/coder-pair.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';
import { createRandom } from '../../support/random.ts';

describe('encoder and decoder of a session', () => {
  it.each([
    ['pcmu', undefined, 20, 20],
    ['pcmu', undefined, 55, 50],
    ['g722', undefined, 5, 10],
    ['l16', undefined, 100, 60],
  ] as const)('%s with %s sends at %i ms as %i', (codec, fmtpRemote, wishedMs, expectedMs) => {
    const coders = new CoderPair({ codec, fmtpRemote }, 16_000);
    expect(coders.ptimeMs(wishedMs)).toBe(expectedMs);
    coders.close();
  });

  it('are those of the same session as long as nothing changes', () => {
    const coders = new CoderPair({ codec: 'pcmu' }, 16_000);
    expect(coders.serves({ codec: 'pcmu' }, 16_000)).toBe(true);
    expect(coders.serves({ codec: 'pcma' }, 16_000)).toBe(false);
    expect(coders.serves({ codec: 'pcmu' }, 8000)).toBe(false);
    expect(coders.serves({ codec: 'pcmu', fmtpRemote: 'x=1' }, 16_000)).toBe(false);
  });

  it('cannot be of a codec that is not there', () => {
    expect(() => new CoderPair({ codec: 'speex' as 'pcmu' }, undefined)).toThrow(RangeError);
  });
});

describe.skipIf(!opusAvailable())('Opus', () => {
  it.each([
    [undefined, 30, 20],
    ['minptime=40', 20, 40],
    ['minptime=10', 10, 10],
    ['minptime=120', 20, 60],
  ])('with %s sends %i ms as %i', (fmtpRemote, wishedMs, expectedMs) => {
    const coders = new CoderPair({ codec: 'opus', fmtpRemote }, 16_000);
    expect(coders.ptimeMs(wishedMs)).toBe(expectedMs);
    coders.close();
  });

  it.each([
    [8000, 8000],
    [16_000, 16_000],
    [24_000, 24_000],
    [44_100, 48_000],
    [48_000, 48_000],
    [96_000, 48_000],
  ])('has the rate of a stream of %i Hz where it can: %i', (streamHz, opusHz) => {
    const coders = new CoderPair({ codec: 'opus' }, streamHz);
    expect([coders.encoder.sampleRateHz, coders.decoder.sampleRateHz]).toEqual([opusHz, opusHz]);
    coders.close();
  });

  it.each([
    { name: 'the bitrate of the settings', settings: { bitrate: 64_000 }, fmtpRemote: '', bitrate: 64_000 },
    {
      name: 'less where the peer wants less',
      settings: { bitrate: 64_000 },
      fmtpRemote: 'maxaveragebitrate=20000',
      bitrate: 20_000,
    },
    {
      name: 'no more than the settings where the peer would take it',
      settings: { bitrate: 12_000 },
      fmtpRemote: 'maxaveragebitrate=20000',
      bitrate: 12_000,
    },
  ])('sends $name', ({ settings, fmtpRemote, bitrate }) => {
    const coders = new CoderPair({ codec: 'opus', fmtpRemote }, 16_000, settings);
    const random = createRandom(5);
    const payload = new Uint8Array(1500);
    let bytes = 0;
    for (let frame = 0; frame < 100; frame++) {
      const noise = Int16Array.from({ length: 320 }, () => 20_000 * (random() - 0.5));
      bytes += coders.encoder.encode(noise, 0, 320, payload, 0);
    }
    expect((bytes * 8) / 2 / bitrate).toBeGreaterThan(0.8);
    expect((bytes * 8) / 2 / bitrate).toBeLessThan(1.2);
    coders.close();
  });

  it.each([true, false])('leaves silence out where both the peer and the settings want it: %s', (dtx) => {
    const coders = new CoderPair({ codec: 'opus', fmtpRemote: 'usedtx=1' }, 16_000, { dtx });
    const payload = new Uint8Array(1500);
    const sizes = Array.from({ length: 100 }, () =>
      coders.encoder.encode(new Int16Array(320), 0, 320, payload, 0),
    );
    expect(sizes.filter((size) => size <= 2).length > 50).toBe(dtx);
    coders.close();
  });

  it('sends what the peer can play, and gives its encoder back when the codec changes and at the end', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world, {
      session: { codec: 'opus', fmtpRemote: 'maxplaybackrate=8000;maxaveragebitrate=12000' },
    });
    await world.clock.advance(500);
    const last = phone.heard.at(-1)!;
    // RFC 6716 §3.1: of the 32 configurations 0 to 3 and 16 to 19 are narrowband.
    const config = last.payload[0]! >> 3;
    expect(config < 4 || (config >= 16 && config < 20)).toBe(true);
    const { encoders } = opusIdleCounts();
    call.startRtp(phone, { codec: 'pcmu' });
    await world.clock.advance(40);
    expect(opusIdleCounts().encoders).toBe(encoders + 1);
    call.startRtp(phone, { codec: 'opus' });
    await world.clock.advance(40);
    call.closeRtp();
    await world.clock.advance(40);
    expect(opusIdleCounts().encoders).toBeGreaterThanOrEqual(encoders + 1);
  });
});
