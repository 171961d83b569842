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
  if (headEnd < 0) addFault(head, 'missing-blank-line', 'expected an empty line after the headers');
  if (buffer.length - start > limits.messageBytesMax) {
    const expected = `expected at most ${limits.messageBytesMax} bytes`;
    addFault(head, 'message-too-large', `${expected}, got ${buffer.length - start}`, 513);
  }
  const bodyStart = headEnd + 4;
  const available = headEnd < 0 ? 0 : buffer.length - bodyStart;
  const bodySize = head.contentLength ?? available;
  if (bodySize > available) {
    addFault(head, 'body-too-short', `expected a body of ${bodySize} bytes, got ${available}`);
  }
  const error = headError(head);
  if (error !== undefined) throw error;
  const body = bodySize === 0 ? emptyBody : copyBytes(buffer, bodyStart, bodyStart + bodySize);
  const { method, uri, status, reasonPhrase, headers } = head;
  if (method !== undefined) return { kind: 'request', method, uri, headers, body };
  return { kind: 'response', status, reasonPhrase, headers, body };
}

/** Start line and headers, and the first thing wrong with them. Reading goes on after a fault, because the answer
 *  needs the headers behind it. */
export interface MessageHead {
  /** Undefined in a response, and where there is no method to be seen. */
  method: string | undefined;
  uri: string;
  status: number;
  reasonPhrase: string;
  readonly headers: SipHeader[];
  /** Undefined where the header is absent. */
  contentLength: number | undefined;
  fault: { readonly code: string; readonly message: string; readonly status: number } | undefined;
}

/** `text` ends before the empty line. */
export function parseHead(text: string, limits: SipLimits = defaultLimits): MessageHead {
  const head: MessageHead = {
    method: undefined,
    uri: '',
    status: 0,
    reasonPhrase: '',
    headers: [],
    contentLength: undefined,
    fault: undefined,
  };
  let lineEnd = findLineEnd(text, 0);
  if (lineEnd >= 0) readStartLine(head, text, lineEnd, limits);
  let lines = 0;
  while (lineEnd >= 0 && lineEnd < text.length) {
    if (++lines > limits.headerLinesMax) {
      addFault(head, 'too-many-headers', `expected at most ${limits.headerLinesMax} header lines`, 513);
      return head;
    }
    const lineStart = lineEnd + 2;
    lineEnd = findLineEnd(text, lineStart);
    if (lineEnd < 0 || lineEnd === lineStart) continue;
    if (isSpace(text.charCodeAt(lineEnd + 2))) {
      const line = unfold(text, lineStart, lineEnd);
      lineEnd = line.end;
      readHeaderLine(head, line.text, 0, line.text.length, limits);
    } else readHeaderLine(head, text, lineStart, lineEnd, limits);
  }
  return lineEnd < 0 ? parseBrokenHead(text, limits) : head;
}

/** A line with the lines that continue it, one space for each line break; `end` as of `findLineEnd`. */
function unfold(
  text: string,
  start: number,
  firstEnd: number,
): { readonly text: string; readonly end: number } {
  const pieces = [trimSpace(text, start, firstEnd)];
  let end = firstEnd;
  while (end >= 0 && isSpace(text.charCodeAt(end + 2))) {
    const pieceStart = end + 2;
    end = findLineEnd(text, pieceStart);
    if (end >= 0) pieces.push(trimSpace(text, pieceStart, end));
  }
  return { text: pieces.join(' '), end };
}

/** A head with lone CR or LF, read as if they were spaces: others on the path may see two lines where we see one, and
 *  what is kept of it must not break the lines of an answer. */
function parseBrokenHead(text: string, limits: SipLimits): MessageHead {
  const head = parseHead(text.replace(/\r(?!\n)|(?<!\r)\n/g, ' '), limits);
  const message = 'expected lines to end with CRLF, got a lone CR or LF';
  head.fault = { code: 'bad-line-break', message, status: 400 };
  return head;
}

/** Only the first fault is kept. */
export function addFault(head: MessageHead, code: string, message: string, status = 400): void {
  head.fault ??= { code, message, status };
}

/** The fault as an error, undefined for a sound head. */
export function headError({ fault, method, uri, headers }: MessageHead): SipParseError | undefined {
  if (fault === undefined) return undefined;
  if (method === undefined) return new SipParseError(fault.code, fault.message);
  const partial: SipRequest = { kind: 'request', method, uri, headers, body: emptyBody };
  return new SipParseError(fault.code, fault.message, { status: fault.status, partial });
}

/** Bytes of a head as text: UTF-8, in the faster way where it is ASCII. */
export function decodeHead(buffer: Buffer, start: number, end: number): string {
  return buffer.toString(isAscii(buffer.subarray(start, end)) ? 'latin1' : 'utf8', start, end);
}

/** Index of the CRLF that ends the line from `start`, the length of the text without one, -1 if a lone CR or LF comes
 *  before it. */
function findLineEnd(text: string, start: number): number {
  const lineFeed = text.indexOf('\n', start);
  const carriageReturn = text.indexOf('\r', start);
  if (carriageReturn >= 0) return lineFeed === carriageReturn + 1 ? carriageReturn : -1;
  return lineFeed < 0 ? text.length : -1;
}

