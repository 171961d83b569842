import { fork } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type WebSocket, WebSocketServer } from 'ws';
import type { MediaEvent } from '../gateway/media/media-messages.ts';
import { createMediaPool, type MediaGroup } from '../gateway/media/media-pool.ts';

/** The media plane alone under load, without SIP: N echo calls through a pool in a process of its own.
 *  `node dist/bench/media-micro.js [calls] [seconds] [sampleRateHz] [workers] [auto|off] [room]` prints what a call
 *  costs; `auto` or `off` is `media.accelerator`. With `room` the phones of a worker are in one conference instead, and
 *  no streams are there. */

interface Order {
  readonly calls: number;
  readonly sampleRateHz: number;
  readonly workers: number;
  readonly accelerator: 'auto' | 'off';
  readonly room: boolean;
  readonly url: string;
  readonly phonePort: number;
}

if (process.argv[2] === '--gateway') runGateway();
else await runLoad();

// ---- The process that is measured ----------------------------------------------------------------------------

function runGateway(): void {
  const log = console as unknown as Parameters<typeof createMediaPool>[0]['log'];
  process.once('message', async (order: Order) => {
    const pool = createMediaPool({
      workers: order.workers,
      ports: [0, 0],
      rtpTimeoutMs: 0,
      log,
      accelerator: order.accelerator,
    });
    await pool.start();
    const rooms = Array.from({ length: order.room ? order.workers : 0 }, (_, worker) => {
      const group = pool.openGroup(() => {});
      group.send({ type: 'openMixer', endpointId: `room.${worker}` });
      return group;
    });
    const ports: number[] = [];
    for (let index = 0; index < order.calls; index++) ports.push(await openCall(pool, order, index, rooms));
    process.send!({ ports });
    process.on('message', async (message) => {
      if (message === 'measure') {
        const { workers } = await pool.report();
        process.send!({ cpu: process.cpuUsage(), memory: process.memoryUsage().rss, workers });
      } else {
        await pool.close();
        process.exit(0);
      }
    });
  });
}

function openCall(
  pool: ReturnType<typeof createMediaPool>,
  order: Order,
  index: number,
  rooms: readonly MediaGroup[],
): Promise<number> {
  const rtpId = `${index}.rtp`;
  const streamId = `${index}.stream`;
  const remote = { address: '127.0.0.1', port: order.phonePort };
  return new Promise((resolve) => {
    let port = 0;
    const start = () => {
      group.send({
        type: 'setRtpSession',
        endpointId: rtpId,
        session: {
          remote,
          remoteRtcp: remote,
          codec: 'pcmu',
          payloadTypeSend: 0,
          payloadTypeReceive: 0,
          dtmfPayloadTypeSend: 101,
          dtmfPayloadTypeReceive: 101,
          ptimeMs: 20,
          direction: 'sendrecv',
          symmetric: 'off',
          rtcpMux: false,
        },
      });
    };
    const place = rooms.length === 0 ? undefined : rooms[index % rooms.length];
    const receive = (event: MediaEvent) => {
      if (event.type === 'rtpOpened' && place !== undefined) {
        start();
        const mixer = `room.${place.worker}`;
        const mode = { speaks: true, hears: true };
        group.send({ type: 'joinMixer', mixer, member: rtpId, sampleRateHz: 8000, mode });
        resolve(event.port);
      } else if (event.type === 'rtpOpened') {
        port = event.port;
        group.send({
          type: 'openStream',
          endpointId: streamId,
          url: `${order.url}?call=${index}`,
          address: undefined,
          headers: {},
          connect: {
            callId: `${index}`,
            applicationKey: '',
            sampleRateHz: order.sampleRateHz,
            callHeaders: [],
            from: '',
            to: '',
            direction: 'inbound',
            sipHeaders: {},
          },
          limits: {
            connectTimeoutMs: 5000,
            answerTimeoutMs: 5000,
            idleTimeoutMs: 60_000,
            bufferBytes: 5_000_000,
          },
        });
      } else if (event.type === 'streamReplied') {
        start();
        group.send({ type: 'bridge', a: rtpId, b: streamId });
        resolve(port);
      } else if (event.type === 'rtpFailed' || event.type === 'notice') {
        console.error(event);
      }
    };
    const group = pool.openGroup(receive, place);
    group.send({ type: 'openRtp', endpointId: rtpId, address: '127.0.0.1', rtcpMux: false });
  });
}

// ---- Phones and stream servers -------------------------------------------------------------------------------

