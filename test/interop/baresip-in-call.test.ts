import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../gateway/bots/bot.ts';
import type { Referral } from '../../gateway/signaling/session.ts';
import { baresip } from '../support/peers/baresip.ts';
import { BaresipPhone } from '../support/peers/baresip-phone.ts';
import { routeTo, startEchoProcess } from '../support/peers/gateway-process.ts';
import { Processes } from '../support/peers/processes.ts';
import {
  type HeardTone,
  measureToneWav,
  toneHz,
  toneText,
  writeToneWav,
} from '../support/peers/test-tone.ts';
import { startWatchedGateway, until, type WatchedGateway } from '../support/peers/watched-gateway.ts';

/** What a phone does in mid-call: hold, keys and transfers, seen by the program that embeds the gateway. */

const keys = '1234567890*#';
const narrow = { name: 'PCMU/8000/1', sampleRateHz: 8_000, channels: 1 };
const wide = { name: 'opus/48000/2', sampleRateHz: 48_000, channels: 2 };

describe.skipIf(baresip.missing)(`baresip in mid-call${baresip.skipped}`, () => {
  const processes = new Processes();
  let directory: string;
  let watched: WatchedGateway;
  let tone: Bot;
  let recorder: Bot;
  let recorded = 0;
  let phone: BaresipPhone;
  let placed = 0;
  let decide: (referral: Referral) => { readonly status: number } = () => ({ status: 603 });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'callwire-baresip-in-call-'));
    for (const codec of [narrow, wide]) writeToneWav(playOf(codec), 40, codec);
    const echo = await startEchoProcess(processes);
    tone = await startBot({ kind: 'tone', toneHz });
    recorder = await startBot({
      kind: 'record',
      file: join(directory, 'heard.wav'),
      report: ({ type }) => {
        if (type === 'called') recorded++;
      },
    });
    watched = await startWatchedGateway(
      { routes: [routeTo('echo', echo), routeTo('tone', tone.url), routeTo('record', recorder.url)] },
      { referred: (_call, referral) => decide(referral) },
    );
  });

  afterAll(async () => {
    await processes.endAll();
    await watched?.gateway.close();
    await tone?.close();
    await recorder?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function playOf({ sampleRateHz }: typeof narrow): string {
    return join(directory, `tone-${sampleRateHz}.wav`);
  }

  async function dial(to: string, transport: 'udp' | 'tcp' = 'udp', codec = narrow): Promise<void> {
    const own = join(directory, `call-${placed++}`);
    mkdirSync(own);
    phone = await BaresipPhone.start(processes, {
      codecs: [codec.name],
      play: playOf(codec),
      directory: own,
      transport,
    });
    await phone.dial(`sip:${to}@${watched[transport]};transport=${transport}`);
  }

  /** Of the last call to the recorder, all but the last 200 ms. */
  function measureEnd(name: string, ms: number): HeardTone {
    const file = join(directory, recorded === 1 ? 'heard.wav' : `heard-${recorded}.wav`);
    const { seconds } = measureToneWav(name, file);
    return measureToneWav(name, file, { first: Math.max(0, seconds * 1_000 - ms), last: 200 });
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resume) => setTimeout(resume, ms));
  }

  async function packetsSent(): Promise<number> {
    const [call] = await watched.gateway.calls();
    return Number(call?.quality?.packetsSent);
  }

  it.each(['udp', 'tcp'] as const)(
    'holds, is sent nothing, resumes, and is heard and sent to as before, over %s',
    async (transport) => {
      await dial('record', transport);
      await pause(1_500);
      await phone.command('hold');
      await until('on hold', () => watched.held.at(-1) === true);
      const onHold = await packetsSent();
      await pause(1_000);
      expect(await packetsSent(), 'sent to a phone on hold').toBeLessThanOrEqual(onHold + 2);
      await phone.command('resume');
      await until('taken back', () => watched.held.at(-1) === false);
      const resumed = await packetsSent();
      await pause(3_000);
      expect(await packetsSent(), 'sent after the hold').toBeGreaterThan(resumed + 130);
      await phone.command('hangup');
      await phone.quit();
      await watched.whenEmpty();
      const heard = measureEnd(`after hold ${transport}`, 2_500);
      console.log(toneText(heard));
      expect(Math.abs(heard.levelDbChange)).toBeLessThan(1);
      expect(heard.gapMsMax).toBe(0);
    },
  );

  it('is put on hold by us, and heard again when taken back', async () => {
    await dial('record');
    const call = watched.answered.at(-1)!;
    const tookMs: number[] = [];
    for (const on of [true, false]) {
      const sentMs = performance.now();
      expect(await call.hold(on)).toBe(true);
      tookMs.push(performance.now() - sentMs);
      await pause(500);
    }
    await pause(1_500);
    await phone.command('hangup');
    await phone.quit();
    await watched.whenEmpty();
    const heard = measureEnd('after hold by us', 1_800);
    console.log(`${toneText(heard)}; re-INVITE took ${tookMs.map(Math.round).join(' and ')} ms`);
    expect(Math.abs(heard.levelDbChange)).toBeLessThan(1);
    expect(heard.gapMsMax).toBe(0);
  });

  // Beside Opus it offers telephone-event at 8 kHz, which is not the clock of its audio.
  it.each([
    { name: 'PCMU', codec: narrow },
    { name: 'Opus', codec: wide },
  ])('presses every key in $name, and each is reported once', async ({ codec }) => {
    await dial('echo', 'udp', codec);
    await pause(500);
    const before = watched.digits.length;
    for (const key of keys) {
      await phone.command('sndcode', key);
      await pause(300);
    }
    await until('every key', () => watched.digits.length >= before + keys.length).catch(() => {});
    await pause(500);
    const pressed = watched.digits.slice(before);
    expect(pressed.map(({ digit }) => digit).join('')).toBe(keys);
    expect(new Set(pressed.map(({ method }) => method))).toEqual(new Set(['rfc4733']));
    for (const { durationMs } of pressed) expect(durationMs).toBeGreaterThan(50);
    for (const { durationMs } of pressed) expect(durationMs).toBeLessThan(500);
    console.log(`keys lasted ${pressed.map(({ durationMs }) => Math.round(durationMs)).join(' ')} ms`);
    await phone.command('hangup');
    await phone.quit();
    await watched.whenEmpty();
  });

  it('asks to be transferred, hears that nobody does that here, and hangs up as is its way', async () => {
    await dial('echo');
    await phone.command('transfer', `sip:tone@${watched.udp}`);
    expect((await phone.event('TRANSFER_FAILED')).param).toBe('603 Decline');
    await phone.quit();
    await watched.whenEmpty();
  });

  it('asks to be transferred, and hears that the other is busy', async () => {
    await dial('echo');
    decide = (referral) => {
      setTimeout(() => referral.report(180), 200);
      setTimeout(() => referral.report(486), 400);
      return { status: 202 };
    };
    await phone.command('transfer', `sip:busy@${watched.udp}`);
    expect((await phone.event('TRANSFER_FAILED')).param).toContain('486');
    expect(watched.referrals.at(-1)?.target).toMatch(/^sip:busy@/);
    expect(watched.gateway.activeCalls).toBe(1);
    await phone.command('hangup');
    await phone.quit();
    await watched.whenEmpty();
  });

  it('asks to be transferred, hears of the success, and hangs up', async () => {
    await dial('echo');
    decide = (referral) => {
      setTimeout(() => referral.report(200), 200);
      return { status: 202 };
    };
    await phone.command('transfer', `sip:tone@${watched.udp}`);
    await phone.event('CALL_CLOSED');
    await watched.whenEmpty();
    await phone.quit();
  });

  it('is transferred by us, calls the other, and its first call ends as transferred', async () => {
    await dial('echo');
    const call = watched.answered.at(-1)!;
    const outcome = await call.transfer(`sip:tone@${watched.udp}`);
    expect(outcome).toMatchObject({ outcome: 'succeeded', status: 200 });
    expect(call.endReason).toBe('transferred');
    await until('the new call', () => watched.answered.at(-1) !== call);
    expect(watched.answered.at(-1)?.party.to).toBe('tone');
    await pause(500);
    await phone.command('hangup');
    await phone.quit();
    await watched.whenEmpty();
  });

  it('is transferred by us to somebody who refuses, and talks on', async () => {
    await dial('echo');
    const call = watched.answered.at(-1)!;
    const outcome = await call.transfer(`sip:nobody@${watched.udp}`);
    expect(outcome).toMatchObject({ outcome: 'failed', status: 404 });
    expect(call.state).toBe('answered');
    await phone.command('hangup');
    await phone.quit();
    await watched.whenEmpty();
  });
});
