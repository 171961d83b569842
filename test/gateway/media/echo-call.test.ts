import { describe, expect, it } from 'vitest';
import { streamSampleRatesHz } from '../../../protocol/stream/messages.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';

/** RMS level of each whole `blockSamples`, dB over full scale. */
function levels(pcm: Int16Array, blockSamples: number): number[] {
  const result: number[] = [];
  for (let at = 0; at + blockSamples <= pcm.length; at += blockSamples) {
    let sum = 0;
    for (let i = at; i < at + blockSamples; i++) sum += pcm[i]! ** 2;
    result.push(10 * Math.log10(sum / blockSamples / 32_768 ** 2 + 1e-12));
  }
  return result;
}

const toneDb = 20 * Math.log10(8000 / 32_768 / Math.SQRT2);

describe('an echo call', () => {
  it.each(streamSampleRatesHz)('comes back at its level and without a gap at %i Hz', async (sampleRateHz) => {
    const world = createMediaWorld({ link: { delayMs: 5 } });
    const { call, phone, stream } = await startMediaCall(world, { sampleRateHz });
    phone.sayTone();
    await world.clock.advance(3000);
    phone.stop();
    const messageBytes = new Set(stream.binaries.map((bytes) => bytes.length));
    expect([...messageBytes]).toEqual([(sampleRateHz * 2) / 50]);
    expect(stream.binaries.length).toBeGreaterThanOrEqual(149);

    const heard = phone.heard.map(({ header }) => header);
    heard.slice(1).forEach((header, index) => {
      expect(header.sequence).toBe((heard[index]!.sequence + 1) & 0xffff);
      expect(header.timestamp).toBe((heard[index]!.timestamp + 160) >>> 0);
    });
    expect(heard.length).toBeGreaterThanOrEqual(149);
    const blocks = levels(phone.heardPcm, 160);
    const first = blocks.findIndex((level) => level > -60);
    expect(first).toBeLessThan(5);
    for (const level of blocks.slice(first + 1)) expect(Math.abs(level - toneDb)).toBeLessThan(1);

    call.closeRtp();
    call.closeStream();
    await world.clock.advance(100);
    expect(call.event('rtpClosed')?.counters).toMatchObject({ packetsLost: 0, packetsIgnored: 0 });
    expect(call.event('streamClosed')?.end).toEqual({ cause: 'local' });
  });

  it('stays whole over a link that loses, repeats and reorders', async () => {
    const link = { lossPercent: 3, duplicatePercent: 3, delayMs: 20, jitterMs: 45, seed: 42 };
    const world = createMediaWorld({ link });
    const { call, phone, stream } = await startMediaCall(world);
    phone.sequence = 65_400;
    phone.sayTone();
    await world.clock.advance(20_000);
    phone.stop();
    call.closeRtp();
    await world.clock.advance(200);
    // Concealment fills each hole, so the server gets as many messages as the phone said.
    expect(Math.abs(stream.binaries.length - 1000)).toBeLessThan(12);
    const { packetsLost, packetsReceived, packetsLate, packetsDuplicate } = call.event('rtpClosed')!.counters;
    expect(packetsReceived + packetsLost).toBeGreaterThan(990);
    expect(packetsLost).toBeGreaterThan(10);
    expect(packetsLost).toBeLessThan(50);
    expect(packetsDuplicate).toBeGreaterThan(10);
    expect(packetsLate).toBeLessThan(10);
    // Once the playout has found its distance, the phone hears a tone in nearly every packet.
    const loud = levels(phone.heardPcm, 160).slice(100);
    expect(loud.filter((level) => level > -20).length / loud.length).toBeGreaterThan(0.9);
  });
});

describe('what is left behind', () => {
  it('is nothing after 500 calls of every ending', async () => {
    const world = createMediaWorld({ ports: [40_000, 40_199] });
    const { clock, network, server, pool } = world;
    const sockets = network.openSockets;
    const endings: ((started: Awaited<ReturnType<typeof startMediaCall>>) => void)[] = [
      ({ call }) => {
        call.closeRtp();
        call.closeStream();
      },
      ({ call }) => call.group.release(),
      ({ call, stream }) => {
        stream.close(1000);
        call.closeRtp();
      },
      ({ call, stream }) => {
        stream.ignoresClose = true;
        call.closeStream();
        call.closeRtp();
      },
      ({ call, stream }) => {
        stream.violate(1002);
        call.group.release();
      },
    ];
    for (let round = 0; round < 50; round++) {
      const calls = [];
      for (let index = 0; index < 10; index++) {
        const started = await startMediaCall(world, { id: `${round}.${index}` });
        started.phone.sayPcm(new Int16Array(160).fill(1000));
        calls.push(started);
      }
      for (const [index, started] of calls.entries()) endings[index % endings.length]!(started);
      await clock.advance(2500);
      for (const { call, phone } of calls) {
        call.group.release();
        phone.close();
      }
    }
    await clock.advance(100);
    const { workers, rtp, streams } = await pool.report();
    expect(workers[0]).toMatchObject({ endpoints: 0, portsInUse: 0 });
    expect([rtp.size, streams.size, server.openStreams]).toEqual([0, 0, 0]);
    expect(network.openSockets).toBe(sockets);
    expect(clock.timers).toBe(0);
  });
});
