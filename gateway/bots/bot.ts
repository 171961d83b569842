import type { StreamDialectName } from '../../protocol/stream/messages.ts';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { parseHttpListener } from '../listen-address.ts';
import { createBotAudio } from './bot-audio.ts';
import type { BotCall } from './bot-call.ts';
import type { BotKind } from './bot-kinds.ts';
import { createBotServer } from './bot-server.ts';

/** A sample stream server, built on the bot library. */
export interface BotOptions {
  readonly kind: BotKind;
  /** `127.0.0.1:9000`, `[::1]:0`; port 0 lets the system choose. Default `127.0.0.1:0`. */
  readonly listen?: string;
  /** What it says to `connect`. */
  readonly reply?: 'answer' | 'busy' | 'reject';
  /** What its gateways speak. Default `sinch`. */
  readonly dialect?: StreamDialectName;
  /** Rate to assume where `connect` names none. */
  readonly sampleRateHz?: number;
  /** `play`: the WAV to play; `record`: the WAV to write. The second call in a row writes `name-2.wav`. */
  readonly file?: string;
  readonly toneHz?: number;
  readonly clock?: Clock;
  readonly report?: (event: BotEvent) => void;
}

export interface Bot {
  readonly url: string;
  /** Calls on the line. */
  readonly calls: number;
  /** Ends every call with 1001 and frees the port. */
  close(): Promise<void>;
}

export type BotEvent =
  | { readonly type: 'called'; readonly call: BotCallInfo; readonly reply: 'answer' | 'busy' | 'reject' }
  | {
      readonly type: 'ended';
      readonly call: BotCallInfo;
      readonly code: number;
      readonly reason: string;
      readonly receivedMs: number;
    }
  /** The gateway did what this bot does not understand, or its file cannot be written; the connection was closed. */
  | { readonly type: 'refused'; readonly message: string };

export interface BotCallInfo {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  readonly sampleRateHz: number;
}

/** A tone or a recording is heard soon after it began, whatever was said before it. */
const playAheadMs = 100;

/** Rejects with the system's error if it cannot listen, and with the WAV's if `file` cannot be read. */
export async function startBot(options: BotOptions): Promise<Bot> {
  const { reply = 'answer', report, clock, sampleRateHz, dialect } = options;
  const listen = parseHttpListener(options.listen ?? '127.0.0.1:0');
  if (listen === undefined)
    throw new RangeError(`listen is '${options.listen}', expected ADDRESS:PORT such as 127.0.0.1:9000`);
  const answer = await createBotAudio(options);
  const server = await createBotServer({
    host: listen.address,
    port: listen.port,
    // What they do needs nothing that old gateways lack.
    extensions: [],
    playAheadMs,
    ...(sampleRateHz !== undefined && { sampleRateAssumed: sampleRateHz }),
    ...(clock && { clock }),
    ...(dialect && { dialect }),
    onCall: (call) => {
      const info = callInfo(call);
      report?.({ type: 'called', call: info, reply });
      if (report !== undefined) reportEnd(call, info, report);
      return reply === 'answer' ? answer(call) : call[reply]();
    },
    onError: (error) => report?.({ type: 'refused', message: errorMessage(error) }),
  });
  return {
    url: server.url,
    get calls() {
      return server.calls.size;
    },
    close: () => server.close(),
  };
}

function callInfo({ callId, from, to, sampleRate }: BotCall): BotCallInfo {
  return { callId, from, to, sampleRateHz: sampleRate };
}

function reportEnd(call: BotCall, info: BotCallInfo, report: (event: BotEvent) => void): void {
  let samples = 0;
  call.on('audio', (pcm) => {
    samples += pcm.length;
  });
  call.on('close', ({ code, reason }) => {
    report({ type: 'ended', call: info, code, reason, receivedMs: (samples * 1_000) / call.sampleRate });
  });
}
