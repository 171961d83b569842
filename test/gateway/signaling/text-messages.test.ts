import { afterEach, describe, expect, it } from 'vitest';
import { receiveTextMessage, type TextMessage } from '../../../gateway/signaling/text-messages.ts';
import type { SipRequest, SipResponse } from '../../../protocol/sip/message.ts';
import { closeAgents, createAgent, createWorld, expectNothingLeft } from './agents.ts';

afterEach(closeAgents);

async function open({ takes = true, auth = false, lossPercent = 0 } = {}) {
  const world = createWorld({ delayMs: 5, lossPercent, seed: 8 });
  const users = [{ username: 'alice', password: 'secret' }];
  const bob = await createAgent(world, {
    seed: 2,
    methodsServed: ['MESSAGE'],
    ...(auth && { access: { auth: { realm: 'callwire', users, required: true } } }),
  });
  const alice = await createAgent(world, { seed: 1 });
  const messages: TextMessage[] = [];
  bob.on.requestedOutside = (request, source) =>
    receiveTextMessage(request, source, (message) => {
      messages.push(message);
      return takes;
    });
  const send = async (body: string | Uint8Array, contentType = 'text/plain'): Promise<SipResponse> => {
    let response: SipResponse | undefined;
    void alice.userAgent
      .request({
        method: 'MESSAGE',
        target: bob.uri,
        from: '"Alice" <sip:alice@example.com>',
        headers: [{ name: 'Content-Type', value: contentType }],
        body: Buffer.from(body),
        ...(auth && { credentials: users[0]! }),
      })
      .then((final) => {
        response = final;
      });
    await world.clock.until(() => response !== undefined, 60_000);
    return response!;
  };
  return { ...world, alice, bob, messages, send };
}

describe('a MESSAGE outside a call', () => {
  it.each([0, 20])('is handed over once and answered 202 (loss %i %%)', async (lossPercent) => {
    const { clock, alice, bob, messages, send } = await open({ lossPercent, auth: true });
    for (const text of ['hello', 'där är du', '']) expect((await send(text)).status).toBe(202);
    expect(messages.map(({ text }) => text)).toEqual(['hello', 'där är du', '']);
    expect(messages[0]).toMatchObject({
      from: 'sip:alice@example.com',
      to: bob.uri,
      contentType: 'text/plain',
      source: `udp:127.0.0.1:${alice.port}`,
      username: 'alice',
    });
    await expectNothingLeft(clock, alice, bob);
  });

  it('that nobody takes gets 480', async () => {
    const { send } = await open({ takes: false });
    expect((await send('hello')).status).toBe(480);
  });

  it.each([
    { what: 'a picture', type: 'image/png', status: 415 },
    { what: 'bytes that are no UTF-8', body: Uint8Array.of(0xff), status: 415 },
    { what: 'a broken type', type: 'text', status: 400 },
    { what: 'a book', body: new Uint8Array(16_385).fill(0x61), status: 413 },
  ])('with $what gets $status', ({ type = 'text/plain', body = Buffer.from('x'), status }) => {
    const request: SipRequest = {
      kind: 'request',
      method: 'MESSAGE',
      uri: 'sip:bob@example.com',
      headers: [
        { name: 'From', value: '<sip:alice@example.com>;tag=1' },
        { name: 'Content-Type', value: type },
      ],
      body,
    };
    const flow = {
      protocol: 'udp' as const,
      reliable: false,
      remote: { protocol: 'udp' as const, address: '127.0.0.1', port: 5060 },
      local: { protocol: 'udp' as const, address: '127.0.0.1', port: 5060 },
      open: true,
      send() {},
    };
    const messages: TextMessage[] = [];
    const reply = receiveTextMessage(request, { flow, username: undefined }, (message) =>
      Boolean(messages.push(message)),
    );
    expect([reply.status, messages]).toEqual([status, []]);
    expect(reply.headers).toEqual(status === 415 ? [{ name: 'Accept', value: 'text/plain' }] : undefined);
  });
});
