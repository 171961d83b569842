import { BotError } from './bot-error.ts';

/** What a gateway tells about a call in `connect`, whichever of the published spellings it uses. */
export interface BotCallInfo {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  readonly direction: 'inbound' | 'outbound';
  readonly applicationKey: string;
  /** As configured with the call's action; names keep their case. */
  readonly callHeaders: Readonly<Record<string, string>>;
  /** The X- headers of the INVITE. */
  readonly sipHeaders: Readonly<Record<string, string>>;
  /** Hz, of the stream itself. */
  readonly streamSampleRate: number;
  /** Extensions that the gateway offers. */
  readonly offered: readonly string[];
  /** The call goes on after its connection was lost. */
  readonly resumed: boolean;
  /** A second stream of the call, which only listens: whom it hears. What is played on it nobody hears. */
  readonly tap: 'caller' | 'callee' | 'both' | undefined;
  /** Of the audio: 2 where it is a tap of both, interleaved, the caller first. */
  readonly channels: 1 | 2;
  /** The whole message, for what is not named here. */
  readonly connect: Readonly<Record<string, unknown>>;
}

const rateHzMin = 8_000;
const rateHzMax = 96_000;

/** Throws `BotError` with `bad-message` where the text is no `connect` that can be served. */
export function readConnect(text: string, sampleRateAssumed: number): BotCallInfo {
  const connect = parseObject(text);
  if (connect?.command !== 'connect')
    throw new BotError('bad-message', `the first message must be the connect command, got ${shown(text)}`);
  const sampleRate = connect.sampleRate ?? sampleRateAssumed;
  if (typeof sampleRate !== 'number' || !(sampleRate >= rateHzMin && sampleRate <= rateHzMax))
    throw new BotError(
      'bad-message',
      `sampleRate must be a number from ${rateHzMin} to ${rateHzMax}, got ${shown(JSON.stringify(sampleRate))}`,
    );
  return {
    callId: textOf(connect.callId ?? connect.CallId),
    from: textOf(connect.from),
    to: textOf(connect.to),
    direction: connect.direction === 'outbound' ? 'outbound' : 'inbound',
    applicationKey: textOf(connect.applicationKey ?? connect.applicationId ?? connect.ApplicationId),
    callHeaders: textsOf(connect.callHeaders ?? connect.headers ?? connect.Headers),
    sipHeaders: textsOf(connect.sipHeaders),
    streamSampleRate: sampleRate,
    offered: listOf(connect.extensions),
    resumed: connect.resumed === true,
    tap: taps.find((tap) => tap === connect.tap),
    channels: connect.channels === 2 ? 2 : 1,
    connect,
  };
}

const taps = ['caller', 'callee', 'both'] as const;

/** Undefined where the text is no JSON object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** `[{ key, value }]` is what some send in place of an object. */
function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  if (Array.isArray(value)) {
    for (const item of value)
      if (isObject(item) && typeof item.key === 'string') entries.push([item.key, String(item.value)]);
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) entries.push([key, String(item)]);
  }
  return Object.fromEntries(entries);
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
