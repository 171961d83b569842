import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toneLevel } from '../../codecs/goertzel.ts';
import { startBot } from '../../gateway/bots/bot.ts';
import {
  type BotCall,
  BotError,
  type BotServer,
  createBotServer,
  type StreamDialectName,
} from '../../gateway/bots/bot-server.ts';
import { systemClock } from '../../gateway/clock.ts';
import { defaultConfig } from '../../gateway/config.ts';
import { type Gateway, startGateway } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { createInlineMediaPool } from '../../gateway/media/inline-media-pool.ts';
import { openStreamSocket } from '../../gateway/media/stream-transports.ts';
import { systemNetwork } from '../../gateway/network.ts';
import { type CallOptions, placeCall } from '../../gateway/phone/phone.ts';
import type { PhoneCall } from '../../gateway/phone/phone-call.ts';

/** Bots that speak the other platforms' dialects, in whole calls with the gateway over real sockets. */

interface Row {
  readonly name: string;
  readonly dialect: StreamDialectName;
  readonly sampleRate: number;
  readonly callHeaders?: { readonly key: string; readonly value: string }[];
  readonly granted: readonly string[];
  /** The bot's rate; else the stream's. */
  readonly heardRate?: number;
  /** Of marks: the gateway reports them. */
  readonly exact: boolean;
  readonly lacks: readonly ('sendDtmf' | 'pause' | 'transfer')[];
}

const usual = { granted: ['mark', 'dtmf'], exact: true, lacks: ['sendDtmf', 'pause', 'transfer'] } as const;
const words = {
  granted: ['mark', 'dtmf', 'flow', 'control'],
  exact: true,
  lacks: ['sendDtmf', 'transfer'],
} as const;
const json = [{ key: 'control_message_format', value: 'json' }];

const rows: readonly Row[] = [
  { name: 'twilio', dialect: 'twilio', sampleRate: 8_000, ...usual },
  { name: 'vonage', dialect: 'vonage', sampleRate: 24_000, ...usual },
  { name: 'telnyx with PCMU', dialect: 'telnyx', sampleRate: 8_000, ...usual },
  { name: 'telnyx with L16', dialect: 'telnyx', sampleRate: 16_000, ...usual },
  { name: 'asterisk in words', dialect: 'asterisk', sampleRate: 44_100, ...words },
  { name: 'asterisk in JSON', dialect: 'asterisk', sampleRate: 16_000, callHeaders: json, ...words },
  { name: 'jambonz', dialect: 'jambonz', sampleRate: 16_000, ...usual },
  {
    name: 'audiosocket',
    dialect: 'audiosocket',
    sampleRate: 16_000,
    heardRate: 8_000,
    granted: ['dtmf'],
    exact: false,
    lacks: ['pause', 'transfer'],
  },
];

const toneDbfs = -10;
const bots = new Map<string, BotServer>();
const calls = new Map<string, (call: BotCall) => unknown>();
const failures: unknown[] = [];
const opened: { close(): Promise<void> }[] = [];
let gateway: Gateway;

beforeAll(async () => {
  for (const { name, dialect } of rows)
    bots.set(
      name,
      await createBotServer({
        port: 0,
        dialect,
        onCall: (call) => calls.get(name)!(call),
        onError: (error) => failures.push(error),
      }),
    );
  const tone = await startBot({ kind: 'tone', dialect: 'audiosocket' });
  const busy = await startBot({ kind: 'echo', dialect: 'twilio', reply: 'busy' });
  opened.push(...bots.values(), tone, busy);
  const route = (
    to: string,
    endpoint: string,
    streamingOptions: object,
    callHeaders: Row['callHeaders'] = [],
  ) => ({
    to,
    action: {
      name: 'connectStream' as const,
      destination: { type: 'Websocket' as const, endpoint },
      streamingOptions,
      callHeaders,
    },
  });
  gateway = await startGateway(
    defaultConfig({
      sip: { listen: ['udp:127.0.0.1:0'] },
      rtp: { address: '127.0.0.1', ports: [0, 0] },
      http: { listen: '127.0.0.1:0' },
      routes: [
        ...rows.map(({ name, dialect, sampleRate, callHeaders }) =>
          route(userOf(name), bots.get(name)!.url, { dialect, sampleRate }, callHeaders),
        ),
        route('tone', tone.url, { dialect: 'audiosocket', sampleRate: 8_000 }),
        route('busy', busy.url, { dialect: 'twilio', sampleRate: 8_000 }),
      ],
    }),
    {
      log: silentLog,
      createMediaPool: (settings) =>
        createInlineMediaPool({ ...settings, clock: systemClock, network: systemNetwork, openStreamSocket }),
    },
  );
  opened.push(gateway);
});

