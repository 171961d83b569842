import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toneLevel } from '../../codecs/goertzel.ts';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { type CallOptions, placeCall } from '../../gateway/phone/phone.ts';
import type { PhoneCall } from '../../gateway/phone/phone-call.ts';
import { headerValues } from '../../protocol/sip/message.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { type Kamailio, kamailio, startKamailio } from '../support/peers/kamailio.ts';
import { Processes } from '../support/peers/processes.ts';
import { type StreamServer, startStreamServer } from '../support/peers/stream-servers.ts';

/** Kamailio as a proxy that stays in the path of every call and shares the calls out between two gateways. */

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
const hosts = { 4: '127.0.0.1', 6: '[::1]' } as const;
const families = hasIPv6 ? ([4, 6] as const) : ([4] as const);
const transports = ['udp', 'tcp'] as const;
const ways = families.flatMap((family) => transports.map((transport) => ({ transport, family })));

type Way = (typeof ways)[number];
const keyOf = ({ transport, family }: Way): string => `${transport}${family}`;

describe.skipIf(kamailio.missing)(`Kamailio in front of two gateways${kamailio.skipped}`, () => {
  const processes = new Processes();
  const gateways: GatewayProcess[] = [];
  let directory: string;
  let bot: Bot;
  let silent: StreamServer;
  let proxy: Kamailio;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-kamailio-'));
    bot = await startBot({ kind: 'echo' });
    silent = await startStreamServer('is silent');
    for (const _ of [1, 2]) {
      gateways.push(
        await startGatewayProcess(processes, {
          sip: { listen: ways.map(({ transport, family }) => `${transport}:${hosts[family]}:0`) },
          routes: [routeTo('ring-*', silent.url), routeTo('*', bot.url)],
        }),
      );
    }
    const servers = Object.fromEntries(
      ways.map((way) => [keyOf(way), gateways.map((gateway) => addressOf(gateway, way))]),
    );
    const addresses = families.map((family) => hosts[family].replace(/[[\]]/g, ''));
    proxy = await startKamailio(processes, { addresses, servers, directory });
  });

  afterAll(async () => {
    await processes.endAll();
    await bot?.close();
    await silent?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function addressOf({ sip }: GatewayProcess, { transport, family }: Way): string {
    const start = `${transport}:${hosts[family]}:`;
    const port = sip.find((text) => text.startsWith(start))!.slice(start.length);
    return `sip:${hosts[family]}:${port};transport=${transport}`;
  }

  /** Over `near` to the proxy, over `far` from there to a gateway. */
  function call(
    near: Way,
    far: Way,
    { to = 'echo', ...options }: Partial<CallOptions> = {},
  ): Promise<PhoneCall> {
    return placeCall({
      target: `sip:${to}-${keyOf(far)}@${hosts[near.family]}:${proxy.port};transport=${near.transport}`,
      codecs: ['pcmu'],
      playTone: { frequencyHz: 1_000, levelDbfs: -12 },
      answerTimeoutMs: 15_000,
      ...options,
    });
  }

  async function answeredBy(): Promise<number[]> {
    return Promise.all(gateways.map((each) => each.metric('callwire_calls_total', 'result="ANSWERED"')));
  }

  async function whenEmpty(): Promise<void> {
    for (const gateway of gateways) await gateway.whenEmpty();
  }

  describe.each(ways)('over $transport and IPv$family', (way) => {
    it('hands calls out in turn; each is heard, and its BYE takes the same way', async () => {
      const before = await answeredBy();
      for (let run = 0; run < 4; run++) {
        const placed = await call(way, way, { durationMs: 600 });
        const result = await placed.ended;
        expect(result, proxy.log).toMatchObject({ outcome: 'completed', status: 200, packetsLost: 0 });
        expect(toneLevel(result.heard, result.heardRateHz, 1_000)).toBeGreaterThan(-20);
      }
      await whenEmpty();
      expect((await answeredBy()).map((count, index) => count - before[index]!)).toEqual([2, 2]);
    });

    it('brings the BYE of the gateway to the phone', async () => {
      const placed = await call(way, way);
      expect(await placed.answered).toBe(true);
      for (const gateway of gateways) {
        for (const { callId } of await gateway.calls()) {
          const url = `http://${gateway.http}/calls/${callId}`;
          expect((await fetch(url, { method: 'DELETE' })).status).toBe(204);
        }
      }
      const result = await placed.ended;
      expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
      expect(result.reasonHeader).toMatch(/cause=16/);
      await whenEmpty();
    });

    it('brings a CANCEL to the gateway where it rings', async () => {
      const placed = await call(way, way, { to: 'ring', cancelAfterMs: 300 });
      const result = await placed.ended;
      expect(result).toMatchObject({ outcome: 'cancelled', status: 487 });
      expect(result.ringingMs).toBeGreaterThan(0);
      await whenEmpty();
    });

    it('brings a re-INVITE through', async () => {
      const placed = await call(way, way);
      expect(await placed.answered).toBe(true);
      expect(
        [await placed.changeDirection('sendonly'), await placed.changeDirection('sendrecv')],
        proxy.log,
      ).toEqual([200, 200]);
      placed.hangUp();
      expect((await placed.ended).outcome).toBe('completed');
      await whenEmpty();
    });
  });

  const crossings = [
    { near: { transport: 'udp', family: 4 }, far: { transport: 'tcp', family: 4 } },
    { near: { transport: 'tcp', family: 4 }, far: { transport: 'udp', family: 4 } },
    ...(hasIPv6
      ? [
          { near: { transport: 'udp', family: 4 }, far: { transport: 'tcp', family: 6 } },
          { near: { transport: 'tcp', family: 6 }, far: { transport: 'udp', family: 4 } },
        ]
      : []),
  ] as { near: Way; far: Way }[];

  it.each(crossings)(
    'joins $near.transport over IPv$near.family to $far.transport over IPv$far.family',
    async ({ near, far }) => {
      const placed = await call(near, far, { durationMs: 600 });
      const result = await placed.ended;
      expect(result, proxy.log).toMatchObject({ outcome: 'completed', status: 200, endedBy: 'phone' });
      // Audio goes past the proxy, in the family of the phone.
      expect(toneLevel(result.heard, result.heardRateHz, 1_000)).toBeGreaterThan(-20);
      expect(headerValues(placed.session!.invite, 'Record-Route')).toEqual([]);
      await whenEmpty();
    },
  );

  it('passes over a gateway that takes no more calls', async () => {
    const way = ways[0]!;
    await fetch(`http://${gateways[0]!.http}/drain`, { method: 'POST' });
    const before = await answeredBy();
    for (let run = 0; run < 3; run++) {
      const placed = await call(way, way, { durationMs: 200 });
      expect((await placed.ended).status).toBe(200);
    }
    await gateways[1]!.whenEmpty();
    expect((await answeredBy()).map((count, index) => count - before[index]!)).toEqual([0, 3]);
  });
});
