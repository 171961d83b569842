import { ProtocolError } from '../protocol-error.ts';
import { hexId, uuid } from './dialect-ids.ts';
import { excerpt, parseObject } from './json-message.ts';
import {
  type DialectSession,
  markNameLengthMax,
  type StreamClose,
  type StreamCommand,
  type StreamConnect,
  type StreamDialect,
  type StreamEvent,
  type StreamEventName,
} from './messages.ts';

/** Asterisk's chan_websocket, which answers by itself: words and `name:value` pairs as text, or the same as JSON, and
 *  binary messages of signed linear audio of any length. */
export const asterisk: StreamDialect = {
  name: 'asterisk',
  transport: 'websocket',
  subprotocol: 'media',
  mayBeSilent: true,
  awaitsReply: false,
  createSession: (connect) => new AsteriskSession(connect),
};

/** Its names of signed linear audio, by rate. */
const formats: Readonly<Record<number, string>> = {
  8000: 'slin',
  16000: 'slin16',
  24000: 'slin24',
  44100: 'slin44',
  48000: 'slin48',
  96000: 'slin96',
};
/** The call header that chooses its control messages: `plain-text` (the default, as there) or `json`. */
const formatHeader = 'control_message_format';
const frameMs = 20;
/** What the levels of its queue are where nobody changed them, in frames. */
const [xonLevel, xoffLevel] = [800, 900];

class AsteriskSession implements DialectSession {
  readonly encoding = 'pcm16';
  readonly sampleRateHz: number;
  readonly #connect: StreamConnect;
  readonly #json: boolean;
  readonly #channel: string;
  readonly #channelId: string;
  #buffering = false;
  #full = false;

  constructor(connect: StreamConnect) {
    this.#connect = connect;
    this.sampleRateHz = connect.sampleRateHz;
    const wanted = connect.callHeaders.findLast(({ key }) => key.toLowerCase() === formatHeader)?.value;
    if (wanted !== undefined && wanted !== 'json' && wanted !== 'plain-text') {
      throw new ProtocolError(
        'bad-connect',
        `call header ${formatHeader} must be json or plain-text with dialect asterisk, got ${excerpt(wanted)}`,
      );
    }
    this.#json = wanted === 'json';
    this.#channel = `WebSocket/${hexId('channel', connect.callId).slice(0, 16)}`;
    this.#channelId = connect.callId;
  }

  opening(): readonly string[] {
    return [
      this.#message('MEDIA_START', {
        connection_id: uuid('connection', this.#connect.callId),
        channel: this.#channel,
        channel_id: this.#channelId,
        format: formats[this.sampleRateHz]!,
        optimal_frame_size: (this.sampleRateHz / 1000) * frameMs * 2,
        ptime: frameMs,
      }),
    ];
  }

  receiveText(text: string): readonly StreamCommand[] {
    const { command, correlationId } = text.trimStart().startsWith('{') ? readJson(text) : readPlain(text);
    const row = Object.hasOwn(commands, command) ? commands[command] : undefined;
    if (row === undefined) {
      const known = Object.keys(commands).join(', ');
      throw new ProtocolError(
        'unknown-command',
        `a command must be one of ${known}, got ${excerpt(command)}`,
      );
    }
    if (command === 'START_MEDIA_BUFFERING') this.#buffering = true;
    if (command === 'STOP_MEDIA_BUFFERING') this.#buffering = false;
    return row(correlationId);
  }

  wants(event: StreamEventName): boolean {
    return ['mark', 'drained', 'dtmf', 'flow', 'status'].includes(event);
  }

  tell(event: StreamEvent): string | undefined {
    const channel_id = this.#channelId;
    switch (event.event) {
      case 'dtmf':
        return this.#message('DTMF_END', { channel_id, digit: event.digit });
      case 'flow':
        this.#full = event.state === 'xoff';
        return this.#message(this.#full ? 'MEDIA_XOFF' : 'MEDIA_XON', { channel_id });
      case 'drained':
        return this.#message('QUEUE_DRAINED', { channel_id });
      case 'mark': {
        // What was flushed is not reported.
        if (event.status === 'cleared') return undefined;
        const correlation = event.name.slice(2);
        const name = event.name.startsWith('b:') ? 'MEDIA_BUFFERING_COMPLETED' : 'MEDIA_MARK_PROCESSED';
        return this.#message(name, {
          channel_id,
          ...(correlation !== '' && { correlation_id: correlation }),
        });
      }
      case 'status':
        return this.#message('STATUS', {
          channel_id,
          queue_length: Math.ceil(event.bufferedMs / frameMs),
          xon_level: xonLevel,
          xoff_level: xoffLevel,
          queue_full: this.#full,
          bulk_media: this.#buffering,
          media_paused: event.state === 'paused',
        });
      default:
        return undefined;
    }
  }

  closeAs(): StreamClose {
    return { code: 1000, reason: '' };
  }

  #message(event: string, fields: Readonly<Record<string, string | number | boolean>>): string {
    if (this.#json) return JSON.stringify({ event, ...fields });
    return [event, ...Object.entries(fields).map(([name, value]) => `${name}:${value}`)].join(' ');
  }
}

/** By what it does to the queue. Buffering means that messages may have any length, which they always may here; its end
 *  is told, like a mark, once all before it was played. */
const commands: Readonly<Record<string, (correlationId: string) => readonly StreamCommand[]>> = {
  ANSWER: () => [],
  HANGUP: () => [{ command: 'hangup' }],
  START_MEDIA_BUFFERING: () => [],
  STOP_MEDIA_BUFFERING: (correlationId) => [{ command: 'mark', name: `b:${correlationId}` }],
  MARK_MEDIA: (correlationId) => [{ command: 'mark', name: `m:${correlationId}` }],
  FLUSH_MEDIA: () => [{ command: 'clear' }],
  PAUSE_MEDIA: () => [{ command: 'pause' }],
  CONTINUE_MEDIA: () => [{ command: 'continue' }],
  REPORT_QUEUE_DRAINED: () => [{ command: 'watchDrained' }],
  GET_STATUS: () => [{ command: 'status' }],
};

interface ReadCommand {
  readonly command: string;
  readonly correlationId: string;
}

function readPlain(text: string): ReadCommand {
  const [, command = '', rest = ''] = /^\s*(\S*)\s*(.*)$/s.exec(text) ?? [];
  return { command, correlationId: checkedId(rest.trim().replace(/^correlation_id:/, '')) };
}

function readJson(text: string): ReadCommand {
  const { command, correlation_id: correlationId = '' } = parseObject(text);
  if (typeof command !== 'string' || typeof correlationId !== 'string') {
    throw new ProtocolError('bad-field', '"command" and "correlation_id" must be texts, got others');
  }
  return { command, correlationId: checkedId(correlationId) };
}

function checkedId(correlationId: string): string {
  if (correlationId.length <= markNameLengthMax - 2) return correlationId;
  const wanted = `at most ${markNameLengthMax - 2} characters`;
  throw new ProtocolError('bad-field', `"correlation_id" must be ${wanted}, got ${correlationId.length}`);
}
