/** Opening handshake of a WebSocket client, RFC 6455 §4: the request as text, the answer read as it comes. */

import { createHash } from 'node:crypto';
import { ProtocolError } from '../protocol-error.ts';

const answerBytesMax = 16_384;
const acceptGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** `key`: 16 random bytes in base64. Header names and values must be valid. */
export function buildUpgrade(
  url: URL,
  key: string,
  headers: Readonly<Record<string, string>>,
  subprotocol?: string,
): string {
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`,
  ];
  if (subprotocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  const named = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (url.username !== '' && !named.has('authorization')) {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    lines.push(`Authorization: Basic ${Buffer.from(credentials).toString('base64')}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Reads the answer to one request. Interim answers (1xx) before it are passed over. */
export class UpgradeAnswer {
  readonly #accept: string;
  readonly #subprotocol: string | undefined;
  #text = '';
  /** Up to here there is no end: a header that comes byte by byte is not searched anew each time. */
  #searched = 0;

  /** `subprotocol`: what was asked for, which the server may leave out. */
  constructor(key: string, subprotocol?: string) {
    this.#subprotocol = subprotocol;
    this.#accept = createHash('sha1').update(`${key}${acceptGuid}`).digest('base64');
  }

  /** Takes what came next. Undefined while the answer is not whole; its status once it is, and where in `bytes` the
   *  first byte behind it is. Throws `ProtocolError` for what is no HTTP, or no upgrade to what was asked for. */
  receive(
    bytes: Uint8Array,
    sizeBytes: number,
  ): { readonly status: number; readonly offset: number } | undefined {
    this.#text += Buffer.from(bytes.buffer, bytes.byteOffset, sizeBytes).toString('latin1');
    for (;;) {
      if (!'HTTP/1.'.startsWith(this.#text.slice(0, 7))) {
        throw new ProtocolError('upgrade', 'the server must answer in HTTP/1.1');
      }
      const end = this.#text.indexOf('\r\n\r\n', this.#searched);
      this.#searched = Math.max(0, this.#text.length - 3);
      if (end > answerBytesMax || (end < 0 && this.#text.length > answerBytesMax)) {
        throw new ProtocolError('upgrade', `the answer must have at most ${answerBytesMax} bytes of header`);
      }
      if (end < 0) return undefined;
      const status = this.#read(this.#text.slice(0, end).split('\r\n'));
      this.#text = this.#text.slice(end + 4);
      this.#searched = 0;
      // What is left is the tail of what came now: were it longer, there would have been an end before.
      if (status >= 200 || status === 101) return { status, offset: sizeBytes - this.#text.length };
    }
  }

  #read([statusLine = '', ...lines]: readonly string[]): number {
    const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
    if (status === undefined) throw new ProtocolError('upgrade', 'the answer must begin with a status line');
    if (status === '101') this.#check(readHeaders(lines));
    return Number(status);
  }

  /** §4.1, the client's list of what makes it fail the connection. */
  #check(headers: ReadonlyMap<string, string>): void {
    const has = (name: string, token: string) =>
      headers
        .get(name)
        ?.toLowerCase()
        .split(',')
        .some((part) => part.trim() === token) ?? false;
    if (!has('upgrade', 'websocket')) throw new ProtocolError('upgrade', 'Invalid Upgrade header');
    if (!has('connection', 'upgrade')) throw new ProtocolError('upgrade', 'Invalid Connection header');
    if (headers.get('sec-websocket-accept') !== this.#accept) {
      throw new ProtocolError('upgrade', 'Invalid Sec-WebSocket-Accept header');
    }
    if (headers.has('sec-websocket-extensions')) {
      throw new ProtocolError('upgrade', 'Sec-WebSocket-extensions was not asked for');
    }
    const chosen = headers.get('sec-websocket-protocol');
    if (chosen === undefined || chosen === this.#subprotocol) return;
    const wanted = this.#subprotocol === undefined ? 'was not asked for' : `must be ${this.#subprotocol}`;
    throw new ProtocolError('upgrade', `Sec-WebSocket-protocol ${wanted}`);
  }
}

function readHeaders(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) {
      throw new ProtocolError('upgrade', 'each line of the header must be a name, a colon and a value');
    }
    const value = line.slice(colon + 1).trim();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return headers;
}
