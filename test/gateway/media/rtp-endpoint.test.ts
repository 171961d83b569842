import { describe, expect, it } from 'vitest';
import { codecs } from '../../../codecs/catalogue.ts';
import { pcmu } from '../../../codecs/g711.ts';
import type { RtpSession } from '../../../gateway/media/media-messages.ts';
import { buildReport, readRtcp } from '../../../protocol/rtp/rtcp.ts';
import { createMediaWorld, MediaCall, type MediaWorld, startMediaCall } from '../../support/media-call.ts';
import { RtpPeer } from '../../support/rtp-peer.ts';

/** A packet whose every sample is `level`. */
function flat(level: number, samples = 160): Int16Array {
  return new Int16Array(samples).fill(level);
}

/** Levels of the messages that came, with repeats left out: what was said, in order. */
function levelsIn(pcm: Int16Array, frameSamples: number): number[] {
  const seen: number[] = [];
  for (let at = frameSamples / 2; at < pcm.length; at += frameSamples) seen.push(pcm[at]!);
  return seen;
}

const levels = [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000];

/** What µ-law makes of a level. */
function companded(level: number): number {
  const payload = new Uint8Array(1);
  const pcm = Int16Array.of(level);
  pcmu.createEncoder().encode(pcm, 0, 1, payload, 0);
  pcmu.createDecoder().decode(payload, 0, 1, pcm, 0);
  return pcm[0]!;
}

/** One packet of each level, in this order, then 300 ms; what the stream server heard at 8 kHz. */
async function sayInOrder(
  order: readonly number[],
  {
    firstSequence = 100,
    spacingMs = 20,
  }: { readonly firstSequence?: number; readonly spacingMs?: number } = {},
) {
  const world = createMediaWorld();
  const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
  for (const index of order) {
    phone.sequence = (firstSequence + index) & 0xffff;
    phone.timestamp = index * 160;
    phone.sayPcm(flat(levels[index]!));
    await world.clock.advance(spacingMs);
  }
  await world.clock.advance(300);
  call.closeRtp();
  await world.clock.advance(1);
  return { heard: levelsIn(stream.audio, 160), counters: call.event('rtpClosed')!.counters };
}

const said = (...indices: number[]) => indices.map((index) => companded(levels[index]!));

describe('packets from the phone', () => {
  it.each<[string, number[], { firstSequence?: number }, number[], object]>([
    ['in order', [0, 1, 2, 3], {}, said(0, 1, 2, 3), { packetsLost: 0, packetsReceived: 4 }],
    ['out of order', [0, 2, 1, 3], {}, said(0, 1, 2, 3), { packetsLost: 0, packetsLate: 0 }],
    ['twice', [0, 1, 1, 2], {}, said(0, 1, 2), { packetsDuplicate: 1, packetsReceived: 3 }],
    [
      'across the 16-bit wrap',
      [0, 2, 1, 3, 4],
      { firstSequence: 65_534 },
      said(0, 1, 2, 3, 4),
      { packetsLost: 0 },
    ],
  ])('are played %s', async (_name, order, options, expected, counters) => {
    const result = await sayInOrder(order, options);
    expect(result.heard).toEqual(expected);
    expect(result.counters).toMatchObject(counters);
  });

  it('leave their time where one is lost', async () => {
    const { heard, counters } = await sayInOrder([0, 1, 3, 4]);
    expect(heard).toHaveLength(5);
    expect([heard[0], heard[1], heard[3], heard[4]]).toEqual(said(0, 1, 3, 4));
    expect(counters).toMatchObject({ packetsLost: 1, packetsReceived: 4 });
  });

  it('are dropped when their place was given up', async () => {
    const { heard, counters } = await sayInOrder([0, 2, 3, 4, 5, 6, 1]);
    expect(heard.filter((_, index) => index !== 1)).toEqual(said(0, 2, 3, 4, 5, 6));
    expect(counters).toMatchObject({ packetsLate: 1 });
  });

  it('go on when the carrier restarts its sequence', async () => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    for (const restart of [{ sequence: 40_000 }, { sequence: 7, timestamp: 99 }, { ssrc: 77, sequence: 9 }]) {
      Object.assign(phone, restart);
      for (let count = 0; count < 10; count++) {
        phone.sayPcm(flat(2000));
        await world.clock.advance(20);
      }
    }
    // A jump within one source is believed with its second packet.
    expect(stream.binaries.length).toBeGreaterThanOrEqual(28);
  });

  it.each([10, 20, 30, 40, 60])('of %i ms become messages of 20 ms', async (ptimeMs) => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world, { sampleRateHz: 44_100 });
    phone.sayTone({ ptimeMs });
    await world.clock.advance(1185);
    phone.stop();
    await world.clock.advance(100);
    expect([...new Set(stream.binaries.map((bytes) => bytes.length))]).toEqual([1764]);
    expect(stream.binaries.length).toBeGreaterThanOrEqual(Math.floor(1180 / ptimeMs) * (ptimeMs / 20) - 1);
  });

  it('are ignored where they are no RTP or of an unknown type, and are no hole then', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    phone.sayPcm(flat(1000));
    phone.send(Uint8Array.of(1, 2, 3));
    phone.send(new Uint8Array(0));
    phone.payloadType = 13;
    phone.sayPayload(Uint8Array.of(70), 160);
    phone.payloadType = 0;
    phone.sayPcm(flat(3000));
    await world.clock.advance(5);
    expect(levelsIn(stream.audio, 160)).toEqual([companded(1000), companded(3000)]);
    call.closeRtp();
    await world.clock.advance(1);
    expect(call.event('rtpClosed')?.counters).toMatchObject({ packetsIgnored: 3, packetsLost: 0 });
  });
});

