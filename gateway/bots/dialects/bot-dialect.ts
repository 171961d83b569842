import type { CommandMessage, CommandName, EventMessage } from '../../../protocol/stream/message-schemas.ts';
import type { OutMessage, StreamDialectName } from '../../../protocol/stream/messages.ts';
import { type BotCallInfo, parseObject } from '../bot-connect.ts';
import { BotError } from '../bot-error.ts';
import type { HeardSoFar } from '../outgoing-audio.ts';

/** The server's side of a dialect: what a bot says in the words of the stream protocol becomes this dialect's messages,
 *  and what the gateway says becomes those words again. The gateway's side is in `protocol/stream/`. */
export interface BotDialect {
  readonly name: StreamDialectName;
  /** `tcp` has no messages: what was read goes to `receiveBinary` as it came, in pieces of any size. */
  readonly transport: 'websocket' | 'tcp';
  /** Whether the gateway waits for answer, busy or reject. Else the phone is answered before the bot is asked, and all
   *  that `busy` and `reject` can do is to hang up. */
  readonly awaitsReply: boolean;
  /** Whether the gateway says its own `callId`. Else the call is named as this dialect names it, or by a
   *  UUID of ours. */
  readonly tellsCallId: boolean;
  /** Commands that cannot be said, though the extension may be there for its other half, and reports that do not come. */
  readonly lacks: ReadonlySet<CommandName | 'cleared'>;
  createSession(options: BotDialectOptions): BotDialectSession;
}

export interface BotDialectOptions {
  /** Hz, where the gateway names none. */
  readonly sampleRateAssumed: number;
  /** How the call's audio stands by the clock. */
  readonly heard: () => HeardSoFar;
}

/** One connection's conversation, without sockets and time. Audio is 16-bit little-endian to the bot and from it. */
export interface BotDialectSession {
  /** Before the connect it throws a `BotError` (`bad-message`) for what is no opening; later nothing, over WebSockets. */
  receiveText(text: string): readonly BotNews[];
  receiveBinary(bytes: Uint8Array): readonly BotNews[];
  /** Nothing for what the gateway need not hear. Throws a `BotError` (`bad-argument`) for what it cannot. */
  say(command: CommandMessage): readonly OutMessage[];
  encodeAudio(pcm: Uint8Array): readonly OutMessage[];
  /** Said before the bot closes. */
  closing?(): readonly OutMessage[];
}

export type BotNews =
  | { readonly type: 'connect'; readonly info: BotCallInfo }
  | { readonly type: 'audio'; readonly pcm: Uint8Array }
  /** As it came, and what it means. */
  | {
      readonly type: 'message';
      readonly message: Readonly<Record<string, unknown>>;
      readonly events: readonly EventMessage[];
    }
  | { readonly type: 'hangup' };

export type Fields = Readonly<Record<string, unknown>>;

const connectDefaults: Omit<BotCallInfo, 'callId' | 'streamSampleRate' | 'connect'> = {
  from: '',
  to: '',
  direction: 'inbound',
  applicationKey: '',
  callHeaders: {},
  sipHeaders: {},
  offered: [],
  resumed: false,
  tap: undefined,
  channels: 1,
};

/** What this dialect's opening tells; what it does not is empty. */
export function connectNews(
  told: Partial<BotCallInfo> & Pick<BotCallInfo, 'callId' | 'streamSampleRate' | 'connect'>,
): BotNews {
  const { streamSampleRate } = told;
  // A rate decides how much memory a call takes: it is the one thing that must be right.
  if (!Number.isInteger(streamSampleRate) || streamSampleRate < 8_000 || streamSampleRate > 96_000)
    throw new BotError('bad-message', `the sample rate must be 8000 to 96000, got ${streamSampleRate}`);
  return { type: 'connect', info: { ...connectDefaults, ...told } };
}

/** Of a dialect whose texts are JSON objects: `opening` reads those up to the one that makes the call, which it gives;
 *  `later` says what each one after it means. */
export class JsonReader {
  readonly #opening: (fields: Fields) => BotNews | undefined;
  readonly #later: (fields: Fields) => readonly BotNews[];
  #connected = false;

  constructor(
    opening: (fields: Fields) => BotNews | undefined,
    later: (fields: Fields) => readonly BotNews[],
  ) {
    this.#opening = opening;
    this.#later = later;
  }

  receive(text: string): readonly BotNews[] {
    const fields = parseObject(text);
    if (this.#connected) return fields === undefined ? [] : this.#later(fields);
    if (fields === undefined) throw notAnOpening('a JSON object', text);
    const news = this.#opening(fields);
    this.#connected = news !== undefined;
    return news === undefined ? [] : [news];
  }
}

export function notAnOpening(expected: string, text: string): BotError {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return new BotError('bad-message', `the first message must be ${expected}, got ${shown}`);
}

/** Of a text message: as it came, and what it means. */
export function messageNews(message: Fields, ...events: readonly EventMessage[]): BotNews {
  return { type: 'message', message, events };
}

/** A key of the phone. None where it is no digit. */
export function digitEvents(digit: unknown, durationMs: unknown = 0): readonly EventMessage<'dtmf'>[] {
  if (typeof digit !== 'string' || !/^[0-9*#A-D]$/.test(digit)) return [];
  return [{ event: 'dtmf', digit, durationMs: Math.max(0, Number(durationMs) || 0), method: 'rfc4733' }];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function objectOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The fields that are texts. */
export function textsOf(fields: Fields): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** Audio in messages of 20 ms, for platforms that take no other; the last may be shorter. */
export function cutIntoFrames(pcm: Uint8Array, sampleRateHz: number): readonly Uint8Array[] {
  const frameBytes = Math.floor(sampleRateHz / 50) * 2;
  const frames: Uint8Array[] = [];
  for (let at = 0; at < pcm.length; at += frameBytes) frames.push(pcm.subarray(at, at + frameBytes));
  return frames;
}
