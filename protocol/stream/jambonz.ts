import { ProtocolError } from '../protocol-error.ts';
import { uuid } from './dialect-ids.ts';
import {
  base64Field,
  excerpt,
  type Fields,
  nameIn,
  objectField,
  parseObject,
  textField,
} from './json-message.ts';
import {
  type DialectSession,
  markNameLengthMax,
  type StreamClose,
  type StreamCommand,
  type StreamConnect,
  type StreamDialect,
  type StreamEvent,
  type StreamEventName,
  streamSampleRatesHz,
} from './messages.ts';
import { readWave } from './wave-audio.ts';

/** The `listen` verb of jambonz with bidirectional audio, streamed or a file at a time: one text message about the call,
 *  then binary L16 to the server, and back. */
export const jambonz: StreamDialect = {
  name: 'jambonz',
  transport: 'websocket',
  stereo: true,
  subprotocol: 'audio.jambonz.org',
  // A whole file may come in one message.
  textBytesMax: 8_388_608,
  mayBeSilent: true,
  awaitsReply: false,
  createSession: (connect) => new JambonzSession(connect),
};

const ratesHz: readonly number[] = [8000, 16000, 24000, 48000];

class JambonzSession implements DialectSession {
  readonly encoding = 'pcm16';
  readonly sampleRateHz: number;
  readonly #connect: StreamConnect;

  constructor(connect: StreamConnect) {
    if (!ratesHz.includes(connect.sampleRateHz)) {
      const rates = ratesHz.join(', ');
      throw new ProtocolError(
        'bad-connect',
        `sampleRate must be one of ${rates} with dialect jambonz, got ${connect.sampleRateHz}`,
      );
    }
    this.sampleRateHz = connect.sampleRateHz;
    this.#connect = connect;
  }

  opening(): readonly string[] {
    const { callId, applicationKey, callHeaders, from, to, direction, tap } = this.#connect;
    return [
      JSON.stringify({
        sampleRate: this.sampleRateHz,
        mixType: tap === 'both' ? 'stereo' : 'mono',
        callSid: uuid('call', callId),
        direction,
        from,
        to,
        callId,
        sipStatus: 200,
        sipReason: 'OK',
        callStatus: 'in-progress',
        accountSid: uuid('account', applicationKey),
        applicationSid: uuid('application', applicationKey),
        callerName: '',
        // Metadata of the verb goes over what is there, as it does there.
        ...Object.fromEntries(callHeaders.map(({ key, value }) => [key, value])),
      }),
    ];
  }

  receiveText(text: string): readonly StreamCommand[] {
    const fields = parseObject(text);
    return commands[nameIn(fields, 'type', commands)]!(fields, this.sampleRateHz);
  }

  wants(event: StreamEventName): boolean {
    return event === 'mark' || event === 'dtmf';
  }

  tell(event: StreamEvent): string | undefined {
    if (event.event === 'dtmf') {
      return JSON.stringify({
        event: 'dtmf',
        dtmf: event.digit,
        duration: `${Math.round(event.durationMs)}`,
      });
    }
    if (event.event !== 'mark') return undefined;
    const name = event.name.slice(2);
    if (event.name.startsWith('p:')) return JSON.stringify({ type: 'playDone', data: { id: name } });
    const what = event.status === 'played' ? 'playout' : 'cleared';
    return JSON.stringify({ type: 'mark', data: { name, event: what } });
  }

  closeAs(): StreamClose {
    return { code: 1000, reason: '' };
  }
}

const commands: Readonly<Record<string, (fields: Fields, rateHz: number) => readonly StreamCommand[]>> = {
  playAudio: (fields, rateHz) => playAudio(objectField(fields, 'data'), rateHz),
  killAudio: () => [{ command: 'clear' }],
  mark: (fields) => {
    const name = textField(objectField(fields, 'data'), 'name', markNameLengthMax - 2);
    return [{ command: 'mark', name: `m:${name}` }];
  },
  clearMarks: () => [{ command: 'clearMarks' }],
  disconnect: () => [{ command: 'hangup' }],
};

/** Takes the place of what plays, unless it is to be queued. */
function playAudio(data: Fields, streamRateHz: number): readonly StreamCommand[] {
  const { audioContentType = 'raw', queuePlay } = data;
  const content = base64Field(data, 'audioContent');
  if (audioContentType !== 'raw' && !isWave(audioContentType)) {
    const wanted = 'raw or wav';
    throw new ProtocolError(
      'bad-field',
      `"audioContentType" must be ${wanted}, got ${excerpt(audioContentType)}`,
    );
  }
  const rate = data.sampleRate ?? streamRateHz;
  const audio = isWave(audioContentType) ? readWave(content) : { bytes: content, sampleRateHz: Number(rate) };
  if (!streamSampleRatesHz.some((rateHz) => rateHz === audio.sampleRateHz)) {
    const rates = streamSampleRatesHz.join(', ');
    const found = isWave(audioContentType) ? audio.sampleRateHz : excerpt(rate);
    throw new ProtocolError('bad-field', `"sampleRate" must be one of ${rates}, got ${found}`);
  }
  const id = data.id === undefined ? undefined : textField(data, 'id', markNameLengthMax - 2);
  return [
    ...(queuePlay === true ? [] : [{ command: 'clear' } as const]),
    { command: 'audio', ...audio },
    ...(id === undefined ? [] : [{ command: 'mark', name: `p:${id}` } as const]),
  ];
}

function isWave(type: unknown): boolean {
  return type === 'wav' || type === 'wave';
}
