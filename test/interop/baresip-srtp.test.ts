import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baresip } from '../support/peers/baresip.ts';
import { BaresipPhone, hasModule } from '../support/peers/baresip-phone.ts';
import {
  type GatewayProcess,
  routeTo,
  startEchoProcess,
  startGatewayProcess,
} from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { expectReturned, hearTones, writeToneWav } from '../support/peers/test-tone.ts';

/** Encrypted RTP with libsrtp's other side: keys in SDP, RFC 4568. */

type Policy = 'off' | 'optional' | 'required';

interface Meeting {
  /** rtp.srtp of the gateway. */
  readonly policy: Policy;
  /** Of baresip; undefined for plain RTP. */
  readonly mediaEncryption: string | undefined;
  /** Undefined: refused with 488. */
  readonly talks: 'encrypted' | 'plain' | undefined;
}

// biome-ignore format: a table reads as a table
const meetings: readonly Meeting[] = [
  { policy: 'optional', mediaEncryption: 'srtp-mand',  talks: 'encrypted' },
  { policy: 'optional', mediaEncryption: 'srtp-mandf', talks: 'encrypted' },
  { policy: 'optional', mediaEncryption: 'srtp',       talks: 'encrypted' },
  { policy: 'optional', mediaEncryption: undefined,    talks: 'plain' },
  { policy: 'required', mediaEncryption: 'srtp-mand',  talks: 'encrypted' },
  { policy: 'required', mediaEncryption: undefined,    talks: undefined },
  { policy: 'off',      mediaEncryption: 'srtp-mand',  talks: undefined },
  { policy: 'off',      mediaEncryption: 'srtp',       talks: 'plain' },
];
const seconds = 3;
const skipped = baresip.missing || !hasModule('srtp');

describe.skipIf(skipped)(`baresip with SRTP${baresip.skipped}`, () => {
  const processes = new Processes();
  const gateways = new Map<Policy, GatewayProcess>();
  let directory: string;
  let play: string;
  let placed = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-baresip-srtp-'));
    play = join(directory, 'tone.wav');
    writeToneWav(play, seconds + 4);
    const routes = [routeTo('echo', await startEchoProcess(processes))];
    for (const srtp of ['off', 'optional', 'required'] as const)
      gateways.set(srtp, await startGatewayProcess(processes, { routes, rtp: { srtp } }));
  });

  afterAll(async () => {
    await processes.endAll();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(mediaEncryption: string | undefined): Promise<BaresipPhone> {
    const own = join(directory, `call-${placed++}`);
    mkdirSync(own);
    const given = mediaEncryption === undefined ? {} : { mediaEncryption };
    return BaresipPhone.start(processes, { codecs: ['PCMU/8000/1'], play, directory: own, ...given });
  }

  it.each(meetings.filter(({ talks }) => talks !== undefined))(
    '$mediaEncryption meets rtp.srtp $policy: $talks, the tone comes back whole',
    async ({ policy, mediaEncryption, talks }) => {
      const gateway = gateways.get(policy)!;
      const [tone] = await hearTones([
        {
          name: `baresip ${mediaEncryption} and ${policy}`,
          async place() {
            const phone = await start(mediaEncryption);
            await phone.dial(`sip:echo@${gateway.udp}`);
            await new Promise((resume) => setTimeout(resume, seconds * 1_000));
            await phone.command('hangup');
            const [heard] = await phone.quit();
            if (heard === undefined) throw new Error('baresip decoded nothing');
            return heard;
          },
        },
      ]);
      expectReturned(tone!, seconds - 0.7);
      await gateway.whenEmpty();
      const answers = gateway.log.split('\n').filter((line) => line.includes('"call answered"'));
      const { srtp } = JSON.parse(answers.at(-1)!) as { readonly srtp?: string };
      console.log(`${mediaEncryption} meets ${policy}: ${srtp ?? 'plain'}`);
      if (talks === 'encrypted') expect(srtp).toMatch(/^(AES|AEAD)_/);
      else expect(srtp).toBeUndefined();
      expect(await gateway.metric('callwire_rtp_lost_total')).toBe(0);
    },
  );

  it.each(meetings.filter(({ talks }) => talks === undefined))(
    '$mediaEncryption meets rtp.srtp $policy: refused with 488',
    async ({ policy, mediaEncryption }) => {
      const gateway = gateways.get(policy)!;
      const phone = await start(mediaEncryption);
      await phone.command('dial', `sip:echo@${gateway.udp}`);
      expect((await phone.event('CALL_CLOSED')).param).toContain('488');
      await phone.quit();
      await gateway.whenEmpty();
    },
  );
});
