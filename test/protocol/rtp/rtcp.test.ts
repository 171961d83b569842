import { CompoundPacket, ReceiverReportPacket, SdesPacket, SenderReportPacket } from 'rtp.js/packets';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import {
  buildBye,
  buildReport,
  nextReportMs,
  ntpFromWall,
  ntpMiddle,
  type ReportOptions,
  readRtcp,
} from '../../../protocol/rtp/rtcp.ts';
import { createRandom } from '../../support/random.ts';

const sender = { ssrc: 0x11223344, rtpTimestamp: 0xfffffff0, packetCount: 5000, octetCount: 800_000 };
const reception = {
  ssrc: 0xaabbccdd,
  fractionLost: 64,
  packetsLost: 70_000,
  extendedSequence: 0x0001ffff,
  jitter: 40,
};
const options: ReportOptions = {
  ssrc: sender.ssrc,
  sender,
  reception,
  lastSenderReport: { ntpMiddle: 0x12345678, ageMs: 1500 },
  cname: 'a@192.0.2.1',
  wallMs: 1_700_000_000_250,
};

function compound(bytes: Uint8Array): CompoundPacket {
  return new CompoundPacket(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

describe('building', () => {
  test('a sender report with a report block and the CNAME, as rtp.js reads it', () => {
    const [report, sdes] = compound(buildReport(options)).getPackets();
    if (!(report instanceof SenderReportPacket) || !(sdes instanceof SdesPacket)) throw new Error('SR, SDES');
    expect(report.dump()).toMatchObject({
      ssrc: sender.ssrc,
      ntpSeq: 1_700_000_000 + 2_208_988_800,
      ntpFraction: 0x4000_0000,
      rtpTimestamp: 0xfffffff0,
      packetCount: 5000,
      octetCount: 800_000,
      reports: [
        {
          ssrc: 0xaabbccdd,
          fractionLost: 64,
          highestSeq: 0x1ffff,
          jitter: 40,
          lsr: 0x12345678,
          dlsr: 98_304,
        },
      ],
    });
    expect(sdes.getChunks()[0]!.getItems()).toEqual([{ type: 1, text: 'a@192.0.2.1' }]);
  });

  test('a receiver report where nothing was sent, empty where nothing came', () => {
    const bytes = buildReport({ ...options, sender: undefined, reception: undefined });
    const [report] = compound(bytes).getPackets();
    if (!(report instanceof ReceiverReportPacket)) throw new Error('RR');
    expect(report.getSsrc()).toBe(sender.ssrc);
    expect(report.getReports()).toEqual([]);
  });

  test('a goodbye at the end of a compound', () => {
    expect(readRtcp(buildBye(options), { ssrc: 1, wallMs: 0 }).byes).toEqual([sender.ssrc]);
  });

  test.each([0, 1, 4095, 4096, 70_000, 0x7fffff, -1, -70_000, -0x800000])(
    'carries %d lost packets in 24 bits of two’s complement',
    (packetsLost) => {
      for (const withSender of [sender, undefined]) {
        const bytes = buildReport({
          ...options,
          sender: withSender,
          reception: { ...reception, packetsLost },
        });
        expect(readRtcp(bytes, { ssrc: reception.ssrc, wallMs: 0 }).report?.packetsLost).toBe(packetsLost);
      }
    },
  );

  test('clamps what 24 bits cannot hold', () => {
    const bytes = buildReport({ ...options, reception: { ...reception, packetsLost: 1e9 } });
    expect(readRtcp(bytes, { ssrc: reception.ssrc, wallMs: 0 }).report?.packetsLost).toBe(0x7fffff);
  });
});

describe('reading', () => {
  test('the sender report of the peer, for our next LSR', () => {
    const { senderReport } = readRtcp(buildReport(options), { ssrc: 7, wallMs: 0 });
    expect(senderReport).toEqual({
      ssrc: sender.ssrc,
      ntpMiddle: (((3_908_988_800 & 0xffff) << 16) | 0x4000) >>> 0,
      rtpTimestamp: 0xfffffff0,
      packetCount: 5000,
      octetCount: 800_000,
    });
  });

  test('loss and jitter from the block about us alone', () => {
    expect(readRtcp(buildReport(options), { ssrc: 7, wallMs: 0 }).report).toBeUndefined();
    expect(readRtcp(buildReport(options), { ssrc: reception.ssrc, wallMs: 0 }).report).toMatchObject({
      fractionLost: 0.25,
      packetsLost: 70_000,
      jitter: 40,
    });
  });

  test('the round trip from LSR and DLSR, RFC 3550 figure 2', () => {
    // The figure's own values: A = b710:8000, LSR = b705:2000, DLSR = 5.25 s, round trip 6.125 s.
    const bytes = buildReport({
      ...options,
      lastSenderReport: { ntpMiddle: 0xb705_2000, ageMs: 5250 },
    });
    const wallMs = (0xb44d_b710 - 2_208_988_800 + 0.5) * 1000;
    expect(readRtcp(bytes, { ssrc: reception.ssrc, wallMs }).report?.rttMs).toBeCloseTo(6125, 1);
  });

  test.each([
    { name: 'the peer had no report of ours', lsr: 0, ageMs: 0, laterMs: 100, rttMs: undefined },
    {
      name: 'the peer claims to have waited longer than it could',
      lsr: 1,
      ageMs: 5000,
      laterMs: 100,
      rttMs: undefined,
    },
    { name: 'it is as good as 0', lsr: 1, ageMs: 100, laterMs: 100, rttMs: 0 },
  ])('no round trip worth reporting where $name', ({ lsr, ageMs, laterMs, rttMs }) => {
    const wallMs = 1_700_000_000_000;
    const last = lsr === 0 ? 0 : ntpMiddle(ntpFromWall(wallMs));
    const bytes = buildReport({ ...options, lastSenderReport: { ntpMiddle: last, ageMs } });
    const { report } = readRtcp(bytes, { ssrc: reception.ssrc, wallMs: wallMs + laterMs });
    if (rttMs === undefined) expect(report?.rttMs).toBeUndefined();
    else expect(report?.rttMs).toBeCloseTo(rttMs, 0);
  });

  test('a report with padding, a profile extension and unknown packets behind it', () => {
    const plain = buildReport({ ...options, sender: undefined });
    const report = plain.subarray(0, 32);
    const extended = new Uint8Array([...report, 1, 2, 3, 4, 0, 0, 0, 4]);
    extended[0] = extended[0]! | 0x20;
    extended[3] = 9;
    const application = [0x80, 204, 0, 2, 0, 0, 0, 1, 0x41, 0x42, 0x43, 0x44];
    const datagram = Buffer.from([...extended, ...application]);
    const before = Buffer.from(datagram);
    expect(readRtcp(datagram, { ssrc: reception.ssrc, wallMs: 0 }).report?.jitter).toBe(40);
    expect(datagram).toEqual(before);
  });

  test.each([
    ['nothing', []],
    ['an RTP packet', [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a length beyond the datagram', [0x80, 201, 0, 2, 0, 0, 0, 1]],
    ['more blocks than bytes', [0x9f, 201, 0, 1, 0, 0, 0, 1]],
    ['a BYE with more sources than bytes', [0x9f, 203, 0, 1, 0, 0, 0, 1]],
    ['a stump after a good packet', [0x80, 201, 0, 1, 0, 0, 0, 1, 0x80, 201]],
    ['more than RTCP ever needs', new Array(2052).fill(0x80)],
  ])('refuses %s', (_name, bytes) => {
    expect(() => readRtcp(Uint8Array.from(bytes), { ssrc: 1, wallMs: 0 })).toThrow(ProtocolError);
  });

  test('random and mutated bytes throw nothing but ProtocolError', () => {
    const random = createRandom(3550);
    const good = buildBye(options);
    for (let round = 0; round < 5000; round++) {
      const bytes = round % 2 === 0 ? good.slice() : new Uint8Array(Math.floor(random() * 80));
      for (let index = 0; index < bytes.length; index++) {
        if (round % 2 === 1 || random() < 0.03) bytes[index] = random() * 256;
      }
      if (round % 4 === 1 && bytes.length > 1) {
        bytes[0] = 0x80 | (bytes[0]! & 0x3f);
        bytes[1] = 200 + Math.floor(random() * 8);
      }
      try {
        readRtcp(bytes, { ssrc: reception.ssrc, wallMs: 1_700_000_000_000 });
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  });
});

test('reports are due every 5 s on average, spread by half, the first in half the time', () => {
  expect(nextReportMs(() => 0)).toBeCloseTo(2052, 0);
  expect(nextReportMs(() => 1)).toBeCloseTo(6156, 0);
  expect(nextReportMs(() => 0.5, true)).toBeCloseTo(2052, 0);
});

test('NTP time begins in 1900 and wraps in 2036', () => {
  expect(ntpFromWall(0)).toEqual({ seconds: 2_208_988_800, fraction: 0 });
  expect(ntpFromWall(2_085_978_496_500)).toEqual({ seconds: 0, fraction: 0x8000_0000 });
});