function readStartLine(head: MessageHead, text: string, end: number, limits: SipLimits): void {
  // No method has a slash in it.
  const kind = text.slice(0, 4);
  if (kind === 'SIP/' || kind.toUpperCase() === 'SIP/') readStatusLine(head, text.slice(0, end));
  else readRequestLine(head, text, end);
  if (end > limits.startLineCharsMax) {
    const expected = `expected a start line of at most ${limits.startLineCharsMax} characters`;
    addFault(head, 'start-line-too-long', `${expected}, got ${end}`, 414);
  }
}

function readStatusLine(head: MessageHead, line: string): void {
  const match = /^SIP\/2\.0 ([1-6][0-9][0-9])(?: |$)/i.exec(line);
  if (match === null) {
    addFault(head, 'bad-status-line', `expected "SIP/2.0", a status and a reason, got ${excerpt(line)}`);
    return;
  }
  head.status = Number(match[1]);
  head.reasonPhrase = line.slice(12);
}

function readRequestLine(head: MessageHead, text: string, end: number): void {
  const space = text.indexOf(' ');
  const methodEnd = space < 0 || space > end ? end : space;
  const method = text.slice(0, methodEnd);
  // Without a method this is no request of any kind (a scanner's HTTP or TLS), and nobody waits for an answer.
  if (!isToken(method)) {
    addFault(head, 'bad-request-line', `expected a method, got ${excerpt(text.slice(0, end))}`);
    return;
  }
  head.method = method;
  const versionStart = text.lastIndexOf(' ', end - 1) + 1;
  head.uri = text.slice(methodEnd + 1, Math.max(methodEnd + 1, versionStart - 1));
  const version = text.slice(versionStart, end);
  if (version === 'SIP/2.0' || version.toUpperCase() === 'SIP/2.0') {
    if (head.uri === '' || /[\s<>"]/.test(head.uri)) {
      const expected = 'expected one URI without spaces and brackets';
      addFault(head, 'bad-request-uri', `${expected}, got ${excerpt(head.uri)}`);
    }
  } else if (versionStart > methodEnd + 1 && /^SIP\/[0-9]{1,9}\.[0-9]{1,9}$/i.test(version)) {
    addFault(head, 'unsupported-version', `expected SIP/2.0, got ${excerpt(version)}`, 505);
  } else {
    const expected = 'expected a method, a URI and "SIP/2.0" between single spaces';
    addFault(head, 'bad-request-line', `${expected}, got ${excerpt(text.slice(0, end))}`);
  }
}

function readHeaderLine(
  head: MessageHead,
  text: string,
  start: number,
  end: number,
  limits: SipLimits,
): void {
  if (end - start > limits.headerLineCharsMax) {
    const expected = `expected header lines of at most ${limits.headerLineCharsMax} characters`;
    addFault(head, 'header-line-too-long', `${expected}, got ${end - start}`, 513);
    return;
  }
  let colon = start;
  while (colon < end && text.charCodeAt(colon) !== 0x3a) colon++;
  let nameEnd = colon;
  while (nameEnd > start && isSpace(text.charCodeAt(nameEnd - 1))) nameEnd--;
  const known = knownHeader(text, start, nameEnd);
  if (colon === end || (known === undefined && !isToken(text.slice(start, nameEnd)))) {
    const line = excerpt(text.slice(start, end));
    addFault(head, 'bad-header-line', `expected a header name and a colon, got ${line}`);
    return;
  }
  const value = trimSpace(text, colon + 1, end);
  if (known === undefined) head.headers.push({ name: text.slice(start, nameEnd), value });
  else if (known.list && value.indexOf(',') >= 0) addList(head, known.canonical, value, limits);
  else {
    head.headers.push({ name: known.canonical, value });
    if (known.canonical === 'Content-Length') readContentLength(head, value);
  }
}

function addList(head: MessageHead, name: string, value: string, limits: SipLimits): void {
  for (const entry of splitList(value)) {
    if (head.headers.length >= limits.headerValuesMax) {
      addFault(head, 'too-many-headers', `expected at most ${limits.headerValuesMax} header values`, 513);
      return;
    }
    head.headers.push({ name, value: entry });
  }
}

function readContentLength(head: MessageHead, value: string): void {
  if (!/^[0-9]{1,9}$/.test(value)) {
    addFault(head, 'bad-content-length', `expected Content-Length as a number, got ${excerpt(value)}`);
    return;
  }
  const contentLength = Number(value);
  if (head.contentLength !== undefined && head.contentLength !== contentLength) {
    const both = `${head.contentLength} and ${contentLength}`;
    addFault(head, 'bad-content-length', `expected one Content-Length, got ${both}`);
  }
  head.contentLength = contentLength;
}

// From the pool: an allocation of its own for some hundred bytes takes longer than reading a header.
function copyBytes(buffer: Buffer, start: number, end: number): Uint8Array {
  const copy = Buffer.allocUnsafe(end - start);
  buffer.copy(copy, 0, start, end);
  return copy;
}
