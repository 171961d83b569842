import { ProtocolError } from '../protocol-error.ts';
import { hexId, uuid } from './dialect-ids.ts';
import { nameIn, parseObject } from './json-message.ts';
import { MediaChunks, mediaCommands } from './media-chunks.ts';
import type {
  DialectSession,
  StreamClose,
  StreamCommand,
  StreamConnect,
  StreamDialect,
  StreamEncoding,
  StreamEvent,
  StreamEventName,
} from './messages.ts';

/** Telnyx' media streaming in mode `rtp`: JSON text both ways, audio as base64 of RTP payloads without their headers.
 *  8 kHz is PCMU, higher rates are L16, which in RTP is big-endian (RFC 3551 §4.5.11). */
export const telnyx: StreamDialect = {
  name: 'telnyx',
  transport: 'websocket',
  // 30 s of L16 at 24 kHz in base64, the longest that its servers may send at once.
  textBytesMax: 2_097_152,
  mayBeSilent: true,
  awaitsReply: false,
  createSession: (connect) => new TelnyxSession(connect),
};

const wideRatesHz: readonly number[] = [16000, 24000, 48000];

class TelnyxSession implements DialectSession {
  readonly encoding: StreamEncoding;
  readonly sampleRateHz: number;
  readonly #connect: StreamConnect;
  readonly #streamId: string;
  readonly #callControlId: string;
  readonly #userId: string;
  readonly #chunks: MediaChunks;
  #sequenceNumber = 0;

  constructor(connect: StreamConnect) {
    if (connect.tap === 'both') {
      throw new ProtocolError(
        'bad-connect',
        'dialect telnyx has no stereo: tap must be caller or callee, got both',
      );
    }
    const wide = wideRatesHz.includes(connect.sampleRateHz);
    if (!wide && connect.sampleRateHz !== 8000) {
      const rates = ['8000', ...wideRatesHz].join(', ');
      throw new ProtocolError(
        'bad-connect',
        `sampleRate must be one of ${rates} with dialect telnyx, got ${connect.sampleRateHz}`,
      );
    }
    this.encoding = wide ? 'pcm16be' : 'mulaw';
    this.sampleRateHz = connect.sampleRateHz;
    const bytesPerMs = (connect.sampleRateHz / 1000) * (wide ? 2 : 1);
    this.#connect = connect;
    this.#chunks = new MediaChunks(connect.tap === 'callee' ? 'outbound' : 'inbound', bytesPerMs);
    this.#streamId = uuid('stream', connect.callId);
    this.#callControlId = `v3:${hexId('call', connect.callId)}`;
    this.#userId = uuid('user', connect.applicationKey);
  }

  opening(): readonly string[] {
    const { callId, callHeaders, from, to } = this.#connect;
    const start = {
      user_id: this.#userId,
      call_control_id: this.#callControlId,
      call_session_id: uuid('session', callId),
      from,
      to,
      tags: [],
      client_state: '',
      custom_parameters: Object.fromEntries(callHeaders.map(({ key, value }) => [key, value])),
      media_format: {
        encoding: this.encoding === 'mulaw' ? 'PCMU' : 'L16',
        sample_rate: this.sampleRateHz,
        channels: 1,
      },
    };
    return [JSON.stringify({ event: 'connected', version: '1.0.0' }), this.#message('start', { start })];
  }

  receiveText(text: string): readonly StreamCommand[] {
    const fields = parseObject(text);
    return [mediaCommands[nameIn(fields, 'event', mediaCommands)]!(fields)];
  }

  encodeAudio(payload: Uint8Array): string {
    return this.#message('media', { media: this.#chunks.next(payload) });
  }

  wants(event: StreamEventName): boolean {
    return event === 'mark' || event === 'dtmf' || event === 'error';
  }

  tell(event: StreamEvent): string | undefined {
    switch (event.event) {
      case 'mark':
        return this.#message('mark', { mark: { name: event.name } });
      case 'dtmf':
        return this.#message('dtmf', { dtmf: { digit: event.digit } });
      case 'error': {
        const { code, title } = errors[event.code] ?? { code: 100002, title: 'unknown_error' };
        return this.#message('error', { payload: { code, title, detail: event.message } });
      }
      default:
        return undefined;
    }
  }

  closing(): readonly string[] {
    return [this.#message('stop', { stop: { user_id: this.#userId, call_control_id: this.#callControlId } })];
  }

  closeAs(): StreamClose {
    return { code: 1000, reason: '' };
  }

  #message(event: string, content: object): string {
    const sequence_number = `${++this.#sequenceNumber}`;
    return JSON.stringify({ event, sequence_number, ...content, stream_id: this.#streamId });
  }
}

/** Its numbers for what can be wrong with a message. */
const errors: Readonly<Record<string, { readonly code: number; readonly title: string }>> = {
  'bad-json': { code: 100003, title: 'malformed_frame' },
  'bad-message': { code: 100003, title: 'malformed_frame' },
  'unknown-command': { code: 100003, title: 'malformed_frame' },
  'bad-field': { code: 100004, title: 'invalid_media' },
};
