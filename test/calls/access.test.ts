import { afterEach, describe, expect, it } from 'vitest';
import { openStranger } from '../gateway/signaling/strangers.ts';
import { CallWorld } from '../support/call-world.ts';
import { rounds } from '../support/rounds.ts';

const auth = { realm: 'callwire', users: [{ username: 'alice', password: 'secret' }] };

let world: CallWorld;
afterEach(() => world?.close());

describe('a gateway with sip.auth', () => {
  it.each([0, 20])('lets in who knows the password, and nobody else (loss %i %%)', async (lossPercent) => {
    world = await CallWorld.open({ config: { sip: { auth } }, link: { delayMs: 5, lossPercent, seed: 11 } });
    const outcome = async (credentials: { user?: string; password?: string }): Promise<string> => {
      const call = await world.call({ durationMs: 500, ...credentials });
      const result = await world.finish(call);
      return `${result.outcome} ${result.status}`;
    };
    expect(await outcome({ user: 'alice', password: 'secret' })).toBe('completed 200');
    expect(await outcome({})).toBe('refused 401');
    expect(await outcome({ user: 'alice', password: 'wrong' })).toBe('refused 401');
    expect(await outcome({ user: 'nobody', password: 'secret' })).toBe('refused 401');
  });
});

/** 2,000 requests a second from 60 addresses, nobody listening there. */
async function flood(seconds: number): Promise<void> {
  const [, port] = /:(\d+)$/.exec(world.gateway.listening.sip[0]!)!;
  const gateway = { address: '127.0.0.1', port: Number(port) };
  const strangers = await Promise.all(
    Array.from({ length: 60 }, (_, host) => openStranger(world, { address: `198.51.100.${host}`, gateway })),
  );
  const kinds = ['INVITE', 'REGISTER', 'OPTIONS', 'BYE', 'FOO'];
  const perSlice = 100;
  for (let slice = 0; slice < (seconds * 2_000) / perSlice; slice++) {
    for (let n = 0; n < perSlice; n++) {
      const sent = slice * perSlice + n;
      const stranger = strangers[sent % strangers.length]!;
      const kind = kinds[sent % kinds.length]!;
      stranger.send(sent % 7 === 0 ? `${kind} junk\r\n\r\n` : stranger.build(kind));
    }
    await world.clock.advance((1_000 * perSlice) / 2_000);
  }
}

describe('junk', () => {
  it.each([
    { what: 'open', sip: {} },
    { what: 'with sip.auth', sip: { auth } },
    { what: 'with sip.allow', sip: { allow: ['127.0.0.1'] } },
  ])('leaves a gateway that is $what within its bounds, and calls go through', async ({ what, sip }) => {
    world = await CallWorld.open({ config: { sip: { maxCalls: 50, ...sip } }, routeTo: 'bot' });
    await flood(rounds(1, 3));
    const counts = world.gateway.counts();
    expect(counts.calls).toBe(0);
    // Without access rules every refused INVITE waits for its ACK, so many a source.
    expect(counts.transactions).toBeLessThanOrEqual(what === 'open' ? 60 * 100 : 0);
    const call = await world.call({ durationMs: 200, user: 'alice', password: 'secret' });
    const result = await world.finish(call);
    expect(result.outcome).toBe('completed');
    expect(result.setupMs).toBeLessThan(500);
    await world.clock.advance(40_000);
    expect(world.gateway.counts()).toEqual({
      calls: 0,
      sessions: 0,
      transactions: 0,
      dialogs: 0,
      connections: 0,
    });
  });
});

describe('what people see', () => {
  it('lists trunks and registrations, and counts them', async () => {
    world = await CallWorld.open({
      config: {
        sip: { auth },
        trunks: [{ name: 'pbx', uri: 'sip:127.0.0.1:9', username: 'u', password: 'p', register: true }],
      },
    });
    await world.clock.advance(40_000);
    expect(world.gateway.registrations()).toEqual([]);
    expect(world.gateway.trunks()).toMatchObject([{ name: 'pbx', state: 'failing' }]);
    expect(world.said('trunk does not register')).toMatchObject({ trunk: 'pbx', status: 408 });
  });
});
