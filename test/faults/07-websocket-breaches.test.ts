import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPhone, type Phone } from '../../gateway/phone/phone.ts';
import type { CallResult } from '../../gateway/phone/phone-call.ts';
import { type AskedGateway, startAskedGateway } from '../support/peers/asked-gateway.ts';
import { residentMb, threadTimes } from '../support/peers/process-figures.ts';
import { Processes } from '../support/peers/processes.ts';
import {
  closeCodeIn,
  serverFrame,
  startRawServer,
  upgradeAndAnswer,
} from '../support/peers/raw-stream-server.ts';
import { until } from '../support/peers/watched-gateway.ts';

/** Row 7: a stream server breaks RFC 6455 in mid-call, and then holds the connection open. */

const byeMsMax = 1_000;
const growthMbMax = 20;
/** At once, of those breaches that would cost memory. */
const crowd = 20;

const processes = new Processes();
const servers: { close(): void }[] = [];
let asked: AskedGateway;
let phone: Phone;

beforeAll(async () => {
  asked = await startAskedGateway(processes, { stream: { bufferBytes: 400_000 } });
  phone = await createPhone({ address: '127.0.0.1' });
  // What so many calls take the first time is not what the breaches cost.
  const server = await startRawServer((socket) =>
    upgradeAndAnswer(socket, () => setTimeout(() => socket.write(serverFrame(0x88, '')), 300)),
  );
  servers.push(server);
  asked.endpoints.set('honest', `ws://${server.address}/`);
  for (let round = 0; round < 2; round++) await callCrowd('honest', crowd);
});

async function callCrowd(name: string, size: number): Promise<CallResult[]> {
  const target = `sip:${name}@${asked.gateway.udp}`;
  const calls = await Promise.all(
    Array.from({ length: size }, () => phone.placeCall({ target, codecs: ['pcmu'], recordSeconds: 1 })),
  );
  return Promise.all(calls.map(({ ended }) => ended));
}

afterAll(async () => {
  await phone?.close();
  await processes.endAll();
  await asked?.callbacks.close();
  for (const server of servers) server.close();
});

const announced = (first: number, ...length: number[]) => Buffer.from([first, 127, ...length]);
const code = (number: number, ...reason: number[]) => Buffer.from([number >> 8, number & 255, ...reason]);

/** As much as the connection takes, until it is gone. */
function pour(socket: Socket, bytes: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.writable && socket.write(bytes)) {}
  };
  socket.on('drain', more);
  more();
}

interface Breach {
  readonly send: Buffer | ((socket: Socket) => void);
  readonly closeCode: number;
  readonly crowd?: boolean;
}

