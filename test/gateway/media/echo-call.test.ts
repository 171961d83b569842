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
});
