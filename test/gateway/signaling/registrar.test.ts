import { afterEach, describe, expect, it } from 'vitest';
import type { SipHeader, SipResponse } from '../../../protocol/sip/message.ts';
import { headerValues } from '../../../protocol/sip/message.ts';
import { createWorld, offerSdp } from './agents.ts';
import { closeSides, createPlainSide, createRegistrarSide, type Side, type World } from './registering.ts';

afterEach(closeSides);

interface Register {
  readonly user?: string;
  readonly as?: string;
  readonly password?: string;
  readonly headers?: readonly SipHeader[];
  readonly contact?: string;
  readonly expires?: number;
}

async function register(
  world: World,
  gateway: Side,
  phone: Side,
  options: Register = {},
): Promise<SipResponse> {
  const { user = 'alice', as = user, password = 'secret', expires = 300 } = options;
  let response: SipResponse | undefined;
  phone.userAgent
    .request({
      method: 'REGISTER',
      target: `sip:127.0.0.1:${gateway.port}`,
      from: `sip:${as}@127.0.0.1`,
      to: `sip:${as}@127.0.0.1`,
      credentials: { username: user, password },
      contactUser: user,
      headers: (contact) => [
        { name: 'Contact', value: options.contact ?? contact },
        { name: 'Expires', value: String(expires) },
        ...(options.headers ?? []),
      ],
    })
    .then((final) => {
      response = final;
    });
  await world.clock.until(() => response !== undefined, 60_000);
  return response!;
}

const open = async (link: { lossPercent?: number; seed?: number } = {}) => {
  const world = createWorld({ delayMs: 5, ...link });
  return { world, gateway: await createRegistrarSide(world), phone: await createPlainSide(world) };
};

describe('a phone', () => {
  it.each([0, 20])('registers, refreshes, and goes (loss %i %%)', async (lossPercent) => {
    const { world, gateway, phone } = await open({ lossPercent, seed: 9 });
    const contact = `sip:alice@127.0.0.1:${phone.port}`;
    for (const expires of [300, 120, 0]) {
      const response = await register(world, gateway, phone, { expires });
      expect(response.status).toBe(200);
      const listed = expires === 0 ? [] : [`<${contact}>;expires=${expires}`];
      expect(headerValues(response, 'Contact')).toEqual(listed);
    }
    expect(gateway.registrar.list()).toEqual([]);
    expect(gateway.lines.map(({ sentence }) => sentence)).toEqual(['phone registered', 'phone unregistered']);
    expect([gateway.counts[0], gateway.counts.at(-1)]).toEqual([1, 0]);
    await world.clock.advance(40_000);
    expect(world.clock.timers).toBe(0);
    expect(gateway.userAgent.counts().transactions).toBe(0);
  });

  it('is shown with where it came from, and forgotten when its time is over', async () => {
    const { world, gateway, phone } = await open();
    await register(world, gateway, phone, { expires: 60, headers: [{ name: 'X-Any', value: '1' }] });
    await world.clock.advance(10_000);
    expect(gateway.registrar.list()).toEqual([
      {
        user: 'alice',
        contact: `sip:alice@127.0.0.1:${phone.port}`,
        source: `udp:127.0.0.1:${phone.port}`,
        userAgent: 'test',
        expiresSeconds: 50,
      },
    ]);
    await world.clock.advance(51_000);
    expect([gateway.registrar.list(), gateway.registrar.lookup('alice'), gateway.counts.at(-1)]).toEqual([
      [],
      [],
      0,
    ]);
    expect(gateway.lines.at(-1)).toEqual({ sentence: 'registration expired', fields: { user: 'alice' } });
  });

  it.each([
    { what: 'with a wrong password', options: { password: 'Secret' }, status: 401 },
    { what: 'that nobody knows', options: { user: 'mallory' }, status: 401 },
    { what: 'for somebody else', options: { as: 'bob' }, status: 403 },
    { what: 'for a moment', options: { expires: 30 }, status: 423 },
    { what: 'at a telephone number', options: { contact: '<tel:123>' }, status: 400 },
  ])('$what is refused with $status', async ({ options, status }) => {
    const { world, gateway, phone } = await open();
    expect((await register(world, gateway, phone, options)).status).toBe(status);
    expect(gateway.registrar.list()).toEqual([]);
  });

  it.each([0, 20])(
    'behind a NAT is called the way its REGISTER came, to the end of the call (loss %i %%)',
    async (lossPercent) => {
      const { world, gateway, phone } = await open({ lossPercent, seed: 12 });
      // What it knows of itself leads nowhere.
      await register(world, gateway, phone, { contact: '<sip:alice@10.99.99.99:5060>' });
      const [contact] = gateway.registrar.lookup('alice');
      expect(contact).toMatchObject({ uri: 'sip:alice@10.99.99.99:5060' });
      const events: string[] = [];
      const session = gateway.userAgent.invite(
        { target: contact!.uri, from: 'sip:gw@127.0.0.1', offer: () => offerSdp, flow: contact!.flow },
        {
          accepted: () => events.push('accepted'),
          ended: ({ cause }) => events.push(cause),
        },
      );
      await world.clock.until(() => events.length > 0, 60_000);
      session.end({ status: 200 });
      await world.clock.advance(40_000);
      expect(events).toEqual(['accepted', 'local']);
      const byes = gateway.sent.filter((label) => label === 'BYE').length;
      if (lossPercent === 0) expect(byes).toBe(1);
      expect(byes).toBeLessThan(10);
      expect(gateway.userAgent.counts().sessions).toBe(0);
    },
  );
});

it('where nobody may register, REGISTER is not allowed', async () => {
  const world = createWorld();
  const [gateway, phone] = [await createPlainSide(world), await createPlainSide(world)];
  expect((await register(world, gateway, phone)).status).toBe(405);
});
