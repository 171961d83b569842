import { randomBytes } from 'node:crypto';
import { opcodes } from '../../protocol/stream/frames.ts';
import { streamExtensions, streamSampleRatesHz } from '../../protocol/stream/messages.ts';
import type { Clock } from '../clock.ts';
import { type CallWish, ConformanceCall, type ConformanceTiming, connectText } from './conformance-call.ts';
import { openConformanceClient } from './conformance-client.ts';

/** The calls that are placed to a server under test, one scenario after the other; the rules judge what came of them. */

export interface Evidence {
  /** A call as an old gateway places it: no extensions. */
  plain?: ConformanceCall;
  /** By sample rate. */
  readonly rates: Map<number, ConformanceCall>;
  unknown?: ConformanceCall;
  fragmented?: ConformanceCall;
  headers?: ConformanceCall;
  extended?: ConformanceCall;
  first?: ConformanceCall;
  /** While `first` was on. */
  second?: ConformanceCall;
  idle?: ConformanceCall;
  /** The longest time on `idle` in which nothing came. */
  idleGapMs?: number;
  /** After callers who hung up before the reply and connections that were lost. */
  afterLosses?: ConformanceCall;
}

export interface Stage {
  readonly url: URL;
  readonly timing: ConformanceTiming;
  readonly clock: Clock;
  readonly evidence: Evidence;
}

export type ScenarioName =
  | 'plain'
  | 'rates'
  | 'unknown'
  | 'fragmented'
  | 'headers'
  | 'extended'
  | 'sideBySide'
  | 'idle'
  | 'losses';

/** The two whose sound is compared. */
export const comparedRatesHz: readonly number[] = [8_000, 48_000];

/** In this order: what may hurt a server comes last. */
export const scenarios: Readonly<Record<ScenarioName, (stage: Stage) => Promise<void>>> = {
  plain: async (stage) => {
    stage.evidence.plain = await conversation(stage, {}, async (call) => {
      await call.talk();
      await call.settle();
    });
  },

  rates: async (stage) => {
    for (const sampleRate of streamSampleRatesHz) {
      const call = await conversation(stage, { sampleRate }, async (answered) => {
        if (comparedRatesHz.includes(sampleRate)) await answered.talk();
        await answered.settle();
      });
      stage.evidence.rates.set(sampleRate, call);
    }
  },

  unknown: async (stage) => {
    const fields = {
      version: 1,
      'x-future': { nested: [1, null, { deep: 'é' }] },
      media: null,
      region: 'mars',
      priority: 1e300,
    };
    stage.evidence.unknown = await conversation(stage, { fields }, async (call) => {
      call.client?.sendText('{"event":"x-future","n":1,"list":[{}]}');
      call.client?.sendText('{"command":"x-future"}');
      call.client?.sendText('{"hello":"world","event":{"not":"a name"}}');
      await call.settle();
    });
  },

  fragmented: async (stage) => {
    stage.evidence.fragmented = await conversation(stage, { frames: 3 }, async (call) => {
      const pcm = randomBytes((call.sampleRate / 50) * 2);
      call.client?.sendFragmented(opcodes.binary, pcm, 4, () => call.client?.sendPing(randomBytes(125)));
      call.client?.sendPing(new Uint8Array(0));
      await call.settle();
    });
  },

  headers: async (stage) => {
    stage.evidence.headers = await conversation(stage, { text: oddConnect() }, (call) => call.settle());
  },

  extended: async (stage) => {
    const wish = { extensions: streamExtensions };
    stage.evidence.extended = await conversation(stage, wish, async (call) => {
      await actAsGateway(stage, call, stage.timing.settleMs);
      for (const event of eventsOf(call.granted)) call.client?.sendText(JSON.stringify(event));
      await actAsGateway(stage, call, stage.timing.settleMs);
      await call.settle();
    });
  },

  sideBySide: async (stage) => {
    const { evidence } = stage;
    evidence.first = await conversation(stage, {}, async (first) => {
      evidence.second = await conversation(stage, {}, (second) => second.settle());
      await first.settle();
    });
  },

  idle: async (stage) => {
    const { evidence, timing } = stage;
    evidence.idle = await conversation(stage, {}, async (call) => {
      const { client } = call;
      if (client === undefined || !call.answered) return;
      await client.until(() => client.end !== undefined, timing.idleMs + timing.settleMs);
      const times = [
        client.openedMs,
        ...client.received.map(({ atMs }) => atMs),
        client.endedMs ?? stage.clock.nowMs(),
      ];
      evidence.idleGapMs = Math.max(...times.slice(1).map((atMs, index) => atMs - times[index]!));
    });
  },

  losses: async (stage) => {
    const { timing, clock, url } = stage;
    const early = await ConformanceCall.place(url, {}, timing, clock);
    await early.hangUp(4005, 'CANCEL');
    const mute = await openConformanceClient(url, clock, timing.replyMs);
    if (mute.accepted) mute.client.destroy();
    const lost = await ConformanceCall.place(url, {}, timing, clock);
    await lost.awaitReply();
    if (lost.reply === undefined) {
      // It did not outlive the cancelled call: there is no need to try it any further.
      stage.evidence.afterLosses = lost;
      return lost.hangUp();
    }
    await lost.talk(timing.settleMs);
    lost.client?.destroy();
    stage.evidence.afterLosses = await conversation(stage, {}, (call) => call.settle());
  },
};

