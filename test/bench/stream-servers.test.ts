import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createCertificate } from '../../bench/certificate.ts';
import type { StreamPlan } from '../../bench/load-messages.ts';
import { createMarkerLoop } from '../../bench/marker-audio.ts';
import { StreamServers } from '../../bench/stream-servers.ts';

const plan: StreamPlan = { host: '127.0.0.1', port: 0, sampleRateHz: 16_000, mode: 'echo', tls: undefined };
const connect = JSON.stringify({ command: 'connect', from: 'sip:bench-12@127.0.0.1' });

let servers: StreamServers | undefined;
const sockets: WebSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
  servers?.close();
});

async function open(changes: Partial<StreamPlan> = {}, ca?: string): Promise<WebSocket> {
  servers = new StreamServers({ ...plan, ...changes });
  const port = await servers.listen();
  const socket = new WebSocket(`${ca === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}/`, {
    ca,
    perMessageDeflate: false,
  });
  sockets.push(socket);
  await once(socket, 'open');
  socket.send(connect);
  const [reply] = await once(socket, 'message');
  expect(JSON.parse(String(reply))).toEqual({ command: 'answer' });
  return socket;
}

describe('stream servers', () => {
  test.each([
    { name: 'over ws', certificate: undefined },
    {
      name: 'over wss, with a certificate that a client can verify',
      certificate: createCertificate(Date.now()),
    },
  ])('answer and echo $name', async ({ certificate }) => {
    const socket = await open({ tls: certificate }, certificate?.cert);
    const audio = Buffer.from(createMarkerLoop(16_000).slice(0, 320).buffer);
    for (const size of [640, 2, 124, 126, 640]) {
      const sent = audio.subarray(0, size);
      socket.send(sent);
      const [echoed, binary] = await once(socket, 'message');
      expect(binary).toBe(true);
      expect(sent.equals(echoed as Buffer)).toBe(true);
    }
    expect(servers!.report().counters).toMatchObject({
      connections: 1,
      active: 1,
      framesReceived: 5,
      framesSent: 5,
      framesOdd: 3,
      violations: 0,
    });
  });

  test('note the markers that they hear and send back', async () => {
    const socket = await open();
    const loop = createMarkerLoop(16_000);
    let echoes = 0;
    const all = new Promise<void>((resolve) =>
      socket.on('message', () => {
        if (++echoes === 60) resolve();
      }),
    );
    for (let frame = 40; frame < 100; frame++)
      socket.send(Buffer.from(loop.slice(frame * 320, frame * 320 + 320).buffer));
    await all;
    const { markersHeard, markersSent, counters } = servers!.report();
    expect(counters).toMatchObject({ framesReceived: 60, framesOdd: 0, framesSilent: 0, markersUnknown: 0 });
    expect(markersHeard).toHaveLength(4);
    expect([...markersHeard.slice(0, 2)]).toEqual([12, 1]);
    expect([...markersSent]).toEqual([...markersHeard]);
  });

  test('answer pings and closes', async () => {
    const socket = await open();
    socket.ping('abc');
    expect(String((await once(socket, 'pong'))[0])).toBe('abc');
    socket.close(1000, 'CALLERHANGUP');
    expect((await once(socket, 'close'))[0]).toBe(1000);
  });

  test('send audio of their own every 20 ms in tone mode', async () => {
    const socket = await open({ mode: 'tone' });
    for (let i = 0; i < 3; i++) {
      const [frame] = await once(socket, 'message');
      expect((frame as Buffer).length).toBe(640);
    }
  });

  test('drop who breaks the protocol', async () => {
    const socket = await open();
    socket.send(Buffer.alloc(1_100_000));
    await once(socket, 'close');
    expect(servers!.report().counters.violations).toBe(1);
  });
});
