import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import type { CallReport } from '../../gateway/cli/call-report.ts';
import { findEcho } from '../../gateway/phone/audio-measures.ts';
import { convertRate } from '../../gateway/phone/rate-conversion.ts';
import { loadWav } from '../../gateway/phone/wav-file.ts';
import { streamSampleRatesHz } from '../../protocol/stream/messages.ts';
import { freePort } from '../support/peers/free-port.ts';
import {
  type GatewayProcess,
  mainFile,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { type Ended, Processes, tail } from '../support/peers/processes.ts';
import { expectReturned, hearTones, writeToneWav } from '../support/peers/test-tone.ts';

/** The executable as its own peer: a gateway, a phone and a bot, each in a process of its own. */

const seconds = 3;
const lines = (['udp', 'tcp'] as const).flatMap((transport) =>
  (['pcmu', 'pcma'] as const).map((codec) => ({ transport, codec })),
);

const processes = new Processes();
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'callwire-call-'));
});

afterAll(async () => {
  await processes.endAll();
  rmSync(directory, { recursive: true, force: true });
});

function callwire(args: readonly string[], limitMs: number): Promise<Ended> {
  return processes.run(process.execPath, [mainFile, ...args], { limitMs, cwd: directory });
}

async function call(
  target: string,
  args: readonly string[] = [],
): Promise<Ended & { readonly report: CallReport }> {
  const ended = await callwire(['call', target, '--json', ...args], 30_000);
  if (!ended.stdout.startsWith('{')) throw new Error(`callwire call gave no report\n${tail(ended.stderr)}`);
  return { ...ended, report: JSON.parse(ended.stdout) as CallReport };
}

describe('callwire call', () => {
  let busy: Bot;
  let gateway: GatewayProcess;
  let play: string;
  let placed = 0;

  beforeAll(async () => {
    play = join(directory, 'tone.wav');
    writeToneWav(play, seconds + 1);
    const url = await startEchoProcess(processes);
    busy = await startBot({ kind: 'echo', reply: 'busy' });
    gateway = await startGatewayProcess(processes, {
      routes: [
        ...streamSampleRatesHz.map((rate) => routeTo(`echo-${rate}`, url, rate)),
        routeTo('busy', busy.url),
      ],
    });
  });

  afterAll(async () => {
    await busy?.close();
  });

  async function callEcho({ transport, codec }: (typeof lines)[number], rate: number): Promise<string> {
    const record = join(directory, `${placed++}.wav`);
    const target = `sip:echo-${rate}@${gateway[transport]};transport=${transport}`;
    const audio = ['--codec', codec, '--play', play, '--record', record];
    const { status, report } = await call(target, [...audio, '--duration', String(seconds)]);
    expect({ status, codec: report.codec, lost: report.packetsLost }).toEqual({ status: 0, codec, lost: 0 });
    return record;
  }

  it.each(streamSampleRatesHz)(
    'hears its own tone at its level and without a gap through a stream at %i Hz, over UDP and TCP, in PCMU and PCMA',
    async (rate) => {
      const tones = await hearTones(
        lines.map((line) => ({
          name: `call ${line.transport} ${line.codec} ${rate} Hz`,
          place: () => callEcho(line, rate),
        })),
      );
      for (const tone of tones) expectReturned(tone, seconds - 0.3);
      await gateway.whenEmpty();
    },
  );

  it.each(['udp', 'tcp'] as const)('exits with 2 where the far side refuses, over %s', async (transport) => {
    const { status, report } = await call(`sip:busy@${gateway[transport]};transport=${transport}`);
    expect({ status, answer: report.status }).toEqual({ status: 2, answer: 486 });
    expect(report.reasonHeader).toMatch(/cause=17/);
  });

  it.each(['udp', 'tcp'] as const)('exits with 3 where nobody is there, over %s', async (transport) => {
    const target = `sip:echo@127.0.0.1:${await freePort()};transport=${transport}`;
    const { status } = await call(target, ['--ring-timeout', '2']);
    expect(status).toBe(3);
  });

  it('exits with 64 where it cannot be obeyed', async () => {
    expect((await callwire(['call', 'echo'], 10_000)).status).toBe(64);
  });

  it('leaves no call behind in the gateway, and lost no packet', async () => {
    await gateway.whenEmpty();
    expect(await gateway.metric('callwire_calls_total', 'result="ANSWERED"')).toBe(placed);
    expect(await gateway.metric('callwire_rtp_lost_total')).toBe(0);
  });
});

describe('callwire demo', () => {
  it('exits with 0, and what it wrote is what was spoken', async () => {
    const record = join(directory, 'demo.wav');
    const { status, stdout, stderr } = await callwire(['demo', '--record', record], 60_000);
    expect(status, tail(stdout + stderr)).toBe(0);
    const spoken = await loadWav(resolve(import.meta.dirname, '../../gateway/assets/speech.wav'));
    const heard = await loadWav(record);
    const said = convertRate(spoken.pcm, spoken.sampleRateHz, heard.sampleRateHz);
    const echo = findEcho(said, heard.pcm, heard.sampleRateHz);
    console.log(
      `demo: correlation ${echo?.correlation.toFixed(3)}, ${heard.pcm.length / heard.sampleRateHz} s`,
    );
    expect(echo?.correlation).toBeGreaterThan(0.95);
    expect(heard.pcm.length / heard.sampleRateHz).toBeGreaterThan(spoken.pcm.length / spoken.sampleRateHz);
  });
});
