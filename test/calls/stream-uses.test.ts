import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../gateway/clock.ts';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import { openWebSocket } from '../../gateway/media/websocket.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { placeCall } from '../../gateway/phone/phone.ts';
import { checkCallout } from '../../protocol/svaml/callout.ts';
import { type Agent, closeAgents, createAgent } from '../gateway/signaling/agents.ts';
import { RtpPeer } from '../support/rtp-peer.ts';
import { sdp } from './bare-phone.ts';
import { toneShare } from './control-world.ts';

/** What a stream is for, over the sockets of this machine: a call that an application routes to it, a room that it is in
 *  with phones, and a stream by itself. */

const key = 'test-app';
let gateway: Gateway;
let application: Server;
let streams: WebSocketServer;
let dice: { readonly callid: string; readonly result: string; readonly reason: string }[] = [];

/** One side of the stream server: says a tone of its own where the call headers name one, else what it hears. */
interface StreamSide {
  readonly socket: WebSocket;
  readonly connect: {
    readonly callId: string;
    readonly sampleRate: number;
    readonly callHeaders: Record<string, string>;
  };
  readonly heard: Buffer[];
}
let sides: StreamSide[] = [];

function serveStream(socket: WebSocket): void {
  let side: StreamSide | undefined;
  let timer: NodeJS.Timeout | undefined;
  socket.on('message', (data: Buffer, binary) => {
    if (!binary) {
      side = { socket, connect: JSON.parse(data.toString()), heard: [] };
      sides.push(side);
      socket.send(JSON.stringify({ command: 'answer' }));
      const frequencyHz = Number(side.connect.callHeaders.tone ?? 0);
      if (frequencyHz > 0) timer = speak(side, frequencyHz);
      return;
    }
    side?.heard.push(data);
    if (side?.connect.callHeaders.tone === undefined) socket.send(data);
  });
  socket.on('close', () => clearInterval(timer));
}

function speak({ socket, connect: { sampleRate } }: StreamSide, frequencyHz: number): NodeJS.Timeout {
  const beganMs = performance.now();
  let said = 0;
  return setInterval(() => {
    const due = Math.floor(((performance.now() - beganMs + 40) * sampleRate) / 1_000) - said;
    const pcm = Int16Array.from({ length: due }, () =>
      Math.round(6_000 * Math.sin((2 * Math.PI * frequencyHz * said++) / sampleRate)),
    );
    socket.send(new Uint8Array(pcm.buffer));
  }, 20);
}

beforeAll(async () => {
  streams = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  streams.on('connection', serveStream);
  await new Promise((resolve) => streams.once('listening', resolve));
  application = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const message = JSON.parse(Buffer.concat(parts).toString());
      if (message.event === 'dice') dice.push(message);
      const answer = message.event === 'ice' ? JSON.parse(streamIce(16_000)) : {};
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  const { port } = application.address() as AddressInfo;
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0], codecs: ['l16', 'pcmu'] },
      http: { listen: '127.0.0.1:0' },
      applications: [
        { key, secret: 'c2VjcmV0LXNlY3JldA==', callbackUrl: `http://127.0.0.1:${port}/callback` },
      ],
      routes: [{ to: '*', application: key }],
      stream: { endpoints: { allow: ['ws://127.0.0.1:*'] } },
    } as never),
    {
      log: silentLog,
      createMediaPool: (settings) =>
        createInlineMediaPool({
          ...settings,
          clock: systemClock,
          network: systemNetwork,
          openStreamSocket: openWebSocket,
        }),
    },
  );
});

afterEach(async () => {
  await closeAgents();
  await vi.waitFor(() => expect(gateway.activeCalls).toBe(0), { timeout: 5_000 });
  sides = [];
  dice = [];
});

afterAll(async () => {
  await gateway?.close();
  for (const socket of streams.clients) socket.terminate();
  streams.close();
  application.close();
});

function streamIce(sampleRate: number, tone?: number): string {
  const { port } = streams.address() as AddressInfo;
  return JSON.stringify({
    action: {
      name: 'connectStream',
      destination: { type: 'websocket', endpoint: `ws://127.0.0.1:${port}/` },
      streamingOptions: { sampleRate },
      ...(tone === undefined ? {} : { callHeaders: [{ key: 'tone', value: `${tone}` }] }),
    },
  });
}

/** A phone that answers with this format and says a tone at its rate. */
interface Person {
  readonly agent: Agent;
  readonly rtp: RtpPeer;
  readonly uri: string;
}

async function openPerson(seed: number, rateHz: number, frequencyHz: number): Promise<Person> {
  const agent = await createAgent({ clock: systemClock, network: systemNetwork }, { seed });
  const rtp = await RtpPeer.open(systemClock, systemNetwork);
  agent.on.invited = (session) => {
    rtp.to = { address: '127.0.0.1', port: Number(/^m=audio (\d+)/m.exec(session.offer ?? '')![1]) };
    const wide = new RegExp(`a=rtpmap:(\\d+) L16/${rateHz}`).exec(session.offer!)?.[1];
    const formats =
      rateHz === 8_000 ? { formats: '0' } : { formats: wide!, rtpmaps: [`${wide} L16/${rateHz}`] };
    session.accept({ sdp: sdp({ port: rtp.port, ...formats, ...(rateHz === 8_000 && { rtpmaps: [] }) }) });
    if (rateHz === 8_000) return rtp.sayTone({ frequencyHz });
    rtp.payloadType = Number(wide);
    sayWide(rtp, rateHz, frequencyHz);
  };
  return { agent, rtp, uri: agent.uri };
}

