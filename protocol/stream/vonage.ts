import { ProtocolError } from '../protocol-error.ts';
import { excerpt, type Fields, nameIn, parseObject } from './json-message.ts';
import type {
  DialectSession,
  StreamClose,
  StreamCommand,
  StreamConnect,
  StreamDialect,
  StreamEvent,
  StreamEventName,
} from './messages.ts';

/** WebSocket endpoints of Vonage's Voice API: one text message with the content type and the headers of the
 *  application, then binary L16 both ways, little-endian as theirs is. */
export const vonage: StreamDialect = {
  name: 'vonage',
  transport: 'websocket',
  mayBeSilent: true,
  awaitsReply: false,
  createSession: (connect) => new VonageSession(connect),
};

const ratesHz: readonly number[] = [8000, 16000, 24000];
/** Payloads of `notify` that wait for their audio to be played. */
const notifiesMax = 1_000;

class VonageSession implements DialectSession {
  readonly encoding = 'pcm16';
  readonly sampleRateHz: number;
  readonly #connect: StreamConnect;
  readonly #notifies = new Map<string, unknown>();
  #notifiesMade = 0;

  constructor(connect: StreamConnect) {
    if (!ratesHz.includes(connect.sampleRateHz)) {
      const rates = ratesHz.join(', ');
      throw new ProtocolError(
        'bad-connect',
        `sampleRate must be one of ${rates} with dialect vonage, got ${connect.sampleRateHz}`,
      );
    }
    this.sampleRateHz = connect.sampleRateHz;
    this.#connect = connect;
  }

  opening(): readonly string[] {
    const { callHeaders } = this.#connect;
    return [
      JSON.stringify({
        ...Object.fromEntries(callHeaders.map(({ key, value }) => [key, value])),
        event: 'websocket:connected',
        'content-type': `audio/l16;rate=${this.sampleRateHz}`,
      }),
    ];
  }

  receiveText(text: string): readonly StreamCommand[] {
    const fields = parseObject(text);
    if (nameIn(fields, 'action', actions) === 'clear') {
      // Nobody is told of audio that was dropped.
      this.#notifies.clear();
      return [{ command: 'clear' }];
    }
    return [{ command: 'mark', name: this.#remember(fields) }];
  }

  wants(event: StreamEventName): boolean {
    return event === 'mark' || event === 'cleared' || event === 'dtmf';
  }

  tell(event: StreamEvent): string | undefined {
    switch (event.event) {
      case 'cleared':
        return JSON.stringify({ event: 'websocket:cleared' });
      case 'dtmf':
        return JSON.stringify({ event: 'websocket:dtmf', digit: event.digit, duration: event.durationMs });
      case 'mark': {
        if (!this.#notifies.has(event.name)) return undefined;
        const payload = this.#notifies.get(event.name);
        this.#notifies.delete(event.name);
        return JSON.stringify({ event: 'websocket:notify', payload });
      }
      default:
        return undefined;
    }
  }

  closeAs(): StreamClose {
    return { code: 1000, reason: '' };
  }

  #remember({ payload }: Fields): string {
    if (typeof payload !== 'object' || payload === null) {
      throw new ProtocolError('bad-field', `"payload" must be an object, got ${excerpt(payload)}`);
    }
    if (this.#notifies.size >= notifiesMax) {
      throw new ProtocolError('bad-message', `at most ${notifiesMax} "notify" may wait, got one more`);
    }
    const name = `${++this.#notifiesMade}`;
    this.#notifies.set(name, payload);
    return name;
  }
}

const actions = { clear: true, notify: true } as const;
