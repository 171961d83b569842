import { describe, expect, it } from 'vitest';
import { DtmfDetector } from '../../../codecs/dtmf-detector.ts';
import { createDtmfTone } from '../../../codecs/tones.ts';
import { writeRtpHeader } from '../../../protocol/rtp/packet.ts';
import { TelephoneEventReceiver, TelephoneEventSender } from '../../../protocol/rtp/telephone-event.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';
import type { RtpPeer } from '../../support/rtp-peer.ts';

const frameMs = 20;

/** Says `digits` as RFC 4733 events among packets of `level`, a packet each 20 ms; gives the packets said. */
async function sayDigits(
  phone: RtpPeer,
  advance: (ms: number) => Promise<void>,
  digits: string,
  frames: number,
): Promise<number> {
  const sender = new TelephoneEventSender({ rtpClockRateHz: 8000, ptimeMs: frameMs });
  sender.queue(digits);
  for (let frame = 0; frame < frames; frame++) {
    const payload = new Uint8Array(4);
    const now = phone.timestamp;
    if (frame >= 10 && sender.nextFrame(now, payload, 0)) {
      const datagram = new Uint8Array(16);
      const { sequence, ssrc } = phone;
      const { timestamp, marker } = sender;
      writeRtpHeader(datagram, 0, { sequence, ssrc, timestamp, marker, payloadType: 101 });
      datagram.set(payload, 12);
      phone.send(datagram);
      phone.sequence = (phone.sequence + 1) & 0xffff;
      phone.timestamp = (now + 160) >>> 0;
    } else {
      phone.sayPcm(new Int16Array(160).fill(1000 + frame * 20));
    }
    await advance(frameMs);
  }
  return frames;
}

describe('digits from the phone', () => {
  it('keep the time axis: audio after them is where it was said', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    const packets = await sayDigits(phone, (ms) => world.clock.advance(ms), '123#', 120);
    expect(call.all('digit').map(({ digit, method }) => digit + method)).toEqual(
      [...'123#'].map((digit) => `${digit}rfc4733`),
    );
    expect(stream.binaries).toHaveLength(packets);
    // The last packet has the level that it was said at, so nothing was moved.
    const last = stream.audio.at(-80)!;
    expect(Math.abs(last - (1000 + 119 * 20))).toBeLessThan(64);
    const heard = Array.from({ length: 120 }, (_, frame) => stream.audio[frame * 160 + 80]!);
    for (const [frame, level] of heard.entries())
      if (level !== 0) expect(Math.abs(level - (1000 + frame * 20)) / level).toBeLessThan(0.04);
    expect(heard.filter((level) => level === 0)).toHaveLength(4 * 7);
  });

  it('found in the audio are reported where asked for, and once where they come as events too', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world, { sampleRateHz: 8000 });
    const press = async (digit: string, frames: number) => {
      const tone = createDtmfTone(digit, 8000, -14);
      for (let frame = 0; frame < frames; frame++) {
        const pcm = new Int16Array(160);
        tone.fill(pcm, 0, 160);
        phone.sayPcm(pcm);
        await world.clock.advance(frameMs);
      }
      for (let frame = 0; frame < 5; frame++) {
        phone.sayPcm(new Int16Array(160));
        await world.clock.advance(frameMs);
      }
    };
    await press('5', 5);
    expect(call.all('digit')).toHaveLength(0);

    call.group.send({ type: 'detectDigits', endpointId: call.rtpId, listens: true, mutes: false });
    await press('5', 5);
    await press('5', 5);
    await press('9', 4);
    expect(call.all('digit').map(({ digit, method }) => digit + method)).toEqual([
      '5inband',
      '5inband',
      '9inband',
    ]);
    expect(call.event('digit')!.durationMs).toBeGreaterThan(80);

    await world.clock.advance(2000);
    await press('7', 5);
    await sayDigits(phone, (ms) => world.clock.advance(ms), '7', 30);
    expect(
      call
        .all('digit')
        .map(({ digit }) => digit)
        .join(''),
    ).toBe('5597');
  });

  it('are heard in the audio of a phone that sends no events, and no more once it does', async () => {
    const world = createMediaWorld();
    const session = { dtmfPayloadTypeSend: undefined, dtmfPayloadTypeReceive: undefined };
    const { call, phone } = await startMediaCall(world, { sampleRateHz: 8000, session });
    const press = async (digit: string) => {
      const tone = createDtmfTone(digit, 8000, -14);
      for (let frame = 0; frame < 12; frame++) {
        const pcm = new Int16Array(160);
        if (frame < 6) tone.fill(pcm, 0, 160);
        phone.sayPcm(pcm);
        await world.clock.advance(frameMs);
      }
    };
    for (const digit of '12#') await press(digit);
    expect(call.all('digit').map(({ digit, method }) => digit + method)).toEqual([
      '1inband',
      '2inband',
      '#inband',
    ]);
    call.startRtp(phone, {});
    await press('4');
    expect(call.all('digit')).toHaveLength(3);
  });

  it('are taken out of the audio on request', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    call.group.send({ type: 'detectDigits', endpointId: call.rtpId, listens: false, mutes: true });
    const tone = createDtmfTone('3', 8000, -14);
    const pcm = new Int16Array(160);
    for (let frame = 0; frame < 30; frame++) {
      if (frame >= 10 && frame < 20) tone.fill(pcm, 0, 160);
      else pcm.fill(500);
      phone.sayPcm(pcm);
      await world.clock.advance(frameMs);
    }
    const detector = new DtmfDetector(8000);
    detector.listen(stream.audio, 0, stream.audio.length);
    detector.flush();
    expect(detector.next()).toBeUndefined();
    expect(stream.audio.filter((sample) => Math.abs(sample) > 700).length).toBeLessThan(160);
    expect(call.all('digit').map(({ digit }) => digit)).toEqual(['3']);
    expect(stream.audio.at(-1)).toBeGreaterThan(400);
  });
});