describe('where RTP is accepted from', () => {
  const elsewhere = { address: '198.51.100.7', port: 4000 };

  /** Says a packet from `sources` in turn; which of them were heard. The first is where the SDP points to, unless
   *  `remote` says otherwise. */
  async function heardFrom(
    symmetric: RtpSession['symmetric'],
    remote: { readonly address: string; readonly port: number } | undefined,
    said: readonly number[],
  ): Promise<{ heard: boolean[]; answersTo: boolean[]; world: MediaWorld; call: MediaCall }> {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world, {
      session: { symmetric, ...(remote === undefined ? {} : { remote, remoteRtcp: remote }) },
    });
    const other = await RtpPeer.open(world.clock, world.network);
    other.to = phone.to;
    const peers = [phone, other];
    const heard: boolean[] = [];
    for (const index of said) {
      const before = stream.binaries.length;
      peers[index]!.sequence = 500 + heard.length;
      peers[index]!.sayPcm(flat(1000));
      await world.clock.advance(100);
      heard.push(stream.binaries.length > before);
    }
    return { heard, answersTo: peers.map((peer) => peer.heard.length > 0), world, call };
  }

  it.each<[string, RtpSession['symmetric'], typeof elsewhere | undefined, number[], boolean[]]>([
    ['off: nowhere but the negotiated address', 'off', undefined, [1, 0, 1, 0], [false, true, false, true]],
    ['on: wherever the first packet comes from', 'on', elsewhere, [1, 0, 1, 0], [true, false, true, false]],
    ['auto: the negotiated address if that can be right', 'auto', undefined, [1, 0, 1], [false, true, false]],
  ])('%s', async (_name, symmetric, remote, said, expected) => {
    expect((await heardFrom(symmetric, remote, said)).heard).toEqual(expected);
  });

  it('says once where the audio comes from, and sends there', async () => {
    const { call, answersTo } = await heardFrom('on', elsewhere, [1, 0, 1, 1, 0, 1, 1]);
    expect(call.all('rtpStarted').map(({ source }) => source.address)).toEqual(['127.0.0.1']);
    expect(answersTo).toEqual([false, true]);
  });

  it('is unlocked by a changed address, and by nothing else', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world, { session: { symmetric: 'on' } });
    const other = await RtpPeer.open(world.clock, world.network);
    other.to = phone.to;
    const received = async () => (await world.pool.report()).rtp.get(call.rtpId)!.packetsReceived;
    const both = async () => {
      phone.sayPcm(flat(1));
      other.sayPcm(flat(1));
      await world.clock.advance(10);
    };
    await both();
    call.startRtp(phone, { symmetric: 'on', direction: 'sendonly' });
    await both();
    expect(await received()).toBe(2);
    call.startRtp(other, { symmetric: 'off' });
    await both();
    await both();
    expect(await received()).toBe(4);
    expect(call.all('rtpStarted')).toHaveLength(2);
  });
});

