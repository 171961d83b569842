import { describe, expect, it } from 'vitest';
import { buildConnectMessage } from '../../../protocol/stream/sinch.ts';
import { mulawSamples } from '../../support/direct-stream.ts';
import { connectOf, createMediaWorld, MediaCall, startMediaCall } from '../../support/media-call.ts';
import type { MemoryStreamBehaviour } from '../../support/memory-stream.ts';

function bytesOf(samples: Int16Array): Uint8Array {
  return new Uint8Array(samples.buffer);
}

/** A call whose server does nothing of its own accord. */
async function startSilent(limits: object = {}) {
  const world = createMediaWorld();
  world.server.connected = () => {};
  const call = new MediaCall(world.pool, 'call');
  call.openRtp();
  call.openStream({ sampleRateHz: 8000, limits });
  await world.clock.until(() => world.server.last.connect !== undefined);
  return { ...world, call, stream: world.server.last };
}

describe('the conversation', () => {
  it('begins with connect and nothing else', async () => {
    const { call, stream } = await startSilent();
    expect(stream.texts).toEqual([buildConnectMessage(connectOf(8000))]);
    expect(call.event('streamConnected')).toBeDefined();
    expect(stream.options).toMatchObject({
      binaryBytesMax: 5_000_000,
      connectTimeoutMs: 5000,
      audioSamples: 160,
    });
  });

  it.each(['answer', 'busy', 'reject'])('reports %s', async (reply) => {
    const { call, stream, clock } = await startSilent();
    stream.send({ command: reply });
    await clock.advance(1);
    expect(call.all('streamReplied').map((event) => event.reply)).toEqual([reply]);
  });

  it('takes one reply and no second', async () => {
    const { call, stream, clock } = await startSilent();
    stream.send({ command: 'busy' });
    stream.send({ command: 'answer' });
    await clock.advance(20_000);
    expect(call.all('streamReplied').map((event) => event.reply)).toEqual(['busy']);
    expect(call.event('notice')).toMatchObject({ code: 'second-reply' });
    expect(call.event('streamClosed')).toBeUndefined();
  });

  it('gives up on a server that does not answer', async () => {
    const { call, stream, clock } = await startSilent({ answerTimeoutMs: 3000 });
    stream.send({ command: 'heartbeat' });
    await clock.advance(2980);
    expect(call.event('streamClosed')).toBeUndefined();
    await clock.advance(30);
    expect(call.all('streamClosed').map(({ end }) => end)).toEqual([{ cause: 'answerTimeout' }]);
    expect(stream.closedWith).toEqual({ code: 4004, reason: 'ANSWERTIMEOUT' });
  });

  it.each<[string, (stream: Awaited<ReturnType<typeof startSilent>>['stream']) => void]>([
    ['audio', (stream) => stream.sendBinary(new Uint8Array(320))],
    ['heartbeat', (stream) => stream.send({ command: 'heartbeat' })],
    ['clear', (stream) => stream.send({ command: 'clear' })],
  ])('is kept alive by %s, and ends 60 s after the last sign', async (_name, sign) => {
    const { call, stream, clock } = await startSilent();
    stream.send({ command: 'answer' });
    await clock.advance(59_000);
    sign(stream);
    await clock.advance(59_900);
    expect(call.event('streamClosed')).toBeUndefined();
    await clock.advance(200);
    expect(call.all('streamClosed').map(({ end }) => end)).toEqual([{ cause: 'idle' }]);
    expect(stream.closedWith).toEqual({ code: 4002, reason: 'IDLE' });
  });

  it('goes on whatever text comes, counts it and says so once of each kind', async () => {
    const { call, stream, clock } = await startSilent();
    for (const text of [
      '{',
      'nonsense',
      '{"command":"dance"}',
      '{"command":"sing"}',
      '[]',
      '{"command":7}',
    ]) {
      stream.send(text);
    }
    stream.send({ command: 'answer' });
    await clock.advance(10);
    expect(call.all('notice').map(({ code }) => code)).toEqual([
      'bad-json',
      'unknown-command',
      'bad-message',
      'bad-field',
    ]);
    expect(call.event('streamReplied')?.reply).toBe('answer');
    call.closeStream();
    await clock.advance(10);
    expect(call.event('streamClosed')?.counters).toMatchObject({ messagesInvalid: 6, messagesReceived: 7 });
  });

  it.each<[MemoryStreamBehaviour, object]>([
    [{ decline: 403 }, { cause: 'declined', httpStatus: 403 }],
    [{ refuse: 'ECONNREFUSED' }, { cause: 'unreachable', code: 'ECONNREFUSED' }],
    ['never', { cause: 'unreachable', code: 'CONNECTTIMEOUT' }],
  ])('may not begin at all: %j', async (behave, end) => {
    const world = createMediaWorld();
    world.server.behave = behave;
    const call = new MediaCall(world.pool, 'call');
    call.openStream();
    await world.clock.advance(6000);
    expect(call.events.map(({ type }) => type)).toEqual(['streamClosed']);
    expect(call.event('streamClosed')?.end).toMatchObject(end);
    expect(world.clock.timers).toBe(0);
  });

  it('ends with 1008 where more comes than anybody needs; what comes slowly never adds up', async () => {
    const { call, stream, clock } = await startSilent({ messagesPerSecond: 10, idleTimeoutMs: 100_000 });
    stream.send({ command: 'answer' });
    for (let sent = 0; sent < 100; sent++) {
      stream.send({ command: 'heartbeat' });
      await clock.advance(100);
    }
    expect(call.event('streamClosed')).toBeUndefined();
    for (let sent = 0; sent < 19; sent++) stream.send('not a command');
    await clock.advance(0);
    expect(call.event('streamClosed')).toBeUndefined();
    stream.send('one too many');
    stream.send('one too many');
    await clock.advance(10);
    const closed = call.event('streamClosed');
    expect(closed?.end).toMatchObject({
      cause: 'violation',
      code: 1008,
      message: expect.stringContaining('at most 10 texts and pings a second'),
    });
    expect(closed?.counters.floods).toBe(1);
    expect(stream.closedWith).toEqual({ code: 1008, reason: '' });
  });

  it('counts no audio in texts as messages', async () => {
    const world = createMediaWorld();
    world.server.connected = () => {};
    const call = new MediaCall(world.pool, 'call');
    call.openRtp();
    call.openStream({ dialect: 'twilio', sampleRateHz: 8000, limits: { messagesPerSecond: 10 } });
    await world.clock.until(() => world.server.last.connect !== undefined);
    const media = { event: 'media', media: { payload: Buffer.alloc(160, 255).toString('base64') } };
    for (let sent = 0; sent < 500; sent++) world.server.last.send(media);
    await world.clock.advance(10);
    expect(call.event('streamClosed')).toBeUndefined();
  });

  it('reports how the server ended it', async () => {
    for (const answered of [false, true]) {
      const { call, stream, clock } = await startSilent();
      if (answered) stream.send({ command: 'answer' });
      stream.close(4321, 'enough');
      await clock.advance(10);
      expect(call.all('streamClosed').map(({ end }) => end)).toEqual([
        { cause: 'closed', code: 4321, reason: 'enough' },
      ]);
      expect(clock.timers).toBe(0);
    }
  });
});

