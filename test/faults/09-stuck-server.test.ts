import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import { type AskedGateway, startAskedGateway } from '../support/peers/asked-gateway.ts';
import { residentMb } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import { serverFrame, startRawServer, upgradeAndAnswer } from '../support/peers/raw-stream-server.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 9: stream servers that stop reading, or read too slowly, at the rate that fills every buffer soonest. */

const sampleRate = 96_000;
const bytesPerSecond = sampleRate * 2;
const stuckCalls = 10;
const stuckSeconds = 30;
const callMbMax = 2;

const processes = new Processes();
const servers: { close(): void }[] = [];
let asked: AskedGateway;
let phone: Phone;

beforeAll(async () => {
  asked = await startAskedGateway(processes, {}, { sampleRate });
  phone = await createPhone({ address: '127.0.0.1' });
});

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  await asked?.callbacks.close();
  for (const server of servers) server.close();
});

async function serve(name: string, answered: (socket: Socket) => void, heard?: (bytes: Buffer) => void) {
  // It says that it lives, or a ping would tell sooner.
  const beat = (socket: Socket) => {
    const beats = setInterval(() => socket.write(serverFrame(0x81, '{"command":"heartbeat"}')), 5_000);
    socket.on('close', () => clearInterval(beats));
    answered(socket);
  };
  const server = await startRawServer((socket) => upgradeAndAnswer(socket, beat, heard));
  servers.push(server);
  asked.endpoints.set(name, `ws://${server.address}/`);
}

const call = (name: string) =>
  phone.placeCall({
    target: `sip:${name}@${asked.gateway.udp}`,
    codecs: ['pcmu'],
    playTone: { frequencyHz: 400, levelDbfs: -20 },
    recordSeconds: 1,
  });

describe.skipIf(process.platform !== 'linux')('a stream server that does not read', () => {
  it('is kept at most two seconds behind, at little cost, and ended after half a minute', async () => {
    // Half of what comes.
    await serve('slow', (socket) => {
      socket.pause();
      const sips = setInterval(() => {
        socket.read(bytesPerSecond / 20);
      }, 100);
      socket.on('close', () => clearInterval(sips));
    });
    // Reads nothing for so long, and then all: what it gets at once is what was kept for it.
    let resumedMs = 0;
    let burstBytes = 0;
    await serve(
      'late',
      (socket) => {
        socket.pause();
        setTimeout(() => {
          resumedMs = performance.now();
          socket.resume();
        }, 10_000);
      },
      (bytes) => {
        if (resumedMs > 0 && performance.now() - resumedMs < 1_000) burstBytes += bytes.length;
      },
    );
    await serve('stuck', (socket) => {
      socket.pause();
    });
    await serve(
      'honest',
      () => {},
      () => {},
    );
    const honest = await call('honest');
    const others = await Promise.all(['slow', 'late'].map(call));
    await until('three calls', async () => (await asked.gateway.calls()).length === 3);
    await new Promise((resume) => setTimeout(resume, 1_000));
    const beforeMb = residentMb(asked.gateway.pid);
    let peakMb = beforeMb;
    const watch = setInterval(() => {
      peakMb = Math.max(peakMb, residentMb(asked.gateway.pid));
    }, 100);
    const startedMs = performance.now();
    const stuck = await Promise.all(Array.from({ length: stuckCalls }, () => call('stuck')));
    const results = await Promise.all(stuck.map(({ ended }) => ended));
    const seconds = (performance.now() - startedMs) / 1_000;
    clearInterval(watch);
    const callMb = (peakMb - beforeMb) / stuckCalls;
    const [slow, late] = await Promise.all(
      others.map(async (placed, index) => {
        if (index === 1) placed.hangUp();
        return placed.ended;
      }),
    );
    honest.hangUp();
    const dropped = await asked.gateway.metric('callwire_stream_frames_dropped_total');
    console.log(
      `figure row 9: ended after ${seconds.toFixed(1)} s, ${callMb.toFixed(2)} MB a stuck call, ` +
        `${dropped} messages dropped, ${(burstBytes / bytesPerSecond).toFixed(2)} s of audio came in the first second of reading again`,
    );
    for (const result of [...results, slow!]) {
      expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
      expect(result.reasonHeader).toContain('stream connection lost: NOTREADING');
    }
    expect(late).toMatchObject({ outcome: 'completed', endedBy: 'phone' });
    expect(await honest.ended).toMatchObject({ outcome: 'completed', endedBy: 'phone' });
    // The kernels' buffers and the two seconds fill first.
    expect(seconds).toBeGreaterThan(stuckSeconds);
    expect(seconds).toBeLessThan(stuckSeconds + 8);
    expect(callMb).toBeLessThan(callMbMax);
    expect(dropped).toBeGreaterThan(stuckCalls * stuckSeconds * 50 * 0.8);
    expect(asked.gateway.log).toContain('uplink-dropped');
    expect(await asked.gateway.metric('callwire_stream_stuck_total')).toBe(stuckCalls + 1);
    // What waited with us, in the two kernels, and the second itself.
    expect(burstBytes / bytesPerSecond).toBeGreaterThan(2);
    expect(burstBytes / bytesPerSecond).toBeLessThan(2 + 1 + 4);
    await asked.gateway.whenEmpty(5_000);
  });
});