const breaches: Readonly<Record<string, Breach>> = {
  masked: { send: Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5]), closeCode: 1002 },
  rsv1: { send: serverFrame(0xc1, 'a'), closeCode: 1002 },
  rsv3binary: { send: serverFrame(0x92, 'a'), closeCode: 1002 },
  opcode: { send: serverFrame(0x83, 'a'), closeCode: 1002 },
  controlopcode: { send: serverFrame(0x8f, ''), closeCode: 1002 },
  strayfragment: { send: serverFrame(0x80, 'a'), closeCode: 1002 },
  nested: { send: Buffer.concat([serverFrame(0x02, 'ab'), serverFrame(0x82, 'cd')]), closeCode: 1002 },
  fragmentedping: { send: serverFrame(0x09, 'a'), closeCode: 1002 },
  longping: { send: serverFrame(0x89, 'x'.repeat(126)), closeCode: 1002 },
  closeofonebyte: { send: serverFrame(0x88, 'a'), closeCode: 1002 },
  closecode1005: { send: serverFrame(0x88, code(1005)), closeCode: 1002 },
  closecode0: { send: serverFrame(0x88, code(0)), closeCode: 1002 },
  closereason: { send: serverFrame(0x88, code(1000, 0xff, 0xfe)), closeCode: 1007 },
  textnotutf8: { send: serverFrame(0x81, Buffer.from([0xc3, 0x28])), closeCode: 1007 },
  surrogates: { send: serverFrame(0x81, Buffer.from([0xed, 0xa0, 0x80])), closeCode: 1007 },
  longtext: { send: announced(0x81, 0, 0, 0, 0, 0, 1, 0, 1), closeCode: 1009 },
  longbinary: { send: announced(0x82, 0, 0, 0, 0, 0, 0x10, 0, 0), closeCode: 1009 },
  binary2to63: { send: announced(0x82, 0x80, 0, 0, 0, 0, 0, 0, 0), closeCode: 1009 },
  text2to64: { send: announced(0x81, 255, 255, 255, 255, 255, 255, 255, 255), closeCode: 1009 },
  emptyfragments: {
    send: (socket) => {
      socket.write(serverFrame(0x01, ''));
      pour(socket, Buffer.concat(Array.from({ length: 10_000 }, () => serverFrame(0x00, ''))));
    },
    closeCode: 1009,
    crowd: true,
  },
  textfragments: {
    send: (socket) => {
      socket.write(serverFrame(0x01, ''));
      pour(socket, Buffer.concat(Array.from({ length: 10 }, () => serverFrame(0x00, 'x'.repeat(6_000)))));
    },
    closeCode: 1009,
    crowd: true,
  },
  binaryfragments: {
    send: (socket) => {
      socket.write(serverFrame(0x02, ''));
      pour(socket, serverFrame(0x00, Buffer.alloc(60_000)));
    },
    closeCode: 1009,
    crowd: true,
  },
  hugetextpoured: {
    send: (socket) => {
      socket.write(announced(0x81, 0, 0, 0, 1, 0, 0, 0, 0));
      pour(socket, Buffer.alloc(65_536, 97));
    },
    closeCode: 1009,
    crowd: true,
  },
};

describe.skipIf(process.platform !== 'linux')('a stream server that breaks the protocol', () => {
  const tookMs: number[] = [];
  let grownMb = 0;

  it.each(Object.entries(breaches))('%s', async (name, breach) => {
    let brokenMs = 0;
    const heard: Buffer[] = [];
    const server = await startRawServer((socket) =>
      upgradeAndAnswer(
        socket,
        () =>
          // The phone is answered first.
          setTimeout(() => {
            brokenMs = performance.now();
            if (typeof breach.send === 'function') breach.send(socket);
            else socket.write(breach.send);
          }, 300),
        (bytes) => heard.push(bytes),
      ),
    );
    servers.push(server);
    asked.endpoints.set(name, `ws://${server.address}/`);
    const waited = () => threadTimes(asked.gateway.pid).waitedMs + threadTimes(process.pid).waitedMs;
    const [waitedBefore, beforeMb] = [waited(), residentMb(asked.gateway.pid)];
    let peakMb = beforeMb;
    const watch = setInterval(() => {
      peakMb = Math.max(peakMb, residentMb(asked.gateway.pid));
    }, 20);
    const results = await callCrowd(name, breach.crowd === true ? crowd : 1);
    const byeMs = performance.now() - brokenMs;
    clearInterval(watch);
    for (const result of results) {
      expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
      expect(result.reasonHeader).toMatch(/cause=111;text="stream server broke the protocol: /);
    }
    if (breach.crowd !== true) {
      await until('the close', () => closeCodeIn(Buffer.concat(heard)) !== undefined);
      expect(closeCodeIn(Buffer.concat(heard))).toBe(breach.closeCode);
      tookMs.push(byeMs);
      expect(byeMs).toBeLessThan(byeMsMax + waited() - waitedBefore);
      await until('dice', () => asked.dice(name) !== undefined);
      expect(asked.dice(name)).toMatchObject({ result: 'ANSWERED', reason: 'GENERALERROR' });
    } else {
      grownMb = Math.max(grownMb, peakMb - beforeMb);
      expect(peakMb - beforeMb).toBeLessThan(growthMbMax);
    }
    server.close();
  });

  it('leaves nothing behind', async () => {
    console.log(
      `figure row 7: ${Object.keys(breaches).length} breaches: BYE at most ${Math.max(...tookMs).toFixed(0)} ms later, ` +
        `memory grew by at most ${grownMb.toFixed(1)} MB with ${crowd} such calls at once`,
    );
    await asked.gateway.whenEmpty(5_000);
  });
});
