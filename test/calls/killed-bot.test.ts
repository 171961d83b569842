import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { systemClock } from '../../gateway/clock.ts';
import { type ConfigInput, defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { createLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import { openStreamSocket } from '../../gateway/media/stream-transports.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { placeCall } from '../../gateway/phone/phone.ts';
import { mulawSamples } from '../support/direct-stream.ts';

/** Calls over real sockets whose bot is a process of its own, and is killed. */

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The phone says one number after the other, 20 ms each: 100 that µ-law carries as they are, again and again. */
const numbers = [...mulawSamples].filter((sample) => sample > 0).slice(0, 100);
const speech = Int16Array.from({ length: 160 * 750 }, (_, index) => numbers[Math.floor(index / 160) % 100]!);

const botScript = `
  import { WebSocketServer } from 'ws';
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('listening', () => console.log(server.address().port));
  server.on('connection', (socket) => socket.on('message', (data, isBinary) => {
    if (isBinary) console.log(data.readInt16LE(160));
    else socket.send('{"command":"answer"}');
  }));
`;

/** A bot in a process of its own, which prints what it hears. */
async function startBot(): Promise<{
  readonly url: string;
  readonly heard: number[];
  readonly child: ChildProcess;
}> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', botScript], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  closers.push(() => child.kill('SIGKILL'));
  const heard: number[] = [];
  const lines = createInterface({ input: child.stdout });
  const [port] = (await once(lines, 'line')) as [string];
  lines.on('line', (line) => heard.push(numbers.indexOf(Number(line))));
  return { url: `ws://127.0.0.1:${port}/`, heard, child };
}

/** The one that takes over, in this process. */
async function secondBot(): Promise<{
  readonly url: string;
  readonly heard: number[];
  readonly texts: string[];
}> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  closers.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, 'listening');
  const heard: number[] = [];
  const texts: string[] = [];
  server.on('connection', (socket) =>
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) return heard.push(numbers.indexOf(data.readInt16LE(160)));
      texts.push(data.toString());
      // It takes a while to look the call up; the caller goes on talking.
      return setTimeout(() => socket.send('{"command":"answer"}'), 300);
    }),
  );
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, heard, texts };
}

async function startCall(endpoint: string, streamingOptions: object) {
  const destination = { type: 'Websocket', endpoint };
  const action = { name: 'connectStream', destination, streamingOptions };
  const gateway: Gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { ports: [0, 0], codecs: ['pcmu'] },
      http: { listen: '127.0.0.1:0' },
      routes: [{ to: '*', action }],
    } as ConfigInput),
    {
      log: createLog({ level: 'silent' }),
      createMediaPool: (settings) =>
        createInlineMediaPool({ ...settings, clock: systemClock, network: systemNetwork, openStreamSocket }),
    },
  );
  closers.push(() => gateway.close());
  const [listener] = gateway.listening.sip;
  return placeCall({
    target: `sip:bot@${listener!.replace('udp:', '')}`,
    codecs: ['pcmu'],
    durationMs: 15_000,
    play: { pcm: speech, sampleRateHz: 8000 },
  });
}

async function until(done: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (!done()) {
    if (performance.now() > deadlineMs) throw new Error('not reached in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a bot whose process is killed', () => {
  it("leaves the caller's words of the gap to the next one, once and in order", async () => {
    const [bot, second] = [await startBot(), await secondBot()];
    const call = await startCall(bot.url, { resumeSeconds: 10, fallbackEndpoints: [second.url] });
    await until(() => bot.heard.length > 10);
    bot.child.kill('SIGKILL');
    await once(bot.child, 'close');
    await until(() => second.heard.length > 25);
    expect(JSON.parse(second.texts[0]!)).toMatchObject({ command: 'connect', resumed: true });
    const { heard } = second;
    // Where the machine stood still so long that a packet came too late, it is not the gap that lost it.
    const steps = heard.slice(1).map((number, index) => (number - heard[index]! + 100) % 100);
    expect(steps.filter((step) => step !== 1).length).toBeLessThanOrEqual(1);
    // What was under way when it died, and nothing twice.
    const missed = (heard[0]! - bot.heard.at(-1)! + 100) % 100;
    expect(missed).toBeGreaterThanOrEqual(1);
    expect(missed).toBeLessThan(10);
    call.hangUp();
    await call.ended;
  });

  it('ends the call where nobody asked for resuming', async () => {
    const bot = await startBot();
    const call = await startCall(bot.url, {});
    await until(() => bot.heard.length > 5);
    const killedMs = performance.now();
    bot.child.kill('SIGKILL');
    const result = await call.ended;
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
    expect(result.reasonHeader).toContain('stream connection lost');
    // A second on a machine that does nothing else.
    expect(performance.now() - killedMs).toBeLessThan(5_000);
  });
});
