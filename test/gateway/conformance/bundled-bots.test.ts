import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, type BotOptions, startBot } from '../../../gateway/bots/bot.ts';
import { type BotServer, createBotServer } from '../../../gateway/bots/bot-server.ts';
import { runConformance } from '../../../gateway/conformance/conformance-run.ts';
import { saveWav } from '../../../gateway/phone/wav-file.ts';

/** What we ship keeps the rules that we judge others by. The talk is long enough to compare sound (R5). */
const timing = { talkMs: 420, settleMs: 40 };

let directory: string;
const bots: (Bot | BotServer)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'callwire-conformance-'));
  await saveWav(join(directory, 'prompt.wav'), {
    pcm: new Int16Array(8_000).fill(1_000),
    sampleRateHz: 8_000,
  });
});

afterAll(async () => {
  await Promise.all(bots.splice(0).map((bot) => bot.close()));
  await rm(directory, { recursive: true });
});

async function judge(url: string): Promise<{ failed: unknown[]; skipped: string[] }> {
  const { results } = await runConformance({ url, timing });
  return {
    failed: results.filter(({ outcome }) => outcome === 'fail'),
    skipped: results.filter(({ outcome }) => outcome === 'skip').map(({ id }) => id),
  };
}

describe.concurrent('a bundled bot keeps every rule', () => {
  const kinds: readonly { name: string; options: BotOptions; file?: string; skipped: string[] }[] = [
    { name: 'echo', options: { kind: 'echo' }, skipped: ['R16'] },
    { name: 'tone', options: { kind: 'tone' }, skipped: ['R16'] },
    { name: 'play', options: { kind: 'play' }, file: 'prompt.wav', skipped: [] },
    { name: 'record', options: { kind: 'record' }, file: 'heard.wav', skipped: ['R5', 'R16'] },
    { name: 'busy', options: { kind: 'echo', reply: 'busy' }, skipped: ['R5', 'R16'] },
    { name: 'reject', options: { kind: 'echo', reply: 'reject' }, skipped: ['R5', 'R16'] },
  ];
  it.each(kinds)('$name', async ({ options, file, skipped }) => {
    const bot = await startBot({ ...options, ...(file && { file: join(directory, file) }) });
    bots.push(bot);
    expect(await judge(bot.url)).toEqual({ failed: [], skipped });
  });

  it('one that uses every extension', async () => {
    const server = await createBotServer({
      port: 0,
      async onCall(call) {
        call.answer();
        if (call.extensions.includes('dtmf')) call.sendDtmf('1w2');
        if (call.extensions.includes('control')) {
          call.pause();
          call.continue();
          await call.status();
        }
        call.play(new Int16Array(call.sampleRate / 2));
        call.on('audio', (pcm) => void call.play(pcm));
        await call.mark('half a second');
        await call.clear();
      },
    });
    bots.push(server);
    expect(await judge(server.url)).toEqual({ failed: [], skipped: [] });
  });
});
