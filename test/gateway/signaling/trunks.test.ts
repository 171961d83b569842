import { afterEach, describe, expect, it } from 'vitest';
import { createWorld } from './agents.ts';
import { closeSides, createRegistrarSide, createTrunkSide } from './registering.ts';

afterEach(closeSides);

async function open(
  trunk: { readonly username?: string; readonly password?: string } = {},
  link: { lossPercent?: number; seed?: number } = {},
) {
  const world = createWorld({ delayMs: 5, ...link });
  const carrier = await createRegistrarSide(world);
  const gateway = await createTrunkSide(world, [
    {
      uri: `sip:ignored@127.0.0.1:${carrier.port};transport=udp`,
      username: 'alice',
      password: 'secret',
      ...trunk,
    },
  ]);
  gateway.trunks.start();
  return { ...world, carrier, gateway, sentences: () => gateway.lines.map(({ sentence }) => sentence) };
}

describe('a trunk', () => {
  it.each([1, 2, 3])('stays registered over a link that loses a fifth (seed %i)', async (seed) => {
    const { clock, carrier, gateway } = await open({}, { lossPercent: 20, seed });
    await clock.until(() => gateway.changes.length > 0, 60_000);
    let missing = 0;
    for (let minute = 0; minute < 60; minute++) {
      await clock.advance(60_000);
      if (carrier.registrar.lookup('alice').length === 0) missing++;
    }
    expect(missing).toBe(0);
    expect(carrier.registrar.list()).toHaveLength(1);
  });

  it('registers under its user, refreshes without being asked again, and says farewell', async () => {
    const { clock, carrier, gateway, sentences } = await open();
    await clock.advance(100);
    expect(carrier.registrar.list()).toMatchObject([
      { user: 'alice', contact: `sip:alice@127.0.0.1:${gateway.port}`, expiresSeconds: 600 },
    ]);
    expect(gateway.trunks.list()).toMatchObject([
      { name: 'carrier', state: 'registered', expiresSeconds: 600 },
    ]);
    // Within the life of the nonce: the refresh is not challenged.
    await clock.advance(290_000);
    const sent = gateway.sent.length;
    await clock.advance(250_000);
    expect(gateway.sent.length - sent).toBeLessThanOrEqual(2);
    const closing = gateway.trunks.close();
    await clock.advance(1_000);
    await closing;
    expect(carrier.registrar.list()).toEqual([]);
    expect(sentences()).toEqual(['trunk registered', 'trunk unregistered']);
    expect(gateway.changes).toEqual(['carrier true', 'carrier false']);
    await clock.advance(40_000);
    expect(clock.timers).toBe(0);
  });

  it('with a wrong password says so and comes back seldom', async () => {
    const { clock, gateway, carrier } = await open({ password: 'wrong' });
    await clock.advance(100);
    expect(gateway.trunks.list()).toMatchObject([{ state: 'failing', failure: '401 Unauthorized' }]);
    await clock.advance(3_600_000);
    expect(gateway.sent.length).toBeLessThan(25);
    expect(carrier.counted).toContain('auth-refused');
    const [line] = gateway.lines;
    expect(line).toMatchObject({
      sentence: 'trunk does not register',
      fields: { trunk: 'carrier', status: 401, failures: 1, registered: false },
    });
    expect(JSON.stringify(gateway.lines)).not.toContain('wrong');
  });

  it('that takes longer times only is given them', async () => {
    const world = createWorld({ delayMs: 5 });
    const carrier = await createRegistrarSide(world, { limits: { expiresSecondsMin: 1_800 } });
    const gateway = await createTrunkSide(world, [
      { uri: `sip:127.0.0.1:${carrier.port}`, username: 'bob', password: 'hidden' },
    ]);
    gateway.trunks.start();
    await world.clock.advance(200);
    expect(gateway.trunks.list()).toMatchObject([{ state: 'registered', expiresSeconds: 1_800 }]);
  });

  it('that is away is asked again, first soon, and found when it is back', async () => {
    const { clock, network, carrier, gateway, sentences } = await open();
    await clock.advance(100);
    network.link.lossPercent = 100;
    await clock.advance(700_000);
    expect(gateway.trunks.list()).toMatchObject([{ state: 'failing', expiresSeconds: undefined }]);
    expect(gateway.trunks.list()[0]!.failure).toMatch(/^408 .*did not answer REGISTER/);
    expect(gateway.changes).toEqual(['carrier true', 'carrier false']);
    network.link.lossPercent = 0;
    await clock.until(() => gateway.changes.length === 3, 340_000, 1_000);
    expect(carrier.registrar.list()).toHaveLength(1);
    expect(sentences().at(-1)).toBe('trunk registered');
  });

  it('that does not register is left alone', async () => {
    const world = createWorld();
    const gateway = await createTrunkSide(world, [{ name: 'pbx', register: false }]);
    gateway.trunks.start();
    await world.clock.advance(60_000);
    expect([gateway.sent, gateway.trunks.list()]).toEqual([
      [],
      [
        {
          name: 'pbx',
          uri: 'sip:127.0.0.1',
          state: 'unregistered',
          expiresSeconds: undefined,
          failure: undefined,
        },
      ],
    ]);
    await gateway.trunks.close();
  });
});
