import type { CommandMessage, EventMessage } from '../../../protocol/stream/message-schemas.ts';
import { parseObject } from '../bot-connect.ts';
import {
  type BotDialect,
  type BotDialectOptions,
  type BotDialectSession,
  type BotNews,
  connectNews,
  cutIntoFrames,
  digitEvents,
  type Fields,
  messageNews,
  notAnOpening,
  textOf,
} from './bot-dialect.ts';
import { PlacedMarks } from './placed-marks.ts';

/** Asterisk's chan_websocket: words and `name:value` pairs as text, or the same as JSON, and binary signed linear. The
 *  bot speaks as it is spoken to. */
export const asterisk: BotDialect = {
  name: 'asterisk',
  transport: 'websocket',
  awaitsReply: false,
  tellsCallId: true,
  lacks: new Set(['dtmf', 'transfer', 'cleared']),
  createSession: (options) => new AsteriskSession(options),
};

const rateOfFormat: Readonly<Record<string, number>> = {
  slin: 8_000,
  slin8: 8_000,
  slin16: 16_000,
  slin24: 24_000,
  slin44: 44_100,
  slin48: 48_000,
  slin96: 96_000,
};
const frameMs = 20;
/** A mark behind each flush comes back at once, and tells that all before it was played or flushed. */
const fence = 'flushed:';

class AsteriskSession implements BotDialectSession {
  readonly #options: BotDialectOptions;
  readonly #marks: PlacedMarks;
  #sampleRateHz = 0;
  #json = false;

  constructor(options: BotDialectOptions) {
    this.#options = options;
    this.#marks = new PlacedMarks(options.heard);
  }

  receiveText(text: string): readonly BotNews[] {
    const json = parseObject(text);
    const message = json ?? readPlain(text);
    if (this.#sampleRateHz > 0) return [messageNews(message, ...this.#eventsOf(message))];
    const rateHz = rateOfFormat[textOf(message.format)];
    if (message.event !== 'MEDIA_START' || rateHz === undefined)
      throw notAnOpening('"MEDIA_START" with a format slin, slin16, …', text);
    this.#sampleRateHz = rateHz;
    this.#json = json !== undefined;
    return [
      connectNews({
        callId: textOf(message.channel_id) || textOf(message.channel),
        streamSampleRate: rateHz,
        offered: ['mark', 'dtmf', 'flow', 'control'],
        connect: message,
      }),
    ];
  }

  receiveBinary(pcm: Uint8Array): readonly BotNews[] {
    return [{ type: 'audio', pcm }];
  }

  say(command: CommandMessage): readonly string[] {
    switch (command.command) {
      case 'answer':
        // Buffering is what makes it take audio that does not come frame by frame.
        return [this.#message('ANSWER'), this.#message('START_MEDIA_BUFFERING')];
      case 'mark':
        return [this.#message('MARK_MEDIA', this.#marks.place(command.name))];
      case 'clear':
        return [
          this.#message('FLUSH_MEDIA'),
          this.#message('MARK_MEDIA', `${fence}${this.#marks.wireNameNext}`),
          // A flush ends it.
          this.#message('START_MEDIA_BUFFERING'),
        ];
      case 'pause':
        return [this.#message('PAUSE_MEDIA')];
      case 'continue':
        return [this.#message('CONTINUE_MEDIA')];
      case 'status':
        return [this.#message('GET_STATUS')];
      case 'hangup':
        return [this.#message('HANGUP')];
      default:
        return [];
    }
  }

  encodeAudio(pcm: Uint8Array): readonly Uint8Array[] {
    return cutIntoFrames(pcm, this.#sampleRateHz);
  }

  #eventsOf(message: Fields): readonly EventMessage[] {
    const { playedMs, bufferedMs } = this.#options.heard();
    switch (message.event) {
      case 'DTMF_END':
        return digitEvents(message.digit, message.duration_ms);
      case 'MEDIA_MARK_PROCESSED': {
        const name = textOf(message.correlation_id);
        if (!name.startsWith(fence)) return this.#marks.returned(name);
        return this.#marks.dropped(Number(name.slice(fence.length)));
      }
      case 'MEDIA_XOFF':
        return [{ event: 'flow', state: 'xoff', bufferedMs }];
      case 'MEDIA_XON':
        return [{ event: 'flow', state: 'xon', bufferedMs }];
      case 'STATUS': {
        const queuedMs = Math.max(0, Number(message.queue_length) || 0) * frameMs;
        const isPaused = message.media_paused === true || message.media_paused === 'true';
        const state = isPaused ? 'paused' : queuedMs > 0 ? 'playing' : 'idle';
        return [{ event: 'status', state, bufferedMs: queuedMs, playedMs, marks: this.#marks.count }];
      }
      default:
        return [];
    }
  }

  #message(command: string, correlationId?: string): string {
    if (this.#json)
      return JSON.stringify({ command, ...(correlationId && { correlation_id: correlationId }) });
    return correlationId === undefined ? command : `${command} ${correlationId}`;
  }
}

/** `DTMF_END channel_id:1 digit:5` as an object. A value may hold colons, and no spaces. */
function readPlain(text: string): Fields {
  const [event = '', ...pairs] = text.trim().split(/\s+/);
  const fields = pairs.map((pair): [string, string] => {
    const colon = pair.indexOf(':');
    return colon < 0 ? [pair, ''] : [pair.slice(0, colon), pair.slice(colon + 1)];
  });
  return { event, ...Object.fromEntries(fields) };
}
