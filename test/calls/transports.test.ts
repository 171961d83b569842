import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCertificate } from '../../bench/certificate.ts';
import { toneLevel } from '../../codecs/goertzel.ts';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { systemClock } from '../../gateway/clock.ts';
import { defaultConfig, routeFromFlag } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import { openWebSocket } from '../../gateway/media/websocket.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { type CallOptions, type PhoneOptions, placeCall } from '../../gateway/phone/phone.ts';
import type { CallResult } from '../../gateway/phone/phone-call.ts';
import { freePort } from '../support/peers/free-port.ts';

/** Whole calls over the sockets of this machine, in every transport and both families. */

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
const families = ['127.0.0.1', ...(hasIPv6 ? ['[::1]'] : [])];
const protocols = ['udp', 'tcp', 'tls'];
const certificate = createCertificate(Date.now());
const tls = { ca: certificate.cert };

let directory: string;
let bot: Bot;
let gateway: Gateway;
/** As `serve --trace-sip` prints them. */
const blocks: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-transports-'));
  await writeFile(join(directory, 'cert.pem'), certificate.cert);
  await writeFile(join(directory, 'key.pem'), certificate.key);
  bot = await startBot({ kind: 'echo' });
  gateway = await start(
    [...families].flatMap((host) => protocols.map((protocol) => `${protocol}:${host}:0`)),
  );
});

function start(listen: string[]): Promise<Gateway> {
  const config = defaultConfig({
    sip: { listen, tls: { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') } },
    rtp: { ports: [0, 0] },
    http: { listen: '127.0.0.1:0' },
    routes: [routeFromFlag(`*=${bot.url}`)],
  });
  return startGateway(config, {
    log: silentLog,
    traceSip: (block) => blocks.push(block),
    createMediaPool: (settings) =>
      createInlineMediaPool({
        ...settings,
        clock: systemClock,
        network: systemNetwork,
        openStreamSocket: openWebSocket,
      }),
  });
}

afterAll(async () => {
  await gateway?.close();
  await bot?.close();
  await rm(directory, { recursive: true });
});

function portOf(protocol: string, host: string): string {
  const start = `${protocol}:${host}:`;
  return gateway.listening.sip.find((text) => text.startsWith(start))!.slice(start.length);
}

async function call(
  target: string,
  options: Partial<CallOptions & PhoneOptions> = {},
): Promise<{ readonly result: CallResult; readonly invite: string; readonly remote: string }> {
  const placed = await placeCall({
    target,
    durationMs: 400,
    codecs: ['pcmu'],
    playTone: { frequencyHz: 1_000, levelDbfs: -12 },
    answerTimeoutMs: 10_000,
    tls,
    ...options,
  });
  const result = await placed.ended;
  const { invite, remote } = placed.session!;
  return {
    result,
    invite: [...invite.headers.map(({ value }) => value), Buffer.from(invite.body).toString()].join('\n'),
    remote: `${remote.protocol}:${remote.address}`,
  };
}

describe.each(families)('a call to %s', (host) => {
  it.concurrent.each(protocols)('over %s is heard', async (protocol) => {
    const transport = protocol === 'udp' ? '' : `;transport=${protocol}`;
    const { result, invite, remote } = await call(`sip:echo@${host}:${portOf(protocol, host)}${transport}`);
    expect(result).toMatchObject({ outcome: 'completed', status: 200, codec: 'pcmu' });
    expect(toneLevel(result.heard, result.heardRateHz, 1_000)).toBeGreaterThan(-20);
    const address = host.replace(/[[\]]/g, '');
    expect(remote).toBe(`${protocol}:${address}`);
    expect(invite).toContain(`<sip:phone@${host}:`);
    expect(invite).toContain(`c=IN IP${host === '127.0.0.1' ? 4 : 6} ${address}`);
  });
});

describe('a call to a sips: URI', () => {
  it('goes over TLS and names itself with sips:', async () => {
    const { result, invite, remote } = await call(`sips:echo@localhost:${portOf('tls', '127.0.0.1')}`);
    expect(result).toMatchObject({ outcome: 'completed', status: 200 });
    expect([remote, invite]).toEqual(['tls:127.0.0.1', expect.stringContaining('<sips:phone@127.0.0.1:')]);
  });

  it('is not placed where the certificate is not trusted, unless it shall be', async () => {
    const target = `sips:echo@127.0.0.1:${portOf('tls', '127.0.0.1')}`;
    const { result } = await call(target, { tls: {} });
    expect(result).toMatchObject({
      outcome: 'unreachable',
      message: expect.stringMatching(/self.signed|certificate/),
    });
    expect((await call(target, { tls: { insecure: true } })).result.status).toBe(200);
  });
});

it('every message can be followed, credentials hidden', async () => {
  blocks.length = 0;
  const headers = [{ name: 'Authorization', value: 'Digest username="a", response="0123456789abcdef"' }];
  await call(`sip:echo@127.0.0.1:${portOf('tcp', '127.0.0.1')};transport=tcp`, { headers });
  await vi.waitFor(() => expect(blocks).toHaveLength(7));
  expect(blocks[0]).toMatch(
    /^\S+ ◀── INVITE sip:echo@127.0.0.1:\d+;transport=tcp {2}from tcp:127.0.0.1:\d+ at tcp:/,
  );
  expect(blocks[0]).toContain('\n    Authorization: [hidden]\n');
  expect(blocks.join('')).not.toContain('0123456789abcdef');
});

it('leaves no call behind in the gateway', async () => {
  await vi.waitFor(() => expect(gateway.counts()).toMatchObject({ calls: 0, sessions: 0, dialogs: 0 }));
});

it.skipIf(!hasIPv6)('both wildcards may listen at the same port', async () => {
  const port = await freePort();
  const listen = ['udp', 'tcp'].flatMap((protocol) => [
    `${protocol}:0.0.0.0:${port}`,
    `${protocol}:[::]:${port}`,
  ]);
  const both = await start(listen);
  try {
    expect(both.listening.sip).toEqual(listen);
    const ways = families.flatMap((host) => ['udp', 'tcp'].map((transport) => ({ host, transport })));
    await Promise.all(
      ways.map(async ({ host, transport }) => {
        const { result, invite } = await call(`sip:echo@${host}:${port};transport=${transport}`);
        expect(result.status).toBe(200);
        expect(invite).toContain(`<sip:phone@${host}:`);
      }),
    );
  } finally {
    await both.close();
  }
});