/** L16 is big-endian (RFC 3551 §4.5.11). */
function sayWide(rtp: RtpPeer, rateHz: number, frequencyHz: number): void {
  const samples = rateHz / 50;
  let said = 0;
  const beganMs = performance.now();
  const tick = (): void => {
    while (said * 1_000 <= (performance.now() - beganMs) * rateHz) {
      const payload = Buffer.alloc(samples * 2);
      for (let at = 0; at < samples; at++)
        payload.writeInt16BE(
          Math.round(6_000 * Math.sin((2 * Math.PI * frequencyHz * said++) / rateHz)),
          at * 2,
        );
      rtp.sayPayload(payload, samples);
    }
  };
  const timer = setInterval(tick, 20);
  wideTimers.push(timer);
}
const wideTimers: NodeJS.Timeout[] = [];

function wideHeard(rtp: RtpPeer): Int16Array {
  const bytes = Buffer.concat(rtp.heard.map(({ payload }) => payload));
  return Int16Array.from({ length: bytes.length / 2 }, (_, at) => bytes.readInt16BE(at * 2));
}

const lastOf = (pcm: Int16Array, rateHz: number) => pcm.subarray(Math.max(0, pcm.length - rateHz / 2));

it('an application routes a call to a stream server', async () => {
  const call = await placeCall({
    target: `sip:bot@${gateway.listening.sip[0]!.replace('udp:', '')}`,
    playTone: { frequencyHz: 1_000, levelDbfs: -12 },
    durationMs: 1_200,
  });
  expect(await call.ended).toMatchObject({ outcome: 'completed' });
  expect(sides[0]?.connect).toMatchObject({ sampleRate: 16_000, applicationKey: key, to: 'bot' });
  await vi.waitFor(() => expect(dice).toHaveLength(1));
  expect(dice[0]).toMatchObject({
    result: 'ANSWERED',
    reason: 'CALLERHANGUP',
    callid: sides[0]!.connect.callId,
  });
});

it('two phones and a stream in one room, at three rates: each hears both others and not itself', async () => {
  const people = [await openPerson(51, 8_000, 500), await openPerson(52, 16_000, 700)] as const;
  const conferenceId = 'all';
  for (const { uri } of people) {
    await gateway.control.callout(
      key,
      checkCallout({
        method: 'conferenceCallout',
        conferenceCallout: { conferenceId, destination: { type: 'sip', endpoint: uri }, enableDice: true },
      }),
    );
  }
  await gateway.control.callout(
    key,
    checkCallout({
      method: 'customCallout',
      customCallout: {
        ice: streamIce(24_000, 900),
        ace: JSON.stringify({ action: { name: 'connectConf', conferenceId } }),
      },
    }),
  );
  await vi.waitFor(() => expect(gateway.control.conference(key, conferenceId)?.participants).toHaveLength(3));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const [narrow, wide] = people;
  const heard = [
    { own: 500, rateHz: 8_000, pcm: lastOf(narrow.rtp.heardPcm, 8_000) },
    { own: 700, rateHz: 16_000, pcm: lastOf(wideHeard(wide.rtp), 16_000) },
    {
      own: 900,
      rateHz: 24_000,
      pcm: lastOf(new Int16Array(new Uint8Array(Buffer.concat(sides[0]!.heard)).buffer), 24_000),
    },
  ];
  for (const { own, rateHz, pcm } of heard) {
    for (const tone of [500, 700, 900]) {
      const share = toneShare(pcm, tone, rateHz);
      if (tone === own) expect(share, `${own} hears itself`).toBeLessThan(0.1);
      else expect(share, `${own} hears ${tone}`).toBeGreaterThan(0.25);
    }
  }
  gateway.control.kick(key, conferenceId);
  await vi.waitFor(() => expect(dice).toHaveLength(3));
  for (const message of dice) expect(message).toMatchObject({ result: 'ANSWERED', reason: 'MANAGERHANGUP' });
  for (const timer of wideTimers.splice(0)) clearInterval(timer);
  for (const { rtp } of people) rtp.close();
});

it('a stream by itself: connected, described, hung up', async () => {
  const { callId } = await gateway.control.callout(
    key,
    checkCallout({ method: 'customCallout', customCallout: { ice: streamIce(48_000), enableAce: false } }),
  );
  await vi.waitFor(() => expect(sides).toHaveLength(1));
  expect(sides[0]?.connect).toMatchObject({ callId, sampleRate: 48_000 });
  const closed = new Promise<[number, string]>((resolve) =>
    sides[0]!.socket.once('close', (code, reason) => resolve([code, reason.toString()])),
  );
  await vi.waitFor(() =>
    expect(gateway.control.describe(callId)).toMatchObject({ status: 'ONGOING', to: { type: 'websocket' } }),
  );
  expect(gateway.control.hangup(callId)).toBe(true);
  expect(await closed).toEqual([1000, 'MANAGERHANGUP']);
  await vi.waitFor(() => expect(dice).toHaveLength(1));
  expect(dice[0]).toMatchObject({ callid: callId, reason: 'MANAGERHANGUP' });
});
