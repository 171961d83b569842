import { describe, expect, it } from 'vitest';
import type { StreamPlayout } from '../../../gateway/media/media-messages.ts';
import type { StreamDialectName } from '../../../protocol/stream/messages.ts';
import { DirectStream } from '../../support/direct-stream.ts';
import { createMediaWorld, startMediaCall } from '../../support/media-call.ts';
import type { StreamMessage } from '../../support/memory-stream.ts';

const everything = ['mark', 'dtmf', 'flow', 'hold', 'stats', 'control'];

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer);
}

function loud(samples: number): Uint8Array {
  return bytesOf(new Int16Array(samples).fill(8000));
}

/** A bridged call whose server asked for `extensions` and does nothing else of its own accord. */
async function startCall(
  options: {
    readonly extensions?: readonly string[] | 'no field';
    readonly sampleRateHz?: number;
    readonly playout?: StreamPlayout;
    readonly dialect?: StreamDialectName;
    readonly limits?: object;
  } = {},
) {
  const { extensions = everything, ...rest } = options;
  const world = createMediaWorld();
  world.server.connected = (stream) => {
    stream.receivedText = (message) => {
      if (message.command !== 'connect') return;
      stream.send(extensions === 'no field' ? { command: 'answer' } : { command: 'answer', extensions });
    };
  };
  const media = await startMediaCall(world, { sampleRateHz: 8000, ...rest });
  const events = (): readonly StreamMessage[] => media.stream.messages.slice(1);
  return { ...world, ...media, events };
}

