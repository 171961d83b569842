import { Buffer, isAscii } from 'node:buffer';
import { ProtocolError } from '../protocol-error.ts';
import { knownHeader } from './header-names.ts';
import { excerpt, isSpace, isToken, splitList, trimSpace } from './header-scanner.ts';
import { emptyBody, type SipHeader, type SipMessage, type SipRequest } from './message.ts';

export interface SipLimits {
  /** A whole message, start line to the end of the body. */
  readonly messageBytesMax: number;
  /** The Request-Line or Status-Line. */
  readonly startLineCharsMax: number;
  /** One header line with its continuation lines. */
  readonly headerLineCharsMax: number;
  readonly headerLinesMax: number;
  /** Header entries after lists were split. */
  readonly headerValuesMax: number;
}

export const defaultLimits: SipLimits = {
  messageBytesMax: 65_535,
  startLineCharsMax: 2_048,
  headerLineCharsMax: 8_192,
  headerLinesMax: 256,
  headerValuesMax: 512,
};

/** Bytes that are no SIP message. Where they began as a request, `partial` holds what could be read of it, so that
 *  it can be answered with `status` (RFC 4475): its headers may be incomplete and are not checked, its `uri` may be
 *  anything, its body is empty. Never answer a partial ACK. */
export class SipParseError extends ProtocolError {
  readonly partial: SipRequest | undefined;

  constructor(
    code: string,
    message: string,
    options: { readonly status?: number; readonly partial?: SipRequest | undefined } = {},
  ) {
    super(code, message, options);
    this.name = 'SipParseError';
    this.partial = options.partial;
  }
}

/** A whole datagram, or one message that the framer cut from a stream. Line breaks before the start line are skipped,
 *  bytes after the body are ignored; without Content-Length the body reaches to the end. The body is a copy.
 *  Header values are unfolded, trimmed and otherwise as received: they are parsed by those who read them.
 *  Throws `SipParseError`; without `status` there is nothing to answer. RFC 3261 §7 and §18.3. */
export function parseMessage(bytes: Uint8Array, limits: SipLimits = defaultLimits): SipMessage {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 0;
  while (buffer[start] === 0x0d || buffer[start] === 0x0a) start++;
  if (start === buffer.length)
    throw new SipParseError('empty-message', 'expected a SIP message, got line breaks');
  const headEnd = buffer.indexOf('\r\n\r\n', start, 'latin1');
  const head = parseHead(decodeHead(buffer, start, headEnd < 0 ? buffer.length : headEnd), limits);
  if (headEnd < 0) head.fault('missing-blank-line', 'expected an empty line after the headers');
  if (buffer.length - start > limits.messageBytesMax) {
    const expected = `expected at most ${limits.messageBytesMax} bytes`;
    head.fault('message-too-large', `${expected}, got ${buffer.length - start}`, 513);
  }
  const available = headEnd < 0 ? 0 : buffer.length - headEnd - 4;
  const bodySize = head.contentLength ?? available;
  if (bodySize > available) {
    head.fault('body-too-short', `expected a body of ${bodySize} bytes, got ${available}`);
  }
  return head.finish(
    bodySize === 0 ? emptyBody : Uint8Array.prototype.slice.call(buffer, headEnd + 4, headEnd + 4 + bodySize),
  );
}

/** Start line and headers of a message whose body is elsewhere; `text` ends before the empty line. */
export function parseHead(text: string, limits: SipLimits = defaultLimits): MessageHead {
  const head = new MessageHead(limits);
  let lineEnd = findLineEnd(text, 0, head);
  head.readStartLine(text, lineEnd);
  while (lineEnd < text.length) {
    const lineStart = lineEnd + 2;
    lineEnd = findLineEnd(text, lineStart, head);
    if (isSpace(text.charCodeAt(lineEnd + 2))) {
      const pieces = [text.slice(lineStart, lineEnd)];
      while (isSpace(text.charCodeAt(lineEnd + 2))) {
        const pieceStart = lineEnd + 2;
        lineEnd = findLineEnd(text, pieceStart, head);
        pieces.push(trimSpace(text, pieceStart, lineEnd));
      }
      const unfolded = pieces.join(' ');
      head.readHeaderLine(unfolded, 0, unfolded.length);
    } else if (lineEnd > lineStart) head.readHeaderLine(text, lineStart, lineEnd);
  }
  return head;
}

/** Index of the CRLF that ends the line from `start`, the length of the text without one. */
function findLineEnd(text: string, start: number, head: MessageHead): number {
  let end = text.indexOf('\r', start);
  if (end < 0) end = text.length;
  else if (text.charCodeAt(end + 1) !== 0x0a) {
    // Read on as if it were none: others on the path may see two lines here, and only one of us can be right.
    head.fault('bad-line-break', 'expected lines to end with CRLF, got a lone CR');
    end = text.indexOf('\r\n', end);
    if (end < 0) end = text.length;
  }
  const lineFeed = text.indexOf('\n', start);
  if (lineFeed >= 0 && lineFeed < end)
    head.fault('bad-line-break', 'expected lines to end with CRLF, got a lone LF');
  return end;
}

/** What has been read of a message, and the first thing wrong with it. Reading goes on after a fault, because the
 *  answer needs the headers behind it. */
class MessageHead {
  readonly #limits: SipLimits;
  readonly #headers: SipHeader[] = [];
  #method: string | undefined;
  #uri = '';
  #status = 0;
  #reasonPhrase = '';
  #lines = 0;
  #contentLength: number | undefined;
  #fault: { readonly code: string; readonly message: string; readonly status: number } | undefined;

  constructor(limits: SipLimits) {
    this.#limits = limits;
  }

  /** Undefined where the header is absent. */
  get contentLength(): number | undefined {
    return this.#contentLength;
  }

