import { describe, expect, it } from 'vitest';
import { BotError } from '../../../../gateway/bots/bot-error.ts';
import type { BotDialectSession, BotNews } from '../../../../gateway/bots/dialects/bot-dialect.ts';
import { botDialects } from '../../../../gateway/bots/dialects/bot-dialects.ts';
import { dialectNamed } from '../../../../protocol/stream/dialects.ts';
import type { CommandMessage, EventMessage } from '../../../../protocol/stream/message-schemas.ts';
import {
  type DialectSession,
  type OutMessage,
  type StreamCommand,
  type StreamConnect,
  type StreamDialectName,
  type StreamEvent,
  streamDialectNames,
} from '../../../../protocol/stream/messages.ts';
import { createRandom } from '../../../support/random.ts';
import { streamConnect } from '../../../support/stream-connect.ts';

/** Both sides of each dialect face to face, and the server's against what the vendors publish. */

const others = streamDialectNames.filter((name) => name !== 'sinch');

interface Pair {
  readonly bot: BotDialectSession;
  readonly gateway: DialectSession;
  readonly opening: readonly BotNews[];
  /** What the bot believes of its audio. */
  readonly heard: { playedMs: number; bufferedMs: number };
}

function alone(name: StreamDialectName, heard = { playedMs: 0, bufferedMs: 0 }): BotDialectSession {
  return botDialects[name].createSession({ sampleRateAssumed: 8_000, heard: () => heard });
}

function pair(name: StreamDialectName, changes: Partial<StreamConnect> = {}): Pair {
  const heard = { playedMs: 0, bufferedMs: 0 };
  const sampleRateHz = name === 'twilio' ? 8_000 : 16_000;
  const bot = alone(name, heard);
  const gateway = dialectNamed(name).createSession({ ...streamConnect, sampleRateHz, ...changes });
  return { bot, gateway, heard, opening: gateway.opening().flatMap((message) => tell(bot, message)) };
}

function tell(bot: BotDialectSession, message: OutMessage | undefined): readonly BotNews[] {
  if (message === undefined) return [];
  return typeof message === 'string' ? bot.receiveText(message) : bot.receiveBinary(message);
}

/** What the gateway understands of what the bot says. */
function ask({ bot, gateway }: Pair, command: CommandMessage): StreamCommand[] {
  return bot
    .say(command)
    .flatMap((message) =>
      typeof message === 'string'
        ? gateway.receiveText(message)
        : gateway.receiveBinary!(message, 0, message.length, true),
    );
}

function eventsOf(news: readonly BotNews[]): readonly EventMessage[] {
  return news.flatMap((each) => (each.type === 'message' ? each.events : []));
}

describe.each(others)('both sides of %s', (name) => {
  it('agree on the opening', () => {
    const { opening } = pair(name);
    expect(opening).toHaveLength(1);
    const [connect] = opening;
    if (connect?.type !== 'connect') throw new Error('no connect');
    const { info } = connect;
    expect(info.callId).not.toBe('');
    if (botDialects[name].tellsCallId) expect(info.callId).toBe('gw-1.17');
    if (name === 'telnyx' || name === 'jambonz')
      expect(info).toMatchObject({ from: '+46700000001', to: '+46700000002' });
    if (name !== 'asterisk' && name !== 'audiosocket')
      expect(info.callHeaders).toMatchObject({ customer: '4711' });
    const wide = name !== 'twilio' && name !== 'audiosocket';
    expect(info.streamSampleRate).toBe(wide ? 16_000 : 8_000);
  });

  it('agree on digits', () => {
    const both = pair(name);
    for (const digit of '0123456789*#ABCD') {
      const event: StreamEvent = { event: 'dtmf', digit, durationMs: 160, method: 'rfc4733' };
      const told = eventsOf(tell(both.bot, both.gateway.tell(event)));
      expect(told).toEqual([{ event: 'dtmf', digit, durationMs: expect.any(Number), method: 'rfc4733' }]);
    }
  });

  it('agree on every command that the bot has words for', () => {
    const both = pair(name);
    const commands: CommandMessage[] = [
      { command: 'answer' },
      { command: 'mark', name: ' "odd"\n' },
      { command: 'pause' },
      { command: 'continue' },
      { command: 'status' },
      { command: 'dtmf', digits: '12' },
      { command: 'clear' },
      { command: 'heartbeat' },
      { command: 'hangup' },
    ];
    const understood = commands.map((command) => ask(both, command).map((each) => each.command));
    const words = name === 'asterisk';
    expect(understood).toEqual([
      [],
      name === 'audiosocket' ? [] : ['mark'],
      words ? ['pause'] : [],
      words ? ['continue'] : [],
      words ? ['status'] : [],
      name === 'audiosocket' ? ['dtmf', 'dtmf'] : [],
      name === 'audiosocket' ? [] : words ? ['clear', 'mark'] : ['clear'],
      [],
      words ? ['hangup'] : [],
    ]);
  });

  it('a text that means nothing is no event and ends nothing', () => {
    if (name === 'audiosocket') return;
    const { bot } = pair(name);
    const texts = [
      '',
      '{',
      'null',
      '[]',
      '{}',
      '{"event":1}',
      '{"event":"media","media":null}',
      '{"event":"mark"}',
    ];
    for (const text of [...texts, '{"event":"dtmf","dtmf":7}', '{"event":"websocket:notify","payload":[]}'])
      expect(eventsOf(bot.receiveText(text))).toEqual([]);
  });

  it('what is no opening is refused as such', () => {
    const bot = alone(name);
    const read = (): unknown =>
      name === 'audiosocket' ? bot.receiveBinary(Buffer.from('GET / HTTP/1.1')) : bot.receiveText('null');
    expect(read).toThrow(BotError);
    expect(read).toThrow(/^the first (message|packet) must be /);
  });
});

