import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { opusAvailable } from '../../codecs/opus-native.ts';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { baresip } from '../support/peers/baresip.ts';
import { BaresipPhone, hasModule } from '../support/peers/baresip-phone.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import {
  expectReturned,
  hearTones,
  measureToneWav,
  type ReturnedTone,
  toneHz,
  toneText,
  writeToneWav,
} from '../support/peers/test-tone.ts';

/** Every codec that baresip and the gateway have in common, there and back at three rates of the stream. */

interface CodecLine {
  readonly name: string;
  /** As baresip names it. */
  readonly codec: string;
  readonly module: string;
  /** The WAV that it plays. */
  readonly sampleRateHz: number;
  readonly channels: number;
  /** What two passes through the codec leave of a tone, less a margin. */
  readonly snrDbMin: number;
}

// biome-ignore format: a table reads as a table
const lines: readonly CodecLine[] = [
  { name: 'pcmu', codec: 'PCMU/8000/1',   module: 'g711', sampleRateHz: 8_000,  channels: 1, snrDbMin: 30 },
  { name: 'pcma', codec: 'PCMA/8000/1',   module: 'g711', sampleRateHz: 8_000,  channels: 1, snrDbMin: 30 },
  { name: 'g722', codec: 'G722/16000/1',  module: 'g722', sampleRateHz: 16_000, channels: 1, snrDbMin: 30 },
  { name: 'opus', codec: 'opus/48000/2',  module: 'opus', sampleRateHz: 48_000, channels: 2, snrDbMin: 25 },
  { name: 'l16',  codec: 'L16/16000/1',   module: 'l16',  sampleRateHz: 16_000, channels: 1, snrDbMin: 50 },
];
const rates = [8_000, 16_000, 48_000];
const seconds = 4;

describe.skipIf(baresip.missing)(`baresip talks${baresip.skipped}`, () => {
  const processes = new Processes();
  const recorders = new Map<string, string>();
  const bots: Bot[] = [];
  let directory: string;
  let gateway: GatewayProcess;
  let placed = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-baresip-codecs-'));
    for (const line of lines) writeToneWav(playOf(line), seconds + 4, line);
    const echo = await startEchoProcess(processes);
    const tone = await startBot({ kind: 'tone', toneHz });
    bots.push(tone);
    const routes = [
      ...rates.map((rate) => routeTo(`echo-${rate}`, echo, rate)),
      routeTo('tone', tone.url, 16_000),
    ];
    for (const { name } of lines) {
      const file = join(directory, `uplink-${name}.wav`);
      const bot = await startBot({ kind: 'record', file });
      bots.push(bot);
      recorders.set(name, file);
      routes.push(routeTo(`record-${name}`, bot.url, 16_000));
    }
    gateway = await startGatewayProcess(processes, {
      routes,
      rtp: { codecs: ['opus', 'g722', 'pcmu', 'pcma', 'l16'] },
    });
  });

  afterAll(async () => {
    await processes.endAll();
    for (const bot of bots) await bot.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function playOf({ name }: CodecLine): string {
    return join(directory, `${name}.wav`);
  }

  /** What baresip decoded. */
  async function call(line: CodecLine, to: string): Promise<string> {
    const own = join(directory, `call-${placed++}`);
    mkdirSync(own);
    const phone = await BaresipPhone.start(processes, {
      codecs: [line.codec],
      play: playOf(line),
      directory: own,
    });
    await phone.dial(`sip:${to}@${gateway.udp}`);
    const [summary] = (await gateway.calls()).filter(
      (other) => other.to === to && other.state === 'answered',
    );
    expect(summary?.codec, `${line.name}: codec of the call`).toBe(line.name);
    await new Promise((resume) => setTimeout(resume, seconds * 1_000));
    await phone.command('hangup');
    const [heard] = await phone.quit();
    if (heard === undefined) throw new Error('baresip decoded nothing');
    return heard;
  }

  const usable = lines.filter(
    ({ module, name }) => hasModule(module) && (name !== 'opus' || opusAvailable()),
  );

  it.each(usable.map((line) => [line.name, line] as const))(
    'in %s and hears its own tone at its level and without a gap, through streams at 8, 16 and 48 kHz',
    async (_name, line) => {
      const tones = await hearTones(
        rates.map((rate) => ({
          name: `baresip ${line.name} ${rate} Hz`,
          snrDbMin: line.snrDbMin,
          place: () => call(line, `echo-${rate}`),
        })),
      );
      for (const tone of tones) expectReturned(tone, seconds - 0.7);
      await gateway.whenEmpty();
    },
  );

  it.each(usable.map((line) => [line.name, line] as const))(
    'in %s, and each direction alone is whole',
    async (_name, line) => {
      const [[heard]] = await Promise.all([
        hearTones([
          { name: `baresip ${line.name} downlink`, snrDbMin: line.snrDbMin, place: () => call(line, 'tone') },
        ]),
        call(line, `record-${line.name}`),
      ]);
      const sent = measureToneWav(`baresip ${line.name} uplink`, recorders.get(line.name)!);
      console.log(toneText(sent));
      expect(Math.abs(sent.levelDbChange), 'level of the uplink').toBeLessThan(1);
      expect(sent.gapMsMax, 'gap in the uplink').toBe(0);
      expect(sent.seconds).toBeGreaterThan(seconds - 0.7);
      expectReturned(heard as ReturnedTone, seconds - 0.7);
      await gateway.whenEmpty();
    },
  );

  it('and not a packet of all these calls is lost', async () => {
    await gateway.whenEmpty();
    expect(await gateway.calls()).toEqual([]);
    expect(await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"')).toBe(placed);
    expect(await gateway.metric('callwire_rtp_lost_total')).toBe(0);
  });
});
