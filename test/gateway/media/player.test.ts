import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AudioSink } from '../../../gateway/media/audio-route.ts';
import type { MediaEvent } from '../../../gateway/media/media-messages.ts';
import { Player } from '../../../gateway/media/player.ts';
import { TimingWheel } from '../../../gateway/media/timing-wheel.ts';
import { createMediaWorld } from '../../support/media-call.ts';
import { openPhone, openServer } from '../../support/media-room.ts';

/** A player whose sink hears all at once, or holds `waitMs` of it. */
function createPlayer(sampleRateHz = 8000, waitMs = 0) {
  let nowMs = 1;
  const events: MediaEvent[] = [];
  const heard: number[] = [];
  const wheel = new TimingWheel({
    nowMs,
    failed: (_member, error) => {
      throw error;
    },
  });
  const player = new Player({ endpointId: 'p', sampleRateHz, wheel, emit: (event) => events.push(event) });
  const sink: AudioSink = {
    plug: () => {},
    unplug: () => {},
    play: (pcm, offset, samples) => {
      for (let i = 0; i < samples; i++) heard.push(pcm[offset + i]!);
    },
    playBytes: () => {},
    clear: () => {},
    queuedMs: waitMs,
    droppedMs: 0,
  };
  player.addSink(sink);
  return {
    player,
    wheel,
    heard,
    events,
    push: (samples: number, last = false, first = 1) =>
      player.push(
        Int16Array.from({ length: samples }, (_, i) => first + i),
        last,
        nowMs,
      ),
    stop: () => player.stop(nowMs),
    run: (ms: number) => {
      for (const untilMs = nowMs + ms; nowMs < untilMs; nowMs += 2) wheel.run(nowMs + 2);
    },
  };
}

function said(events: readonly MediaEvent[]): unknown[] {
  return events.map((event) => {
    if (event.type === 'playerDone') return [event.stopped ? 'stopped' : 'done', event.playedMs];
    return event.type === 'playerLow' ? ['low', event.queuedMs] : [event.type];
  });
}

