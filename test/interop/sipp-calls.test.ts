import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, type BotEvent, startBot } from '../../gateway/bots/bot.ts';
import { streamSampleRatesHz } from '../../protocol/stream/messages.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, type SippRun, sipp } from '../support/peers/sipp.ts';
import { measureToneWav, toneText } from '../support/peers/test-tone.ts';

/** sipp sends a second of tone as RTP; a bot on the other side records it. */

const lines = (['udp', 'tcp'] as const).flatMap((transport) =>
  (['PCMU', 'PCMA'] as const).map((codec) => [transport, codec] as const),
);
/** Of the second that sipp sent. */
const heardSecondsMin = 0.95;
const burst = { calls: 100, callsPerSecond: 20 };

describe.skipIf(sipp.missing)(`sipp calls${sipp.skipped}`, () => {
  const processes = new Processes();
  const bots: Bot[] = [];
  const recorders = new Map<number, { readonly file: string; readonly events: BotEvent[] }>();
  let directory: string;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-calls-'));
    const routes = [];
    for (const rate of streamSampleRatesHz) {
      const file = join(directory, `${rate}.wav`);
      const events: BotEvent[] = [];
      const bot = await startBot({ kind: 'record', file, report: (event) => events.push(event) });
      bots.push(bot);
      recorders.set(rate, { file, events });
      routes.push(routeTo(`record-${rate}`, bot.url, rate));
    }
    const echo = await startBot({ kind: 'echo' });
    bots.push(echo);
    gateway = await startGatewayProcess(processes, { routes: [...routes, routeTo('echo', echo.url)] });
  });

  afterAll(async () => {
    await processes.endAll();
    for (const bot of bots) await bot.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function call(run: Omit<SippRun, 'gateway'>): Promise<void> {
    await runSipp(processes, { gateway: gateway[run.transport], ...run });
    await gateway.whenEmpty();
  }

  /** The recording of the last call at this rate; the first is `8000.wav`, the second `8000-2.wav`. */
  function lastRecording(rate: number): string {
    const { file, events } = recorders.get(rate)!;
    const calls = events.filter(({ type }) => type === 'called').length;
    return calls === 1 ? file : file.replace('.wav', `-${calls}.wav`);
  }

  function expectHeard(rate: number, name: string): void {
    const tone = measureToneWav(name, lastRecording(rate), { first: 20, last: 20 });
    console.log(toneText(tone));
    expect(Math.abs(tone.levelDbChange), name).toBeLessThan(1);
    expect(tone.gapMsMax, name).toBe(0);
    expect(tone.seconds, name).toBeGreaterThan(heardSecondsMin);
  }

  it.each(lines)(
    'over %s in %s and is heard at its level and without a gap, at each rate',
    async (transport, codec) => {
      await Promise.all(
        streamSampleRatesHz.map((rate) =>
          runSipp(processes, {
            scenario: 'call',
            transport,
            gateway: gateway[transport],
            codec,
            to: `record-${rate}`,
            checks: {
              body: `m=audio [0-9]+ RTP/AVP ${codec === 'PCMU' ? 0 : 8}`,
              'Content-Type': 'application/sdp',
            },
          }),
        ),
      );
      await gateway.whenEmpty();
      for (const rate of streamSampleRatesHz) expectHeard(rate, `sipp ${transport} ${codec} ${rate} Hz`);
    },
  );

  describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
    it('without SDP: the offer comes in the 200, the answer goes in the ACK', async () => {
      await call({
        scenario: 'late-offer',
        transport,
        to: 'record-16000',
        checks: { body: 'm=audio [0-9]+ RTP/AVP[ 0-9]* 0 8', 'Content-Type': 'application/sdp' },
      });
      expectHeard(16_000, `late offer ${transport}`);
    });

    it('and holds, resumes and talks', async () => {
      await call({ scenario: 'hold', transport, to: 'record-16000' });
      expectHeard(16_000, `after hold ${transport}`);
    });

    it(`${burst.calls} times at ${burst.callsPerSecond} a second, none fails`, async () => {
      const before = await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"');
      await call({ scenario: 'quiet-call', transport, to: 'echo', ...burst, pauseMs: 500, limitMs: 30_000 });
      expect(await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"')).toBe(
        before + burst.calls,
      );
    });
  });
});
