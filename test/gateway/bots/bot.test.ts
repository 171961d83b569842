import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { toneLevel } from '../../../codecs/goertzel.ts';
import { parseWav } from '../../../codecs/wav.ts';
import { type Bot, type BotEvent, type BotOptions, startBot } from '../../../gateway/bots/bot.ts';
import { saveWav } from '../../../gateway/phone/wav-file.ts';
import { Caller } from './caller.ts';

const bots: Bot[] = [];
const directories: string[] = [];

async function start(options: BotOptions): Promise<Bot> {
  const bot = await startBot(options);
  bots.push(bot);
  return bot;
}

async function call(bot: Bot, sampleRate?: number): Promise<Caller> {
  const caller = await new Caller(bot.url).opened();
  caller.connect(sampleRate);
  return caller;
}

async function createDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'callwire-bot-'));
  directories.push(directory);
  return directory;
}

afterEach(async () => {
  await Promise.all(bots.splice(0).map((bot) => bot.close()));
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

describe('handshake', () => {
  test.each(['answer', 'busy', 'reject'] as const)('says %s', async (reply) => {
    const caller = await call(await start({ kind: 'echo', reply }));
    await caller.until(() => caller.texts.length > 0);
    expect(caller.texts).toEqual([`{"command":"${reply}"}`]);
  });

  const refused: readonly { name: string; text: string }[] = [
    { name: 'no JSON', text: '{{' },
    { name: 'no object', text: 'null' },
    { name: 'another command', text: '{"command":"clear"}' },
    { name: 'a rate that is no number', text: '{"command":"connect","sampleRate":"8000"}' },
    { name: 'a rate out of range', text: '{"command":"connect","sampleRate":1e9}' },
  ];
  test.each(refused)('closes with 1002 on $name and serves the next call', async ({ text }) => {
    const bot = await start({ kind: 'echo' });
    const caller = await new Caller(bot.url).opened();
    caller.socket.send(text);
    expect((await caller.closed).code).toBe(1002);
    const next = await call(bot);
    await next.until(() => next.texts.length > 0);
  });

  test('survives a peer that speaks no WebSocket', async () => {
    const bot = await start({ kind: 'echo' });
    const { port } = new URL(bot.url);
    for (const bytes of ['\0\x01\x02junk\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n']) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
        socket.on('close', () => resolve()).on('error', () => {});
        socket.resume();
        socket.setTimeout(2_000, () => socket.destroy());
      });
    }
    const caller = await call(bot);
    await caller.until(() => caller.texts.length > 0);
  });

  test('a message beyond a megabyte ends that call alone', async () => {
    const bot = await start({ kind: 'echo' });
    const caller = await call(bot);
    caller.socket.send(Buffer.alloc(2 << 20));
    expect((await caller.closed).code).toBe(1009);
  });

  test('close ends the calls with 1001', async () => {
    const bot = await start({ kind: 'tone' });
    const caller = await call(bot);
    await caller.until(() => caller.binary.length > 0);
    await bot.close();
    expect(await caller.closed).toEqual({ code: 1001, reason: 'SHUTDOWN' });
  });

  test('an address that cannot be used is named', async () => {
    await expect(startBot({ kind: 'echo', listen: 'nowhere' })).rejects.toThrow(
      "listen is 'nowhere', expected ADDRESS:PORT such as 127.0.0.1:9000",
    );
    const { url } = await start({ kind: 'echo' });
    await expect(startBot({ kind: 'echo', listen: new URL(url).host })).rejects.toThrow('EADDRINUSE');
  });

  test('reports the call and its end', async () => {
    const events: BotEvent[] = [];
    const bot = await start({ kind: 'echo', report: (event) => events.push(event) });
    const caller = await call(bot, 16_000);
    caller.socket.send(Buffer.alloc(640));
    await caller.until(() => caller.binary.length > 0);
    caller.socket.close(1000, 'CALLERHANGUP');
    await caller.closed;
    await bot.close();
    const info = { callId: 'c1', from: 'a', to: 'b', sampleRateHz: 16_000 };
    expect(events).toEqual([
      { type: 'called', call: info, reply: 'answer' },
      { type: 'ended', call: info, code: 1000, reason: 'CALLERHANGUP', receivedMs: 20 },
    ]);
  });
});

describe('audio', () => {
  test('echo says back what it hears, once it has answered', async () => {
    const caller = await new Caller((await start({ kind: 'echo' })).url).opened();
    caller.socket.send(Buffer.from('too early'));
    caller.connect();
    for (const text of ['one', 'two', 'three!']) caller.socket.send(Buffer.from(text));
    await caller.until(() => caller.binary.length === 3);
    expect(Buffer.concat(caller.binary).toString()).toBe('onetwothree!');
  });

  test.each([8_000, 16_000, 24_000, 44_100, 48_000, 96_000])('tone at %i Hz', async (sampleRateHz) => {
    const caller = await call(await start({ kind: 'tone' }), sampleRateHz);
    await caller.until(() => caller.binary.length >= 5);
    expect(caller.binary.every(({ length }) => length === sampleRateHz / 25)).toBe(true);
    expect(toneLevel(caller.audio, sampleRateHz, 1_000)).toBeCloseTo(-12, 1);
  });

  test('play plays the file at the rate of the call and hangs up', async () => {
    const file = join(await createDirectory(), 'short.wav');
    const pcm = Int16Array.from({ length: 2_205 }, (_, i) => 10_000 * Math.sin((i * Math.PI) / 11.025));
    await saveWav(file, { pcm, sampleRateHz: 22_050 });
    const caller = await call(await start({ kind: 'play', file }), 16_000);
    expect(await caller.closed).toEqual({ code: 1000, reason: 'PLAYED' });
    expect(caller.audio.length).toBe(1_600);
    expect(toneLevel(caller.audio.subarray(400, 1_200), 16_000, 1_000)).toBeCloseTo(-10.3, 0);
  });

  test('record writes one file a call, odd bytes joined', async () => {
    const file = join(await createDirectory(), 'heard.wav');
    const bot = await start({ kind: 'record', file });
    for (const text of ['abcde', 'xy']) {
      const caller = await call(bot, 24_000);
      await caller.until(() => caller.texts.length > 0);
      for (const letter of text) caller.socket.send(Buffer.from(letter));
      caller.socket.close();
      await caller.closed;
    }
    await bot.close();
    const first = parseWav(await readFile(file));
    const second = parseWav(await readFile(file.replace('.wav', '-2.wav')));
    expect(first.sampleRateHz).toBe(24_000);
    expect(Buffer.from(first.pcm.buffer, 0, 4).toString()).toBe('abcd');
    expect(Buffer.from(second.pcm.buffer, 0, 2).toString()).toBe('xy');
  });

  test('a recording that cannot be written ends the call, not the bot', async () => {
    const events: BotEvent[] = [];
    const file = join(await createDirectory(), 'missing', 'heard.wav');
    const bot = await start({ kind: 'record', file, report: (event) => events.push(event) });
    const caller = await call(bot);
    expect((await caller.closed).code).toBe(1011);
    expect(events).toContainEqual({
      type: 'refused',
      message: expect.stringContaining(`cannot write ${file}`),
    });
  });

  test('play without a readable WAV does not start', async () => {
    const directory = await createDirectory();
    await expect(startBot({ kind: 'play' })).rejects.toThrow('a bot that plays needs a file');
    const file = join(directory, 'none.wav');
    await expect(startBot({ kind: 'play', file })).rejects.toThrow(`cannot read ${file}`);
  });
});
