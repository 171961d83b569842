import { afterEach, expect, it } from 'vitest';
import type { ControlEvent } from '../../gateway/calls/call-control.ts';
import { openStranger } from '../gateway/signaling/strangers.ts';
import { CallWorld } from '../support/call-world.ts';

let world: CallWorld;
afterEach(() => world?.close());

async function message(text: string): Promise<string> {
  const [, port] = /:(\d+)$/.exec(world.gateway.listening.sip[0]!)!;
  const gateway = { address: '127.0.0.1', port: Number(port) };
  const stranger = await openStranger(world, { address: '127.0.0.1', gateway });
  const { headers, ...request } = stranger.build('MESSAGE');
  const body = new TextEncoder().encode(text);
  const about = [
    { name: 'Content-Type', value: 'text/plain' },
    { name: 'Content-Length', value: `${body.length}` },
  ];
  const others = headers.filter(({ name }) => !name.startsWith('Content-'));
  stranger.send({ ...request, headers: [...others, ...about], body });
  await world.clock.advance(100);
  return stranger.labels.join(' ');
}

it('a text outside any call goes to the application, as an event', async () => {
  const applications = [{ key: 'app', secret: 'c2VjcmV0LXNlY3JldA==' }];
  world = await CallWorld.open({ config: { applications } });
  const seen: ControlEvent[] = [];
  const stop = world.gateway.control.watch((event) => seen.push(event));
  expect(await message('see you at six')).toBe('202');
  expect(seen).toMatchObject([
    { type: 'message.received', applicationKey: 'app', callId: '', text: 'see you at six' },
  ]);
  expect(JSON.stringify(world.log)).not.toContain('at six');
  stop();
});

it('a text is refused where no application is there to take it', async () => {
  world = await CallWorld.open();
  expect(await message('anybody there?')).toBe('480');
});
