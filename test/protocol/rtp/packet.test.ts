import fc from 'fast-check';
import { isRtcp as isRtcpOfRtpJs, RtpPacket } from 'rtp.js/packets';
import { describe, expect, test } from 'vitest';
import {
  isRtcp,
  RtpHeader,
  readRtpHeader,
  rtpHeaderBytes,
  writeRtpHeader,
} from '../../../protocol/rtp/packet.ts';

const fields = fc.record({
  marker: fc.boolean(),
  payloadType: fc.integer({ min: 0, max: 127 }),
  sequence: fc.integer({ min: 0, max: 0xffff }),
  timestamp: fc.integer({ min: 0, max: 0xffffffff }),
  ssrc: fc.integer({ min: 0, max: 0xffffffff }),
});

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

describe('against rtp.js', () => {
  test('it reads what we write', () => {
    fc.assert(
      fc.property(fields, fc.uint8Array({ maxLength: 200 }), fc.nat(8), (header, payload, offset) => {
        const bytes = new Uint8Array(offset + rtpHeaderBytes + payload.length);
        writeRtpHeader(bytes, offset, header);
        bytes.set(payload, offset + rtpHeaderBytes);
        const packet = new RtpPacket(viewOf(bytes.subarray(offset)));
        expect({
          marker: packet.getMarker(),
          payloadType: packet.getPayloadType(),
          sequence: packet.getSequenceNumber(),
          timestamp: packet.getTimestamp(),
          ssrc: packet.getSsrc(),
          payload: packet.getPayload().byteLength,
        }).toEqual({ ...header, payload: payload.length });
      }),
      { seed: 3550 },
    );
  });

  test('we read what it writes, with CSRCs, extensions and padding', () => {
    fc.assert(
      fc.property(
        fields,
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.array(fc.integer({ min: 0, max: 0xffffffff }), { maxLength: 15 }),
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        fc.boolean(),
        fc.boolean(),
        (header, payload, csrcs, extension, extended, padded) => {
          const packet = new RtpPacket();
          packet.setMarker(header.marker);
          packet.setPayloadType(header.payloadType);
          packet.setSequenceNumber(header.sequence);
          packet.setTimestamp(header.timestamp);
          packet.setSsrc(header.ssrc);
          packet.setCsrcs(csrcs);
          packet.setPayload(viewOf(payload));
          if (extended) {
            packet.enableOneByteExtensions();
            packet.setExtension(3, viewOf(extension));
          }
          if (padded) packet.padTo4Bytes();
          const view = packet.getView();
          const datagram = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
          const read = new RtpHeader();
          expect(readRtpHeader(datagram, read)).toBe(true);
          const { payloadOffset, payloadBytes, ...rest } = read;
          expect(rest).toEqual(header);
          expect(datagram.subarray(payloadOffset, payloadOffset + payloadBytes)).toEqual(payload);
        },
      ),
      { seed: 3550 },
    );
  });
});

describe('refuses', () => {
  const good = (): Uint8Array => {
    const bytes = new Uint8Array(20);
    writeRtpHeader(bytes, 0, { marker: false, payloadType: 0, sequence: 1, timestamp: 2, ssrc: 3 });
    return bytes;
  };
  const rows: { name: string; sizeBytes?: number; bytes: Record<number, number> }[] = [
    { name: 'an empty datagram', sizeBytes: 0, bytes: {} },
    { name: 'eleven bytes', sizeBytes: 11, bytes: {} },
    { name: 'version 0 (STUN)', bytes: { 0: 0x00 } },
    { name: 'version 1', bytes: { 0: 0x40 } },
    { name: 'version 3', bytes: { 0: 0xc0 } },
    { name: 'more CSRCs than bytes', bytes: { 0: 0x83 } },
    { name: 'an extension without its header', bytes: { 0: 0x92 } },
    { name: 'an extension longer than the datagram', bytes: { 0: 0x90, 15: 2 } },
    { name: 'padding of 0', bytes: { 0: 0xa0, 19: 0 } },
    { name: 'more padding than payload', bytes: { 0: 0xa0, 19: 9 } },
  ];
  test.each(rows)('$name, and leaves the header alone', ({ sizeBytes, bytes }) => {
    const datagram = Object.assign(good(), bytes).subarray(0, sizeBytes);
    const header = new RtpHeader();
    header.sequence = 77;
    expect(readRtpHeader(datagram, header)).toBe(false);
    expect(header).toEqual(Object.assign(new RtpHeader(), { sequence: 77 }));
  });

  test('nothing where padding is all there is', () => {
    const bytes = good();
    bytes[0] = 0xa0;
    bytes[19] = 8;
    const header = new RtpHeader();
    expect(readRtpHeader(bytes, header)).toBe(true);
    expect(header.payloadBytes).toBe(0);
  });

  test('random bytes never throw, and the payload always lies within them', () => {
    const header = new RtpHeader();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (datagram) => {
        if (datagram.length > 0) datagram[0] = 0x80 | (datagram[0]! & 0x3f);
        if (!readRtpHeader(datagram, header)) return;
        expect(header.payloadOffset).toBeGreaterThanOrEqual(12);
        expect(header.payloadOffset + header.payloadBytes).toBeLessThanOrEqual(datagram.length);
      }),
      { seed: 3550, numRuns: 2000 },
    );
  });
});

test('tells RTCP from RTP by the second byte alone, RFC 5761 §4', () => {
  for (let second = 0; second < 256; second++) {
    const datagram = Uint8Array.of(0x80, second, 0, 1, 0, 0, 0, 0);
    expect(isRtcp(datagram)).toBe(isRtcpOfRtpJs(viewOf(datagram)));
  }
  expect(isRtcp(Uint8Array.of(0x80, 200, 0))).toBe(false);
  expect(isRtcp(Uint8Array.of(0x00, 200, 0, 1))).toBe(false);
});
