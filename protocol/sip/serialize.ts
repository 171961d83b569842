import { Buffer } from 'node:buffer';
import type { SipMessage } from './message.ts';

/** The message in bytes. Content-Length is written here, last, from the body; one among the headers is left out.
 *  Throws an `Error` where a line break in a value would end its line early: that value was ours to check. */
export function serializeMessage(message: SipMessage): Buffer {
  let text =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reasonPhrase}\r\n`;
  let lines = 3;
  for (const { name, value } of message.headers) {
    if (name.length === 14 && name.toLowerCase() === 'content-length') continue;
    text += `${name}: ${value}\r\n`;
    lines++;
  }
  const { body } = message;
  text += `Content-Length: ${body.length}\r\n\r\n`;
  if (countOf('\r', text) !== lines || countOf('\n', text) !== lines) {
    throw new Error(`line break within a line of a SIP message: ${JSON.stringify(text)}`);
  }
  const headSize = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(headSize + body.length);
  bytes.write(text, 0, headSize, headSize === text.length ? 'latin1' : 'utf8');
  bytes.set(body, headSize);
  return bytes;
}

function countOf(char: string, text: string): number {
  let count = 0;
  for (let index = text.indexOf(char); index >= 0; index = text.indexOf(char, index + 1)) count++;
  return count;
}
