import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallReport } from '../../gateway/cli/call-report.ts';
import { type Network, systemNetwork, type UdpSocket } from '../../gateway/network.ts';
import { createPhone } from '../../gateway/phone/phone.ts';
import { freePort } from '../support/peers/free-port.ts';
import {
  type GatewayProcess,
  mainFile,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { type FloodCounts, flood } from '../support/peers/rtp-flood.ts';
import { StallMeter } from '../support/peers/stall-meter.ts';
import { writeToneWav } from '../support/peers/test-tone.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 3: 100,000 datagrams of junk at 20,000 a second at the ports of one call, and what that call and its neighbours
 *  lose by it. Each honest phone is a process of its own. */

const total = 100_000;
const perSecond = 20_000;
const neighbours = 3;
const callSeconds = 7;
const lossPercentMax = 0.5;
const spacingMsMax = 60;

const processes = new Processes();
let directory: string;
let play: string;
let echoUrl: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'callwire-flood-'));
  play = join(directory, 'tone.wav');
  writeToneWav(play, callSeconds + 1);
  echoUrl = await startEchoProcess(processes);
});

afterAll(async () => {
  await processes.endAll();
  rmSync(directory, { recursive: true, force: true });
});

/** One pair of ports for each call, so that whoever floods the first pair has hit a call. */
async function startGateway(
  calls: number,
  accelerator: 'auto' | 'off' = 'auto',
): Promise<{ gateway: GatewayProcess; firstPort: number }> {
  const free = await freePort(calls * 2 + 1);
  const firstPort = free + (free % 2);
  const gateway = await startGatewayProcess(processes, {
    rtp: { address: '127.0.0.1', ports: [firstPort, firstPort + calls * 2 - 1] },
    media: { accelerator },
    routes: [routeTo('echo', echoUrl)],
  });
  return { gateway, firstPort };
}

async function call(gateway: GatewayProcess): Promise<CallReport> {
  const args = ['call', `sip:echo@${gateway.udp}`, '--json', '--codec', 'pcmu', '--play', play];
  const ended = await processes.run(
    process.execPath,
    [mainFile, ...args, '--duration', String(callSeconds)],
    { limitMs: 35_000, cwd: directory },
  );
  return JSON.parse(ended.stdout) as CallReport;
}

interface Damage {
  readonly lossPercent: number;
  readonly spacingMs: number;
}

/** The worst of all calls, both ways. */
function damage(reports: readonly CallReport[]): Damage {
  const losses = reports.flatMap((report) => [
    (100 * report.packetsLost) / Math.max(1, report.packetsReceived),
    (100 * report.packetsLostRemote) / Math.max(1, report.packetsSent),
  ]);
  return {
    lossPercent: Math.max(...losses),
    spacingMs: Math.max(...reports.map(({ gapMsMax }) => gapMsMax)),
  };
}

function say(what: string, counts: FloodCounts, { lossPercent, spacingMs }: Damage, stallMs: number): void {
  console.log(
    `figure row 3: ${what}: ${counts.sent} at ${Math.round(counts.sent / counts.seconds)}/s: ` +
      `loss ${lossPercent.toFixed(2)} %, spacing max ${spacingMs.toFixed(0)} ms ` +
      `(a thread that does nothing stood still for ${stallMs.toFixed(0)} ms)`,
  );
}

