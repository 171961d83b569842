import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type BotCall,
  type BotCallEnd,
  type BotServer,
  createBotServer,
} from '../../../gateway/bots/bot-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close();
});

const uuid = Buffer.from('010010000102030405060708090a0b0c0d0e0f', 'hex');
const hangup = Buffer.of(0, 0, 0);

interface Line {
  readonly server: BotServer;
  readonly socket: Socket;
  readonly calls: BotCall[];
  readonly ends: BotCallEnd[];
  readonly errors: unknown[];
  /** All that the bot said, once it has closed. */
  readonly said: Promise<Buffer>;
}

async function line(clock?: FakeClock): Promise<Line> {
  const calls: BotCall[] = [];
  const ends: BotCallEnd[] = [];
  const errors: unknown[] = [];
  const server = await createBotServer({
    port: 0,
    dialect: 'audiosocket',
    ...(clock && { clock }),
    onError: (error) => errors.push(error),
    onCall: (call) => {
      calls.push(call);
      call.on('close', (end) => ends.push(end)).on('audio', (pcm) => call.play(pcm));
      call.answer();
    },
  });
  opened.push(server);
  expect(server.url).toBe(`tcp://127.0.0.1:${server.port}`);
  const socket = connect(server.port, '127.0.0.1');
  opened.push({ close: () => socket.destroy() });
  await once(socket, 'connect');
  const parts: Buffer[] = [];
  socket.on('data', (bytes) => parts.push(bytes)).on('error', () => {});
  const said = once(socket, 'close').then(() => Buffer.concat(parts));
  return { server, socket, calls, ends, errors, said };
}

describe('a bot on TCP', () => {
  it('hears, speaks, and takes a hang-up for the end', async () => {
    const { socket, calls, ends, errors, said } = await line();
    const audio = Buffer.concat([Buffer.of(0x10, 0, 4), Buffer.of(1, 2, 3, 4)]);
    socket.write(Buffer.concat([uuid, audio, hangup]));
    expect(await said).toEqual(Buffer.concat([audio]));
    expect(calls[0]?.callId).toBe('00010203-0405-0607-0809-0a0b0c0d0e0f');
    await calls[0]?.closed;
    expect(ends).toEqual([{ code: 1000, reason: '' }]);
    expect(errors).toEqual([]);
  });

  it('a connection that is lost without a word is 1006', async () => {
    const { server, socket, calls, ends } = await line();
    socket.end(uuid);
    await once(socket, 'close');
    await calls[0]?.closed;
    expect(ends).toEqual([{ code: 1006, reason: '' }]);
    expect(server.calls.size).toBe(0);
  });

  it('hangs up, and says so', async () => {
    const { socket, said, calls } = await line();
    socket.write(Buffer.concat([uuid, Buffer.of(0x10, 0, 2, 0, 0)]));
    await once(socket, 'data');
    calls[0]?.hangup();
    expect((await said).subarray(-3)).toEqual(hangup);
  });

  it('close ends its calls', async () => {
    const { server, socket, said, ends } = await line();
    socket.write(Buffer.concat([uuid, Buffer.of(0x10, 0, 2, 0, 0)]));
    await once(socket, 'data');
    await server.close();
    expect((await said).subarray(-3)).toEqual(hangup);
    expect(ends).toEqual([{ code: 1001, reason: 'SHUTDOWN' }]);
  });

  it('what is no AudioSocket is reported and closed, and so is who says nothing', async () => {
    const http = await line();
    http.socket.write('GET / HTTP/1.1\r\n\r\n');
    await http.said;
    expect(http.errors).toMatchObject([{ code: 'bad-message' }]);
    const clock = new FakeClock();
    const silent = await line(clock);
    silent.socket.write(uuid.subarray(0, 5));
    // The server has the connection once it closes it.
    const closed = silent.said;
    while (!silent.socket.readableEnded) {
      await clock.advance(10_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(silent.calls).toEqual([]);
  });
});
