import { pcmu } from '../../../codecs/g711.ts';
import type { CommandMessage, EventMessage } from '../../../protocol/stream/message-schemas.ts';
import type { BotCallInfo } from '../bot-connect.ts';
import { SampleJoiner } from '../sample-joiner.ts';
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
  notAnOpening,
  objectOf,
  textOf,
  textsOf,
} from './bot-dialect.ts';
import { PlacedMarks } from './placed-marks.ts';

/** Twilio's Media Streams and Telnyx' media streaming, which differ in names alone: JSON text both ways, audio in base64,
 *  `connected` and `start` before all else, marks that come back whether they were played or cleared. */

interface MediaStreams {
  readonly openingName: string;
  readInfo(start: Fields, message: Fields): Omit<BotCallInfo, keyof typeof notTold | 'streamSampleRate'>;
  /** What every message of ours carries besides. */
  envelope(start: Fields): Fields;
  readError(message: Fields): readonly EventMessage<'error'>[];
}

const notTold = {
  direction: 'inbound',
  sipHeaders: {},
  offered: ['mark', 'dtmf'],
  resumed: false,
  channels: 1,
} as const;

const lacks: BotDialect['lacks'] = new Set(['dtmf', 'cleared']);

export const twilio: BotDialect = {
  name: 'twilio',
  transport: 'websocket',
  awaitsReply: false,
  tellsCallId: false,
  lacks,
  createSession: (options) =>
    new MediaStreamsSession(options, {
      openingName: '"connected" and "start" of dialect twilio',
      readInfo: (start, connect) => {
        const callHeaders = textsOf(objectOf(start.customParameters));
        const { from = '', to = '' } = callHeaders;
        return {
          callId: textOf(start.callSid),
          applicationKey: textOf(start.accountSid),
          // Its start names neither; who wants them hands them on as parameters.
          from,
          to,
          callHeaders,
          tap: tapOf(start.tracks),
          connect,
        };
      },
      envelope: ({ streamSid }) => ({ streamSid }),
      readError: () => [],
    }),
};

export const telnyx: BotDialect = {
  name: 'telnyx',
  transport: 'websocket',
  awaitsReply: false,
  tellsCallId: false,
  lacks,
  createSession: (options) =>
    new MediaStreamsSession(options, {
      openingName: '"connected" and "start" of dialect telnyx',
      readInfo: (start, connect) => ({
        callId: textOf(start.call_control_id),
        applicationKey: textOf(start.user_id),
        from: textOf(start.from),
        to: textOf(start.to),
        callHeaders: textsOf(objectOf(start.custom_parameters)),
        tap: undefined,
        connect,
      }),
      envelope: () => ({}),
      readError: ({ payload }) => {
        const { title, detail } = objectOf(payload);
        return [{ event: 'error', code: textOf(title), message: textOf(detail) }];
      },
    }),
};

/** A stream of the other side alone is one that only listens. */
function tapOf(tracks: unknown): BotCallInfo['tap'] {
  return Array.isArray(tracks) && tracks.length === 1 && tracks[0] === 'outbound' ? 'callee' : undefined;
}

/** Each chunk of audio is on its own, so these are everybody's. */
const [muLawEncoder, muLawDecoder] = [pcmu.createEncoder(), pcmu.createDecoder()];

class MediaStreamsSession implements BotDialectSession {
  readonly #platform: MediaStreams;
  readonly #marks: PlacedMarks;
  readonly #reader: JsonReader;
  readonly #joiner = new SampleJoiner();
  #envelope: Fields = {};
  /** Else 16-bit big-endian. */
  #muLaw = true;

  constructor({ heard }: BotDialectOptions, platform: MediaStreams) {
    this.#platform = platform;
    this.#marks = new PlacedMarks(heard);
    this.#reader = new JsonReader(
      (fields) => this.#open(fields),
      (fields) => this.#read(fields),
    );
  }

  receiveText(text: string): readonly BotNews[] {
    return this.#reader.receive(text);
  }

  receiveBinary(): readonly BotNews[] {
    return [];
  }

  say(command: CommandMessage): readonly string[] {
    switch (command.command) {
      case 'mark':
        return [this.#message('mark', { mark: { name: this.#marks.place(command.name) } })];
      case 'clear':
        this.#marks.clear();
        return [this.#message('clear', {})];
      default:
        return [];
    }
  }

  encodeAudio(pcm: Uint8Array): readonly string[] {
    return [this.#message('media', { media: { payload: this.#encode(pcm).toString('base64') } })];
  }

  #open(message: Fields): BotNews | undefined {
    if (message.event === 'connected') return undefined;
    if (message.event !== 'start') throw notAnOpening(this.#platform.openingName, JSON.stringify(message));
    // Some send it beside `start` alone, some inside it too.
    const start: Fields = { streamSid: message.streamSid, ...objectOf(message.start) };
    const format = objectOf(start.mediaFormat ?? start.media_format);
    this.#muLaw = format.encoding !== 'L16';
    this.#envelope = this.#platform.envelope(start);
    const streamSampleRate = Number(format.sampleRate ?? format.sample_rate ?? 8_000);
    return connectNews({ ...notTold, ...this.#platform.readInfo(start, message), streamSampleRate });
  }

  #read(message: Fields): readonly BotNews[] {
    switch (message.event) {
      case 'media': {
        const payload = Buffer.from(textOf(objectOf(message.media).payload), 'base64');
        return [{ type: 'audio', pcm: this.#decode(payload) }];
      }
      case 'mark':
        return [messageNews(message, ...this.#marks.returned(objectOf(message.mark).name))];
      case 'dtmf':
        return [messageNews(message, ...digitEvents(objectOf(message.dtmf).digit))];
      case 'error':
        return [messageNews(message, ...this.#platform.readError(message))];
      default:
        return [messageNews(message)];
    }
  }

  #encode(pcm: Uint8Array): Buffer {
    // RFC 3551 §4.5.11: the other byte first.
    if (!this.#muLaw) return Buffer.from(pcm).swap16();
    const samples = this.#joiner.join(pcm);
    const payload = Buffer.alloc(samples.length);
    muLawEncoder.encode(samples, 0, samples.length, payload, 0);
    return payload;
  }

  #decode(payload: Buffer): Uint8Array {
    if (!this.#muLaw) return Uint8Array.from(payload.subarray(0, payload.length & ~1).swap16());
    const samples = new Int16Array(payload.length);
    muLawDecoder.decode(payload, 0, payload.length, samples, 0);
    return new Uint8Array(samples.buffer);
  }

  #message(event: string, content: Fields): string {
    return JSON.stringify({ event, ...this.#envelope, ...content });
  }
}
