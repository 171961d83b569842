import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import { type GatewayProcess, routeTo, startGatewayProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, sipp } from '../support/peers/sipp.ts';
import { measureToneWav, toneText } from '../support/peers/test-tone.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
const why = hasIpv6 ? sipp.skipped : ' (skipped: this machine has no ::1)';

describe.skipIf(sipp.missing || !hasIpv6)(`sipp calls over IPv6${why}`, () => {
  const processes = new Processes();
  let directory: string;
  let recorder: Bot;
  let gateway: GatewayProcess;
  let recorded = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-ipv6-'));
    recorder = await startBot({
      kind: 'record',
      file: join(directory, 'heard.wav'),
      report: ({ type }) => {
        if (type === 'called') recorded++;
      },
    });
    gateway = await startGatewayProcess(processes, {
      routes: [routeTo('record', recorder.url, 16_000)],
      sip: { listen: ['udp:[::1]:0', 'tcp:[::1]:0'] },
      rtp: { address: '::1' },
    });
  });

  afterAll(async () => {
    await processes.endAll();
    await recorder?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  describe.each(['udp', 'tcp'] as const)('and %s', (transport) => {
    const common = { transport, to: 'record' } as const;

    it('and is heard at its level and without a gap', async () => {
      await runSipp(processes, {
        ...common,
        scenario: 'call',
        gateway: gateway[transport],
        checks: { body: 'c=IN IP6 ::1', Contact: '\\[::1\\]' },
      });
      await gateway.whenEmpty();
      const file = join(directory, recorded === 1 ? 'heard.wav' : `heard-${recorded}.wav`);
      const tone = measureToneWav(`IPv6 ${transport}`, file, { first: 20, last: 20 });
      console.log(toneText(tone));
      expect(Math.abs(tone.levelDbChange)).toBeLessThan(1);
      expect(tone.gapMsMax).toBe(0);
    });

    it.each(['hold', 'late-offer'])('in scenario %s', async (scenario) => {
      await runSipp(processes, { ...common, scenario, gateway: gateway[transport] });
      await gateway.whenEmpty();
    });

    it('and is refused what there is no route for', async () => {
      await runSipp(processes, {
        ...common,
        scenario: 'refused',
        gateway: gateway[transport],
        to: 'elsewhere',
        values: { status: '404' },
      });
    });
  });
});
