import { ProtocolError } from '../protocol-error.ts';
import { excerpt, type Fields, nameIn, parseObject, textField } from './json-message.ts';
import {
  type DialectSession,
  extensionOf,
  markNameLengthMax,
  type StreamCommand,
  type StreamConnect,
  type StreamDialect,
  type StreamEvent,
  type StreamEventName,
  streamExtensions,
} from './messages.ts';

/** The protocol of the `connectStream` action, in its three published spellings at once: servers written to any
 *  of them find their own field names in `connect`. */
export const sinch: StreamDialect = {
  name: 'sinch',
  transport: 'websocket',
  stereo: true,
  awaitsReply: true,
  createSession: (connect) => new SinchSession(connect),
};

class SinchSession implements DialectSession {
  readonly encoding = 'pcm16';
  readonly sampleRateHz: number;
  readonly #connect: StreamConnect;
  /** Of `streamExtensions`, those that the answer asked for. */
  #extensions: readonly string[] = [];

  constructor(connect: StreamConnect) {
    this.#connect = connect;
    this.sampleRateHz = connect.sampleRateHz;
  }

  opening(): readonly string[] {
    return [buildConnectMessage(this.#connect)];
  }

  receiveText(text: string): readonly StreamCommand[] {
    const fields = parseObject(text);
    const command = readCommand(fields);
    if (command.command === 'answer') this.#extensions = extensionsOf(fields);
    return [command];
  }

  wants(event: StreamEventName): boolean {
    if (event === 'error') return this.#extensions.length > 0;
    return event !== 'drained' && this.#extensions.includes(extensionOf[event]);
  }

  tell(event: StreamEvent): string | undefined {
    return this.wants(event.event) ? JSON.stringify(event) : undefined;
  }
}

export function buildConnectMessage(connect: StreamConnect): string {
  const callHeaders = Object.fromEntries(connect.callHeaders.map(({ key, value }) => [key, value]));
  const { tap } = connect;
  return JSON.stringify({
    command: 'connect',
    version: 1,
    callId: connect.callId,
    applicationKey: connect.applicationKey,
    codec: 'PCM',
    sampleRate: connect.sampleRateHz,
    callHeaders,
    from: connect.from,
    to: connect.to,
    direction: connect.direction,
    sipHeaders: connect.sipHeaders,
    extensions: streamExtensions,
    ...(connect.resumed && { resumed: true }),
    ...(tap !== undefined && { tap, channels: tap === 'both' ? 2 : 1 }),
    // The other two spellings of the same facts.
    applicationId: connect.applicationKey,
    headers: callHeaders,
    CallId: connect.callId,
    ApplicationId: connect.applicationKey,
    Headers: callHeaders,
  });
}

/** One row per command that a server may send. */
const commands: Readonly<Record<string, (fields: Fields) => StreamCommand>> = {
  answer: () => ({ command: 'answer' }),
  busy: () => ({ command: 'busy' }),
  reject: () => ({ command: 'reject' }),
  clear: () => ({ command: 'clear' }),
  heartbeat: () => ({ command: 'heartbeat' }),
  mark: (fields) => ({ command: 'mark', name: textField(fields, 'name', markNameLengthMax) }),
  pause: () => ({ command: 'pause' }),
  continue: () => ({ command: 'continue' }),
  dtmf: (fields) => ({ command: 'dtmf', digits: digitsOf(fields) }),
  hangup: (fields) => ({ command: 'hangup', reason: reasonOf(fields) }),
  transfer: (fields) => ({
    command: 'transfer',
    to: textField(fields, 'to', targetLengthMax),
    headers: headersOf(fields),
  }),
  status: () => ({ command: 'status' }),
};

/** As many as the gateway keeps waiting. */
const digitsMax = 256;
const targetLengthMax = 1024;
const reasonLengthMax = 200;
const headersMax = 32;

function readCommand(fields: Fields): StreamCommand {
  return commands[nameIn(fields, 'command', commands)]!(fields);
}

/** What we do not offer is left out, whatever it is: an answer with an odd wish in it is still an answer. */
function extensionsOf(fields: Fields): readonly string[] {
  const wanted = fields.extensions;
  return Array.isArray(wanted) ? streamExtensions.filter((name) => wanted.includes(name)) : [];
}

function digitsOf(fields: Fields): string {
  const digits = textField(fields, 'digits', digitsMax);
  if (/^[0-9*#A-Dw]+$/.test(digits)) return digits;
  throw new ProtocolError('bad-field', '"digits" must be of 0-9 * # A-D and w, got others');
}

function reasonOf(fields: Fields): string | undefined {
  return typeof fields.reason === 'string' ? fields.reason.slice(0, reasonLengthMax) : undefined;
}

function headersOf({ headers }: Fields): Readonly<Record<string, string>> | undefined {
  if (headers === undefined) return undefined;
  const plain = typeof headers === 'object' && headers !== null && !Array.isArray(headers);
  const entries = plain ? Object.entries(headers) : undefined;
  if (
    entries === undefined ||
    entries.length > headersMax ||
    entries.some(([, value]) => typeof value !== 'string')
  ) {
    const wanted = `an object of at most ${headersMax} texts`;
    throw new ProtocolError('bad-field', `"headers" must be ${wanted}, got ${excerpt(headers)}`);
  }
  return Object.fromEntries(entries) as Record<string, string>;
}