afterAll(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close();
});

function userOf(name: string): string {
  return name.toLowerCase().replaceAll(' ', '-');
}

function dial(name: string, options: Partial<CallOptions> = {}): Promise<PhoneCall> {
  const target = `sip:${userOf(name)}@${gateway.listening.sip[0]!.replace('udp:', '')}`;
  return placeCall({ target, address: '127.0.0.1', codecs: ['pcmu'], ...options });
}

/** Of the loudest 100 ms. */
function loudest(heard: Int16Array): number {
  const levels: number[] = [];
  for (let at = 0; at + 800 <= heard.length; at += 400)
    levels.push(toneLevel(heard.subarray(at, at + 800), 8_000, 1_000));
  return Math.max(...levels);
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'done';
  } catch (error) {
    return error instanceof BotError ? error.code : 'another error';
  }
}

describe.concurrent('bots of other dialects', () => {
  it.each(rows)('$name: echo, digits, marks, a clear and the end', async (row) => {
    const seen: Record<string, unknown> = {};
    let heardDigit: () => void = () => {};
    const readingDigit = new Promise<void>((resolve) => {
      heardDigit = resolve;
    });
    const silence = (call: BotCall, ms: number) => new Int16Array((call.sampleRate * ms) / 1_000);
    calls.set(row.name, async (call) => {
      seen.granted = call.answer();
      seen.sampleRate = call.sampleRate;
      const echo = (pcm: Int16Array) => void call.play(pcm);
      call.on('audio', echo);
      const digit = call.readDigits();
      heardDigit();
      seen.digit = await digit;
      call.off('audio', echo);
      const playedMs = call.sentMs;
      seen.lacks = [
        codeOf(() => call.sendDtmf('1')),
        codeOf(() => call.pause()),
        codeOf(() => call.transfer('sip:a@b')),
      ];
      if (!row.lacks.includes('pause')) call.continue();
      void call.play(silence(call, 100));
      const played = await call.mark('pläyed, "so"');
      seen.played = [played.name, played.status, played.exact];
      if (row.exact) expect(played.playedMs).toBeCloseTo(playedMs + 100, 3);
      // All of it, and the mark, is at the gateway by then; the rest of a longer one never goes there.
      const gone = call.play(silence(call, 1_500));
      const mark = call.mark('never');
      const cutOff = call.play(silence(call, 5_000));
      const dropped = await call.clear();
      const { status, exact } = await mark;
      seen.clear = [await gone, status, exact, await cutOff, dropped.exact];
      expect(dropped.droppedMs).toBeGreaterThan(6_000);
      // What comes after a clear is heard whole, and its mark does not take that of the clear for its own.
      void call.play(silence(call, 40));
      const after = await call.mark('after');
      seen.after = [after.name, after.status, after.exact];
      call.hangup('all done');
    });
    const phone = await dial(row.name, { playTone: { frequencyHz: 1_000, levelDbfs: toneDbfs } });
    await phone.answered;
    await readingDigit;
    // Long enough for an echo that is measured.
    await new Promise<void>((resolve) => systemClock.after(400, resolve));
    phone.sendDigits('5');
    const { heard, ...result } = await phone.ended;
    const not = (what: Row['lacks'][number]) => (row.lacks.includes(what) ? 'not-offered' : 'done');
    expect(seen).toEqual({
      granted: row.granted,
      sampleRate: row.heardRate ?? row.sampleRate,
      digit: '5',
      lacks: [not('sendDtmf'), not('pause'), not('transfer')],
      played: ['pläyed, "so"', 'played', row.exact],
      // Where the gateway cannot be told, no more than 200 ms go there at once.
      clear: [row.exact, 'cleared', row.exact, false, false],
      after: ['after', 'played', row.exact],
    });
    expect(result).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
    expect(loudest(heard)).toBeGreaterThan(toneDbfs - 0.7);
    expect(loudest(heard)).toBeLessThan(toneDbfs + 0.7);
  });

  it('a sample bot plays over AudioSocket', async () => {
    const phone = await dial('tone');
    await phone.answered;
    await new Promise<void>((resolve) => systemClock.after(400, resolve));
    phone.hangUp();
    expect(loudest((await phone.ended).heard)).toBeCloseTo(-12, 0);
  });

  it('what cannot refuse a call any more hangs up', async () => {
    const phone = await dial('busy');
    expect(await phone.answered).toBe(true);
    expect(await phone.ended).toMatchObject({ outcome: 'completed', endedBy: 'farSide' });
  });
});

it('no bot had anything to complain of, and none has a call left', async () => {
  expect(failures).toEqual([]);
  for (const bot of bots.values()) await Promise.all([...bot.calls].map(({ closed }) => closed));
});
