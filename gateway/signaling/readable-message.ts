import type { SipHeader, SipMessage } from '../../protocol/sip/message.ts';
import { serializeMessage } from '../../protocol/sip/serialize.ts';
import type { TracedMessage } from './message-trace.ts';
import { flowText } from './sip-flow.ts';

const textTypes = /^(?:application\/(?:sdp|dtmf|dtmf-relay|sip|pidf\+xml|.*xml|.*json)|message\/|text\/)/i;

/** The message as a person reads it: lines end in LF, what is no text in the body is counted, nothing moves the cursor
 *  of a terminal. */
export function readableMessage(message: SipMessage): string {
  const type = message.headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
  const isText = message.body.length === 0 || textTypes.test(type);
  const headers = joinedLists(message.headers);
  const shown = isText
    ? { ...message, headers }
    : {
        ...message,
        headers,
        body: new TextEncoder().encode(`[${message.body.length} bytes of ${type || 'no type'}]`),
      };
  return Buffer.from(serializeMessage(shown))
    .toString()
    .replaceAll('\r\n', '\n')
    .replace(/[^\n\t\x20-\x7e\u00a0-\uffff]/g, '?')
    .trimEnd();
}

/** Lists that phones write on one line or on twelve; the parser has them apart. */
const listHeaders = new Set(
  'Accept Accept-Encoding Accept-Language Allow Allow-Events Proxy-Require Require Supported Unsupported'.split(
    ' ',
  ),
);

function joinedLists(headers: readonly SipHeader[]): readonly SipHeader[] {
  const joined: SipHeader[] = [];
  for (const header of headers) {
    const before = joined.at(-1);
    if (before?.name === header.name && listHeaders.has(header.name)) {
      joined[joined.length - 1] = { name: header.name, value: `${before.value}, ${header.value}` };
    } else joined.push(header);
  }
  return joined;
}

/** `INVITE sip:x@y` or `200 OK`. */
export function startLineOf(message: SipMessage): string {
  return message.kind === 'request'
    ? `${message.method} ${message.uri}`
    : `${message.status} ${message.reasonPhrase}`;
}

/** A block of lines for a log that people read as it goes by. */
export function traceBlock({ wallMs, direction, local, remote, message }: TracedMessage): string {
  const time = new Date(wallMs).toISOString().slice(11, 23);
  const ways = direction === 'in' ? ['◀──', 'from', 'at'] : ['──▶', 'to', 'from'];
  const heading = `${time} ${ways[0]} ${startLineOf(message)}  ${ways[1]} ${flowText(remote)} ${ways[2]} ${flowText(local)}`;
  const body = readableMessage(message)
    .split('\n')
    .map((line) => `    ${line}`.trimEnd())
    .join('\n');
  return `${heading.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '?')}\n${body}\n\n`;
}
