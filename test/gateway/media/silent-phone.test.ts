import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convertRate } from '../../../bench/speech-figures.ts';
import { opus } from '../../../codecs/opus.ts';
import { opusAvailable } from '../../../codecs/opus-native.ts';
import { mixDown, parseWav } from '../../../codecs/wav.ts';
import { createMediaWorld, type MediaWorld, startMediaCall } from '../../support/media-call.ts';
import type { MemoryStream } from '../../support/memory-stream.ts';
import { createRandom } from '../../support/random.ts';
import type { RtpPeer } from '../../support/rtp-peer.ts';

/** A phone that sends nothing while nobody speaks, and has not said so. */

/** Background noise, of an office where it is loud. */
function quiet(samples: number, random: () => number, loudness = 200): Int16Array {
  return Int16Array.from({ length: samples }, () => Math.round(loudness * (random() - 0.5)));
}

/** Milliseconds of audio that the stream has, and the longest time without any while `during` ran. */
async function watched(
  world: MediaWorld,
  stream: MemoryStream,
  during: () => Promise<void>,
): Promise<{ readonly audioMs: number; readonly waitMsMax: number; readonly passedMs: number }> {
  const [startedMs, samplesBefore] = [world.clock.nowMs(), stream.audio.length];
  let [count, sinceMs, waitMsMax, running] = [stream.binaries.length, startedMs, 0, true];
  const look = () => {
    const nowMs = world.clock.nowMs();
    if (stream.binaries.length > count) sinceMs = nowMs;
    count = stream.binaries.length;
    waitMsMax = Math.max(waitMsMax, nowMs - sinceMs);
    if (running) world.clock.after(5, look);
  };
  look();
  await during();
  running = false;
  return {
    audioMs: (stream.audio.length - samplesBefore) / 16,
    waitMsMax,
    passedMs: world.clock.nowMs() - startedMs,
  };
}

describe('a phone with silence suppression', () => {
  const random = createRandom(1);

  /** Says nothing worth hearing for a while, so that it is known to be quiet. */
  async function sayQuiet(world: MediaWorld, phone: RtpPeer, packets: number): Promise<void> {
    for (let packet = 0; packet < packets; packet++) {
      phone.sayPcm(quiet(160, random));
      await world.clock.advance(20);
    }
  }

  async function pause(world: MediaWorld, phone: RtpPeer, forMs: number): Promise<void> {
    await world.clock.advance(forMs);
    phone.timestamp = (phone.timestamp + forMs * 8) >>> 0;
  }

  it('is heard as a stream without holes: noise of its own level for as long as it sends none', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world);
    await sayQuiet(world, phone, 50);
    const { audioMs, passedMs, waitMsMax } = await watched(world, stream, async () => {
      for (const pauseMs of [400, 3_000, 100, 740]) {
        await sayQuiet(world, phone, 20);
        await pause(world, phone, pauseMs);
      }
      await sayQuiet(world, phone, 20);
    });
    expect(Math.abs(audioMs - passedMs)).toBeLessThan(60);
    expect(waitMsMax).toBeLessThan(90);
    const { audio } = stream;
    for (let at = 16_000; at + 3200 < audio.length; at += 3200) {
      const power = audio.subarray(at, at + 3200).reduce((sum, sample) => sum + sample * sample, 0) / 3200;
      expect(Math.abs(10 * Math.log10(power / 57 ** 2))).toBeLessThan(3);
    }
    expect(call.all('rtpStopped')).toHaveLength(0);
  });

  it('is missed all the same where it stays away', async () => {
    const world = createMediaWorld({ rtpTimeoutMs: 20_000 });
    const { call, phone, stream } = await startMediaCall(world);
    await sayQuiet(world, phone, 50);
    const { audioMs } = await watched(world, stream, () => world.clock.advance(8_000));
    expect(Math.abs(audioMs - 8_000)).toBeLessThan(60);
    expect(call.all('rtpStopped')).toHaveLength(1);
    await world.clock.advance(14_000);
    expect(call.all('rtpTimeout')).toHaveLength(1);
  });

  it('is not filled where the line stalls in a word', async () => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world);
    phone.sayTone();
    await world.clock.advance(1_000);
    phone.stop();
    const { audioMs } = await watched(world, stream, () => world.clock.advance(2_000));
    expect(audioMs).toBeLessThan(60);
  });

  it('has no longer a call for it where its packets were only late', async () => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world);
    await sayQuiet(world, phone, 50);
    const { audioMs, passedMs } = await watched(world, stream, async () => {
      for (let stall = 0; stall < 5; stall++) {
        await world.clock.advance(400);
        for (let packet = 0; packet < 20; packet++) phone.sayPcm(quiet(160, random));
        await sayQuiet(world, phone, 20);
        await pause(world, phone, 1_500);
        await sayQuiet(world, phone, 5);
      }
    });
    expect(audioMs - passedMs).toBeLessThan(100);
    expect(audioMs - passedMs).toBeGreaterThan(-100);
  });

  it('is left alone while we do not listen', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world);
    await sayQuiet(world, phone, 50);
    call.startRtp(phone, { direction: 'sendonly' });
    await sayQuiet(world, phone, 5);
    const { audioMs } = await watched(world, stream, () => world.clock.advance(2_000));
    expect(audioMs).toBe(0);
  });
});

describe.skipIf(!opusAvailable())('Opus DTX', () => {
  it('is heard as a stream without holes', async () => {
    const world = createMediaWorld();
    const session = { codec: 'opus', payloadTypeSend: 111, payloadTypeReceive: 111 } as const;
    const { phone, stream } = await startMediaCall(world, { session });
    const wav = parseWav(readFileSync(new URL('../../../gateway/assets/speech.wav', import.meta.url)));
    const speech = convertRate(mixDown(wav), wav.sampleRateHz, 16_000).subarray(0, 32_000);
    const encoder = opus.createEncoder(16_000, 'usedtx=1');
    const payload = new Uint8Array(1500);
    const random = createRandom(2);
    phone.payloadType = 111;
    let [sent, withheld] = [0, 0];
    const say = async (pcm: Int16Array) => {
      for (let at = 0; at + 320 <= pcm.length; at += 320) {
        const sizeBytes = encoder.encode(pcm, at, 320, payload, 0);
        if (sizeBytes > 2) {
          phone.sayPayload(payload.subarray(0, sizeBytes), 960);
          sent++;
        } else {
          phone.timestamp = (phone.timestamp + 960) >>> 0;
          withheld++;
        }
        await world.clock.advance(20);
      }
    };
    await say(speech);
    const { audioMs, passedMs, waitMsMax } = await watched(world, stream, async () => {
      for (let turn = 0; turn < 3; turn++) {
        await say(quiet(48_000, random, 10));
        await say(speech);
      }
    });
    expect(withheld).toBeGreaterThan(200);
    expect(sent).toBeGreaterThan(300);
    expect(Math.abs(audioMs - passedMs)).toBeLessThan(100);
    expect(waitMsMax).toBeLessThan(100);
    encoder.close();
  });
});
