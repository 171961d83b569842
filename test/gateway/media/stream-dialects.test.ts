import { describe, expect, it } from 'vitest';
import { pcmu } from '../../../codecs/g711.ts';
import { StreamDownlink } from '../../../gateway/media/stream-downlink.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';
import type { MemoryStream } from '../../support/memory-stream.ts';

/** What the media path does for dialects whose audio is more than binary messages of PCM. */

function mulaw(pcm: Int16Array): Buffer {
  const payload = Buffer.alloc(pcm.length);
  pcmu.createEncoder().encode(pcm, 0, pcm.length, payload, 0);
  return payload;
}

function fromMulaw(payload: Uint8Array): Int16Array {
  const pcm = new Int16Array(payload.length);
  pcmu.createDecoder().decode(payload, 0, payload.length, pcm, 0);
  return pcm;
}

/** Texts of one kind, as they came after the opening. */
function said(stream: MemoryStream, event: string): Record<string, unknown>[] {
  return stream.messages.filter((message) => message.event === event);
}

async function startTwilio() {
  const world = createMediaWorld();
  world.server.connected = () => {};
  const media = await startMediaCall(world, { dialect: 'twilio' });
  const { streamSid } = said(media.stream, 'start')[0] as { streamSid: string };
  return { ...world, ...media, streamSid };
}

describe('audio in text messages', () => {
  it('is carried both ways as µ-law, and answered at once', async () => {
    const { stream, phone, clock, streamSid } = await startTwilio();
    phone.sayTone();
    const tone = Int16Array.from({ length: 1600 }, (_, i) => Math.round(6000 * Math.sin(i / 3)) || 8);
    stream.send({ event: 'media', streamSid, media: { payload: mulaw(tone).toString('base64') } });
    stream.send({ event: 'mark', streamSid, mark: { name: 'end' } });
    await clock.advance(505);
    phone.stop();
    expect(stream.binaries).toHaveLength(0);
    const media = said(stream, 'media') as { media: { payload: string } }[];
    expect(media).toHaveLength(26);
    const up = fromMulaw(Buffer.concat(media.map((message) => Buffer.from(message.media.payload, 'base64'))));
    expect(Math.max(...up)).toBeGreaterThan(7_000);
    const start = phone.heardPcm.findIndex((sample) => sample !== 0);
    expect(phone.heardPcm.subarray(start, start + 1600)).toEqual(fromMulaw(mulaw(tone)));
    expect(said(stream, 'mark')).toMatchObject([{ mark: { name: 'end' } }]);
  });

  it('waits while the server does not read, as any other, the oldest dropped', async () => {
    const { stream, phone, clock, pool, call } = await startTwilio();
    phone.sayTone();
    await clock.advance(205);
    stream.stalled = true;
    const before = said(stream, 'media').length;
    await clock.advance(2_000);
    expect(said(stream, 'media')).toHaveLength(before);
    expect((await pool.report()).streams.get(call.streamId)?.framesDropped).toBe(10);
    stream.stalled = false;
    await clock.advance(20);
    expect(said(stream, 'media')).toHaveLength(before + 91);
  });
});

describe('audio to the phone', () => {
  function createDownlink(encoding: ConstructorParameters<typeof StreamDownlink>[0]['encoding']) {
    const played: number[] = [];
    const downlink = new StreamDownlink({
      sampleRateHz: 8000,
      encoding,
      queueBytesMax: 1_000_000,
      nowMs: () => 0,
      listener: { markReached: () => {}, filled: () => {}, drained: () => {}, overflowed: () => {} },
    });
    downlink.addSink({
      plug: () => {},
      unplug: () => {},
      play: () => {},
      playBytes: (bytes, offset, sizeBytes) => {
        for (let at = offset; at < offset + sizeBytes; at += 2) {
          played.push(((bytes[at]! | (bytes[at + 1]! << 8)) << 16) >> 16);
        }
      },
      clear: () => {},
      queuedMs: 0,
      droppedMs: 0,
    });
    return { downlink, played };
  }

  it.each([1, 2, 3, 5, 999, 20_000])('is read big-endian from messages of %i bytes', (size) => {
    const { downlink, played } = createDownlink('pcm16be');
    const pcm = Array.from({ length: 9_000 }, (_, index) => ((index * 37) % 30_000) - 15_000);
    const bytes = Buffer.alloc(18_000);
    for (const [index, sample] of pcm.entries()) bytes.writeInt16BE(sample, index * 2);
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      downlink.receive(part, 0, part.length, 0);
    }
    expect(played).toEqual(pcm);
  });

  it('comes at another rate where a message says so, whatever it is cut into', () => {
    const { downlink, played } = createDownlink('pcm16');
    const bytes = Buffer.alloc(96_000);
    for (let index = 0; index < 48_000; index++) {
      bytes.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * 440 * index) / 48_000)), index * 2);
    }
    for (let at = 0; at < bytes.length; at += 1_001)
      downlink.receiveAt(48_000, bytes.subarray(at, at + 1_001), 0);
    expect(played.length).toBe(8_000);
    const wanted = played.map((_, index) => 8000 * Math.sin((2 * Math.PI * 440 * index) / 8_000));
    const lag = Array.from({ length: 200 }, (_, shift) =>
      Math.max(
        ...played
          .slice(1_000, 2_000)
          .map((sample, index) => Math.abs(sample - wanted[1_000 + index - shift]!)),
      ),
    );
    expect(Math.min(...lag)).toBeLessThan(1_500);
    expect(() => downlink.receiveAt(11_025, bytes, 0)).toThrow(RangeError);
  });
});
