import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../bench/certificate.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { callWithLinphone, linphone } from '../support/peers/linphone.ts';
import { Processes } from '../support/peers/processes.ts';
import { measureToneWav, writeToneWav } from '../support/peers/test-tone.ts';

/** A softphone on liblinphone: it names several codecs and RTCP XR, splits its lists over many header lines, and plays
 *  through a jitter buffer of its own. */

const seconds = 3;

describe.skipIf(linphone.missing)(`linphonec calls an echo${linphone.skipped}`, () => {
  const processes = new Processes();
  let directory: string;
  let ca: string;
  let play: string;
  let gateway: GatewayProcess;
  let placed = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-linphone-'));
    play = join(directory, 'tone.wav');
    ca = join(directory, 'cert.pem');
    writeToneWav(play, seconds + 6);
    const { cert, key } = createCertificate(Date.now());
    writeFileSync(ca, cert);
    writeFileSync(join(directory, 'key.pem'), key);
    const url = await startEchoProcess(processes);
    gateway = await startGatewayProcess(processes, {
      sip: {
        listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'tls:127.0.0.1:0'],
        tls: { cert: ca, key: join(directory, 'key.pem') },
      },
      routes: [routeTo('echo', url, 16_000)],
    });
  });

  afterAll(async () => {
    await processes.endAll();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([
    { transport: 'udp', codec: 'PCMU' },
    { transport: 'udp', codec: 'opus' },
    { transport: 'tcp', codec: 'PCMA' },
    { transport: 'tls', codec: 'PCMU' },
  ] as const)('over $transport in $codec and hears its tone', async ({ transport, codec }) => {
    const own = join(directory, String(placed++));
    mkdirSync(own);
    const start = `${transport}:127.0.0.1:`;
    const port = gateway.sip.find((text) => text.startsWith(start))!.slice(start.length);
    const target = `sip:echo@127.0.0.1:${port};transport=${transport}`;
    const tls = transport === 'tls' ? { ca } : {};
    const { heard } = await callWithLinphone({ target, codec, play, seconds, directory: own, ...tls });
    const tone = measureToneWav(`linphonec ${transport} ${codec}`, heard, { first: 1_000, last: 500 });
    expect(Math.abs(tone.levelDbChange)).toBeLessThan(2);
    expect(tone.seconds).toBeGreaterThan(seconds - 1);
    await gateway.whenEmpty();
    expect(await gateway.metric('callwire_calls_total', 'reason="CALLERHANGUP"')).toBe(placed);
  });
});
