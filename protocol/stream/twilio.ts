import { ProtocolError } from '../protocol-error.ts';
import { hexId } from './dialect-ids.ts';
import { excerpt, nameIn, parseObject } from './json-message.ts';
import { MediaChunks, mediaCommands } from './media-chunks.ts';
import type {
  DialectSession,
  StreamClose,
  StreamCommand,
  StreamConnect,
  StreamDialect,
  StreamEvent,
  StreamEventName,
} from './messages.ts';

/** Twilio's Media Streams, bidirectional: JSON text both ways, audio as base64 of µ-law at 8 kHz. Its servers say
 *  nothing before they get audio, so the call is answered at once. */
export const twilio: StreamDialect = {
  name: 'twilio',
  transport: 'websocket',
  textBytesMax: 1_048_576,
  mayBeSilent: true,
  awaitsReply: false,
  createSession: (connect) => new TwilioSession(connect),
};

const bytesPerMs = 8;

class TwilioSession implements DialectSession {
  readonly encoding = 'mulaw';
  readonly sampleRateHz = 8000;
  readonly #connect: StreamConnect;
  readonly #streamSid: string;
  readonly #callSid: string;
  readonly #accountSid: string;
  readonly #chunks: MediaChunks;
  #sequenceNumber = 0;

  constructor(connect: StreamConnect) {
    if (connect.tap === 'both') {
      throw new ProtocolError(
        'bad-connect',
        'dialect twilio has no stereo: tap must be caller or callee, got both',
      );
    }
    this.#connect = connect;
    this.#chunks = new MediaChunks(connect.tap === 'callee' ? 'outbound' : 'inbound', bytesPerMs);
    this.#streamSid = `MZ${hexId('stream', connect.callId)}`;
    this.#callSid = `CA${hexId('call', connect.callId)}`;
    this.#accountSid = `AC${hexId('account', connect.applicationKey)}`;
  }

  opening(): readonly string[] {
    const start = {
      accountSid: this.#accountSid,
      streamSid: this.#streamSid,
      callSid: this.#callSid,
      tracks: [this.#chunks.track],
      mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
      customParameters: Object.fromEntries(this.#connect.callHeaders.map(({ key, value }) => [key, value])),
    };
    return [
      JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }),
      this.#message('start', { start }),
    ];
  }

  receiveText(text: string): readonly StreamCommand[] {
    const fields = parseObject(text);
    const name = nameIn(fields, 'event', mediaCommands);
    if (fields.streamSid !== undefined && fields.streamSid !== this.#streamSid) {
      const wanted = 'the one of the start message';
      throw new ProtocolError('bad-field', `"streamSid" must be ${wanted}, got ${excerpt(fields.streamSid)}`);
    }
    return [mediaCommands[name]!(fields)];
  }

  encodeAudio(payload: Uint8Array): string {
    return this.#message('media', { media: this.#chunks.next(payload) });
  }

  wants(event: StreamEventName): boolean {
    return event === 'mark' || event === 'dtmf';
  }

  /** A mark comes back whether its audio was played or cleared, as it does there. */
  tell(event: StreamEvent): string | undefined {
    if (event.event === 'mark') return this.#message('mark', { mark: { name: event.name } });
    if (event.event === 'dtmf') {
      return this.#message('dtmf', { dtmf: { track: 'inbound_track', digit: event.digit } });
    }
    return undefined;
  }

  closing(): readonly string[] {
    return [this.#message('stop', { stop: { accountSid: this.#accountSid, callSid: this.#callSid } })];
  }

  closeAs(): StreamClose {
    return { code: 1000, reason: '' };
  }

  #message(event: string, content: object): string {
    const sequenceNumber = `${++this.#sequenceNumber}`;
    return JSON.stringify({ event, sequenceNumber, ...content, streamSid: this.#streamSid });
  }
}
