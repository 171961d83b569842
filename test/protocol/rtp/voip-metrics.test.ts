import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { LossBurstMeter } from '../../../protocol/rtp/loss-bursts.ts';
import { buildBye, buildReport, type ReportOptions, readRtcp } from '../../../protocol/rtp/rtcp.ts';
import { buildVoipMetrics, readVoipMetrics, type VoipMetrics } from '../../../protocol/rtp/voip-metrics.ts';

const metrics: VoipMetrics = {
  ssrc: 0xaabbccdd,
  lossRate: 0.125,
  discardRate: 0.5,
  burstDensity: 0.75,
  gapDensity: 0.0625,
  burstMs: 120,
  gapMs: 4_000,
  rttMs: 83,
  endSystemDelayMs: 61,
  rating: 88,
  mosListening: 4.2,
  mosConversation: 3.9,
  bufferMs: 40,
  bufferMsMax: 120,
};

describe('an extended report', () => {
  it('has the layout of RFC 3611 4.7', () => {
    const hex = Buffer.from(buildVoipMetrics(0x11223344, metrics)).toString('hex');
    expect(hex.match(/.{8}/g)).toEqual([
      '80cf000a', // version, XR, length
      '11223344',
      '07000008', // VoIP metrics
      'aabbccdd',
      '2080c010', // loss, discard, burst and gap density
      '00780fa0', // burst and gap duration
      '0053003d', // round trip, end system
      '7f7f7f10', // levels unknown, Gmin 16
      '587f2a27', // R, MOS-LQ 4.2, MOS-CQ 3.9
      'f0000028', // concealment, adaptive buffer, nominal delay
      '00780078',
    ]);
  });

  it('is read back, alone and in a compound with other blocks, by the one whom it is about', () => {
    const packet = buildVoipMetrics(1, metrics);
    expect(readVoipMetrics(packet, metrics.ssrc)).toEqual(metrics);
    expect(readVoipMetrics(packet, 5)).toBeUndefined();
    const options: ReportOptions = {
      ssrc: 1,
      sender: undefined,
      reception: undefined,
      cname: 'a',
      wallMs: 1_700_000_000_000,
      voipMetrics: metrics,
    };
    const read = (datagram: Uint8Array) => readRtcp(datagram, { ssrc: metrics.ssrc, wallMs: 0 });
    expect(read(buildReport(options)).voipMetrics).toEqual(metrics);
    const bye = read(buildBye(options));
    expect(bye).toMatchObject({ voipMetrics: metrics, byes: [1] });
    expect(read(buildReport({ ...options, voipMetrics: undefined })).voipMetrics).toBeUndefined();
  });

  it('leaves out what is not known', () => {
    const unknown = {
      ...metrics,
      rttMs: undefined,
      endSystemDelayMs: undefined,
      rating: undefined,
      mosListening: undefined,
      mosConversation: undefined,
    };
    expect(readVoipMetrics(buildVoipMetrics(1, unknown), metrics.ssrc)).toEqual(unknown);
  });

  it('is never more than its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
        const packet = Uint8Array.from([0x80, 207, 0, 0, 0, 0, 0, 1, ...bytes]);
        const read = readVoipMetrics(packet, 0);
        if (read?.mosListening !== undefined) expect(read.mosListening).toBeLessThanOrEqual(5);
      }),
      { seed: 3611, numRuns: 2_000 },
    );
  });
});

describe('bursts of loss', () => {
  /** `.` received, `x` lost. */
  const measure = (packets: string) => {
    const meter = new LossBurstMeter();
    for (const packet of packets) packet === 'x' ? meter.lost() : meter.received();
    return meter.measured;
  };
  const calm = '.'.repeat(16);

  test.each([
    { name: 'nothing', packets: '', burstDensity: 0, gapDensity: 0, burstPackets: 0, gapPackets: 0 },
    {
      name: 'single losses are a gap',
      packets: `${calm}x${calm}x${calm}`,
      burstDensity: 0,
      gapDensity: 2 / 50,
      burstPackets: 0,
      gapPackets: 50,
    },
    {
      name: 'losses near one another are a burst',
      packets: `${calm}x..xx${calm}`,
      burstDensity: 3 / 5,
      gapDensity: 0,
      burstPackets: 5,
      gapPackets: 16,
    },
    {
      name: 'fifteen received packets do not end it, sixteen do',
      packets: `${calm}x${'.'.repeat(15)}x${calm}x${calm}`,
      burstDensity: 2 / 17,
      gapDensity: 1 / 49,
      burstPackets: 17,
      gapPackets: 49 / 2,
    },
    {
      name: 'a burst that goes on counts',
      packets: `${calm}xxxx`,
      burstDensity: 1,
      gapDensity: 0,
      burstPackets: 4,
      gapPackets: 8,
    },
  ])('$name', ({ packets, name: _, ...expected }) => {
    const measured = measure(packets);
    for (const [key, value] of Object.entries(expected))
      expect(measured[key as keyof typeof measured]).toBeCloseTo(value, 10);
  });
});
