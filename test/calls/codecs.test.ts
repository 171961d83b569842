import { afterEach, describe, expect, it } from 'vitest';
import { codecNamed } from '../../codecs/catalogue.ts';
import type { CodecName } from '../../codecs/codec.ts';
import { measureTone } from '../../codecs/goertzel.ts';
import { opusAvailable, opusIdleCounts } from '../../codecs/opus-native.ts';
import { CallWorld } from '../support/call-world.ts';

const tone = { frequencyHz: 1_000, levelDbfs: -12 };
const names: CodecName[] = [
  ...(opusAvailable() ? (['opus'] as const) : []),
  'g722',
  'pcmu',
  'pcma',
  'l16',
  'l16-8000',
];
const ratesHz = [8_000, 16_000, 24_000, 44_100, 48_000, 96_000];
const config = {
  rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['opus', 'g722', 'pcmu', 'pcma', 'l16'] },
};

function steady(pcm: Int16Array, sampleRateHz: number): Int16Array {
  const edge = Math.round(sampleRateHz * 0.25);
  return pcm.subarray(edge, pcm.length - edge);
}

describe('a whole call', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each(names.flatMap((codec) => ratesHz.map((sampleRate) => ({ codec, sampleRate }))))(
    'in $codec comes to a stream of $sampleRate Hz and back, tone and level and no gap',
    async ({ codec, sampleRate }) => {
      world = await CallWorld.open({ sampleRate, config, link: { delayMs: 10 } });
      const result = await world.finish(
        await world.call({ codecs: [codec], playTone: tone, durationMs: 1_500 }),
      );
      expect(result).toMatchObject({ codec, outcome: 'completed', packetsLost: 0 });
      const { frequencyHz, levelDbfs } = tone;
      const up = measureTone(steady(world.server.last.audio, sampleRate), {
        sampleRateHz: sampleRate,
        frequencyHz,
      });
      const sampleRateHz = result.heardRateHz;
      const back = measureTone(steady(result.heard, sampleRateHz), { sampleRateHz, frequencyHz });
      for (const heard of [up, back]) {
        expect(Math.abs(heard.levelDb - levelDbfs)).toBeLessThan(1);
        expect(heard).toMatchObject({ present: 1, gapMsMax: 0 });
      }
    },
  );

  it.each(names.flatMap((codec) => [10, 30, 40, 60].map((ptimeMs) => ({ codec, ptimeMs }))))(
    'in $codec with packets of $ptimeMs ms',
    async ({ codec, ptimeMs }) => {
      // Opus has no packet of 30 ms, and a phone that asks for it gets the next one below.
      const spokenMs = codec === 'opus' && ptimeMs === 30 ? 20 : ptimeMs;
      world = await CallWorld.open({ config });
      const result = await world.finish(
        await world.call({ codecs: [codec], ptimeMs: spokenMs, playTone: tone, durationMs: 1_500 }),
      );
      const { frequencyHz } = tone;
      const up = measureTone(steady(world.server.last.audio, 16_000), { sampleRateHz: 16_000, frequencyHz });
      expect(up).toMatchObject({ present: 1, gapMsMax: 0 });
      expect(result.packetsReceived).toBeGreaterThan(1_300 / spokenMs - 3);
    },
  );

  it.skipIf(!opusAvailable())('is in Opus as `rtp.opus` has it', async () => {
    const sizes: number[] = [];
    for (const bitrate of [8_000, 64_000]) {
      let bytes = 0;
      let packets = 0;
      world = await CallWorld.open({
        config: { rtp: { ...config.rtp, opus: { bitrate, complexity: 0 } } },
        link: {
          filter: (datagram) => {
            if (datagram[0]! >> 6 === 2 && (datagram[1]! & 0x7f) >= 96) bytes += datagram.length - 12;
            if (datagram[0]! >> 6 === 2 && (datagram[1]! & 0x7f) >= 96) packets++;
            return 'pass';
          },
        },
      });
      await world.finish(await world.call({ codecs: ['opus'], playTone: tone, durationMs: 1_000 }));
      await world.close();
      sizes.push(bytes / packets);
    }
    // Of both directions; the phone's is the same in both.
    expect(sizes[1]! / sizes[0]!).toBeGreaterThan(1.8);
  });

  it('is in the first codec of the offer, and in Opus by default where both have it', async () => {
    world = await CallWorld.open();
    const result = await world.finish(
      await world.call({ codecs: opusAvailable() ? ['opus', 'pcmu'] : ['g722', 'pcmu'], durationMs: 500 }),
    );
    expect(result.codec).toBe(opusAvailable() ? 'opus' : 'g722');
    expect(world.said('codecs of calls')?.codecs).toEqual(
      ['opus', 'g722', 'pcmu', 'pcma'].filter((name) => codecNamed(name as CodecName) !== undefined),
    );
  });

  it('in L16 is only for who enabled it', async () => {
    world = await CallWorld.open();
    const result = await world.finish(await world.call({ codecs: ['l16'], durationMs: 500 }));
    expect(result).toMatchObject({ outcome: 'refused', status: 488 });
  });

  it('with digits leaves the stream as many frames as the phone said packets', async () => {
    world = await CallWorld.open();
    const result = await world.finish(await world.call({ playTone: tone, dtmf: '1234', durationMs: 4_000 }));
    const frames = world.server.last.binaries.length;
    expect(Math.abs(frames - result.packetsSent)).toBeLessThanOrEqual(2);
  });

  it.skipIf(!opusAvailable())('in Opus gives its encoders and decoders back', async () => {
    const count = async () => {
      world = await CallWorld.open({ sampleRate: 24_000 });
      const calls = await Promise.all(
        [1, 2, 3].map(() => world!.call({ codecs: ['opus'], playTone: tone, durationMs: 600 })),
      );
      await Promise.all(calls.map((call) => world!.finish(call)));
      await world.close();
      world = undefined;
      return opusIdleCounts();
    };
    const first = await count();
    expect(first.encoders).toBeGreaterThan(0);
    for (let round = 0; round < 3; round++) expect(await count()).toEqual(first);
  });
});
