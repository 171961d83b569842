import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { systemClock } from '../../../gateway/clock.ts';
import { createLog } from '../../../gateway/log.ts';
import { createMediaPool, type MediaPool } from '../../../gateway/media/media-pool.ts';
import { systemNetwork } from '../../../gateway/network.ts';
import { MediaCall } from '../../support/media-call.ts';
import { RtpPeer } from '../../support/rtp-peer.ts';

const log = createLog({ level: 'silent' });
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startPool(workers: number, accelerator: 'auto' | 'off' = 'auto'): Promise<MediaPool> {
  const pool = createMediaPool({ workers, ports: [0, 0], rtpTimeoutMs: 0, log, accelerator });
  closers.push(() => pool.close());
  await pool.start();
  return pool;
}

async function echoServer(closed: () => void = () => {}): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  closers.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', (socket) => {
    socket.on('close', closed);
    socket.on('message', (data, isBinary) => {
      socket.send(isBinary ? data : '{"command":"answer"}');
    });
  });
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function until(done: () => boolean, limitMs = 10_000): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!done()) {
    if (performance.now() > deadlineMs) throw new Error('not reached in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a pool of worker threads', () => {
  it('plays to a phone and records it over real sockets, audio changing threads without a copy', async () => {
    const pool = await startPool(1);
    const phone = await RtpPeer.open(systemClock, systemNetwork);
    closers.push(() => phone.close());
    const call = new MediaCall(pool, 'call');
    call.openRtp();
    await until(() => call.event('rtpOpened') !== undefined);
    phone.to = { address: '127.0.0.1', port: call.event('rtpOpened')!.port };
    call.startRtp(phone);
    const { group, rtpId } = call;
    group.send({
      type: 'openRecorder',
      endpointId: 'rec',
      left: rtpId,
      layout: 'stereo',
      sampleRateHz: 8000,
    });
    group.send({ type: 'openPlayer', endpointId: 'player', sampleRateHz: 16_000 });
    group.send({ type: 'route', source: 'player', sink: rtpId });
    const prompt = new Int16Array(8000).fill(9000);
    const part = prompt.subarray(0, 4000);
    group.send({ type: 'playAudio', endpointId: 'player', samples: part, last: false });
    expect(prompt).toHaveLength(8000);
    group.send({ type: 'playAudio', endpointId: 'player', samples: prompt, last: true });
    expect(prompt).toHaveLength(0);
    await until(() => call.event('playerDone') !== undefined);
    expect(call.event('playerDone')).toMatchObject({ playedMs: 750, stopped: false });
    expect(phone.heardPcm.filter((sample) => sample > 8500).length).toBeGreaterThan(5500);
    group.send({ type: 'closeRecorder', endpointId: 'rec' });
    await until(() => call.event('recorderClosed') !== undefined);
    const recorded = call.all('recorded');
    const loud = recorded.flatMap(({ samples }) => [...samples]).filter((sample) => sample > 8500).length;
    expect(loud).toBeGreaterThan(5500);
    const samples = recorded.reduce((sum, each) => sum + each.samples.length, 0);
    expect(samples / 16).toBeCloseTo(call.event('recorderClosed')!.durationMs, 6);
  });

  it.each(['auto', 'off'] as const)(
    'carries an echo call over real sockets, accelerator %s',
    async (accelerator) => {
      const pool = await startPool(1, accelerator);
      const url = await echoServer();
      const phone = await RtpPeer.open(systemClock, systemNetwork);
      closers.push(() => phone.close());
      const call = new MediaCall(pool, 'call');
      call.openRtp();
      call.openStream({ url });
      await until(() => call.event('rtpOpened') !== undefined && call.event('streamReplied') !== undefined);
      phone.to = { address: '127.0.0.1', port: call.event('rtpOpened')!.port };
      call.startRtp(phone);
      call.bridge();
      phone.sayTone();
      await until(() => phone.heardPcm.some((sample) => Math.abs(sample) > 7000));

      const report = await pool.report();
      expect(report.rtp.get(call.rtpId)?.packetsReceived).toBeGreaterThan(0);
      expect(report.streams.get(call.streamId)?.framesSent).toBeGreaterThan(0);
      expect(report.workers[0]).toMatchObject({ endpoints: 2, portsInUse: 1 });

      phone.stop();
      call.closeRtp();
      call.closeStream();
      await until(() => call.event('rtpClosed') !== undefined && call.event('streamClosed') !== undefined);
      expect(call.event('streamClosed')?.end).toEqual({ cause: 'local' });
      call.group.release();
      expect((await pool.report()).workers[0]).toMatchObject({ endpoints: 0, portsInUse: 0 });
    },
  );

  it('spreads calls over its workers and closes what a released call left open', async () => {
    const pool = await startPool(2);
    const calls = Array.from({ length: 6 }, (_, index) => new MediaCall(pool, `call${index}`));
    expect(calls.map((call) => call.group.worker)).toEqual([0, 1, 0, 1, 0, 1]);
    for (const call of calls) call.openRtp();
    await until(() => calls.every((call) => call.event('rtpOpened') !== undefined));
    expect((await pool.report()).workers.map((worker) => worker.portsInUse)).toEqual([3, 3]);
    for (const call of calls) call.group.release();
    expect(new MediaCall(pool, 'next').group.worker).toBe(0);
    expect((await pool.report()).workers.map((worker) => worker.portsInUse)).toEqual([0, 0]);
    expect(calls.flatMap((call) => call.all('rtpClosed'))).toEqual([]);
  });

  it.each(['auto', 'off'] as const)(
    'tells the calls of a worker that died, and replaces it (%s)',
    async (accelerator) => {
      const threads: Worker[] = [];
      const remember = (thread: Worker) => threads.push(thread);
      process.on('worker', remember);
      closers.push(() => process.off('worker', remember));
      const pool = await startPool(1, accelerator);
      let closed = 0;
      const url = await echoServer(() => closed++);
      const call = new MediaCall(pool, 'call');
      call.openRtp();
      call.openStream({ url });
      await until(() => call.event('rtpOpened') !== undefined && call.event('streamReplied') !== undefined);
      await threads.at(-1)!.terminate();
      await until(() => call.event('rtpFailed') !== undefined && call.event('streamClosed') !== undefined);
      expect(call.event('rtpFailed')?.code).toBe('WORKERDIED');
      expect(call.event('streamClosed')?.end).toEqual({ cause: 'local' });
      call.group.release();
      await until(() => closed === 1);

      const early = new MediaCall(pool, 'early');
      early.openRtp();
      await until(() => early.event('rtpFailed') !== undefined || early.event('rtpOpened') !== undefined);
      expect((await pool.report()).workers).toHaveLength(1);
      let later = new MediaCall(pool, 'later0');
      for (let attempt = 1; later.event('rtpOpened') === undefined; attempt++) {
        later = new MediaCall(pool, `later${attempt}`);
        later.openRtp();
        await until(() => later.events.length > 0);
        if (later.event('rtpOpened') === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect((await pool.report()).workers[0]?.endpoints).toBeGreaterThanOrEqual(1);
    },
  );
});
