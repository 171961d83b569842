import { afterEach, describe, expect, it } from 'vitest';
import type { OutsideRequestOptions } from '../../../gateway/signaling/outside-requests.ts';
import type { SipResponse } from '../../../protocol/sip/message.ts';
import { createWorld } from './agents.ts';
import { closeSides, createPlainSide, createRegistrarSide } from './registering.ts';

afterEach(closeSides);

async function open(link: { lossPercent?: number; seed?: number } = {}) {
  const world = createWorld({ delayMs: 5, ...link });
  const [far, near] = [await createRegistrarSide(world), await createPlainSide(world)];
  return {
    ...world,
    near,
    far,
    async request(options: Partial<OutsideRequestOptions> = {}): Promise<SipResponse> {
      let response: SipResponse | undefined;
      const target = `sip:echo@127.0.0.1:${far.port}`;
      near.userAgent.request({ method: 'OPTIONS', target, ...options }).then((final) => {
        response = final;
      });
      await world.clock.until(() => response !== undefined, 60_000);
      return response!;
    },
  };
}

const credentials = { username: 'alice', password: 'secret' };

describe('a request outside any dialog', () => {
  it.each([0, 20])('gets its final response (loss %i %%)', async (lossPercent) => {
    const { request, near, clock } = await open({ lossPercent, seed: 4 });
    expect((await request()).status).toBe(200);
    await clock.advance(40_000);
    expect(near.userAgent.counts().transactions).toBe(0);
  });

  it('answers a challenge once', async () => {
    const { request, near } = await open();
    const register = { method: 'REGISTER', from: 'sip:alice@a', to: 'sip:alice@a' };
    expect((await request({ ...register, credentials })).status).toBe(200);
    expect((await request({ ...register, credentials: { ...credentials, password: 'x' } })).status).toBe(401);
    expect((await request(register)).status).toBe(401);
    expect(near.sent).toEqual(Array(5).fill('REGISTER'));
  });

  it('is 408 where nobody answers, 503 where nobody can be reached, and says why', async () => {
    const { request, network } = await open();
    network.link.lossPercent = 100;
    expect(await request()).toMatchObject({
      status: 408,
      reasonPhrase: expect.stringMatching(/did not answer OPTIONS/),
    });
    expect(await request({ target: 'sip:x@[::1]:5060' })).toMatchObject({
      status: 503,
      reasonPhrase: expect.stringMatching(/no UDP listener for IPv6/),
    });
  });

  it('is over when the user agent is closed', async () => {
    const { near, network, far } = await open();
    network.link.lossPercent = 100;
    const waiting = near.userAgent.request({ method: 'OPTIONS', target: `sip:127.0.0.1:${far.port}` });
    await near.userAgent.close();
    expect((await waiting).status).toBe(503);
    expect((await near.userAgent.request({ method: 'OPTIONS', target: 'sip:127.0.0.1' })).status).toBe(503);
  });

  it('that cannot be written fails, and leaves nobody waiting', async () => {
    const { request, near } = await open();
    expect(await request({ headers: [{ name: 'X', value: 'a\r\nb' }] })).toMatchObject({ status: 503 });
    expect(near.counted).toContain('request-failed');
    expect(() => near.userAgent.request({ method: 'OPTIONS', target: 'sip:h', from: 'nonsense' })).toThrow(
      /expected a URI/,
    );
  });
});
