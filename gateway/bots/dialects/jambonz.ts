import type { CommandMessage } from '../../../protocol/stream/message-schemas.ts';
import {
  type BotDialect,
  type BotDialectOptions,
  type BotDialectSession,
  type BotNews,
  connectNews,
  digitEvents,
  type Fields,
  JsonReader,
  messageNews,
  objectOf,
  textOf,
  textsOf,
} from './bot-dialect.ts';
import { PlacedMarks } from './placed-marks.ts';

/** The `listen` verb of jambonz with streamed audio both ways: one text about the call, then binary L16. */
export const jambonz: BotDialect = {
  name: 'jambonz',
  transport: 'websocket',
  awaitsReply: false,
  tellsCallId: true,
  lacks: new Set(['dtmf', 'cleared']),
  createSession: (options) => new JambonzSession(options),
};

class JambonzSession implements BotDialectSession {
  readonly #marks: PlacedMarks;
  readonly #reader: JsonReader;

  constructor({ heard, sampleRateAssumed }: BotDialectOptions) {
    this.#marks = new PlacedMarks(heard);
    this.#reader = new JsonReader(
      (fields) => readOpening(fields, sampleRateAssumed),
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
      case 'mark':
        return [JSON.stringify({ type: 'mark', data: { name: this.#marks.place(command.name) } })];
      case 'clear':
        return [JSON.stringify({ type: 'killAudio' })];
      default:
        return [];
    }
  }

  encodeAudio(pcm: Uint8Array): readonly Uint8Array[] {
    return [pcm];
  }

  closing(): readonly string[] {
    return [JSON.stringify({ type: 'disconnect' })];
  }

  #read(message: Fields): BotNews {
    if (message.event === 'dtmf') return messageNews(message, ...digitEvents(message.dtmf, message.duration));
    if (message.type !== 'mark') return messageNews(message);
    const { name, event } = objectOf(message.data);
    return messageNews(message, ...this.#marks.returned(name, event === 'cleared' ? 'cleared' : 'played'));
  }
}

function readOpening(connect: Fields, sampleRateAssumed: number): BotNews {
  const isStereo = connect.mixType === 'stereo';
  return connectNews({
    callId: textOf(connect.callId) || textOf(connect.callSid),
    applicationKey: textOf(connect.applicationSid),
    from: textOf(connect.from),
    to: textOf(connect.to),
    direction: connect.direction === 'outbound' ? 'outbound' : 'inbound',
    // Metadata of the verb lies among the fields of the call.
    callHeaders: textsOf(connect),
    streamSampleRate: Number(connect.sampleRate ?? sampleRateAssumed),
    offered: ['mark', 'dtmf'],
    ...(isStereo && { tap: 'both', channels: 2 }),
    connect,
  });
}
