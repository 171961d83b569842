import { describe, expect, it, test } from 'vitest';
import { readRtcp } from '../../../protocol/rtp/rtcp.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';
import { createRandom } from '../../support/random.ts';

/** RMS of every 20 ms, dB over full scale. */
function levels(pcm: Int16Array, sampleRateHz: number): number[] {
  const samples = sampleRateHz / 50;
  const result: number[] = [];
  for (let at = 0; at + samples <= pcm.length; at += samples) {
    const power = pcm.subarray(at, at + samples).reduce((sum, sample) => sum + sample * sample, 0) / samples;
    result.push(10 * Math.log10(power / 32_768 ** 2 + 1e-12));
  }
  return result;
}

describe('quality of a leg', () => {
  it('is measured every second: loss, jitter and MOS of what came lately, and of the whole', async () => {
    let lossy = false;
    const random = createRandom(4);
    const world = createMediaWorld({
      link: { delayMs: 5, filter: () => (lossy && random() < 0.1 ? 'drop' : 'pass') },
    });
    const { call, phone } = await startMediaCall(world);
    const quality = async () => (await world.pool.report()).rtp.get(call.rtpId)!;
    phone.sayTone();
    await world.clock.advance(900);
    expect((await quality()).quality).toBeUndefined();
    await world.clock.advance(5_100);
    expect((await quality()).quality).toMatchObject({ lossIn: 0, lossOut: 0, codec: 'pcmu' });
    expect((await quality()).quality!.mos).toBeGreaterThan(4.3);
    lossy = true;
    await world.clock.advance(6_000);
    const bad = (await quality()).quality!;
    expect(bad.lossIn).toBeGreaterThan(0.05);
    expect(bad.lossIn).toBeLessThan(0.16);
    expect(bad.mos).toBeLessThan(4);
    lossy = false;
    await world.clock.advance(7_000);
    const { quality: recent, qualityWhole: whole } = await quality();
    expect(recent!.mos).toBeGreaterThan(4.3);
    expect(whole!.lossIn).toBeGreaterThan(0.02);
    expect(whole!.mos).toBeLessThan(recent!.mos);
    phone.stop();
  });

  it.each([true, false])(
    'tells the phone in extended reports where it asks for them: %s',
    async (voipMetrics) => {
      let packets = 0;
      const world = createMediaWorld({
        link: { filter: (datagram) => (datagram.length === 172 && ++packets % 40 < 2 ? 'drop' : 'pass') },
      });
      const { call, phone } = await startMediaCall(world, { session: { voipMetrics } });
      phone.sayTone();
      await world.clock.advance(12_000);
      call.closeRtp();
      await world.clock.advance(100);
      const reads = phone.rtcp.map((datagram) => readRtcp(datagram, { ssrc: phone.ssrc, wallMs: 0 }));
      expect(reads.length).toBeGreaterThan(1);
      expect(reads.at(-1)?.byes).toHaveLength(1);
      const metrics = reads.at(-1)?.voipMetrics;
      if (!voipMetrics) return expect(metrics).toBeUndefined();
      expect(metrics!.ssrc).toBe(phone.ssrc);
      expect(metrics!.lossRate).toBeGreaterThan(0.01);
      expect(metrics!.lossRate).toBeLessThan(0.06);
      expect(metrics!.mosListening).toBeGreaterThan(3.5);
      expect(metrics!.mosListening).toBeLessThan(4.4);
      expect(metrics!.rating).toBeLessThan(93);
      phone.stop();
    },
  );
});

describe('RTP that stops', () => {
  it('is told within 7 s, and when it comes again', async () => {
    const world = createMediaWorld({ rtpTimeoutMs: 30_000 });
    const { call, phone } = await startMediaCall(world);
    phone.sayTone();
    await world.clock.advance(2_000);
    phone.stop();
    await world.clock.advance(4_800);
    expect(call.all('rtpStopped')).toHaveLength(0);
    await world.clock.advance(2_200);
    expect(call.all('rtpStopped')).toHaveLength(1);
    expect(call.event('rtpStopped')!.silentMs).toBeLessThan(7_000);
    phone.sayTone();
    await world.clock.advance(1_000);
    expect(call.event('rtpResumed')!.silentMs).toBeGreaterThan(6_000);
    phone.stop();
    await world.clock.advance(31_000);
    expect(call.all('rtpStopped')).toHaveLength(2);
    expect(call.all('rtpTimeout')).toHaveLength(1);
  });

  it('is no news before it started, nor while the call is held', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world);
    await world.clock.advance(10_000);
    phone.sayTone();
    await world.clock.advance(1_000);
    phone.stop();
    call.startRtp(phone, { direction: 'sendonly' });
    await world.clock.advance(10_000);
    expect(call.all('rtpStopped')).toHaveLength(0);
    call.startRtp(phone, {});
    await world.clock.advance(4_000);
    expect(call.all('rtpStopped')).toHaveLength(0);
  });
});

