import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import type { Referral } from '../../gateway/signaling/session.ts';
import { routeTo } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import { runSipp, type SippRun, sipp } from '../support/peers/sipp.ts';
import { type StreamServer, startStreamServer } from '../support/peers/stream-servers.ts';
import { measureToneWav, toneText } from '../support/peers/test-tone.ts';
import { startWatchedGateway, until, type WatchedGateway } from '../support/peers/watched-gateway.ts';

/** What a caller may do once the call stands, with scenarios that insist on every answer. */

const transports = ['udp', 'tcp'] as const;

describe.skipIf(sipp.missing)(`sipp in mid-call${sipp.skipped}`, () => {
  const processes = new Processes();
  let directory: string;
  let watched: WatchedGateway;
  let echo: Bot;
  let recorder: Bot;
  let hangsUp: StreamServer;
  let recorded = 0;
  let decide: (referral: Referral) => { readonly status: number } = () => ({ status: 603 });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-sipp-in-call-'));
    echo = await startBot({ kind: 'echo' });
    hangsUp = await startStreamServer('hangs up');
    recorder = await startBot({
      kind: 'record',
      file: join(directory, 'heard.wav'),
      report: ({ type }) => {
        if (type === 'called') recorded++;
      },
    });
    watched = await startWatchedGateway(
      {
        routes: [
          routeTo('echo', echo.url),
          routeTo('record', recorder.url, 16_000),
          routeTo('hangs-up', hangsUp.url),
        ],
      },
      { referred: (_call, referral) => decide(referral) },
    );
  });

  afterAll(async () => {
    await processes.endAll();
    await watched?.gateway.close();
    for (const server of [echo, recorder, hangsUp]) await server?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function call(run: Omit<SippRun, 'gateway'>): Promise<string> {
    const log = await runSipp(processes, { gateway: watched[run.transport], ...run });
    await watched.whenEmpty();
    return log;
  }

  function expectHeard(name: string, edgesMs: { readonly first: number; readonly last: number }): void {
    const file = join(directory, recorded === 1 ? 'heard.wav' : `heard-${recorded}.wav`);
    const tone = measureToneWav(name, file, edgesMs);
    console.log(toneText(tone));
    expect(Math.abs(tone.levelDbChange), name).toBeLessThan(1);
    expect(tone.gapMsMax, name).toBe(0);
    expect(tone.seconds, name).toBeGreaterThan(0.95);
  }

  describe.each(transports)('over %s', (transport) => {
    it('holds with UPDATE, both ways and one way, resumes, and is heard', async () => {
      const before = watched.held.length;
      await call({ scenario: 'update-hold', transport, to: 'record' });
      expect(watched.held.slice(before)).toEqual([true, false]);
      expectHeard(`after UPDATE ${transport}`, { first: 40, last: 20 });
    });

    it('changes the codec, offers one that nobody has, and is heard in the one before', async () => {
      await call({ scenario: 'codec-change', transport, to: 'record', codec: 'PCMA' });
      expectHeard(`after a codec change ${transport}`, { first: 40, last: 20 });
    });

    it('presses keys as INFO, each reported once; other bodies and MESSAGE are refused as RFC 6086 says', async () => {
      const before = watched.digits.length;
      await call({ scenario: 'info', transport, to: 'echo', values: { message: '405' } });
      const pressed = watched.digits.slice(before);
      expect(pressed.map(({ digit }) => digit).join('')).toBe('44#7');
      expect(pressed.map(({ method }) => method)).toEqual(['info', 'info', 'info', 'info']);
      expect(pressed[0]!.durationMs).toBe(160);
    });

    it('is refused a transfer with 603 where nobody does that, and the call goes on', async () => {
      decide = () => ({ status: 603 });
      await call({ scenario: 'refer-refused', transport, to: 'echo' });
    });

    it.each([
      { outcome: 200, text: '200 OK' },
      { outcome: 486, text: '486 Busy Here' },
    ])('is told by NOTIFY that its transfer came to $outcome', async ({ outcome, text }) => {
      decide = (referral) => {
        setTimeout(() => referral.report(180), 300);
        setTimeout(() => referral.report(outcome), 600);
        return { status: 202 };
      };
      const before = watched.referrals.length;
      await call({ scenario: 'refer', transport, to: 'echo', values: { outcome: text } });
      expect(watched.referrals).toHaveLength(before + 1);
      expect(watched.referrals.at(-1)?.target).toMatch(/^sip:bob@127\.0\.0\.1/);
      expect(watched.referrals.at(-1)?.referredBy).toMatch(/sip:sipp@/);
    });

    it('takes the place of another caller with Replaces, who is hung up', async () => {
      const callId = `replaced-${transport}@callwire.test`;
      const first = runSipp(processes, {
        scenario: 'server-ends',
        transport,
        gateway: watched[transport],
        to: 'echo',
        callId,
      });
      await until('the first call', () => watched.gateway.activeCalls === 1);
      await until('its answer', () => watched.answered.at(-1)?.state === 'answered');
      const { fromTag, toTag } = await tagsOf(watched.answered.at(-1)!.callId);
      await runSipp(processes, {
        scenario: 'quiet-call',
        transport,
        gateway: watched[transport],
        to: 'echo',
        pauseMs: 500,
        headers: [`Replaces: ${callId};to-tag=${toTag};from-tag=${fromTag}`, 'Require: replaces'],
      });
      await first;
      await watched.whenEmpty();
    });

    it('is refused with 481 where it would replace a call that there is none of', async () => {
      await call({
        scenario: 'refused',
        transport,
        to: 'echo',
        values: { status: '481' },
        headers: ['Replaces: nobody@nowhere;to-tag=1;from-tag=2'],
      });
    });

    it('is read: who vouches for it, who was called before, and what it brings', async () => {
      await call({
        scenario: 'quiet-call',
        transport,
        to: 'echo',
        headers: [
          'P-Asserted-Identity: "Alice" <sip:+4680000001@carrier.test>, <tel:+4680000001>',
          'Diversion: <sip:+4680000002@carrier.test>;reason=no-answer, <sip:+4680000003@carrier.test>;reason=user-busy',
          'User-to-User: 56a390f3d2b7310023a;encoding=hex;purpose=isdn-uui',
          'Privacy: id',
          'X-Ticket: INC-4815',
        ],
      });
      const { facts, sipHeaders } = watched.answered.at(-1)!.party;
      expect(facts).toEqual({
        assertedIdentities: ['sip:+4680000001@carrier.test', 'tel:+4680000001'],
        diversions: [
          { uri: 'sip:+4680000002@carrier.test', reason: 'no-answer' },
          { uri: 'sip:+4680000003@carrier.test', reason: 'user-busy' },
        ],
        userToUser: [{ data: '56a390f3d2b7310023a', encoding: 'hex', purpose: 'isdn-uui' }],
        private: true,
      });
      expect(sipHeaders).toEqual({ 'X-Ticket': 'INC-4815' });
    });

    it('sends CANCEL after the answer, which changes nothing', async () => {
      await call({ scenario: 'cancel-late', transport, to: 'echo', values: { status: '200' } });
    });

    it('hangs up while it is hung up: both BYEs are answered', async () => {
      await call({ scenario: 'bye-crossing', transport, to: 'hangs-up' });
    });
  });

  /** Of the first 200 in the trace of the call, as a person would look them up. */
  async function tagsOf(callId: string): Promise<{ readonly fromTag: string; readonly toTag: string }> {
    const response = await fetch(`http://${watched.gateway.listening.http}/calls/${callId}/trace`);
    const { messages } = (await response.json()) as {
      messages: readonly { summary: string; text: string }[];
    };
    const { text } = messages.find(({ summary }) => summary.startsWith('200 OK (INVITE)'))!;
    const tag = (name: string): string => new RegExp(`^${name}:.*;tag=(\\S+)`, 'm').exec(text)![1]!;
    return { fromTag: tag('From'), toTag: tag('To') };
  }
});