describe('audio from the server', () => {
  it('is dropped and counted before the answer', async () => {
    const { call, stream, clock, pool } = await startSilent();
    stream.sendBinary(new Uint8Array(320));
    stream.sendBinary(new Uint8Array(320));
    stream.send({ command: 'dance' });
    stream.send({ command: 'answer' });
    call.bridge();
    await clock.advance(10);
    call.closeStream();
    await clock.advance(10);
    expect(call.event('streamClosed')?.counters).toMatchObject({ messagesEarly: 2, bufferedMs: 0 });
    expect(call.all('notice').map(({ code }) => code)).toEqual(['early-audio', 'unknown-command']);
    // Also where the call is gone: what was dropped is in the metrics.
    expect((await pool.report()).workers[0]).toMatchObject({
      streamMessagesEarly: 2,
      streamMessagesInvalid: 1,
    });
  });

  it('waits for the bridge where it comes right after the answer', async () => {
    const world = createMediaWorld();
    const greeting = Int16Array.from({ length: 1600 }, (_, i) => (i < 800 ? 4000 : -4000));
    world.server.connected = (stream) => {
      stream.receivedText = () => {
        stream.send({ command: 'answer' });
        stream.sendBinary(bytesOf(greeting));
      };
    };
    const { phone } = await startMediaCall(world, { sampleRateHz: 8000 });
    await world.clock.advance(500);
    const heard = phone.heardPcm.filter((sample) => sample !== 0);
    expect(heard.length).toBe(1600);
  });

  it.each([1, 3, 319, 320, 641, 1601])('is joined from messages of %i bytes', async (size) => {
    const world = createMediaWorld();
    const { phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    const pcm = Int16Array.from({ length: 2000 }, (_, i) => Math.round(9000 * Math.sin(i / 9)) || 5);
    const bytes = bytesOf(pcm);
    for (let at = 0; at < bytes.length; at += size) stream.sendBinary(bytes.subarray(at, at + size));
    await world.clock.advance(600);
    const heard = phone.heardPcm;
    const start = heard.findIndex((sample) => sample !== 0);
    const errors = pcm.map((sample, index) => Math.abs(sample - heard[start + index]!));
    // µ-law: a step is at most a sixteenth of the level.
    expect(Math.max(...errors)).toBeLessThan(9000 / 16);
    expect(heard.subarray(start + 2000).every((sample) => sample === 0)).toBe(true);
  });

  it('drops the oldest beyond the buffer, and says so', async () => {
    const world = createMediaWorld();
    const { call, stream } = await startMediaCall(world, {
      sampleRateHz: 8000,
      limits: { bufferBytes: 16_000 },
    });
    stream.sendBinary(new Uint8Array(24_000));
    await world.clock.advance(1);
    const counters = (await world.pool.report()).streams.get(call.streamId);
    expect(counters).toMatchObject({ bufferedMs: 1000, droppedMs: 500 });
    expect(call.event('notice')).toMatchObject({ code: 'buffer-overflow' });
    call.closeStream();
    await world.clock.advance(10);
    expect(call.event('streamClosed')?.counters.droppedMs).toBe(500);
    expect((await world.pool.report()).workers[0]?.streamDroppedMs).toBe(500);
  });

  it('is cleared also where nothing is queued, with half a sample that waits', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
    stream.send({ command: 'clear' });
    stream.sendBinary(Uint8Array.of(1));
    stream.send({ command: 'clear' });
    stream.sendBinary(bytesOf(new Int16Array(160).fill(4000)));
    await world.clock.advance(200);
    expect(phone.heardPcm.filter((sample) => Math.abs(sample - 4000) < 150)).toHaveLength(160);
    expect((await world.pool.report()).streams.get(call.streamId)?.clears).toBe(2);
  });
});

