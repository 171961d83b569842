import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallRegistry } from '../../gateway/calls/registry.ts';
import { systemClock } from '../../gateway/clock.ts';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, type GatewayIo, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import type { MediaPool } from '../../gateway/media/media-pool.ts';
import { systemNetwork } from '../../gateway/network.ts';

/** What may fail while a gateway starts or stops, and that nothing stays open for it. */

const config = defaultConfig({
  sip: { listen: ['udp:127.0.0.1:0'] },
  rtp: { address: '127.0.0.1', ports: [0, 0] },
  http: { listen: '127.0.0.1:0' },
  routes: [],
});

interface World {
  readonly io: Partial<GatewayIo>;
  pool: MediaPool | undefined;
  poolClosed: number;
  openSockets: number;
  /** Thrown where the next UDP socket is closed. */
  closeFailure: Error | undefined;
}

function createWorld(): World {
  const world: World = {
    pool: undefined,
    poolClosed: 0,
    openSockets: 0,
    closeFailure: undefined,
    io: {
      log: silentLog,
      network: {
        async openUdp(options, receive) {
          const socket = await systemNetwork.openUdp(options, receive);
          world.openSockets++;
          return {
            ...socket,
            close() {
              socket.close();
              world.openSockets--;
              if (world.closeFailure !== undefined) throw world.closeFailure;
            },
          };
        },
      },
      createMediaPool: (settings) => {
        const openStreamSocket = () => {
          throw new Error('no streams here');
        };
        const pool = createInlineMediaPool({
          ...settings,
          clock: systemClock,
          network: systemNetwork,
          openStreamSocket,
        });
        world.pool = pool;
        return {
          start: () => pool.start(),
          openGroup: (receive) => pool.openGroup(receive),
          report: () => pool.report(),
          overloaded: false,
          close: async () => {
            world.poolClosed++;
            await pool.close();
          },
        };
      },
    },
  };
  return world;
}

let gateway: Gateway | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await gateway?.close().catch(() => {});
  gateway = undefined;
});

async function answers(http: string | undefined): Promise<boolean> {
  return fetch(`http://${http}/healthz`).then(
    () => true,
    () => false,
  );
}

describe('a gateway that cannot start', () => {
  it('closes the media workers where the routes cannot be made', async () => {
    const world = createWorld();
    const broken = Object.create(config, {
      stream: {
        get(): never {
          throw new Error('no routes today');
        },
      },
    });
    await expect(startGateway(broken, world.io)).rejects.toThrow('no routes today');
    expect(world.poolClosed).toBe(1);
  });

  it('says why also where closing fails on top of it', async () => {
    const world = createWorld();
    world.closeFailure = new Error('close failed');
    const first = await startGateway(config, createWorld().io);
    const taken = { ...config, http: { ...config.http, listen: first.listening.http! } };
    await expect(startGateway(taken, world.io)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(world).toMatchObject({ poolClosed: 1, openSockets: 0 });
    await first.close();
  });
});

describe('a gateway that cannot close one of its parts', () => {
  it('closes HTTP and media although SIP fails, and says so', async () => {
    const world = createWorld();
    gateway = await startGateway(config, world.io);
    const { http } = gateway.listening;
    expect(await answers(http)).toBe(true);
    world.closeFailure = new Error('close failed');
    await expect(gateway.close()).rejects.toThrow('close failed');
    expect(world).toMatchObject({ poolClosed: 1, openSockets: 0 });
    expect(await answers(http)).toBe(false);
    expect(gateway.state).toBe('closed');
  });

  it('closes everything although ending the calls fails', async () => {
    const world = createWorld();
    gateway = await startGateway(config, world.io);
    vi.spyOn(CallRegistry.prototype, 'endAll').mockImplementationOnce(() => {
      throw new Error('a call that does not end');
    });
    await expect(gateway.drain(10)).rejects.toThrow('a call that does not end');
    expect(world).toMatchObject({ poolClosed: 1, openSockets: 0 });
    expect(await answers(gateway.listening.http)).toBe(false);
  });
});

describe('drained over the API', () => {
  it('is draining in the library as it is in /readyz', async () => {
    gateway = await startGateway(config, createWorld().io);
    const url = `http://${gateway.listening.http}`;
    expect(gateway.state).toBe('ready');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await fetch(`${url}/drain`, { method: 'POST' });
    expect(gateway.state).toBe('draining');
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    await gateway.drain(0);
    expect(gateway.state).toBe('closed');
  });
});