  /** Only the first fault is reported. */
  fault(code: string, message: string, status = 400): void {
    this.#fault ??= { code, message, status };
  }

  /** The first fault as an error, undefined for a sound head. */
  error(): SipParseError | undefined {
    const fault = this.#fault;
    if (fault === undefined) return undefined;
    if (this.#method === undefined) return new SipParseError(fault.code, fault.message);
    const partial = this.#request(emptyBody);
    return new SipParseError(fault.code, fault.message, { status: fault.status, partial });
  }

  finish(body: Uint8Array): SipMessage {
    const error = this.error();
    if (error !== undefined) throw error;
    if (this.#method !== undefined) return this.#request(body);
    return {
      kind: 'response',
      status: this.#status,
      reasonPhrase: this.#reasonPhrase,
      headers: this.#headers,
      body,
    };
  }

  #request(body: Uint8Array): SipRequest {
    return { kind: 'request', method: this.#method ?? '', uri: this.#uri, headers: this.#headers, body };
  }

  readStartLine(text: string, end: number): void {
    if (/^sip\//i.test(text.slice(0, 4))) this.#readStatusLine(text.slice(0, end));
    else this.#readRequestLine(text, end);
    if (end > this.#limits.startLineCharsMax) {
      const expected = `expected a start line of at most ${this.#limits.startLineCharsMax} characters`;
      this.fault('start-line-too-long', `${expected}, got ${end}`, 414);
    }
  }

  #readStatusLine(line: string): void {
    const match = /^SIP\/2\.0 ([1-6][0-9][0-9])(?: |$)/i.exec(line);
    if (match === null) {
      return this.fault('bad-status-line', `expected "SIP/2.0", a status and a reason, got ${excerpt(line)}`);
    }
    this.#status = Number(match[1]);
    this.#reasonPhrase = line.slice(12);
  }

  #readRequestLine(text: string, end: number): void {
    const methodEnd = text.indexOf(' ');
    const method = text.slice(0, methodEnd < 0 || methodEnd > end ? end : methodEnd);
    // Without a method this is no request of any kind (a scanner's HTTP or TLS), and nobody waits for an answer.
    if (!isToken(method)) {
      return this.fault('bad-request-line', `expected a method, got ${excerpt(text.slice(0, end))}`);
    }
    this.#method = method;
    const versionStart = text.lastIndexOf(' ', end - 1) + 1;
    this.#uri = text.slice(methodEnd + 1, Math.max(methodEnd + 1, versionStart - 1));
    const version = text.slice(versionStart, end);
    if (version === 'SIP/2.0' || version.toUpperCase() === 'SIP/2.0') {
      if (this.#uri === '' || /[\s<>"]/.test(this.#uri)) {
        this.fault(
          'bad-request-uri',
          `expected one URI without spaces and brackets, got ${excerpt(this.#uri)}`,
        );
      }
    } else if (versionStart > methodEnd + 1 && /^SIP\/[0-9]{1,9}\.[0-9]{1,9}$/i.test(version)) {
      this.fault('unsupported-version', `expected SIP/2.0, got ${excerpt(version)}`, 505);
    } else {
      const line = excerpt(text.slice(0, end));
      this.fault(
        'bad-request-line',
        `expected a method, a URI and "SIP/2.0" between single spaces, got ${line}`,
      );
    }
  }

  readHeaderLine(text: string, start: number, end: number): void {
    const limits = this.#limits;
    if (end - start > limits.headerLineCharsMax) {
      const expected = `expected header lines of at most ${limits.headerLineCharsMax} characters`;
      return this.fault('header-line-too-long', `${expected}, got ${end - start}`, 513);
    }
    if (++this.#lines > limits.headerLinesMax) {
      return this.fault('too-many-headers', `expected at most ${limits.headerLinesMax} header lines`, 513);
    }
    let nameEnd = start;
    while (nameEnd < end && text.charCodeAt(nameEnd) !== 0x3a) nameEnd++;
    const received = trimSpace(text, start, nameEnd);
    const known = knownHeader(received);
    if (nameEnd === end || (known === undefined && !isToken(received))) {
      const line = excerpt(text.slice(start, Math.min(end, start + 80)));
      return this.fault('bad-header-line', `expected a header name and a colon, got ${line}`);
    }
    const value = trimSpace(text, nameEnd + 1, end);
    if (known === undefined) this.#headers.push({ name: received, value });
    else if (known.list && value.indexOf(',') >= 0) this.#addList(known.canonical, value);
    else {
      if (known.canonical === 'Content-Length') this.#readContentLength(value);
      this.#headers.push({ name: known.canonical, value });
    }
  }

  #addList(name: string, value: string): void {
    for (const entry of splitList(value)) {
      if (this.#headers.length >= this.#limits.headerValuesMax) {
        return this.fault(
          'too-many-headers',
          `expected at most ${this.#limits.headerValuesMax} header values`,
          513,
        );
      }
      this.#headers.push({ name, value: entry });
    }
  }

  #readContentLength(value: string): void {
    const contentLength = /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
    if (contentLength === undefined) {
      this.fault('bad-content-length', `expected Content-Length as a number, got ${excerpt(value)}`);
    } else if (this.#contentLength !== undefined && this.#contentLength !== contentLength) {
      const both = `${this.#contentLength} and ${contentLength}`;
      this.fault('bad-content-length', `expected one Content-Length, got ${both}`);
    } else this.#contentLength = contentLength;
  }
}

export type { MessageHead };

/** Bytes of a head as text: UTF-8, in the faster way where it is ASCII. */
export function decodeHead(buffer: Buffer, start: number, end: number): string {
  return isAscii(buffer.subarray(start, end))
    ? buffer.toString('latin1', start, end)
    : buffer.toString('utf8', start, end);
}
