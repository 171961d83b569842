import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { systemClock } from '../../gateway/clock.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { sdpWith } from '../support/hostile-sdp.ts';
import { freePort } from '../support/peers/free-port.ts';
import { routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { RawCaller } from '../support/peers/raw-caller.ts';
import { until } from '../support/peers/watched-gateway.ts';
import { RtpPeer } from '../support/rtp-peer.ts';

/** Row 2: somebody finds the port of a call and talks to it, before and after its phone does. */

const processes = new Processes();
/** Messages that the stream server heard, by their loudest sample. */
const loudness: number[] = [];
let streams: WebSocketServer;
let streamUrl: string;

beforeAll(async () => {
  streams = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(streams, 'listening');
  streamUrl = `ws://127.0.0.1:${(streams.address() as AddressInfo).port}/`;
  streams.on('connection', (stream) => {
    stream.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return stream.send('{"command":"answer"}');
      const samples = new Int16Array(new Uint8Array(data).buffer);
      loudness.push(samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0));
    });
  });
});

afterAll(async () => {
  await processes.endAll();
  for (const stream of streams.clients) stream.terminate();
  await new Promise((resolve) => streams.close(resolve));
});

const quiet = new Int16Array(160).fill(4_000);
const loud = new Int16Array(160).fill(20_000);

function isLoud(level: number): boolean {
  return level > 10_000;
}

/** Talks at the pace of speech until it is stopped. */
function keepTalking(peer: RtpPeer, pcm: Int16Array): { stop(): void } {
  const timer = setInterval(() => peer.sayPcm(pcm), 20);
  return { stop: () => clearInterval(timer) };
}

/** `nat`: the phone's RTP comes from another port than it named. `first`: who talks first, for how long alone. */
const rows = [
  { name: 'symmetric off', symmetric: 'off', nat: false, strangerFirst: true, heardMax: 0 },
  { name: 'symmetric auto', symmetric: 'auto', nat: false, strangerFirst: true, heardMax: 0 },
  { name: 'symmetric on, the stranger first', symmetric: 'on', nat: false, strangerFirst: true, heardMax: 4 },
  {
    name: 'symmetric on behind a NAT, the phone first',
    symmetric: 'on',
    nat: true,
    strangerFirst: false,
    heardMax: 0,
  },
  {
    name: 'symmetric on behind a NAT, the stranger first',
    symmetric: 'on',
    nat: true,
    strangerFirst: true,
    heardMax: 4,
  },
] as const;

describe('RTP from a stranger', () => {
  it.each(rows)('$name', async ({ name, symmetric, nat, strangerFirst, heardMax }) => {
    const free = await freePort(3);
    const port = free + (free % 2);
    const gateway = await startGatewayProcess(processes, {
      rtp: { address: '127.0.0.1', ports: [port, port + 1], symmetric },
      routes: [routeTo('echo', streamUrl, 8_000)],
    });
    const named = await RtpPeer.open(systemClock, systemNetwork);
    const phone = nat ? await RtpPeer.open(systemClock, systemNetwork) : named;
    const stranger = await RtpPeer.open(systemClock, systemNetwork, '127.0.0.66');
    for (const peer of [phone, stranger]) peer.to = { address: '127.0.0.1', port };
    stranger.ssrc = 0x666;
    const caller = await RawCaller.open(gateway.tcp);
    const call = await caller.talk(sdpWith({ media: `m=audio ${named.port} RTP/AVP 0`, lines: [] }));
    loudness.length = 0;
    const talking: { stop(): void }[] = [];
    if (strangerFirst) {
      // As fast as it can, and on at the pace of speech.
      for (let sent = 0; sent < 40; sent++) stranger.sayPcm(loud);
      talking.push(keepTalking(stranger, loud));
      await new Promise((resume) => setTimeout(resume, 20));
      talking.push(keepTalking(phone, quiet));
    } else {
      talking.push(keepTalking(phone, quiet));
      await until('the phone is heard', () => loudness.length > 10);
      talking.push(keepTalking(stranger, loud));
    }
    await until('the phone is answered', () => phone.heard.length > 100 && loudness.length > 100, 15_000);
    for (const one of talking) one.stop();
    await new Promise((resume) => setTimeout(resume, 100));
    const fromStranger = (stranger.sequence - 1_000) & 0xffff;
    const ofStranger = loudness.filter(isLoud).length;
    console.log(
      `figure row 2: ${name}: of ${fromStranger} packets of the stranger ${ofStranger} were heard, ` +
        `${stranger.heard.length} sent to him; of the phone's ${(phone.sequence - 1_000) & 0xffff} ` +
        `${loudness.length - ofStranger}`,
    );
    call.hangUp();
    await gateway.whenEmpty(5_000);
    expect(fromStranger).toBeGreaterThan(60);
    expect(ofStranger).toBeLessThanOrEqual(heardMax);
    expect(stranger.heard).toHaveLength(0);
    caller.close();
    for (const peer of [named, phone, stranger]) peer.close();
  });
});