describe('a mark', () => {
  it.each([8000, 16_000, 24_000, 44_100, 48_000, 96_000])(
    'is reported when the last sample before it was sent, at %i Hz',
    async (sampleRateHz) => {
      const { stream, phone, clock, events } = await startCall({ sampleRateHz });
      const silence = new Uint8Array(sampleRateHz * 2);
      stream.sendBinary(loud((sampleRateHz * 3) / 10));
      stream.send({ command: 'mark', name: 'end' });
      stream.sendBinary(silence);
      let packetsAtReport: number | undefined;
      stream.receivedText = () => {
        packetsAtReport ??= phone.heard.length;
      };
      await clock.advance(800);
      const pcm = phone.heardPcm;
      const lastLoud = pcm.findLastIndex((sample) => Math.abs(sample) > 100);
      // The frame with the last loud sample, or the next one where the conversion rings a little longer than it counts.
      const packetOfLast = Math.floor(lastLoud / 160) + 1;
      expect(packetsAtReport! - packetOfLast).toBeGreaterThanOrEqual(0);
      expect(packetsAtReport! - packetOfLast).toBeLessThanOrEqual(1);
      expect(events()).toEqual([
        { event: 'mark', name: 'end', status: 'played', playedMs: expect.any(Number) },
      ]);
    },
  );

  it('is reported at once where nothing waits, and as cleared where a clear takes what is before it', async () => {
    const { stream, clock, events } = await startCall();
    stream.send({ command: 'mark', name: 'empty' });
    stream.sendBinary(loud(8000));
    stream.send({ command: 'mark', name: 'late' });
    await clock.advance(210);
    stream.send({ command: 'clear' });
    await clock.advance(1);
    const [empty, late, cleared] = events() as { playedMs: number; droppedMs: number }[];
    expect(empty).toMatchObject({ name: 'empty', status: 'played', playedMs: 0 });
    expect(late).toMatchObject({ name: 'late', status: 'cleared' });
    expect(cleared).toMatchObject({ event: 'cleared' });
    expect(cleared!.playedMs + cleared!.droppedMs).toBe(1000);
    expect(cleared!.playedMs % 20).toBe(0);
  });

  it('keeps its place in audio that comes before the bridge', async () => {
    const world = createMediaWorld();
    world.server.connected = (stream) => {
      stream.receivedText = (message) => {
        if (message.command !== 'connect') return;
        stream.send({ command: 'answer', extensions: ['mark'] });
        stream.sendBinary(loud(800));
        stream.send({ command: 'mark', name: 'a' });
        stream.sendBinary(loud(800));
        stream.send({ command: 'mark', name: 'b' });
      };
    };
    const { stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    await world.clock.advance(400);
    expect(stream.messages.slice(1)).toEqual([
      { event: 'mark', name: 'a', status: 'played', playedMs: 100 },
      { event: 'mark', name: 'b', status: 'played', playedMs: 200 },
    ]);
  });

  it('is reported as cleared where the phone is taken away', async () => {
    const { stream, call, clock, events } = await startCall();
    stream.sendBinary(loud(8000));
    stream.send({ command: 'mark', name: 'end' });
    await clock.advance(100);
    call.group.send({ type: 'unbridge', a: call.rtpId, b: call.streamId });
    await clock.advance(1);
    expect(events()).toMatchObject([{ name: 'end', status: 'cleared' }]);
  });

  it('is refused where a thousand wait', async () => {
    const { stream, clock, events } = await startCall();
    stream.sendBinary(loud(8000));
    for (let index = 0; index < 1001; index++) stream.send({ command: 'mark', name: `${index}` });
    await clock.advance(10);
    expect(events()).toEqual([
      { event: 'error', code: 'too-many-marks', message: expect.stringContaining('1000') },
    ]);
  });
});

describe('clear', () => {
  const rates = [8000, 16_000, 24_000, 44_100, 48_000, 96_000];
  const bursts = [1, 77, 640, 100_000];
  it.each(rates.flatMap((rate) => bursts.map((burst) => [rate, burst] as const)))(
    'lets nothing be heard later than 20 ms after it, at %i Hz in messages of %i bytes, and all that comes then',
    async (sampleRateHz, burst) => {
      const { stream, phone, clock } = await startCall({ sampleRateHz });
      const before = loud(sampleRateHz / (burst === 1 ? 8 : 1));
      for (let at = 0; at < before.length; at += burst) stream.sendBinary(before.subarray(at, at + burst));
      await clock.advance(60);
      const heardBefore = phone.heard.length;
      expect(phone.heardPcm.some((sample) => sample > 1000)).toBe(true);
      stream.send({ command: 'clear' });
      const after = bytesOf(new Int16Array(sampleRateHz / 5).fill(-8000));
      stream.sendBinary(after);
      await clock.advance(400);
      const pcm = phone.heardPcm.subarray((heardBefore + 1) * 160);
      expect(pcm.some((sample) => sample > 1000)).toBe(false);
      const whole = phone.heardPcm.subarray(heardBefore * 160).filter((sample) => sample < -4000);
      expect(Math.abs(whole.length - 1600)).toBeLessThanOrEqual(12);
    },
  );
});

describe('pause', () => {
  it('keeps what is queued, and continue goes on where it stopped', async () => {
    const { stream, phone, clock, events } = await startCall();
    const ramp = Int16Array.from({ length: 4000 }, (_, index) => 2000 + index * 5);
    stream.sendBinary(bytesOf(ramp));
    await clock.advance(100);
    stream.send({ command: 'pause' });
    await clock.advance(20);
    const heard = phone.heard.length;
    stream.send({ command: 'status' });
    await clock.advance(200);
    expect(phone.heardPcm.subarray(heard * 160).every((sample) => sample === 0)).toBe(true);
    expect(events()).toMatchObject([{ event: 'status', state: 'paused', marks: 0 }]);
    stream.send({ command: 'continue' });
    await clock.advance(600);
    const pcm = phone.heardPcm.filter((sample) => sample !== 0);
    expect(pcm.length).toBe(4000);
    expect(pcm.every((sample, index) => Math.abs(sample - ramp[index]!) < ramp[index]! / 16)).toBe(true);
  });

  it('works for servers that ask for no events, too', async () => {
    const { stream, phone, clock } = await startCall({ extensions: [] });
    stream.sendBinary(loud(8000));
    stream.send({ command: 'pause' });
    await clock.advance(200);
    expect(phone.heardPcm.every((sample) => sample === 0)).toBe(true);
    stream.send({ command: 'clear' });
    stream.send({ command: 'continue' });
    await clock.advance(200);
    expect(phone.heardPcm.every((sample) => sample === 0)).toBe(true);
  });
});

describe('flow', () => {
  it('is told at 80 % of the buffer and at 50 %, and drops as they happen', async () => {
    const { stream, clock, events } = await startCall({ limits: { bufferBytes: 16_000 } });
    stream.sendBinary(loud(6300));
    await clock.advance(1);
    expect(events()).toEqual([]);
    stream.sendBinary(loud(300));
    await clock.advance(1);
    expect(events()).toEqual([{ event: 'flow', state: 'xoff', bufferedMs: expect.any(Number) }]);
    stream.sendBinary(loud(1800));
    await clock.advance(1);
    const dropped = events()[1] as { droppedMs: number };
    expect(dropped).toMatchObject({ event: 'flow', state: 'xoff', bufferedMs: 1000 });
    expect(dropped.droppedMs).toBeGreaterThan(0);
    await clock.advance(480);
    expect(events()).toHaveLength(2);
    await clock.advance(40);
    expect(events()[2]).toMatchObject({ event: 'flow', state: 'xon', bufferedMs: 500 });
  });

  it('keeps the newest where the queue is bounded in time', async () => {
    const { stream, phone, clock, events, pool, call } = await startCall({ playout: { maxBufferMs: 200 } });
    for (let index = 1; index <= 10; index++) {
      stream.sendBinary(bytesOf(new Int16Array(800).fill(index * 1000)));
    }
    await clock.advance(1);
    expect((await pool.report()).streams.get(call.streamId)).toMatchObject({
      bufferedMs: 200,
      droppedMs: 800,
    });
    await clock.advance(400);
    const heard = phone.heardPcm.filter((sample) => sample !== 0);
    expect([heard.length, heard[0]! > 8500, heard.at(-1)! > 9500]).toEqual([1600, true, true]);
    const told = events().filter(({ event }) => event === 'flow') as { droppedMs?: number }[];
    expect(told.reduce((sum, { droppedMs = 0 }) => sum + droppedMs, 0)).toBe(800);
    // Ten messages, and not ten events.
    expect(told.length).toBeLessThan(6);
    // It was asked for: nothing to be noticed.
    expect(call.event('notice')).toBeUndefined();
  });
});

describe('the first audio', () => {
  it.each([
    [0, 20, 1],
    [undefined, 20, 1],
    [100, 20, 5],
    [100, 160, 1],
  ])(
    'with a prebuffer of %s ms waits for %i ms of it or so long: heard in frame %i',
    (prebufferMs, ms, frame) => {
      const direct = new DirectStream({ playout: { prebufferMs } });
      direct.sendAudio(loud(8 * ms));
      let first = 0;
      for (let tick = 1; tick <= 8 && first === 0; tick++) {
        direct.tick();
        if (direct.heard.some((byte) => byte !== 0xff)) first = tick;
      }
      expect(first).toBe(frame);
    },
  );
});

describe('what only the call can do', () => {
  it('comes up as asked', async () => {
    const { stream, call, clock } = await startCall({ extensions: [] });
    stream.send({ command: 'dtmf', digits: '12w#' });
    stream.send({ command: 'transfer', to: 'sip:bob@example.test', headers: { 'X-A': '1' } });
    stream.send({ command: 'hangup', reason: 'done' });
    await clock.advance(10);
    const endpointId = call.streamId;
    expect(call.all('streamAsked')).toEqual([
      { type: 'streamAsked', endpointId, command: 'dtmf', digits: '12w#' },
      {
        type: 'streamAsked',
        endpointId,
        command: 'transfer',
        to: 'sip:bob@example.test',
        headers: { 'X-A': '1' },
      },
      { type: 'streamAsked', endpointId, command: 'hangup', reason: 'done' },
    ]);
  });

  it('is told to the server where it asked for such events', async () => {
    const { stream, call, clock, events } = await startCall({ extensions: ['dtmf', 'hold'] });
    const { endpointId } = { endpointId: call.streamId };
    const told = [
      { event: 'dtmf', digit: '5', durationMs: 100, method: 'rfc4733' },
      { event: 'hold' },
      { event: 'resume' },
      { event: 'transfer', status: 'completed', code: 200 },
    ] as const;
    for (const event of told) call.group.send({ type: 'tellStream', endpointId, event });
    await clock.advance(10);
    expect(events()).toEqual(told.slice(0, 3));
    expect(stream.closedWith).toBeUndefined();
  });

  it('is refused before the answer', async () => {
    const world = createMediaWorld();
    world.server.connected = (stream) => {
      stream.receivedText = (message) => {
        if (message.command !== 'connect') return;
        for (const command of ['hangup', 'pause', 'status']) stream.send({ command });
        stream.send({ command: 'clear' });
        stream.send({ command: 'answer', extensions: ['control'] });
      };
    };
    const { call, stream } = await startMediaCall(world);
    await world.clock.advance(10);
    expect(call.event('streamAsked')).toBeUndefined();
    expect(call.all('notice').map(({ code }) => code)).toEqual(['not-answered']);
    expect(stream.messages).toHaveLength(1);
    call.closeStream();
    await world.clock.advance(10);
    expect(call.event('streamClosed')?.counters.messagesInvalid).toBe(3);
  });
});

describe('stats and errors', () => {
  it('come every five seconds, and with every message that is wrong', async () => {
    const { stream, phone, clock, events } = await startCall();
    phone.sayTone();
    await clock.advance(10_100);
    phone.stop();
    const stats = events().filter(({ event }) => event === 'stats');
    expect(stats).toHaveLength(2);
    expect(stats[1]).toMatchObject({ lossUp: 0, lossDown: 0, bufferedMs: 0, codec: 'pcmu' });
    expect(stats[1]!.mos).toBeGreaterThan(4);
    stream.send('{');
    stream.send('{');
    stream.send({ command: 'mark' });
    await clock.advance(1);
    expect(
      events()
        .filter(({ event }) => event === 'error')
        .map(({ code }) => code),
    ).toEqual(['bad-json', 'bad-json', 'bad-field']);
  });
});

describe('a server that asks for nothing', () => {
  /** As recorded before there were any extensions: every text message by its fields, and what came besides. */
  const recorded = {
    texts: [
      'CallId ApplicationId Headers applicationId applicationKey callHeaders callId codec command direction extensions from headers sampleRate sipHeaders to version',
    ],
    binarySizes: [640],
    close: { code: 1000, reason: 'CALLERHANGUP' },
  };

  it('sees what it always saw, whatever happens in the call', async () => {
    const { stream, phone, call, clock } = await startCall({
      extensions: 'no field',
      sampleRateHz: 16_000,
      limits: { bufferBytes: 32_000 },
    });
    phone.sayTone();
    for (let index = 0; index < 4; index++) stream.sendBinary(loud(8000));
    for (const message of [
      '{',
      { command: 'mark', name: 'a' },
      { command: 'status' },
      { command: 'dance' },
    ]) {
      stream.send(message);
    }
    stream.send({ command: 'clear' });
    const { streamId: endpointId } = call;
    call.group.send({ type: 'tellStream', endpointId, event: { event: 'hold' } });
    await clock.advance(6_000);
    phone.stop();
    call.closeStream();
    await clock.advance(50);
    const seen = {
      texts: stream.messages.map((message) => Object.keys(message).sort(byLetter).join(' ')),
      binarySizes: [...new Set(stream.binaries.map((bytes) => bytes.length))],
      close: stream.closedWith,
    };
    expect(seen).toEqual({ ...recorded, texts: recorded.texts.map(sortWords) });
  });
});

function byLetter(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function sortWords(text: string): string {
  return text.split(' ').sort(byLetter).join(' ');
}
