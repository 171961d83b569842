import { describe, expect, it } from 'vitest';
import { OutgoingAudio } from '../../../gateway/bots/outgoing-audio.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const rateHz = 8_000;

function create(options: { aheadMs?: number; streamRateHz?: number; room?: () => boolean } = {}) {
  const clock = new FakeClock();
  /** ms of audio, or the name of a mark. */
  const sent: (number | string)[] = [];
  const failures: unknown[] = [];
  const bytes: Uint8Array[] = [];
  const streamRateHz = options.streamRateHz ?? rateHz;
  const audio = new OutgoingAudio({
    clock,
    sampleRateHz: rateHz,
    streamRateHz,
    aheadMs: options.aheadMs ?? 2_000,
    send: (pcm) => {
      bytes.push(pcm);
      sent.push((pcm.length * 1_000) / 2 / streamRateHz);
    },
    hasRoom: options.room ?? (() => true),
    sendMark: (name) => sent.push(name),
    failed: (error) => failures.push(error),
  });
  const sentMs = () => sent.reduce<number>((sum, part) => sum + (typeof part === 'number' ? part : 0), 0);
  return { clock, audio, sent, sentMs, bytes, failures };
}

const ms = (duration: number, value = 1) => new Int16Array((duration * rateHz) / 1_000).fill(value);

describe('audio on its way to the gateway', () => {
  it.each([40, 100, 200, 2_000])('the gateway never runs dry with %i ms ahead', async (aheadMs) => {
    const { clock, audio } = create({ aheadMs });
    void audio.play(ms(5_000));
    for (let passedMs = 0; passedMs < 3_000; passedMs += 5) {
      await clock.advance(5);
      expect(audio.bufferedMs).toBeGreaterThanOrEqual(aheadMs / 2);
      expect(audio.bufferedMs).toBeLessThanOrEqual(aheadMs);
    }
  });

  it('goes at once where there is room, and marks behind it', async () => {
    const { audio, sent } = create();
    const whole = audio.play(ms(20));
    audio.mark('a');
    audio.play(ms(40));
    expect(sent).toEqual([20, 'a', 40]);
    expect(await whole).toBe(true);
  });

  it('never runs further ahead of the phone than it may', async () => {
    const { audio, clock, sentMs } = create({ aheadMs: 500 });
    const whole = audio.play(ms(3_000));
    let settled = false;
    whole.then(() => {
      settled = true;
    });
    for (let playedMs = 0; playedMs <= 2_000; playedMs += 250) {
      expect(audio.bufferedMs).toBeLessThanOrEqual(500);
      expect(sentMs()).toBeGreaterThanOrEqual(playedMs + 400 - 0.001);
      expect(settled).toBe(false);
      await clock.advance(250);
    }
    await clock.advance(400);
    expect(sentMs()).toBe(3_000);
    expect(await whole).toBe(true);
    await clock.advance(1_000);
    expect(audio).toMatchObject({ playedMs: 3_000, bufferedMs: 0, sentMs: 3_000 });
  });

  it('reads an endless source no faster than it is heard, and closes it with the call', async () => {
    const { audio, clock, sentMs } = create({ aheadMs: 200 });
    let given = 0;
    let closed = false;
    function* endless() {
      try {
        for (;;) {
          given += 20;
          yield ms(20);
        }
      } finally {
        closed = true;
      }
    }
    const whole = audio.play(endless());
    await clock.advance(1_000);
    expect(sentMs()).toBeGreaterThan(1_000);
    expect(given).toBeLessThanOrEqual(1_240);
    audio.close();
    expect(closed).toBe(true);
    expect(await whole).toBe(false);
    expect(await audio.play(ms(20))).toBe(false);
  });

  it('takes an asynchronous source as it comes, in order with what follows', async () => {
    const { audio, sent } = create();
    let give: (chunk: IteratorResult<Int16Array>) => void = () => {};
    const source: AsyncIterable<Int16Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((resolve) => {
            give = resolve;
          }),
      }),
    };
    const whole = audio.play(source);
    audio.mark('after');
    await settle();
    give({ done: false, value: ms(60) });
    await settle();
    expect(sent).toEqual([60]);
    give({ done: true, value: undefined });
    expect(await whole).toBe(true);
    expect(sent).toEqual([60, 'after']);
  });

  it('joins bytes that are cut anywhere', async () => {
    const { audio, bytes } = create();
    await audio.play([Buffer.from('abc'), Buffer.from('d'), Buffer.from('e'), Buffer.from('f')]);
    expect(Buffer.concat(bytes).toString()).toBe('abcdef');
  });

  it('sends a copy', async () => {
    const { audio, bytes } = create();
    const pcm = ms(20, 7);
    await audio.play(pcm);
    pcm.fill(0);
    expect(bytes[0]![0]).toBe(7);
  });

  it.each([16_000, 48_000, 44_100])('converts to the rate of the stream: %i Hz', async (streamRateHz) => {
    const { audio, sentMs } = create({ streamRateHz });
    await audio.play(ms(100));
    expect(sentMs()).toBeCloseTo(100, 0);
  });

  it('clear drops what is not sent, and tells what that was', async () => {
    const { audio, clock, sent } = create({ aheadMs: 1_000 });
    const first = audio.play(ms(1_500));
    const second = audio.play(ms(300));
    audio.mark('m');
    await clock.advance(100);
    const cleared = audio.clear();
    expect(cleared.marks).toEqual(['m']);
    expect(cleared.unheardMs + cleared.unsentMs).toBeCloseTo(1_700, 3);
    expect(audio.playedMs).toBeCloseTo(100, 3);
    expect([await first, await second]).toEqual([false, false]);
    audio.play(ms(40));
    expect(sent.at(-1)).toBe(40);
    await clock.advance(10_000);
    expect(audio.playedMs).toBeCloseTo(140, 3);
  });

  it('a source that never answers does not hold up what comes after a clear', async () => {
    const { audio, sent } = create();
    audio.play({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) });
    audio.clear();
    audio.play([ms(20)]);
    expect(sent).toEqual([20]);
  });

  it('a source that throws is given up; what waits behind it follows', async () => {
    const { audio, sent, failures } = create();
    const broken = audio.play(
      (async function* () {
        yield ms(20);
        throw new Error('out of words');
      })(),
    );
    audio.mark('next');
    expect(await broken).toBe(false);
    expect(failures).toEqual([new Error('out of words')]);
    expect(sent).toEqual([20, 'next']);
  });

  it('waits while it is paused, held back or the connection is full', async () => {
    let room = true;
    const { audio, clock, sentMs } = create({ aheadMs: 300, room: () => room });
    audio.play(ms(5_000));
    audio.setPaused(true);
    await clock.advance(1_000);
    expect(sentMs()).toBe(300);
    audio.setPaused(false);
    await clock.advance(400);
    const afterPause = sentMs();
    expect(afterPause).toBeGreaterThan(500);
    audio.setHeldBack(true);
    await clock.advance(1_000);
    expect(sentMs()).toBe(afterPause);
    room = false;
    audio.setHeldBack(false);
    await clock.advance(1_000);
    expect(sentMs()).toBe(afterPause);
    room = true;
    await clock.advance(100);
    expect(sentMs()).toBeGreaterThan(afterPause);
    audio.close();
    expect(clock.timers).toBe(0);
  });

  it.each([
    { what: 'a number', audio: 7 },
    { what: 'nothing', audio: undefined },
  ])('refuses $what', ({ audio: wrong }) => {
    expect(() => create().audio.play(wrong as never)).toThrow('play takes an Int16Array');
  });
});