describe.skipIf(process.platform !== 'linux')('100,000 datagrams of junk at one call', () => {
  it.each(['auto', 'off'] as const)(
    'from strangers (accelerator %s): neither it nor its neighbours lose anything, and none of it is heard',
    async (accelerator) => {
      const calls = neighbours + 1;
      const { gateway, firstPort } = await startGateway(calls, accelerator);
      const stalls = await StallMeter.start();
      const running = Array.from({ length: calls }, () => call(gateway));
      await until('all calls talk', async () => (await gateway.calls()).length === calls, 20_000);
      const sockets: Socket[] = [];
      for (let index = 0; index < 5; index++) {
        const socket = createSocket('udp4');
        socket.on('error', () => {});
        socket.bind(0, `127.0.2.${index + 1}`);
        await once(socket, 'listening');
        sockets.push(socket);
      }
      const counts = await flood({ perSecond, total }, (junk, index) => {
        // RTP, RTP, RTP, RTCP in turn.
        const port = firstPort + Number(index % 4 === 3);
        sockets[index % sockets.length]!.send(junk, port, '127.0.0.1');
      });
      const reports = await Promise.all(running);
      const stallMs = await stalls.stop();
      for (const socket of sockets) socket.close();
      const worst = damage(reports);
      say(`from strangers, accelerator ${accelerator}`, counts, worst, stallMs);
      expect(counts.sent).toBeGreaterThan(total / 2);
      expect(reports.map(({ outcome }) => outcome)).toEqual(reports.map(() => 'completed'));
      expect(worst.lossPercent).toBeLessThan(lossPercentMax);
      expect(worst.spacingMs).toBeLessThan(spacingMsMax + stallMs);
      expect(gateway.log).toMatch(/rtp-strangers/);
      await gateway.whenEmpty();
    },
  );

  it('from the address of its own phone: its neighbours lose nothing, and it goes on', async () => {
    const { gateway } = await startGateway(neighbours + 1);
    const opened: { socket: UdpSocket; to: { port: number; address: string } | undefined }[] = [];
    const network: Network = {
      async openUdp(options, receive) {
        const socket = await systemNetwork.openUdp(options, receive);
        const entry: (typeof opened)[number] = { socket, to: undefined };
        opened.push(entry);
        return {
          ...socket,
          send(bytes, offset, sizeBytes, port, address) {
            entry.to = { port, address };
            socket.send(bytes, offset, sizeBytes, port, address);
          },
        };
      },
    };
    const phone = await createPhone({ address: '127.0.0.1', network });
    const stalls = await StallMeter.start();
    const running = Array.from({ length: neighbours }, () => call(gateway));
    const placed = await phone.placeCall({
      target: `sip:echo@${gateway.udp}`,
      codecs: ['pcmu'],
      playTone: { frequencyHz: 440, levelDbfs: -12 },
    });
    await until('all calls talk', async () => (await gateway.calls()).length === neighbours + 1, 20_000);
    // SIP is the first that it opened.
    await until('the phone talks', () => opened.slice(1).some(({ to }) => to !== undefined), 5_000);
    const { socket, to } = opened.slice(1).find((entry) => entry.to !== undefined)!;
    const lostBefore = await gateway.metric('callwire_rtp_lost_total');
    // With a marker or an extension it could pass for the phone's own audio, which nobody can tell apart.
    const counts = await flood({ perSecond, total }, (junk) => {
      const foreign =
        junk.length > 1 && junk[0]! >> 6 === 2
          ? junk.map((byte, at) => (at === 0 ? byte & 0x3f : byte))
          : junk;
      socket.send(foreign, 0, foreign.length, to!.port, to!.address);
    });
    const lost = (await gateway.metric('callwire_rtp_lost_total')) - lostBefore;
    placed.hangUp();
    const result = await placed.ended;
    const reports = await Promise.all(running);
    const stallMs = await stalls.stop();
    const worst = damage(reports);
    say('from its own phone, neighbours', counts, worst, stallMs);
    console.log(`figure row 3: from its own phone: ${lost} of its ${result.packetsSent} packets lost`);
    // What stands still longer than the socket's buffer lasts loses what nobody can tell from junk unread.
    if (stallMs < 10) expect((100 * lost) / result.packetsSent).toBeLessThan(lossPercentMax);
    expect([result.outcome, result.endedBy]).toEqual(['completed', 'phone']);
    expect(worst.lossPercent).toBeLessThan(lossPercentMax);
    expect(worst.spacingMs).toBeLessThan(spacingMsMax + stallMs);
    await phone.close();
    await gateway.whenEmpty();
  });
});
