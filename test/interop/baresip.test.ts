import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { streamSampleRatesHz } from '../../protocol/stream/messages.ts';
import { baresip, callWithBaresip } from '../support/peers/baresip.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { expectReturned, hearTones, writeToneWav } from '../support/peers/test-tone.ts';

/** A softphone on libre: its SDP names the network card of the machine, its packets come over loopback. */

const seconds = 4;
const lines = (['udp', 'tcp'] as const).flatMap((transport) =>
  (['pcmu', 'pcma'] as const).map((codec) => ({ transport, codec })),
);

describe.skipIf(baresip.missing)(`baresip calls an echo${baresip.skipped}`, () => {
  const processes = new Processes();
  let directory: string;
  let play: string;
  let gateway: GatewayProcess;
  let placed = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-baresip-'));
    play = join(directory, 'tone.wav');
    writeToneWav(play, seconds + 4);
    const url = await startEchoProcess(processes);
    gateway = await startGatewayProcess(processes, {
      routes: streamSampleRatesHz.map((rate) => routeTo(`echo-${rate}`, url, rate)),
    });
  });

  afterAll(async () => {
    await processes.endAll();
    rmSync(directory, { recursive: true, force: true });
  });

  async function call(line: (typeof lines)[number], rate: number): Promise<string> {
    const { transport, codec } = line;
    const own = join(directory, String(placed++));
    mkdirSync(own);
    const target = `sip:echo-${rate}@${gateway[transport]};transport=${transport}`;
    const { heard } = await callWithBaresip(processes, {
      target,
      codec,
      transport,
      play,
      seconds,
      directory: own,
    });
    if (heard === undefined) throw new Error('baresip decoded nothing');
    return heard;
  }

  it.each(streamSampleRatesHz)(
    'hears its own tone at its level and without a gap through a stream at %i Hz, over UDP and TCP, in PCMU and PCMA',
    async (rate) => {
      const tones = await hearTones(
        lines.map((line) => ({
          name: `baresip ${line.transport} ${line.codec} ${rate} Hz`,
          place: () => call(line, rate),
        })),
      );
      for (const tone of tones) expectReturned(tone, seconds - 0.7);
      await gateway.whenEmpty();
    },
  );

  it('hangs up every call with BYE, leaves none behind, and none of its packets is lost', async () => {
    await gateway.whenEmpty();
    expect(await gateway.calls()).toEqual([]);
    expect(await gateway.metric('callwire_calls_active')).toBe(0);
    expect(await gateway.metric('callwire_calls_total')).toBe(placed);
    expect(await gateway.metric('callwire_calls_total', 'result="ANSWERED",reason="CALLERHANGUP"')).toBe(
      placed,
    );
    expect(await gateway.metric('callwire_sip_messages_total', 'method="BYE",direction="in"')).toBe(placed);
    expect(await gateway.metric('callwire_rtp_lost_total')).toBe(0);
    expect(await gateway.metric('callwire_stream_dropped_ms_total')).toBe(0);
  });
});
