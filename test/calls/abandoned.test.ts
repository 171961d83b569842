import { afterEach, expect, it } from 'vitest';
import { headerValue } from '../../protocol/sip/message.ts';
import { openStranger, type Stranger } from '../gateway/signaling/strangers.ts';
import { CallWorld } from '../support/call-world.ts';
import { createRandom } from '../support/random.ts';
import { sdp } from './bare-phone.ts';

/** Callers who are gone before they got what they asked for. */

const offer = sdp({ port: 4_000 });
const nothing = { calls: 0, sessions: 0, transactions: 0, dialogs: 0, connections: 0 };
let world: CallWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function callers(world: CallWorld, count: number): Promise<Stranger[]> {
  const port = Number(/:(\d+)$/.exec(world.gateway.listening.sip[0]!)![1]);
  const gateway = { address: '127.0.0.1', port };
  return Promise.all(
    Array.from({ length: count }, () => openStranger(world, { address: '127.0.0.1', gateway })),
  );
}

it('200 INVITEs abandoned while they ring leave nothing after 40 s, though nobody acknowledges the 487', async () => {
  world = await CallWorld.open({ link: { delayMs: 10 } });
  const { clock, server, gateway } = world;
  // The bot takes its time, as people do.
  server.connected = (stream) => {
    stream.receivedText = () => void clock.after(8_000, () => stream.send({ command: 'answer' }));
  };
  const random = createRandom(3);
  const all = await callers(world, 200);
  for (const [index, caller] of all.entries()) {
    const same = { branch: `z9hG4bK-gone-${index}`, callId: `gone-${index}` };
    caller.send(caller.build('INVITE', { ...same, sdp: offer }));
    clock.after(random() * 1_000, () => caller.send(caller.build('CANCEL', same)));
  }
  await clock.advance(1_100);
  expect(gateway.counts().calls).toBe(0);
  const labels = new Set(all.flatMap((caller) => caller.labels));
  expect(labels).toEqual(new Set(['100', '180', '200', '487']));
  await clock.advance(38_900);
  expect(gateway.counts()).toEqual(nothing);
  expect((await gateway.mediaReport()).workers).toMatchObject([{ portsInUse: 0 }]);
});

// Two hundred that talk into the void for half a minute would take five seconds of everybody's time.
const answered = 25;

it.each([0, 20])(
  'INVITEs whose callers are gone when they are answered leave no call, stream and port after 40 s, and 32 s later no BYE (loss %i %%)',
  async (lossPercent) => {
    world = await CallWorld.open({ link: { delayMs: 10, lossPercent, seed: 22 } });
    const { clock, server, gateway } = world;
    const all = await callers(world, answered);
    for (const [index, caller] of all.entries()) {
      caller.send(caller.build('INVITE', { callId: `gone-${index}`, sdp: offer }));
    }
    await clock.advance(1_000);
    expect(gateway.counts().calls).toBeGreaterThan(lossPercent === 0 ? answered - 1 : answered / 2);
    await clock.advance(39_000);
    expect(gateway.counts().calls).toBe(0);
    expect(server.streams.every(({ closedWith }) => closedWith !== undefined)).toBe(true);
    expect((await gateway.mediaReport()).workers).toMatchObject([{ portsInUse: 0 }]);
    const requests = all.flatMap(({ received }) => received.filter(({ message }) => 'method' in message));
    expect(new Set(requests.map(({ message }) => headerValue(message, 'CSeq')))).toEqual(new Set(['1 BYE']));
    await clock.advance(32_000);
    expect(gateway.counts()).toEqual(nothing);
  },
);