/** The phone says a number in each packet; `heard` are those that came. */
async function startCounting(world: ReturnType<typeof createMediaWorld>) {
  const numbers = [...mulawSamples].filter((sample) => sample > 0).slice(0, 110);
  const { call, phone, stream } = await startMediaCall(world, { sampleRateHz: 8000 });
  let said = 0;
  return {
    call,
    stream,
    speak: async (packets: number) => {
      for (let index = 0; index < packets; index++) {
        phone.sayPcm(new Int16Array(160).fill(numbers[said++ % numbers.length]!));
        await world.clock.advance(20);
      }
    },
    heard: () => stream.binaries.map((bytes) => numbers.indexOf(new Int16Array(bytes.slice().buffer)[80]!)),
  };
}

describe('audio to the server', () => {
  it('waits while the server does not read, and comes once and in order when it reads again', async () => {
    const world = createMediaWorld();
    const { call, stream, speak, heard } = await startCounting(world);
    await speak(10);
    stream.stalled = true;
    await speak(80);
    expect(heard()).toHaveLength(10);
    stream.stalled = false;
    await speak(10);
    expect(heard()).toEqual(Array.from({ length: 100 }, (_, index) => index));
    const counters = (await world.pool.report()).streams.get(call.streamId)!;
    expect(counters).toMatchObject({ framesSent: 100, framesDropped: 0 });
    expect(call.event('notice')).toBeUndefined();
  });

  it('is at most 1.8 s old then: the oldest is dropped, counted and reported', async () => {
    const world = createMediaWorld();
    const { call, stream, speak, heard } = await startCounting(world);
    await speak(5);
    stream.stalled = true;
    await speak(100);
    stream.stalled = false;
    await speak(5);
    const numbersHeard = Array.from({ length: 110 }, (_, index) => index);
    expect(heard()).toEqual([...numbersHeard.slice(0, 5), ...numbersHeard.slice(15)]);
    const counters = (await world.pool.report()).streams.get(call.streamId)!;
    expect(counters).toMatchObject({ framesSent: 100, framesDropped: 10 });
    expect(call.all('notice')).toMatchObject([{ code: 'uplink-dropped' }]);
  });

  it('ends the stream where the server has not caught up for 30 s', async () => {
    const world = createMediaWorld();
    const { call, stream, speak } = await startCounting(world);
    stream.stalled = true;
    stream.ignoresClose = true;
    await speak(90 + 1_499);
    expect(call.event('streamClosed')).toBeUndefined();
    await speak(2);
    const closed = call.event('streamClosed');
    expect(closed?.end).toMatchObject({ cause: 'unreachable', code: 'NOTREADING' });
    expect(closed?.counters).toMatchObject({ stuck: 1, framesSent: 0 });
    expect(stream.closedWith).toEqual({ code: 1011, reason: 'ERROR' });
  });

  it('does not end a stream whose server caught up meanwhile, or is merely late', async () => {
    const world = createMediaWorld();
    const { call, stream, speak } = await startCounting(world);
    stream.stalled = true;
    await speak(1_000);
    stream.stalled = false;
    await speak(1);
    stream.stalled = true;
    await speak(1_000);
    stream.stalled = false;
    await speak(10);
    expect(call.event('streamClosed')).toBeUndefined();
  });

  it.each([
    [20, 8000],
    [40, 16_000],
    [60, 44_100],
    [100, 96_000],
  ])(
    'comes in messages of %i ms at %i Hz, the same audio whatever their length',
    async (frameMs, sampleRateHz) => {
      const heard = await Promise.all(
        [20, frameMs].map(async (length) => {
          const world = createMediaWorld();
          const { phone, stream } = await startMediaCall(world, { sampleRateHz, frameMs: length });
          phone.sayTone();
          await world.clock.advance(615);
          expect(new Set(stream.binaries.map((bytes) => bytes.length))).toEqual(
            new Set([(sampleRateHz * length * 2) / 1000]),
          );
          return stream.audio;
        }),
      );
      const samples = Math.min(...heard.map((pcm) => pcm.length));
      expect(samples).toBeGreaterThan(sampleRateHz / 2);
      expect(heard[1]!.subarray(0, samples)).toEqual(heard[0]!.subarray(0, samples));
    },
  );

  it('flows after the bridge alone', async () => {
    const world = createMediaWorld();
    const { call, phone, stream } = await startMediaCall(world);
    phone.sayTone();
    await world.clock.advance(205);
    call.group.send({ type: 'unbridge', a: call.rtpId, b: call.streamId });
    const before = stream.binaries.length;
    await world.clock.advance(200);
    expect([before, stream.binaries.length]).toEqual([11, 11]);
    call.bridge();
    await world.clock.advance(200);
    expect(stream.binaries.length).toBe(21);
  });
});