describe('marks', () => {
  const withMarks = others.filter((name) => name !== 'audiosocket');
  /** Those that the gateway reports, told to the bot. */
  const report = (both: Pair, commands: readonly StreamCommand[], status: 'played' | 'cleared') =>
    commands.flatMap((command) =>
      command.command === 'mark'
        ? eventsOf(
            tell(both.bot, both.gateway.tell({ event: 'mark', name: command.name, status, playedMs: 0 })),
          )
        : [],
    );

  it.each(withMarks)('of %s: one that was played tells when, one name twice', (name) => {
    const both = pair(name);
    both.heard.bufferedMs = 500;
    const first = ask(both, { command: 'mark', name: 'twice' });
    both.heard.bufferedMs = 900;
    const second = ask(both, { command: 'mark', name: 'twice' });
    Object.assign(both.heard, { playedMs: 470, bufferedMs: 430 });
    expect(report(both, first, 'played')).toEqual([
      { event: 'mark', name: 'twice', status: 'played', playedMs: 500 },
    ]);
    expect(report(both, second, 'played')).toEqual([
      { event: 'mark', name: 'twice', status: 'played', playedMs: 900 },
    ]);
    expect(report(both, second, 'played')).toEqual([]);
  });

  it.each(withMarks)('of %s: a clear drops those before it, not those after', (name) => {
    const both = pair(name);
    both.heard.bufferedMs = 500;
    const before = ask(both, { command: 'mark', name: 'before' });
    Object.assign(both.heard, { playedMs: 120, bufferedMs: 0 });
    const cleared = ask(both, { command: 'clear' });
    const after = ask(both, { command: 'mark', name: 'after' });
    const told = [
      ...report(both, before, 'cleared'),
      ...eventsOf(tell(both.bot, both.gateway.tell({ event: 'cleared', playedMs: 120, droppedMs: 380 }))),
      ...report(both, cleared, 'played'),
      ...report(both, after, 'played'),
    ];
    expect(told).toEqual([
      { event: 'mark', name: 'before', status: 'cleared', playedMs: 120 },
      { event: 'mark', name: 'after', status: 'played', playedMs: 120 },
    ]);
  });
});

