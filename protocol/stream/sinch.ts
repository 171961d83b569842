import { ProtocolError } from '../protocol-error.ts';
import { type StreamCommand, type StreamConnect, type StreamDialect, streamExtensions } from './messages.ts';

/** The protocol of the `connectStream` action, in its three published spellings at once: servers written to any
 *  of them find their own field names in `connect`. */
export const sinch: StreamDialect = { name: 'sinch', buildConnectMessage, parseCommand };

export function buildConnectMessage(connect: StreamConnect): string {
  const callHeaders = Object.fromEntries(connect.callHeaders.map(({ key, value }) => [key, value]));
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
    // The other two spellings of the same facts.
    applicationId: connect.applicationKey,
    headers: callHeaders,
    CallId: connect.callId,
    ApplicationId: connect.applicationKey,
    Headers: callHeaders,
  });
}

type Fields = Readonly<Record<string, unknown>>;

/** One row per command that a server may send. */
const commands: Readonly<Record<string, (fields: Fields) => StreamCommand>> = {
  answer: (fields) => ({ command: 'answer', extensions: extensionsOf(fields) }),
  busy: () => ({ command: 'busy' }),
  reject: () => ({ command: 'reject' }),
  clear: () => ({ command: 'clear' }),
  heartbeat: () => ({ command: 'heartbeat' }),
};

export function parseCommand(text: string): StreamCommand {
  const fields = parseObject(text);
  const name = fields.command;
  if (name === undefined) {
    throw new ProtocolError('bad-message', 'a message must have a "command", got none');
  }
  if (typeof name !== 'string') {
    throw new ProtocolError('bad-field', `"command" must be a string, got ${excerpt(name)}`);
  }
  if (!Object.hasOwn(commands, name)) {
    const known = Object.keys(commands).join(', ');
    throw new ProtocolError('unknown-command', `"command" must be one of ${known}, got ${excerpt(name)}`);
  }
  return commands[name]!(fields);
}

function parseObject(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError('bad-json', `a text message must be JSON, got ${excerpt(text)}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('bad-message', `a text message must be a JSON object, got ${excerpt(value)}`);
  }
  return value as Fields;
}

/** What we do not offer is left out, whatever it is: an answer with an odd wish in it is still an answer. */
function extensionsOf(fields: Fields): readonly string[] {
  const wanted = fields.extensions;
  return Array.isArray(wanted) ? streamExtensions.filter((name) => wanted.includes(name)) : [];
}

/** Enough of a stranger's value to find it, never all of it. */
function excerpt(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
