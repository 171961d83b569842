import { expect, test } from 'vitest';
import { RtpHeader, readRtpHeader, rtpHeaderBytes } from '../../../protocol/rtp/packet.ts';
import { RtpSender } from '../../../protocol/rtp/sender.ts';

function createSender(): RtpSender {
  return new RtpSender({ ssrc: 0xcafe, sequence: 65_534, timestamp: 0xffffff60, rtpClockRateHz: 8000 });
}

const buffer = new Uint8Array(rtpHeaderBytes + 160);

function readBack(): string {
  const header = new RtpHeader();
  expect(readRtpHeader(buffer, header)).toBe(true);
  expect(header.ssrc).toBe(0xcafe);
  return `${header.marker ? 'M ' : ''}${header.sequence} ${header.timestamp}`;
}

function sendAudio(sender: RtpSender, nowMs = 0): string {
  sender.writeAudioHeader(buffer, 0, 0, 160, 160, nowMs);
  return readBack();
}

test('marks the first packet, and wraps sequence and timestamp', () => {
  const sender = createSender();
  expect([sendAudio(sender), sendAudio(sender), sendAudio(sender)]).toEqual([
    'M 65534 4294967136',
    '65535 0',
    '0 160',
  ]);
});

test('time goes on while nothing is sent, the sequence does not, and the next packet is marked', () => {
  const sender = createSender();
  sendAudio(sender);
  sender.skip(160);
  sender.skip(160);
  expect(sendAudio(sender)).toBe('M 65535 320');
});

test('an event has its own timestamp and takes the time of a frame', () => {
  const sender = createSender();
  sendAudio(sender);
  const event = { marker: true, timestamp: sender.timestampNext };
  sender.writeEventHeader(buffer, 0, 101, 4, 160, event);
  expect(readBack()).toBe('M 65535 0');
  sender.writeEventHeader(buffer, 0, 101, 4, 160, { ...event, marker: false });
  expect(readBack()).toBe('0 0');
  expect(sendAudio(sender)).toBe('1 320');
});

test('reports counts and the timestamp of the moment', () => {
  const sender = createSender();
  expect(sender.info(0)).toBeUndefined();
  sendAudio(sender, 1000);
  sendAudio(sender, 1020);
  expect(sender.info(1045)).toEqual({ ssrc: 0xcafe, rtpTimestamp: 200, packetCount: 2, octetCount: 320 });
});