describe('comfort noise', () => {
  const session = { comfortNoisePayloadType: 13 };

  it('fills the silence of a phone that sends none, at its level, and is neither loss nor unknown', async () => {
    const world = createMediaWorld({ rtpTimeoutMs: 60_000 });
    const { call, phone, stream } = await startMediaCall(world, { session });
    for (let talk = 0; talk < 3; talk++) {
      phone.payloadType = 0;
      phone.sayTone();
      await world.clock.advance(990);
      phone.stop();
      phone.payloadType = 13;
      phone.sayPayload(Uint8Array.of(45), 0);
      await world.clock.advance(2_000);
      // The timestamp goes on while nothing is sent.
      phone.timestamp = (phone.timestamp + 16_000) >>> 0;
    }
    const { audio } = stream;
    const blocks = levels(audio, 16_000);
    expect(blocks.length).toBeGreaterThan(430);
    expect(blocks.length).toBeLessThan(460);
    const noise = blocks.filter((level) => level < -40);
    expect(noise.length).toBeGreaterThan(280);
    for (const level of noise.slice(5, 90)) expect(Math.abs(level + 45)).toBeLessThan(4);
    expect(call.all('rtpStopped')).toHaveLength(0);
    call.closeRtp();
    await world.clock.advance(10);
    const { counters } = call.event('rtpClosed')!;
    expect(counters).toMatchObject({ packetsLost: 0, packetsIgnored: 0, packetsLate: 0 });
    expect(counters.jitterMs).toBeLessThan(2);
  });

  it('goes on for as long as the phone is silent, but not past rtp.timeout, and not over what is said', async () => {
    const world = createMediaWorld({ rtpTimeoutMs: 20_000 });
    const { call, phone, stream } = await startMediaCall(world, { session });
    phone.payloadType = 13;
    phone.sayPayload(Uint8Array.of(50), 0);
    await world.clock.advance(10_000);
    expect(stream.audio.length / 16_000).toBeGreaterThan(9.9);
    expect(stream.audio.length / 16_000).toBeLessThan(10.1);
    await world.clock.advance(12_000);
    expect(call.all('rtpTimeout')).toHaveLength(1);
  });

  test.each([
    { name: 'not accepted', changes: {} },
    { name: 'of a phone that is not listened to', changes: { ...session, direction: 'sendonly' as const } },
  ])('$name is not played', async ({ changes }) => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world, { session: changes });
    phone.payloadType = 13;
    phone.sayPayload(Uint8Array.of(50), 0);
    await world.clock.advance(1_000);
    expect(stream.audio.length).toBe(0);
  });
});

describe('voice on a leg', () => {
  it('is told from the command on, and no more after it', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world);
    const watch = (on: boolean) => call.group.send({ type: 'watchVoice', endpointId: call.rtpId, on });
    const silence = new Int16Array(160);
    const hush = async (packets: number) => {
      for (let packet = 0; packet < packets; packet++) {
        phone.sayPcm(silence);
        await world.clock.advance(20);
      }
    };
    phone.sayTone();
    await world.clock.advance(500);
    phone.stop();
    expect(call.all('voice')).toHaveLength(0);
    watch(true);
    watch(true);
    await hush(50);
    phone.sayTone();
    await world.clock.advance(500);
    phone.stop();
    await hush(50);
    expect(call.all('voice').map(({ state }) => state)).toEqual(['started', 'stopped']);
    watch(false);
    phone.sayTone();
    await world.clock.advance(500);
    expect(call.all('voice')).toHaveLength(2);
    watch(true);
    call.closeRtp();
    await world.clock.advance(20);
    phone.stop();
  });
});
