import { describe, expect, it } from 'vitest';
import { measureTone } from '../../../codecs/goertzel.ts';
import { createMediaWorld } from '../../support/media-call.ts';
import { openPhone, openRoom, openServer, type Person, tonesIn } from '../../support/media-room.ts';

const tonesHz = [440, 1000, 1800];

/** Which of the tones each person hears, by their place. */
function hearing(people: readonly Person[], frequenciesHz: readonly number[] = tonesHz): string[] {
  return people.map((person) =>
    tonesIn(person.heard(), person.sampleRateHz, frequenciesHz)
      .map((levelDb) =>
        levelDb > -26 && levelDb < -14 ? 'x' : levelDb < -60 ? '-' : `(${levelDb.toFixed(0)})`,
      )
      .join(''),
  );
}

async function createConference() {
  const world = createMediaWorld({ link: { delayMs: 5, jitterMs: 15, seed: 3 } });
  const people: readonly [Person, Awaited<ReturnType<typeof openServer>>, Person] = [
    await openPhone(world, 'phone'),
    await openServer(world, 'bot', 16_000),
    await openServer(world, 'studio', 44_100),
  ];
  const room = openRoom(world);
  for (const person of people) room.join(person);
  for (const [index, person] of people.entries()) person.say(tonesHz[index]!);
  return { ...world, world, people, room };
}

describe('a conference', () => {
  it('lets each member hear the others and not itself, at three rates', async () => {
    const { clock, people } = await createConference();
    await clock.advance(1500);
    expect(hearing(people)).toEqual(['-xx', 'x-x', 'xx-']);
  });

  it('mutes, holds and lets go', async () => {
    const { clock, people, room } = await createConference();
    const [phone, bot, studio] = people;
    room.set(phone, { speaks: false, hears: true });
    room.set(studio, { speaks: false, hears: false });
    await clock.advance(2000);
    const before = studio.heard().length;
    await clock.advance(1000);
    expect(hearing([phone, bot])).toEqual(['-x-', '---']);
    expect(studio.heard().length).toBe(before);
    room.set(phone, { speaks: true, hears: true });
    room.set(studio, { speaks: true, hears: true });
    room.leave(bot);
    await clock.advance(2000);
    expect(hearing([phone, studio])).toEqual(['--x', 'x--']);
  });

  it('gives a lone member what is routed to it, and the room again when that ends', async () => {
    const { clock, people, room } = await createConference();
    const [phone, bot, studio] = people;
    room.leave(bot);
    room.leave(studio);
    const { group } = phone.call;
    group.send({ type: 'openPlayer', endpointId: 'music', sampleRateHz: 8000 });
    group.send({ type: 'route', source: 'music', sink: phone.id });
    const music = Int16Array.from(
      { length: 40_000 },
      (_, i) => 3276 * Math.sin((2 * Math.PI * 700 * i) / 8000),
    );
    group.send({ type: 'playAudio', endpointId: 'music', samples: music, last: true });
    await clock.advance(2000);
    expect(hearing([phone], [700, 1000])).toEqual(['x-']);
    room.join(bot);
    await clock.advance(1000);
    expect(hearing([phone], [700, 1000])).toEqual(['x-']);
    group.send({ type: 'unroute', source: 'music', sink: phone.id });
    await clock.advance(1000);
    expect(hearing([phone], [700, 1000])).toEqual(['-x']);
  });

  it('plays an announcement to everybody: a player may be a member', async () => {
    const { clock, people, room } = await createConference();
    const { group } = room.call;
    group.send({ type: 'openPlayer', endpointId: 'beep', sampleRateHz: 16_000 });
    group.send({
      type: 'joinMixer',
      mixer: 'room',
      member: 'beep',
      sampleRateHz: 16_000,
      mode: { speaks: true, hears: false },
    });
    const beep = Int16Array.from(
      { length: 48_000 },
      (_, i) => 3276 * Math.sin((2 * Math.PI * 700 * i) / 16_000),
    );
    group.send({ type: 'playAudio', endpointId: 'beep', samples: beep, last: true });
    await clock.advance(2000);
    expect(hearing(people, [700, ...tonesHz])).toEqual(['x-xx', 'xx-x', 'xxx-']);
    await clock.advance(3000);
    expect(hearing(people, [700, ...tonesHz])).toEqual(['--xx', '-x-x', '-xx-']);
  });

  it('goes on when a member closes, and leaves nothing behind when it is closed', async () => {
    const { clock, people, room, pool, server } = await createConference();
    const [phone, bot, studio] = people;
    await clock.advance(500);
    phone.call.closeRtp();
    phone.hush();
    await clock.advance(2000);
    expect(hearing([bot, studio])).toEqual(['--x', '-x-']);
    room.call.group.send({ type: 'closeMixer', endpointId: 'room' });
    await clock.advance(100);
    const heard = bot.heard().length;
    await clock.advance(500);
    expect(bot.heard().length).toBe(heard);
    expect(room.call.all('mixerClosed')).toHaveLength(1);
    for (const { call } of people) call.group.release();
    bot.hush();
    studio.hush();
    await clock.advance(3000);
    expect([clock.timers, server.openStreams]).toEqual([0, 0]);
    expect((await pool.report()).workers[0]).toMatchObject({ endpoints: 0 });
  });
});

describe('a phone in a conference', () => {
  it.each([10, 30, 60])(
    'with packets of %i ms hears the others without a gap, and is heard so',
    async (ptimeMs) => {
      const world = createMediaWorld({ link: { delayMs: 5, jitterMs: 10, seed: 8 } });
      const people = [await openPhone(world, 'odd', { ptimeMs }), await openPhone(world, 'even')] as const;
      const room = openRoom(world);
      for (const person of people) room.join(person);
      people[0].peer.sayTone({ frequencyHz: 440, ptimeMs });
      people[1].say(1000);
      await world.clock.advance(4000);
      const [odd, even] = people.map((person, index) => {
        const frequencyHz = index === 0 ? 1000 : 440;
        // From where both playouts have found their delay.
        return measureTone(person.heard().subarray(16_000), { sampleRateHz: 8000, frequencyHz });
      });
      expect(odd).toMatchObject({ present: 1, gapMsMax: 0 });
      expect(even).toMatchObject({ present: 1, gapMsMax: 0 });
      people[0].peer.stop();
      people[1].hush();
    },
  );
});

describe('a server in a conference', () => {
  it.each([true, false])('hears of its marks when their time has come, also muted: %s', async (speaks) => {
    const { clock, people, room } = await createConference();
    const bot = people[1];
    bot.hush();
    room.set(bot, { speaks, hears: true });
    await clock.advance(200);
    const { stream } = bot;
    const told = stream.messages.length;
    stream.sendBinary(new Uint8Array(16_000 * 2));
    stream.send({ command: 'mark', name: 'said' });
    await clock.advance(900);
    expect(stream.messages.slice(told)).toEqual([]);
    await clock.advance(200);
    expect(stream.messages.slice(told)).toMatchObject([{ event: 'mark', name: 'said', status: 'played' }]);
  });
});