describe('packets to the phone', () => {
  it.each([10, 20, 30, 40, 60])(
    'come every %i ms, with silence where nothing is to be said',
    async (ptimeMs) => {
      const world = createMediaWorld();
      const { call, phone, stream } = await startMediaCall(world, { session: { ptimeMs } });
      await world.clock.advance(500);
      stream.sendBinary(new Uint8Array(Int16Array.from({ length: 3200 }, () => 4000).buffer));
      await world.clock.advance(1100);
      const spacing = phone.heard.slice(1).map(({ header, atMs, payload }, index) => {
        const before = phone.heard[index]!;
        expect(payload.length).toBe(ptimeMs * 8);
        expect((header.sequence - before.header.sequence) & 0xffff).toBe(1);
        expect((header.timestamp - before.header.timestamp) >>> 0).toBe(ptimeMs * 8);
        return atMs - before.atMs;
      });
      expect(new Set(spacing)).toEqual(new Set([ptimeMs]));
      expect(phone.heard.map(({ header }) => header.marker).indexOf(true, 1)).toBe(-1);
      const loud = phone.heardPcm.filter((sample) => Math.abs(sample - 4000) < 200);
      expect(loud.length).toBeGreaterThan(1550);
      expect(loud.length).toBeLessThan(1610);
      const { framesUnderrun } = (await world.pool.report()).rtp.get(call.rtpId)!;
      expect(framesUnderrun).toBeGreaterThan(phone.heard.length - 2 - 200 / ptimeMs - 2);
    },
  );

  it('stop on hold while time goes on, and the audio of that time is gone', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    await world.clock.advance(100);
    call.startRtp(phone, { direction: 'inactive' });
    await world.clock.advance(50);
    const before = phone.heard.at(-1)!;
    const count = phone.heard.length;
    stream.sendBinary(
      new Uint8Array(Int16Array.from({ length: 8000 }, (_, i) => (i < 4000 ? 1000 : 4000)).buffer),
    );
    await world.clock.advance(600);
    expect(phone.heard.length).toBe(count);
    call.startRtp(phone);
    await world.clock.advance(200);
    const after = phone.heard[count]!;
    expect(after.header.marker).toBe(true);
    expect(after.header.ssrc).toBe(before.header.ssrc);
    expect((after.header.sequence - before.header.sequence) & 0xffff).toBe(1);
    const elapsedMs = after.atMs - before.atMs;
    expect((after.header.timestamp - before.header.timestamp) >>> 0).toBe(elapsedMs * 8);
    expect(levelsIn(phone.heardPcm, 160).slice(count)).not.toContain(companded(1000));
  });

  it('carry nothing older than a clear', async () => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world, { sampleRateHz: 16_000 });
    await world.clock.advance(100);
    stream.sendBinary(
      new Uint8Array(Int16Array.from({ length: 160_001 }, () => 8000).buffer).subarray(0, 320_001),
    );
    await world.clock.advance(503);
    stream.send({ command: 'clear' });
    stream.sendBinary(new Uint8Array(Int16Array.from({ length: 16_000 }, () => -3000).buffer));
    await world.clock.advance(1);
    const heardBefore = phone.heardPcm.length;
    expect(phone.heardPcm.some((sample) => sample > 7000)).toBe(true);
    await world.clock.advance(1500);
    const after = phone.heardPcm.subarray(heardBefore);
    expect(Math.max(...after)).toBeLessThan(1000);
    expect(after.filter((sample) => Math.abs(sample + 3000) < 150).length).toBeGreaterThan(7800);
    expect(world.server.last.closedWith).toBeUndefined();
  });
});