describe('what a bot says, as the vendors publish it', () => {
  const said: readonly { name: StreamDialectName; command: CommandMessage; messages: readonly unknown[] }[] =
    [
      {
        name: 'twilio',
        command: { command: 'mark', name: 'x' },
        messages: [
          { event: 'mark', streamSid: expect.stringMatching(/^MZ[0-9a-f]{32}$/), mark: { name: '1' } },
        ],
      },
      {
        name: 'twilio',
        command: { command: 'clear' },
        messages: [{ event: 'clear', streamSid: expect.stringMatching(/^MZ/) }],
      },
      { name: 'telnyx', command: { command: 'clear' }, messages: [{ event: 'clear' }] },
      {
        name: 'telnyx',
        command: { command: 'mark', name: 'x' },
        messages: [{ event: 'mark', mark: { name: '1' } }],
      },
      { name: 'vonage', command: { command: 'clear' }, messages: [{ action: 'clear' }] },
      {
        name: 'vonage',
        command: { command: 'mark', name: 'x' },
        messages: [{ action: 'notify', payload: { mark: '1' } }],
      },
      { name: 'jambonz', command: { command: 'clear' }, messages: [{ type: 'killAudio' }] },
      {
        name: 'jambonz',
        command: { command: 'mark', name: 'x' },
        messages: [{ type: 'mark', data: { name: '1' } }],
      },
      { name: 'asterisk', command: { command: 'answer' }, messages: ['ANSWER', 'START_MEDIA_BUFFERING'] },
      {
        name: 'asterisk',
        command: { command: 'clear' },
        messages: ['FLUSH_MEDIA', 'MARK_MEDIA flushed:1', 'START_MEDIA_BUFFERING'],
      },
    ];
  it.each(said)('$name, $command.command', ({ name, command, messages }) => {
    const texts = pair(name).bot.say(command) as readonly string[];
    expect(texts.map((text) => (text.startsWith('{') ? JSON.parse(text) : text))).toEqual(messages);
  });

  it('asterisk that speaks JSON is spoken to in JSON', () => {
    const { bot } = pair('asterisk', { callHeaders: [{ key: 'control_message_format', value: 'json' }] });
    expect(bot.say({ command: 'mark', name: 'x' })).toEqual([
      '{"command":"MARK_MEDIA","correlation_id":"1"}',
    ]);
  });

  it('audio: µ-law, the other byte first, and in frames where no other length is taken', () => {
    const pcm = Uint8Array.of(0x34, 0x12, 0x00, 0x80);
    const media = (name: StreamDialectName): string => {
      const [message] = pair(name).bot.encodeAudio(pcm) as readonly string[];
      return Buffer.from(JSON.parse(message!).media.payload, 'base64').toString('hex');
    };
    expect(media('telnyx')).toBe('12348000');
    expect(media('twilio')).toBe('ad00');
    for (const name of ['vonage', 'asterisk'] as const)
      expect(
        pair(name)
          .bot.encodeAudio(new Uint8Array(1_500))
          .map(({ length }) => length),
      ).toEqual([640, 640, 220]);
    const packets = pair('audiosocket').bot.encodeAudio(new Uint8Array(500)) as readonly Uint8Array[];
    expect(packets.map((packet) => [...packet.subarray(0, 3), packet.length])).toEqual([
      [0x10, 1, 0x40, 323],
      [0x10, 0, 180, 183],
    ]);
  });
});

describe('asterisk', () => {
  it('tells of its queue', () => {
    const { bot, gateway, heard } = pair('asterisk');
    Object.assign(heard, { playedMs: 300, bufferedMs: 700 });
    expect(eventsOf(bot.receiveText('MEDIA_XOFF channel_id:1'))).toEqual([
      { event: 'flow', state: 'xoff', bufferedMs: 700 },
    ]);
    const status = gateway.tell({ event: 'status', state: 'paused', bufferedMs: 690, playedMs: 1, marks: 0 });
    expect(eventsOf(tell(bot, status))).toEqual([
      { event: 'status', state: 'paused', bufferedMs: 700, playedMs: 300, marks: 0 },
    ]);
  });
});

describe('audiosocket', () => {
  it('reads packets cut anywhere', () => {
    const { gateway } = pair('audiosocket', { sampleRateHz: 8_000 });
    const sent = [
      ...gateway.opening(),
      gateway.encodeAudio!(Uint8Array.of(1, 2, 3, 4)),
      gateway.tell({ event: 'dtmf', digit: '#', durationMs: 100, method: 'info' }),
      gateway.encodeAudio!(new Uint8Array()),
      ...gateway.closing!({ code: 1000, reason: '' }),
    ];
    const bytes = Buffer.concat(sent as Uint8Array[]);
    const expected = alone('audiosocket').receiveBinary(bytes);
    expect(expected.map(({ type }) => type)).toEqual(['connect', 'audio', 'message', 'audio', 'hangup']);
    const random = createRandom(7);
    for (let round = 0; round < 50; round++) {
      const bot = alone('audiosocket');
      const news: BotNews[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + 1 + Math.floor(random() * 9));
        news.push(...bot.receiveBinary(bytes.subarray(at, end)));
        at = end;
      }
      expect(news).toEqual(expected);
    }
  });

  it('random bytes are a BotError or nothing', () => {
    const random = createRandom(11);
    for (let round = 0; round < 300; round++) {
      const { bot } = pair('audiosocket');
      const bytes = Uint8Array.from({ length: 40 }, () => Math.floor(random() * (round % 2 === 0 ? 256 : 4)));
      try {
        bot.receiveBinary(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(BotError);
      }
    }
  });

  it('has no pause among digits', () => {
    expect(() => pair('audiosocket').bot.say({ command: 'dtmf', digits: '1w2' })).toThrow(
      "audiosocket has no pause among digits, got '1w2'",
    );
  });
});
