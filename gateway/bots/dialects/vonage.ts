import { randomUUID } from 'node:crypto';
import type { CommandMessage } from '../../../protocol/stream/message-schemas.ts';
import {
  type BotDialect,
  type BotDialectOptions,
  type BotDialectSession,
  type BotNews,
  connectNews,
  cutIntoFrames,
  digitEvents,
  type Fields,
  JsonReader,
  messageNews,
  notAnOpening,
  objectOf,
  textOf,
  textsOf,
} from './bot-dialect.ts';
import { PlacedMarks } from './placed-marks.ts';

/** WebSocket endpoints of Vonage's Voice API: one text with the content type, then L16 both ways, little-endian. */
export const vonage: BotDialect = {
  name: 'vonage',
  transport: 'websocket',
  awaitsReply: false,
  tellsCallId: false,
  lacks: new Set(['dtmf', 'cleared']),
  createSession: (options) => new VonageSession(options),
};

class VonageSession implements BotDialectSession {
  readonly #marks: PlacedMarks;
  readonly #reader: JsonReader;
  readonly #options: BotDialectOptions;
  /** The first mark behind each `clear` that was not confirmed yet. */
  readonly #clears: number[] = [];
  #sampleRateHz: number;

  constructor(options: BotDialectOptions) {
    this.#options = options;
    this.#sampleRateHz = options.sampleRateAssumed;
    this.#marks = new PlacedMarks(options.heard);
    this.#reader = new JsonReader(
      (fields) => this.#open(fields),
      (fields) => [this.#read(fields)],
    );
  }

  receiveText(text: string): readonly BotNews[] {
    return this.#reader.receive(text);
  }

  receiveBinary(pcm: Uint8Array): readonly BotNews[] {
    return [{ type: 'audio', pcm }];
  }

  say(command: CommandMessage): readonly string[] {
    switch (command.command) {
      case 'mark': {
        const payload = { mark: this.#marks.place(command.name) };
        return [JSON.stringify({ action: 'notify', payload })];
      }
      case 'clear':
        this.#clears.push(this.#marks.wireNameNext);
        return [JSON.stringify({ action: 'clear' })];
      default:
        return [];
    }
  }

  encodeAudio(pcm: Uint8Array): readonly Uint8Array[] {
    return cutIntoFrames(pcm, this.#sampleRateHz);
  }

  #open(connect: Fields): BotNews {
    const { event, 'content-type': contentType, ...headers } = connect;
    if (event !== 'websocket:connected')
      throw notAnOpening('"websocket:connected" of dialect vonage', JSON.stringify(connect));
    const rate = /;\s*rate=(\d+)/i.exec(textOf(contentType))?.[1];
    this.#sampleRateHz = rate === undefined ? this.#options.sampleRateAssumed : Number(rate);
    const callHeaders = textsOf(headers);
    // It names neither the call nor its ends; who wants those hands them on as headers.
    const callId = randomUUID();
    const { from = '', to = '' } = callHeaders;
    const streamSampleRate = this.#sampleRateHz;
    return connectNews({
      callId,
      from,
      to,
      callHeaders,
      streamSampleRate,
      offered: ['mark', 'dtmf'],
      connect,
    });
  }

  #read(message: Fields): BotNews {
    switch (message.event) {
      case 'websocket:dtmf':
        return messageNews(message, ...digitEvents(message.digit, message.duration));
      case 'websocket:notify':
        return messageNews(message, ...this.#marks.returned(objectOf(message.payload).mark));
      case 'websocket:cleared':
        return messageNews(message, ...this.#marks.dropped(this.#clears.shift() ?? 0));
      default:
        return messageNews(message);
    }
  }
}
