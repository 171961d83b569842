import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closeAgents } from '../gateway/signaling/agents.ts';
import { type ControlWorld, openControl } from './control-world.ts';

/** Row 13: names whose owner answers differently when they are connected to than when they were checked. */

const outside = '93.184.215.14';
const inside = '127.0.0.1';

let control: ControlWorld;

afterEach(async () => {
  await closeAgents();
  await control.world.close();
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** Every name means what comes first in the list, at the next question what comes next, and at the end its last. */
function answering(...addresses: string[]): { readonly asked: string[] } {
  const asked: string[] = [];
  vi.spyOn(dns, 'lookup').mockImplementation((async (host: string) => {
    asked.push(host);
    const address = addresses.length > 1 ? addresses.shift()! : addresses[0]!;
    return [{ address, family: 4 }];
  }) as never);
  syncBuiltinESMExports();
  return { asked };
}

async function dial(action: object): Promise<void> {
  control = await openControl({ config: { stream: { endpoints: { allow: [] } } } as never });
  control.callbacks.ice = () => ({ action: { name: 'connectStream', ...action } });
  const call = await control.world.call({ durationMs: 2_000 });
  await control.world.finish(call);
}

const destination = { type: 'websocket', endpoint: 'ws://rebinding.example/' };

describe('a stream server whose name leads inside once it was checked', () => {
  it('is connected to where it was when it was checked', async () => {
    const { asked } = answering(outside, inside);
    await dial({ destination });
    expect(asked).toEqual(['rebinding.example']);
    expect(control.world.server.streams.map(({ options }) => options.address)).toEqual([outside]);
  });

  it('stays there when the connection is lost and comes back', async () => {
    const { asked } = answering(outside, inside);
    control = await openControl({ config: { stream: { endpoints: { allow: [] } } } as never });
    const { world, callbacks } = control;
    let lost = false;
    world.server.connected = (stream) => {
      stream.receivedText = ({ command }) =>
        void (command === 'connect' && stream.send({ command: 'answer' }));
      stream.receivedBinary = () => {
        if (!lost) stream.close(1006);
        lost = true;
      };
    };
    callbacks.ice = () => ({
      action: { name: 'connectStream', destination, streamingOptions: { resumeSeconds: 10 } },
    });
    await world.finish(await world.call({ durationMs: 3_000 }));
    const addresses = world.server.streams.map(({ options }) => options.address);
    expect(addresses.length).toBeGreaterThan(1);
    expect(new Set(addresses)).toEqual(new Set([outside]));
    expect(asked).toEqual(['rebinding.example']);
  });

  it('is not connected to where it leads inside at once', async () => {
    answering(inside);
    await dial({ destination });
    expect(control.world.server.streams).toEqual([]);
  });
});
