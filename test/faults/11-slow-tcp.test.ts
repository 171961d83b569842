import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { createPhone } from '../../gateway/phone/phone.ts';
import { routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { residentMb, threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';

/** Row 11, its slow part: connections that say nothing, say it byte by byte, announce what never comes, or do not read.
 *  The floods are in test/interop/junk.test.ts, the abandoned INVITEs in test/calls/abandoned.test.ts. */

const sources = 60;
const manners = ['is silent', 'trickles', 'announces a body', 'sends line breaks', 'does not read'] as const;
/** The gateway gives them 32 s. */
const lifeMsMax = 34_000;
/** One of the last kind is enough: it costs work, too. */
const notReading = 1;
const setupMsMax = 500;
const growthMbMax = 100;

const processes = new Processes();
let echo: Bot | undefined;
const sockets: Socket[] = [];

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await processes.endAll();
  await echo?.close();
});

function options(target: string, index: number): string {
  return [
    `OPTIONS sip:${target} SIP/2.0`,
    `Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK${index}`,
    'From: <sip:a@b>;tag=1',
    `To: <sip:${target}>`,
    `Call-ID: slow-${index}`,
    'CSeq: 1 OPTIONS',
    'Max-Forwards: 70',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

function misbehave(socket: Socket, manner: (typeof manners)[number], target: string, index: number): void {
  const request = options(target, index);
  const every = (byMs: number, run: (turn: number) => void): void => {
    let turn = 0;
    const timer = setInterval(() => run(turn++), byMs);
    socket.on('close', () => clearInterval(timer));
  };
  if (manner === 'trickles') every(500, (turn) => socket.write(request[turn % 40]!));
  else if (manner === 'announces a body') socket.write(request.replace('Length: 0', 'Length: 60000'));
  else if (manner === 'sends line breaks') every(1_000, () => socket.write('\r\n\r\n'));
  else if (manner === 'does not read') {
    socket.pause();
    every(20, (turn) => socket.write(options(target, index * 100_000 + turn).repeat(5)));
  }
}

it.skipIf(process.platform !== 'linux')(
  'slow connections from 60 sources are closed by 36 s, and honest calls are set up meanwhile',
  async () => {
    echo = await startBot({ kind: 'echo' });
    const gateway = await startGatewayProcess(processes, { routes: [routeTo('echo', echo.url)] });
    const phone = await createPhone({ address: '127.0.0.1', protocol: 'tcp' });
    const call = async () =>
      (
        await phone.placeCall({
          target: `sip:echo@${gateway.tcp};transport=tcp`,
          durationMs: 200,
          codecs: ['pcmu'],
          recordSeconds: 1,
        })
      ).ended;
    await Promise.all(Array.from({ length: 4 }, call));
    await gateway.whenEmpty();
    const beforeMb = residentMb(gateway.pid);
    const waitedBefore = threadTimes(gateway.pid).waitedMs + threadTimes(process.pid).waitedMs;
    let peakMb = beforeMb;
    const [address, port] = gateway.tcp.split(':') as [string, string];
    const lives: { manner: string; lifeMs: number | undefined }[] = [];
    const begin = async (source: number, index: number): Promise<void> => {
      const manner = manners[index]!;
      const socket = connect({ host: address, port: Number(port), localAddress: `127.0.3.${source + 1}` });
      socket.on('error', () => {});
      sockets.push(socket);
      await once(socket, 'connect');
      const openedMs = performance.now();
      const life: (typeof lives)[number] = { manner, lifeMs: undefined };
      if (manner !== 'does not read') lives.push(life);
      socket.on('data', () => {});
      socket.on('close', () => {
        life.lifeMs = performance.now() - openedMs;
      });
      misbehave(socket, manner, gateway.tcp, source * manners.length + index);
    };
    await Promise.all(
      Array.from({ length: sources }, (_, source) =>
        manners.map((manner, index) =>
          manner === 'does not read' && source >= notReading ? undefined : begin(source, index),
        ),
      ).flat(),
    );
    const openedMs = performance.now();
    const setups: number[] = [];
    while (performance.now() - openedMs < lifeMsMax) {
      setups.push((await call()).setupMs ?? Number.POSITIVE_INFINITY);
      peakMb = Math.max(peakMb, residentMb(gateway.pid));
      await new Promise((resume) => setTimeout(resume, 300));
    }
    const waitedMs = threadTimes(gateway.pid).waitedMs + threadTimes(process.pid).waitedMs - waitedBefore;
    const setupMs = setups.toSorted((a, b) => a - b)[Math.ceil(setups.length * 0.95) - 1]!;
    const open = lives.filter(({ lifeMs }) => lifeMs === undefined).map(({ manner }) => manner);
    const longestMs = Math.max(...lives.map(({ lifeMs }) => lifeMs ?? Number.POSITIVE_INFINITY));
    console.log(
      `figure row 11: ${lives.length} slow connections closed after ${(longestMs / 1_000).toFixed(1)} s at most, ` +
        `${setups.length} honest calls over TCP set up in ${setupMs.toFixed(0)} ms (p95), memory grew by ` +
        `${(peakMb - beforeMb).toFixed(0)} MB (waited ${waitedMs.toFixed(0)} ms for a processor in all)`,
    );
    await phone.close();
    expect([...new Set(open)]).toEqual([]);
    expect(setupMs).toBeLessThan(setupMsMax + waitedMs / setups.length);
    expect(peakMb - beforeMb).toBeLessThan(growthMbMax);
  },
);