describe('digits, RTCP and silence', () => {
  it('reports a digit once, also where its end was lost', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world);
    const press = async (event: number, ends: number) => {
      phone.payloadType = 101;
      for (let ticks = 160; ticks <= 960; ticks += 160) {
        phone.sayPayload(Uint8Array.of(event, 10, ticks >> 8, ticks & 255), 0, ticks === 160);
        await world.clock.advance(20);
      }
      for (let end = 0; end < ends; end++)
        phone.sayPayload(Uint8Array.of(event, 0x8a, 960 >> 8, 960 & 255), 0);
      phone.timestamp += 2000;
      await world.clock.advance(400);
    };
    await press(5, 3);
    await press(11, 0);
    expect(call.all('digit').map(({ digit, durationMs }) => [digit, durationMs])).toEqual([
      ['5', 120],
      ['#', 120],
    ]);
  });

  it('reports to the peer, reads its reports and says goodbye', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world);
    phone.sayTone();
    await world.clock.advance(12_000);
    const ssrc = phone.heard[0]!.header.ssrc;
    const reports = phone.rtcp.map((bytes) => readRtcp(bytes, { ssrc: phone.ssrc, wallMs: 0 }));
    expect(reports.length).toBeGreaterThanOrEqual(1);
    const { senderReport, report } = reports.at(-1)!;
    expect(senderReport).toMatchObject({ ssrc });
    expect(report).toMatchObject({ packetsLost: 0 });
    world.network.link.delayMs = 30;
    await world.clock.advance(100);
    const lastHeardMs = world.clock.nowMs();
    phone.send(
      buildReport({
        ssrc: phone.ssrc,
        sender: undefined,
        reception: { ssrc, fractionLost: 26, packetsLost: 17, extendedSequence: 600, jitter: 8 },
        lastSenderReport: { ntpMiddle: senderReport!.ntpMiddle, ageMs: 0 },
        cname: 'phone',
        wallMs: lastHeardMs,
      }),
    );
    await world.clock.advance(100);
    const { rtp } = await world.pool.report();
    // The peer's RTCP came to the RTP port: without rtcp-mux nobody reads it there.
    expect(rtp.get(call.rtpId)).toMatchObject({ packetsLostRemote: 0, packetsIgnored: 1 });
    call.closeRtp();
    await world.clock.advance(100);
    expect(readRtcp(phone.rtcp.at(-1)!, { ssrc: phone.ssrc, wallMs: 0 }).byes).toEqual([ssrc]);
  });

  it('takes RTCP on the RTP port where both share it', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world, { session: { rtcpMux: true } });
    phone.sayTone();
    await world.clock.advance(5000);
    const { ssrc } = phone.heard[0]!.header;
    const { senderReport } = readRtcp(phone.rtcp[0]!, { ssrc: phone.ssrc, wallMs: 0 });
    phone.send(
      buildReport({
        ssrc: phone.ssrc,
        sender: undefined,
        reception: { ssrc, fractionLost: 26, packetsLost: 17, extendedSequence: 600, jitter: 8 },
        lastSenderReport: { ntpMiddle: senderReport!.ntpMiddle, ageMs: 0 },
        cname: 'phone',
        wallMs: 0,
      }),
    );
    await world.clock.advance(100);
    const counters = (await world.pool.report()).rtp.get(call.rtpId)!;
    expect(counters).toMatchObject({ packetsLostRemote: 17, packetsIgnored: 0 });
    expect(counters.rttMs).toBeGreaterThan(0);
  });

  it('misses a phone that says nothing, but not one on hold', async () => {
    const world = createMediaWorld({ rtpTimeoutMs: 3000 });
    const { call, phone } = await startMediaCall(world);
    phone.sayTone();
    await world.clock.advance(5000);
    phone.stop();
    call.startRtp(phone, { direction: 'sendonly' });
    await world.clock.advance(10_000);
    expect(call.event('rtpTimeout')).toBeUndefined();
    call.startRtp(phone);
    await world.clock.advance(2900);
    expect(call.event('rtpTimeout')).toBeUndefined();
    await world.clock.advance(10_000);
    expect(call.all('rtpTimeout')).toHaveLength(1);
  });
});

