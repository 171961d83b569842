import { Buffer } from 'node:buffer';
import type { SipMessage } from './message.ts';

/** The message in bytes. Content-Length is written here, last, from the body; one among the headers is left out.
 *  Throws an `Error` where a line break in a value would end its line early: that value was ours to check. */
export function serializeMessage(message: SipMessage): Buffer {
  let text =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reasonPhrase}\r\n`;
  if (hasLineBreak(text, text.length - 2))
    throw new Error(`line break in a start line: ${JSON.stringify(text)}`);
  for (const { name, value } of message.headers) {
    if (hasLineBreak(value, value.length) || hasLineBreak(name, name.length)) {
      throw new Error(`line break in a header: ${JSON.stringify(`${name}: ${value}`)}`);
    }
    if (name.length === 14 && name.toLowerCase() === 'content-length') continue;
    text += `${name}: ${value}\r\n`;
  }
  const { body } = message;
  text += `Content-Length: ${body.length}\r\n\r\n`;
  const headSize = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(headSize + body.length);
  bytes.write(text, 0, headSize, headSize === text.length ? 'latin1' : 'utf8');
  bytes.set(body, headSize);
  return bytes;
}

function hasLineBreak(text: string, end: number): boolean {
  const carriageReturn = text.indexOf('\r');
  if (carriageReturn >= 0 && carriageReturn < end) return true;
  const lineFeed = text.indexOf('\n');
  return lineFeed >= 0 && lineFeed < end;
}
