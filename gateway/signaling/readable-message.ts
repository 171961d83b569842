import type { SipMessage } from '../../protocol/sip/message.ts';
import { serializeMessage } from '../../protocol/sip/serialize.ts';
import type { TracedMessage } from './message-trace.ts';
import { flowText } from './sip-flow.ts';

const textTypes = /^(?:application\/(?:sdp|dtmf|dtmf-relay|sip|pidf\+xml|.*xml|.*json)|message\/|text\/)/i;

/** The message as a person reads it: lines end in LF, what is no text in the body is counted, nothing moves the cursor
 *  of a terminal. */
export function readableMessage(message: SipMessage): string {
  const type = message.headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
  const isText = message.body.length === 0 || textTypes.test(type);
  const shown = isText
    ? message
    : {
        ...message,
        body: new TextEncoder().encode(`[${message.body.length} bytes of ${type || 'no type'}]`),
      };
  return Buffer.from(serializeMessage(shown))
    .toString()
    .replaceAll('\r\n', '\n')
    .replace(/[^\n\t\x20-\x7e\u00a0-\uffff]/g, '?')
    .trimEnd();
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