interface Phone {
  readonly sentMs: number[];
  heardMs: number;
  streamed: number;
}

async function runLoad(): Promise<void> {
  const [calls = 300, seconds = 10, sampleRateHz = 16_000, workers = 1] = process.argv
    .slice(2, 6)
    .map(Number);
  const accelerator = process.argv[6] === 'off' ? 'off' : 'auto';
  const uplinkMs: number[] = [];
  const spacingMs: number[] = [];
  const phones: Phone[] = Array.from({ length: calls }, () => ({ sentMs: [], heardMs: 0, streamed: 0 }));
  let measuring = false;

  const http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on('connection', (socket: WebSocket, request) => {
    const phone = phones[Number(new URL(request.url ?? '', 'ws://x').searchParams.get('call'))]!;
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return socket.send('{"command":"answer"}');
      const sentMs = phone.sentMs[phone.streamed++];
      if (measuring && sentMs !== undefined) uplinkMs.push(performance.now() - sentMs);
      socket.send(data);
    });
  });

  const udp = createSocket({
    type: 'udp4',
    recvBufferSize: 4_000_000,
    lookup: (literal, _o, found) => found(null, literal, 4),
  });
  udp.bind(0, '127.0.0.1');
  if (udp.listenerCount('listening') > 0) await once(udp, 'listening');
  const gateway = fork(fileURLToPath(import.meta.url), ['--gateway'], { stdio: 'inherit' });
  const order: Order = {
    calls,
    sampleRateHz,
    workers,
    accelerator,
    room: process.argv[7] === 'room',
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`,
    phonePort: udp.address().port,
  };
  gateway.send(order);
  const [{ ports }] = (await once(gateway, 'message')) as [{ readonly ports: readonly number[] }];

  const callOf = new Map(ports.map((port, index) => [port, index]));
  udp.on('message', (_datagram, from) => {
    const phone = phones[callOf.get(from.port) ?? -1];
    if (phone === undefined) return;
    const nowMs = performance.now();
    if (measuring && phone.heardMs > 0) spacingMs.push(Math.abs(nowMs - phone.heardMs - 20));
    phone.heardMs = nowMs;
  });
  speak(udp, ports, phones);

  await sleep(3000);
  const before = await measure(gateway);
  measuring = true;
  await sleep(seconds * 1000);
  measuring = false;
  const after = await measure(gateway);
  const cpuMs = (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1000;
  console.log(`calls ${calls}, ${sampleRateHz} Hz, ${workers} workers, ${seconds} s`);
  console.log(`CPU ms per call-second   ${(cpuMs / calls / seconds).toFixed(3)}`);
  console.log(`RTP in -> message out    ${percentiles(uplinkMs)}`);
  console.log(`spacing of RTP out       ${percentiles(spacingMs)}`);
  console.log(`resident memory          ${(after.memory / 1e6).toFixed(0)} MB`);
  console.log(`workers                  ${JSON.stringify(after.workers)}`);
  gateway.send('stop');
  await once(gateway, 'exit');
  process.exit(0);
}

/** Ten turns of phones, 2 ms apart. */
function speak(udp: Socket, ports: readonly number[], phones: readonly Phone[]): void {
  const packet = new Uint8Array(172).fill(0xd5);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  packet[1] = 0;
  let turn = Math.ceil(performance.now() / 2);
  const next = () => {
    const nowMs = performance.now();
    for (; turn * 2 <= nowMs; turn++) {
      for (let call = turn % 10; call < ports.length; call += 10) {
        const { sentMs } = phones[call]!;
        view.setUint16(2, sentMs.length & 0xffff);
        view.setUint32(4, sentMs.length * 160);
        view.setUint32(8, call + 1);
        sentMs.push(performance.now());
        udp.send(packet, 0, 172, ports[call]!, '127.0.0.1', () => {});
      }
    }
    setTimeout(next, turn * 2 - performance.now());
  };
  next();
}

interface Measured {
  readonly cpu: NodeJS.CpuUsage;
  readonly memory: number;
  readonly workers: unknown;
}

async function measure(gateway: ReturnType<typeof fork>): Promise<Measured> {
  gateway.send('measure');
  const [measured] = await once(gateway, 'message');
  return measured as Measured;
}

function percentiles(values: number[]): string {
  const sorted = values.sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(2);
  return `p50 ${at(0.5)}  p99 ${at(0.99)}  max ${at(0.99999)} ms  (${sorted.length})`;
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