describe('a changed codec', () => {
  it.each(codecs.filter(({ name }) => name !== 'pcmu'))(
    'goes on with the same stream: $name',
    async (codec) => {
      const world = createMediaWorld();
      const { call, phone, stream } = await startMediaCall(world);
      phone.sayTone();
      await world.clock.advance(995);
      phone.stop();
      await world.clock.advance(200);
      const before = phone.heard.at(-1)!;
      const earlier = (await world.pool.report()).rtp.get(call.rtpId)!;
      const count = phone.heard.length;
      call.startRtp(phone, { codec: codec.name, payloadTypeSend: 111, payloadTypeReceive: 112 });
      const encoder = codec.createEncoder(16_000);
      const decoder = codec.createDecoder(16_000);
      const samples = encoder.sampleRateHz / 50;
      const heardBefore = stream.binaries.length;
      phone.payloadType = 112;
      for (let packet = 0; packet < 50; packet++) {
        const pcm = Int16Array.from({ length: samples }, (_, i) =>
          Math.round(8000 * Math.sin((2 * Math.PI * 440 * (packet * samples + i)) / encoder.sampleRateHz)),
        );
        const payload = new Uint8Array(1500);
        const sizeBytes = encoder.encode(pcm, 0, samples, payload, 0);
        phone.sayPayload(payload.subarray(0, sizeBytes), codec.rtpClockRateHz / 50);
        await world.clock.advance(20);
      }
      await world.clock.advance(100);
      expect(stream.binaries.length - heardBefore).toBe(50);
      const heard = phone.heard.slice(count).filter(({ header }) => header.payloadType === 111);
      expect(heard[0]?.header.ssrc).toBe(before.header.ssrc);
      expect((heard[0]!.header.sequence - before.header.sequence) & 0xffff).toBe(1);
      expect((heard[9]!.header.timestamp - heard[8]!.header.timestamp) >>> 0).toBe(codec.rtpClockRateHz / 50);
      const back = new Int16Array(5760);
      let loudest = 0;
      for (const { payload } of heard) {
        const decoded = decoder.decode(payload, 0, payload.length, back, 0);
        loudest = Math.max(loudest, ...back.subarray(0, decoded));
      }
      expect(loudest).toBeGreaterThan(6000);
      const counters = (await world.pool.report()).rtp.get(call.rtpId)!;
      expect(counters).toMatchObject({ packetsReceived: earlier.packetsReceived + 50, packetsLost: 0 });
      expect(counters.packetsSent).toBeGreaterThan(earlier.packetsSent + 50);
      encoder.close();
      decoder.close();
    },
  );
});

describe('ports', () => {
  it('are even, with RTCP on the next, and the last freed is the last used again', async () => {
    const world = createMediaWorld({ ports: [30_001, 30_009] });
    const open = async (id: string) => {
      const call = new MediaCall(world.pool, id);
      call.openRtp();
      await world.clock.advance(1);
      return call;
    };
    const first = await open('a');
    const { port: start, rtcpPort } = first.event('rtpOpened')!;
    expect(rtcpPort).toBe(start + 1);
    // In turn, from anywhere in the range.
    const all = [30_002, 30_004, 30_006, 30_008];
    const at = all.indexOf(start);
    const [, ...others] = [...all.slice(at), ...all.slice(0, at)];
    const portOf = async (id: string) => (await open(id)).event('rtpOpened')?.port;
    expect(await portOf('b')).toBe(others[0]);
    first.closeRtp();
    expect([await portOf('c'), await portOf('d'), await portOf('e')]).toEqual([others[1], others[2], start]);
    expect((await open('f')).event('rtpFailed')).toMatchObject({ code: 'PORTSUSED' });
  });

  it('that somebody else holds are passed over', async () => {
    const world = createMediaWorld({ ports: [30_000, 30_010] });
    await world.network.openUdp({ address: '127.0.0.1', port: 30_003 }, () => {});
    await world.network.openUdp({ address: '127.0.0.1', port: 30_000 }, () => {});
    const call = new MediaCall(world.pool, 'a');
    call.openRtp();
    await world.clock.advance(1);
    const { port, rtcpPort } = call.event('rtpOpened')!;
    expect([30_004, 30_006, 30_008]).toContain(port);
    expect(rtcpPort).toBe(port + 1);
  });

  it('closed while they are being bound are freed all the same', async () => {
    const world = createMediaWorld({ ports: [30_000, 30_001] });
    const call = new MediaCall(world.pool, 'a');
    call.openRtp();
    call.closeRtp();
    await world.clock.advance(1);
    expect(call.events.map(({ type }) => type)).toEqual(['rtpClosed']);
    expect(world.network.openSockets).toBe(0);
    const next = new MediaCall(world.pool, 'b');
    next.openRtp();
    await world.clock.advance(1);
    expect(next.event('rtpOpened')).toMatchObject({ port: 30_000 });
  });
});