/** Connects, waits for the reply, does `what` and hangs up. */
async function conversation(
  { url, timing, clock }: Stage,
  wish: CallWish,
  what: (call: ConformanceCall) => Promise<void>,
): Promise<ConformanceCall> {
  const call = await ConformanceCall.place(url, wish, timing, clock);
  await call.awaitReply();
  // Without a reply there is nothing to talk about.
  if (call.reply !== undefined) await what(call);
  await call.hangUp();
  return call;
}

/** Names and values that are right and rare. Written by hand: an object cannot hold `__proto__` and the like. */
function oddConnect(): string {
  const odd =
    '{"UPPER":"1","upper":"2","with space":"a\\nb\\tc","":"no name","empty":"","X-Ünïcode-☎":"værdi 🎧",' +
    '"__proto__":"p","constructor":"c","toString":"t","0":"digit","a.b[c]":"\\"quoted\\" \\\\ \\u0000"}';
  const usual = connectText(16_000, []);
  // The command comes last: an object has no order.
  return usual
    .replace('{"command":"connect",', '{')
    .replace('"callHeaders":{"ticket":"4815"}', `"callHeaders":${odd}`)
    .replace('"headers":{"ticket":"4815"}', `"headers":${odd}`)
    .replace('"Headers":{"ticket":"4815"}', `"Headers":${odd}`)
    .replace('"sipHeaders":{"X-Ticket":"INC-4815"}', `"sipHeaders":${odd}`)
    .replace(/\}$/, ',"command":"connect"}');
}

/** One of each that the server asked for. */
function eventsOf(granted: readonly string[]): readonly object[] {
  const byExtension: Readonly<Record<string, readonly object[]>> = {
    mark: [
      { event: 'mark', name: 'a mark of nobody', status: 'played', playedMs: 20 },
      { event: 'mark', name: '', status: 'cleared', playedMs: 20.5 },
      { event: 'cleared', playedMs: 20, droppedMs: 0 },
    ],
    dtmf: [
      { event: 'dtmf', digit: '5', durationMs: 100, method: 'rfc4733' },
      { event: 'dtmf', digit: 'D', durationMs: 40, method: 'inband' },
    ],
    flow: [
      { event: 'flow', state: 'xoff', bufferedMs: 120_000 },
      { event: 'flow', state: 'xoff', bufferedMs: 150_000, droppedMs: 4_000 },
      { event: 'flow', state: 'xon', bufferedMs: 70_000 },
    ],
    hold: [{ event: 'hold' }, { event: 'resume' }],
    stats: [
      { event: 'stats', lossUp: 0.01, lossDown: 0, jitterMs: 2.5, bufferedMs: 0, codec: 'opus' },
      {
        event: 'stats',
        lossUp: 0,
        lossDown: 0,
        jitterMs: 0,
        rttMs: 30,
        mos: 4.4,
        bufferedMs: 20,
        codec: 'pcmu',
      },
    ],
    control: [
      { event: 'status', state: 'idle', bufferedMs: 0, playedMs: 20, marks: 0 },
      { event: 'transfer', status: 'failed', code: 603 },
    ],
  };
  const events = granted.flatMap((name) => byExtension[name] ?? []);
  const error = { event: 'error', code: 'bad-field', message: 'this is what an error looks like' };
  return granted.length === 0 ? [] : [...events, error];
}

/** Obeys commands for a while as a gateway would, playing in no time. */
async function actAsGateway({ clock }: Stage, call: ConformanceCall, forMs: number): Promise<void> {
  const { client } = call;
  if (client === undefined) return;
  const untilMs = clock.nowMs() + forMs;
  let heeded = call.replies.length === 0 ? 0 : 1;
  while (client.end === undefined && clock.nowMs() < untilMs) {
    const { said } = call;
    for (; heeded < said.length; heeded++) {
      const reaction = reactionTo(said[heeded]?.fields ?? {}, call);
      if (reaction !== undefined) client.sendText(JSON.stringify(reaction));
    }
    const count = client.received.length;
    await client.until(
      () => client.received.length > count || client.end !== undefined,
      Math.max(1, untilMs - clock.nowMs()),
    );
  }
}

function reactionTo(fields: Readonly<Record<string, unknown>>, call: ConformanceCall): object | undefined {
  const playedMs = call.audioMs;
  const has = (extension: string) => call.granted.includes(extension);
  switch (fields.command) {
    case 'mark':
      return has('mark') ? { event: 'mark', name: fields.name, status: 'played', playedMs } : undefined;
    case 'clear':
      return has('mark') ? { event: 'cleared', playedMs, droppedMs: 0 } : undefined;
    case 'status':
      return has('control')
        ? { event: 'status', state: 'idle', bufferedMs: 0, playedMs, marks: 0 }
        : undefined;
    case 'transfer':
      return has('control') ? { event: 'transfer', status: 'failed', code: 603 } : undefined;
    default:
      return undefined;
  }
}
