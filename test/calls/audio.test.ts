import { afterEach, describe, expect, it } from 'vitest';
import { measureTone } from '../../codecs/goertzel.ts';
import { CallWorld } from '../support/call-world.ts';

const tone = { frequencyHz: 1_000, levelDbfs: -12 };

/** What came back, without the first and the last 200 ms, where the line is still empty or already cut. */
function steady(pcm: Int16Array, sampleRateHz: number): Int16Array {
  const edge = Math.round(sampleRateHz * 0.2);
  return pcm.subarray(edge, pcm.length - edge);
}

describe('audio of a whole call', () => {
  let world: CallWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  it.each([8_000, 16_000, 24_000, 44_100, 48_000, 96_000])(
    'comes back within 1 dB and without gaps at %i Hz',
    async (sampleRate) => {
      world = await CallWorld.open({ sampleRate, link: { delayMs: 10 } });
      const result = await world.finish(await world.call({ playTone: tone, durationMs: 3_000 }));
      const heard = measureTone(steady(result.heard, result.heardRateHz), {
        sampleRateHz: result.heardRateHz,
        frequencyHz: tone.frequencyHz,
      });
      expect(Math.abs(heard.levelDb - tone.levelDbfs)).toBeLessThan(1);
      expect(heard.gapMsMax).toBe(0);
      expect(heard.present).toBe(1);
      expect(result.packetsLost).toBe(0);
    },
  );

  it.each(['pcmu', 'pcma'] as const)('%s', async (codec) => {
    world = await CallWorld.open();
    const result = await world.finish(
      await world.call({ codecs: [codec], playTone: tone, durationMs: 2_000 }),
    );
    expect(result.codec).toBe(codec);
    const heard = measureTone(steady(result.heard, 8_000), { sampleRateHz: 8_000, frequencyHz: 1_000 });
    expect(Math.abs(heard.levelDb - tone.levelDbfs)).toBeLessThan(1);
    expect(heard.snrDb).toBeGreaterThan(30);
  });

  it('survives the wrap of the sequence numbers', async () => {
    world = await CallWorld.open({ link: { delayMs: 5 } });
    const result = await world.finish(
      await world.call({ playTone: tone, durationMs: 3_000, trouble: { sequenceFirst: 65_500 } }),
    );
    const sent = world.server.last;
    expect(sent.binaries.length).toBeGreaterThanOrEqual(result.packetsSent - 3);
    expect(world.said('call ended')?.packetsLost).toBe(0);
    expect(
      measureTone(steady(sent.audio, 16_000), { sampleRateHz: 16_000, frequencyHz: 1_000 }).gapMsMax,
    ).toBe(0);
  });

  it.each([true, false])(
    'a carrier that restarts its sequence in mid-call is heard again within 200 ms (same SSRC: %s)',
    async (keepSsrc) => {
      world = await CallWorld.open();
      await world.finish(
        await world.call({
          playTone: tone,
          durationMs: 4_000,
          trouble: { restart: { afterMs: 2_000, keepSsrc } },
        }),
      );
      const heard = measureTone(steady(world.server.last.audio, 16_000), {
        sampleRateHz: 16_000,
        frequencyHz: 1_000,
      });
      expect(heard.gapMsMax).toBeLessThan(200);
      expect(heard.present).toBeGreaterThan(0.9);
    },
  );

  it('a line that loses, delays and reorders leaves the tone in place, and the counters say what was lost', async () => {
    world = await CallWorld.open({ link: { seed: 11, delayMs: 40, jitterMs: 35 } });
    const call = await world.call({ playTone: tone, durationMs: 20_000 });
    await world.clock.until(() => world?.said('call answered') !== undefined);
    world.network.link.lossPercent = 3;
    const result = await world.finish(call);
    const heard = measureTone(steady(world.server.last.audio, 16_000), {
      sampleRateHz: 16_000,
      frequencyHz: 1_000,
      windowMs: 100,
    });
    expect(heard.present).toBeGreaterThan(0.85);
    const ended = world.said('call ended');
    const lost = Number(ended?.packetsLost);
    expect(lost).toBeGreaterThan(0);
    expect(lost + Number(ended?.packetsReceived)).toBeGreaterThan(result.packetsSent * 0.98);
    expect(lost + Number(ended?.packetsReceived)).toBeLessThanOrEqual(result.packetsSent + 1);
  });

  it('barge-in: after clear nothing older is heard, what follows is heard whole', async () => {
    world = await CallWorld.open();
    const { clock, server } = world;
    server.connected = (stream) => {
      stream.receivedText = (message) => {
        if (message.command === 'connect') stream.send({ command: 'answer' });
      };
    };
    const call = await world.call({ durationMs: 3_000 });
    await clock.until(() => world?.said('call answered') !== undefined);
    // Ten seconds of one tone at once, then clear and half a second of another.
    server.last.sendBinary(sine(500, 10, 16_000));
    await clock.advance(1_000);
    server.last.send({ command: 'clear' });
    server.last.sendBinary(sine(1_500, 0.5, 16_000));
    const result = await world.finish(call);

    const old = runsOf(result.heard, 500);
    const fresh = runsOf(result.heard, 1_500);
    expect(old.totalMs).toBeGreaterThan(950);
    expect(old.totalMs).toBeLessThan(1_060);
    expect(fresh.totalMs).toBeGreaterThan(460);
    expect(fresh.totalMs).toBeLessThan(540);
    expect(fresh.startMs).toBeGreaterThanOrEqual(old.endMs - 20);
  });

  it('keeps sending silence while the server says nothing', async () => {
    world = await CallWorld.open();
    world.server.connected = (stream) => {
      stream.receivedText = () => stream.send({ command: 'answer' });
    };
    const result = await world.finish(await world.call({ durationMs: 2_000 }));
    expect(result.packetsReceived).toBeGreaterThanOrEqual(98);
    expect(result.gapMsMax).toBeLessThanOrEqual(22);
    expect(Math.max(...result.heard)).toBeLessThanOrEqual(8);
  });

  it('binary before the answer is dropped', async () => {
    world = await CallWorld.open();
    const { server, clock } = world;
    server.connected = (stream) => {
      stream.receivedText = (message) => {
        if (message.command !== 'connect') return;
        stream.sendBinary(sine(500, 1, 16_000));
        stream.send({ command: 'answer' });
      };
    };
    const call = await world.call({ durationMs: 1_500 });
    await clock.advance(100);
    const result = await world.finish(call);
    expect(runsOf(result.heard, 500).totalMs).toBe(0);
  });
});

function sine(frequencyHz: number, seconds: number, sampleRateHz: number): Uint8Array {
  const pcm = Int16Array.from({ length: seconds * sampleRateHz }, (_, index) =>
    Math.round(8_000 * Math.sin((2 * Math.PI * frequencyHz * index) / sampleRateHz)),
  );
  return new Uint8Array(pcm.buffer);
}

/** Where a tone sounds in an 8 kHz recording, by windows of 20 ms. */
function runsOf(pcm: Int16Array, frequencyHz: number): { totalMs: number; startMs: number; endMs: number } {
  let totalMs = 0;
  let startMs = Number.POSITIVE_INFINITY;
  let endMs = 0;
  for (let start = 0; start + 160 <= pcm.length; start += 160) {
    const window = pcm.subarray(start, start + 160);
    const { levelDb, snrDb } = measureTone(window, { sampleRateHz: 8_000, frequencyHz });
    if (!(levelDb > -30 && snrDb > 0)) continue;
    totalMs += 20;
    startMs = Math.min(startMs, start / 8);
    endMs = Math.max(endMs, start / 8 + 20);
  }
  return { totalMs, startMs, endMs };
}
