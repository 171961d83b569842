import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../bench/certificate.ts';
import { baresip, callWithBaresip } from '../support/peers/baresip.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { measureToneWav, writeToneWav } from '../support/peers/test-tone.ts';

const seconds = 3;

describe.skipIf(baresip.missing)(`baresip calls over TLS${baresip.skipped}`, () => {
  const processes = new Processes();
  let directory: string;
  let play: string;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-baresip-tls-'));
    play = join(directory, 'tone.wav');
    writeToneWav(play, seconds + 4);
    const { cert, key } = createCertificate(Date.now());
    writeFileSync(join(directory, 'cert.pem'), cert);
    writeFileSync(join(directory, 'key.pem'), key);
    const url = await startEchoProcess(processes);
    gateway = await startGatewayProcess(processes, {
      sip: {
        listen: ['tls:127.0.0.1:0'],
        tls: { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') },
      },
      routes: [routeTo('echo', url)],
    });
  });

  afterAll(async () => {
    await processes.endAll();
    rmSync(directory, { recursive: true, force: true });
  });

  it('and hears its tone', async () => {
    const own = join(directory, 'call');
    mkdirSync(own);
    const port = gateway.sip[0]!.replace('tls:127.0.0.1:', '');
    const { heard } = await callWithBaresip(processes, {
      target: `sip:echo@127.0.0.1:${port};transport=tls`,
      codec: 'pcma',
      transport: 'tls',
      ca: join(directory, 'cert.pem'),
      play,
      seconds,
      directory: own,
    });
    const tone = measureToneWav('baresip tls', heard!);
    expect(Math.abs(tone.levelDbChange)).toBeLessThan(1);
    expect(tone.seconds).toBeGreaterThan(seconds - 0.7);
    await gateway.whenEmpty();
    expect(await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"')).toBe(1);
  });
});
