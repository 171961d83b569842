import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../bench/certificate.ts';
import type { CodecName } from '../../codecs/codec.ts';
import { opusAvailable } from '../../codecs/opus-native.ts';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { callWithLinphone, type LinphoneCodec, linphone } from '../support/peers/linphone.ts';
import { Processes } from '../support/peers/processes.ts';
import {
  expectReturned,
  hearTones,
  measureToneWav,
  toneHz,
  writeToneWav,
} from '../support/peers/test-tone.ts';

/** A softphone on liblinphone: it names several codecs and RTCP XR, splits its lists over many header lines, and plays
 *  through a jitter buffer of its own. */

interface CodecLine {
  readonly name: CodecName;
  readonly codec: LinphoneCodec;
  /** What the codec leaves of a tone, less a margin. */
  readonly snrDbMin: number;
  /** How much louder it hears than was sent, and quieter it sends than it was given. */
  readonly offDb: number;
}

/** Its G.722 is not that of spandsp, which baresip uses and with which we agree, but one of its own: half of full scale
 *  on the line is full scale to it. */
const ownG722Db = 20 * Math.log10(2);

// biome-ignore format: a table reads as a table
const lines: readonly CodecLine[] = [
  { name: 'opus', codec: 'opus', snrDbMin: 25, offDb: 0 },
  { name: 'g722', codec: 'G722', snrDbMin: 30, offDb: ownG722Db },
  { name: 'l16',  codec: 'L16',  snrDbMin: 50, offDb: 0 },
  { name: 'pcmu', codec: 'PCMU', snrDbMin: 30, offDb: 0 },
  { name: 'pcma', codec: 'PCMA', snrDbMin: 30, offDb: 0 },
];
const seconds = 3;
/** It opens its sound files before the call, and its own jitter buffer finds its length within the first second. */
const heardEdgesMs = { first: 1_000, last: 500 };

describe.skipIf(linphone.missing)(`linphonec${linphone.skipped}`, () => {
  const processes = new Processes();
  const bots: Bot[] = [];
  let directory: string;
  let ca: string;
  let play: string;
  let gateway: GatewayProcess;
  let placed = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-linphone-'));
    play = join(directory, 'tone.wav');
    ca = join(directory, 'cert.pem');
    writeToneWav(play, seconds + 6, { sampleRateHz: 16_000 });
    const { cert, key } = createCertificate(Date.now());
    writeFileSync(ca, cert);
    writeFileSync(join(directory, 'key.pem'), key);
    const echo = await startEchoProcess(processes);
    const tone = await startBot({ kind: 'tone', toneHz });
    bots.push(tone);
    const routes = [routeTo('echo', echo, 16_000), routeTo('tone', tone.url, 16_000)];
    for (const { name } of lines) {
      const bot = await startBot({ kind: 'record', file: uplinkOf(name) });
      bots.push(bot);
      routes.push(routeTo(`record-${name}`, bot.url, 16_000));
    }
    gateway = await startGatewayProcess(processes, {
      sip: {
        listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'tls:127.0.0.1:0'],
        tls: { cert: ca, key: join(directory, 'key.pem') },
      },
      rtp: { codecs: lines.map(({ name }) => name) },
      routes,
    });
  });

  afterAll(async () => {
    await processes.endAll();
    for (const bot of bots) await bot.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function uplinkOf(name: CodecName): string {
    return join(directory, `uplink-${name}.wav`);
  }

  /** The WAV of what it heard. */
  async function call(to: string, codec: LinphoneCodec, transport: 'udp' | 'tcp' | 'tls'): Promise<string> {
    const own = join(directory, String(placed++));
    mkdirSync(own);
    const start = `${transport}:127.0.0.1:`;
    const port = gateway.sip.find((text) => text.startsWith(start))!.slice(start.length);
    const target = `sip:${to}@127.0.0.1:${port};transport=${transport}`;
    const tls = transport === 'tls' ? { ca } : {};
    return (await callWithLinphone({ target, codec, play, seconds, directory: own, ...tls })).heard;
  }

  it.each([
    { transport: 'udp', codec: 'PCMU' },
    { transport: 'tcp', codec: 'PCMA' },
    { transport: 'tls', codec: 'PCMU' },
  ] as const)('calls an echo over $transport in $codec and hears its tone', async ({ transport, codec }) => {
    const tone = measureToneWav(
      `linphonec ${transport} ${codec}`,
      await call('echo', codec, transport),
      heardEdgesMs,
    );
    expect(Math.abs(tone.levelDbChange)).toBeLessThan(2);
    expect(tone.seconds).toBeGreaterThan(seconds - 1);
    await gateway.whenEmpty();
    expect(await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"')).toBe(placed);
  });

  const usable = lines.filter(({ name }) => name !== 'opus' || opusAvailable());

  it.each(usable)(
    'in $codec: each direction alone is whole and at its level, and so is the echo',
    async ({ name, codec, snrDbMin, offDb }) => {
      const tones = await hearTones([
        {
          name: `linphonec ${name} downlink`,
          place: () => call('tone', codec, 'udp'),
          edgesMs: heardEdgesMs,
          offDb,
          snrDbMin,
        },
        {
          name: `linphonec ${name} echo`,
          place: () => call('echo', codec, 'udp'),
          edgesMs: heardEdgesMs,
          snrDbMin,
        },
        {
          name: `linphonec ${name} uplink`,
          place: async () => {
            await call(`record-${name}`, codec, 'udp');
            await gateway.whenEmpty();
            return uplinkOf(name);
          },
          offDb: -offDb,
          snrDbMin,
        },
      ]);
      for (const tone of tones) expectReturned(tone, seconds - 1);
      await gateway.whenEmpty();
    },
  );
});
