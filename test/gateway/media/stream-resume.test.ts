import { describe, expect, it } from 'vitest';
import { mulawSamples } from '../../support/direct-stream.ts';
import { createMediaWorld, MediaCall, startMediaCall } from '../../support/media-call.ts';
import type { MemoryStream } from '../../support/memory-stream.ts';

const numbers = [...mulawSamples].filter((sample) => sample > 0);

/** A call whose stream may be replaced, in which the phone counts: each packet says a number of its own. */
async function startCounting(resumeMs = 5_000) {
  const world = createMediaWorld();
  world.server.connected = (stream) => {
    stream.receivedText = (message) => {
      if (message.command === 'connect') stream.send({ command: 'answer', extensions: ['mark'] });
    };
  };
  const { call, phone } = await startMediaCall(world, { sampleRateHz: 8000, resumeMs });
  let said = 0;
  const sayNext = () => phone.sayPcm(new Int16Array(160).fill(numbers[said++]!));
  const speak = async (packets: number) => {
    for (let index = 0; index < packets; index++) {
      sayNext();
      await world.clock.advance(20);
    }
  };
  const reopen = (url = 'ws://other.test/') =>
    call.group.send({
      type: 'reopenStream',
      endpointId: call.streamId,
      url,
      address: undefined,
      headers: {},
    });
  return { ...world, call, phone, speak, reopen };
}

/** Which packets of the phone's the servers heard, by number. */
function heardBy(streams: readonly MemoryStream[]): number[] {
  return streams.flatMap(({ binaries }) =>
    binaries.map((bytes) => numbers.indexOf(new Int16Array(bytes.buffer, bytes.byteOffset)[80]!)),
  );
}

describe('a stream whose connection is lost', () => {
  it('goes on with another one, which gets what was said meanwhile first, once and in order', async () => {
    const { server, call, speak, reopen } = await startCounting();
    await speak(10);
    server.last.close(1006);
    await speak(25);
    expect(call.all('streamLost').map(({ end }) => end)).toEqual([
      { cause: 'closed', code: 1006, reason: '' },
    ]);
    reopen();
    await speak(10);
    expect(server.last.connect).toMatchObject({ resumed: true, callId: 'call' });
    expect(call.all('streamResumed')).toMatchObject([{ droppedMs: 0 }]);
    expect(call.all('streamReplied')).toHaveLength(1);
    expect(heardBy(server.streams)).toEqual(Array.from({ length: 45 }, (_, index) => index));
    expect(call.event('streamClosed')).toBeUndefined();
  });

  it('lets the caller hear what waits, then silence, then the new server', async () => {
    const { server, phone, clock, reopen } = await startCounting();
    server.last.sendBinary(new Uint8Array(new Int16Array(1600).fill(8000).buffer));
    await clock.advance(5);
    server.last.close(1006);
    await clock.advance(400);
    expect(phone.heardPcm.filter((sample) => sample > 7000)).toHaveLength(1600);
    reopen();
    await clock.advance(50);
    server.last.sendBinary(new Uint8Array(new Int16Array(1600).fill(-8000).buffer));
    await clock.advance(400);
    expect(phone.heardPcm.filter((sample) => sample < -7000)).toHaveLength(1600);
  });

  it('keeps the newest of a gap that is longer than it may be', async () => {
    const { server, call, speak, reopen } = await startCounting(200);
    server.last.close(1006);
    await speak(30);
    reopen();
    await speak(2);
    expect(call.event('streamResumed')).toMatchObject({ gapMs: 200, droppedMs: 420 });
    expect(heardBy([server.last])).toEqual(Array.from({ length: 11 }, (_, index) => index + 21));
  });

  it('is lost again where the next connection fails, however it does', async () => {
    const { server, call, clock, reopen } = await startCounting();
    server.last.close(1006);
    await clock.advance(10);
    const behaviours = [{ refuse: 'ECONNREFUSED' }, { decline: 503 }, 'never'] as const;
    for (const behaviour of behaviours) {
      server.behave = behaviour;
      reopen();
      await clock.advance(6_000);
    }
    server.behave = 'accept';
    server.connected = () => {};
    reopen();
    await clock.advance(11_000);
    expect(call.all('streamLost').map(({ end }) => end.cause)).toEqual([
      'closed',
      'unreachable',
      'declined',
      'unreachable',
      'answerTimeout',
    ]);
    expect(call.event('streamClosed')).toBeUndefined();
    call.closeStream();
    await clock.advance(10);
    expect(call.all('streamClosed').map(({ end }) => end)).toEqual([{ cause: 'local' }]);
    expect(clock.timers).toBeLessThanOrEqual(1);
  });

  it('ends where the new server does not want the call', async () => {
    const { server, call, clock, reopen } = await startCounting();
    server.last.close(1006);
    await clock.advance(10);
    server.connected = (stream) => {
      stream.receivedText = () => stream.send({ command: 'reject' });
    };
    reopen();
    await clock.advance(10);
    expect(call.all('streamClosed').map(({ end }) => end)).toEqual([
      { cause: 'closed', code: 1000, reason: 'reject' },
    ]);
  });

  it.each([
    ['the server hung up', 5_000, 1000],
    ['it was not asked for', 0, 1006],
  ])('ends at once where %s', async (_why, resumeMs, code) => {
    const { server, call, clock } = await startCounting(resumeMs);
    server.last.close(code);
    await clock.advance(10);
    expect(call.event('streamLost')).toBeUndefined();
    expect(call.event('streamClosed')?.end).toEqual({ cause: 'closed', code, reason: '' });
  });

  it('ends before the answer as it always did', async () => {
    const world = createMediaWorld();
    world.server.connected = () => {};
    const call = new MediaCall(world.pool, 'call');
    call.openStream({ resumeMs: 5_000 });
    await world.clock.until(() => world.server.last.connect !== undefined);
    world.server.last.close(1006);
    await world.clock.advance(10);
    expect(call.event('streamClosed')?.end).toMatchObject({ cause: 'closed', code: 1006 });
  });
});