describe('digits to the phone', () => {
  it('go out as events in place of the audio, each with marker and three ends', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world);
    await world.clock.advance(200);
    call.group.send({ type: 'sendDigits', endpointId: call.rtpId, digits: '1w2#' });
    await world.clock.advance(2500);
    const receiver = new TelephoneEventReceiver({ rtpClockRateHz: 8000 });
    let digits = '';
    const events = phone.heard.filter(({ header }) => header.payloadType === 101);
    for (const { header, payload, atMs } of events) {
      receiver.receive(Object.assign(header, { payloadOffset: 0 }), payload, atMs);
      for (let ended = receiver.next(atMs); ended !== undefined; ended = receiver.next(atMs)) {
        digits += ended.digit;
        expect(ended.durationMs).toBe(100);
      }
    }
    expect(digits).toBe('12#');
    expect(events.filter(({ header }) => header.marker)).toHaveLength(3);
    expect(events.filter(({ payload }) => payload[1]! >= 0x80)).toHaveLength(9);
    // One packet each 20 ms with or without digits, none beside them.
    const sequences = phone.heard.map(({ header }) => header.sequence);
    for (let i = 1; i < sequences.length; i++) {
      expect(sequences[i]).toBe((sequences[i - 1]! + 1) & 0xffff);
      expect(phone.heard[i]!.atMs - phone.heard[i - 1]!.atMs).toBeCloseTo(frameMs, 0);
    }
    const gapMs = events[7]!.atMs - events[6]!.atMs;
    expect(gapMs).toBeGreaterThanOrEqual(600);
  });

  it('are sounded for a phone that takes no events', async () => {
    const world = createMediaWorld();
    const { call, phone } = await startMediaCall(world, {
      session: { dtmfPayloadTypeSend: undefined, dtmfPayloadTypeReceive: undefined },
    });
    call.group.send({ type: 'sendDigits', endpointId: call.rtpId, digits: '190*D' });
    await world.clock.advance(1500);
    const detector = new DtmfDetector(8000);
    const heard = phone.heardPcm;
    detector.listen(heard, 0, heard.length);
    let digits = '';
    for (let ended = detector.next(); ended !== undefined; ended = detector.next()) digits += ended.digit;
    expect(digits).toBe('190*D');
    expect(phone.heard.every(({ header }) => header.payloadType === 0)).toBe(true);
  });

  it('beyond what may wait are dropped and said to be', async () => {
    const world = createMediaWorld();
    const { call } = await startMediaCall(world);
    call.group.send({ type: 'sendDigits', endpointId: call.rtpId, digits: '1'.repeat(300) });
    await world.clock.advance(50);
    expect(call.event('notice')).toMatchObject({ code: 'digits-dropped' });
    expect(call.event('notice')!.message).toMatch(/^4\d digits/);
  });
});