describe('a player', () => {
  it('plays pieces one behind the other without a gap, whatever their lengths', () => {
    const { push, run, heard, events, wheel } = createPlayer();
    push(100);
    push(41, true, 101);
    push(7, true, 142);
    push(0, true);
    push(332, true, 149);
    run(200);
    expect(heard.slice(0, 480)).toEqual(Array.from({ length: 480 }, (_, i) => i + 1));
    expect(said(events)).toEqual([
      ['done', 17.625],
      ['done', 0.875],
      ['done', 0],
      ['done', 41.5],
    ]);
    expect(wheel.size).toBe(0);
  });

  it('fills the last frame of a piece, so that none of it stays in a message that is not full', () => {
    const { push, run, heard } = createPlayer();
    push(200, true);
    run(100);
    expect(heard).toHaveLength(320);
    expect(heard.slice(200)).toEqual(new Array(120).fill(0));
  });

  it('is done when the last sample is due where it is played out', () => {
    const { push, run, events } = createPlayer(8000, 60);
    push(160, true);
    // Handed on within 20 ms, and due 40 to 60 later.
    run(40);
    expect(events).toEqual([]);
    run(60);
    expect(said(events)).toEqual([['done', 20]]);
  });

  it('asks for more below two seconds, once for each chunk, and not after the last', () => {
    const { push, run, events } = createPlayer();
    push(8000 * 3);
    run(900);
    expect(events).toEqual([]);
    run(200);
    expect(said(events)).toEqual([['low', 1980]]);
    run(500);
    expect(events).toHaveLength(1);
    push(8000);
    run(600);
    expect(said(events).map((each) => (each as string[])[0])).toEqual(['low', 'low']);
    push(10, true);
    run(5000);
    expect(said(events).slice(2)).toEqual([['done', 4001.25]]);
  });

  it('goes on where it was when what it waits for comes late', () => {
    const { push, run, heard, events } = createPlayer();
    push(200);
    run(500);
    push(120, true, 201);
    run(100);
    expect(heard).toEqual(Array.from({ length: 320 }, (_, i) => i + 1));
    expect(said(events).at(-1)).toEqual(['done', 40]);
  });

  it('stops: every piece that was begun is reported once, with what was heard of it', () => {
    const { push, run, stop, events, wheel } = createPlayer(8000, 20);
    push(160, true);
    push(8000);
    push(8000, true);
    push(50, true);
    push(50);
    run(100);
    stop();
    const done = said(events).filter((each) => (each as string[])[0] !== 'low');
    expect(done).toEqual([
      ['done', 20],
      ['stopped', 60],
      ['stopped', 0],
      ['stopped', 0],
    ]);
    run(1000);
    expect(said(events).filter((each) => (each as string[])[0] !== 'low')).toHaveLength(4);
    expect(wheel.size).toBe(0);
  });

  it('drops what comes beyond five minutes, and says so once', () => {
    const { push, events, player } = createPlayer();
    for (let minute = 0; minute < 8; minute++) push(8000 * 60);
    expect(player.queuedMs).toBe(300_000);
    expect(said(events)).toEqual([['notice']]);
  });

  it('plays and reports every sample, however it is cut into chunks and pieces', () => {
    const chunk = fc.tuple(fc.integer({ min: 0, max: 700 }), fc.boolean(), fc.integer({ min: 0, max: 60 }));
    fc.assert(
      fc.property(fc.array(chunk, { minLength: 1, maxLength: 12 }), (chunks) => {
        const { push, run, heard, events } = createPlayer();
        let first = 1;
        let samples = 0;
        const pieces: number[] = [];
        for (const [size, last, waitMs] of chunks) {
          push(size, last, first);
          first += size;
          samples += size;
          if (last) pieces.push(samples / 8);
          if (last) samples = 0;
          run(waitMs);
        }
        run(3000);
        const done = events.filter((event) => event.type === 'playerDone');
        expect(done.map(({ playedMs }) => playedMs)).toEqual(pieces);
        expect(heard.filter((sample) => sample !== 0)).toEqual(
          Array.from({ length: first - 1 }, (_, i) => i + 1),
        );
      }),
      { seed: 5, numRuns: 50 },
    );
  });
});

describe('a player in a call', () => {
  it('is heard by phone and server at once, and closes with its last event', async () => {
    const world = createMediaWorld();
    const { clock } = world;
    const phone = await openPhone(world, 'phone');
    const server = await openServer(world, 'server', 48_000);
    const { group } = phone.call;
    group.send({ type: 'openPlayer', endpointId: 'p', sampleRateHz: 16_000 });
    group.send({ type: 'route', source: 'p', sink: phone.id });
    group.send({ type: 'route', source: 'p', sink: server.id });
    group.send({
      type: 'playAudio',
      endpointId: 'p',
      samples: new Int16Array(16_000).fill(5000),
      last: true,
    });
    await clock.advance(1200);
    for (const { heard, sampleRateHz } of [phone, server]) {
      const loud = heard().filter((sample) => sample > 4800 && sample < 5200).length;
      expect(Math.abs(loud / sampleRateHz - 1)).toBeLessThan(0.01);
    }
    expect(phone.call.all('playerDone')).toEqual([
      { type: 'playerDone', endpointId: 'p', playedMs: 1000, stopped: false },
    ]);
    group.send({ type: 'playAudio', endpointId: 'p', samples: new Int16Array(16_000), last: false });
    await clock.advance(500);
    group.send({ type: 'closePlayer', endpointId: 'p' });
    await clock.advance(0);
    expect(phone.call.events.slice(-2).map(({ type }) => type)).toEqual(['playerDone', 'playerClosed']);
    expect(phone.call.all('playerDone').at(-1)).toMatchObject({ stopped: true });
  });

  it('with a rate that nobody knows is closed at once', async () => {
    const world = createMediaWorld();
    const phone = await openPhone(world, 'phone');
    phone.call.group.send({ type: 'openPlayer', endpointId: 'p', sampleRateHz: 11_025 });
    await world.clock.advance(0);
    expect(phone.call.all('playerClosed')).toHaveLength(1);
  });
});
