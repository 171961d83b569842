import { Buffer } from 'node:buffer';
import {
  addFault,
  decodeHead,
  defaultLimits,
  headError,
  parseHead,
  type SipLimits,
  type SipParseError,
} from './parse.ts';

export type SipFrame =
  /** One message for `parseMessage`; the bytes are the caller's. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  /** A double CRLF between messages: answer with one CRLF (RFC 5626 §3.5.1). */
  | { readonly kind: 'ping' }
  /** A CRLF between messages, where `expectPong` waits for one. */
  | { readonly kind: 'pong' }
  /** Nothing after it can be framed: answer `error.partial` if there is one, then close the connection. */
  | { readonly kind: 'broken'; readonly error: SipParseError };

/** From the first byte of a message to its last. */
export const messageMsMax = 32_000;

const bufferBytesMin = 4_096;

/** Cuts a stream into messages by their Content-Length, which is mandatory there (RFC 3261 §18.3). Looks at every byte
 *  once and holds at most one message, however slowly it arrives. */
export class SipFramer {
  readonly #limits: SipLimits;
  #buffer: Buffer = Buffer.alloc(0);
  /** Bytes held, from the start of the buffer. */
  #size = 0;
  /** No end of headers begins before it. */
  #searched = 0;
  /** Known as soon as the headers are complete. */
  #messageSize: number | undefined;
  #startedMs: number | undefined;
  /** Of the line breaks since the last message, a half pair of CRLF included: 0–3. */
  #lineBreakBytes = 0;
  #pongExpected = false;
  #broken = false;

  constructor(limits: SipLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** When the message that has begun must be complete; undefined between messages. Close the connection then: it is
   *  the only answer to a sender who trickles. */
  get deadlineMs(): number | undefined {
    return this.#startedMs === undefined ? undefined : this.#startedMs + messageMsMax;
  }

  /** Bytes held of a message that is not complete. */
  get pendingBytes(): number {
    return this.#size;
  }

  /** We have sent a double CRLF: the next single one answers it (RFC 5626 §3.5.1). */
  expectPong(): void {
    this.#pongExpected = true;
  }

  /** What these bytes complete, in order. Nothing comes after `broken`. `bytes` may be reused afterwards. */
  push(bytes: Uint8Array, nowMs: number): SipFrame[] {
    const frames: SipFrame[] = [];
    let offset = 0;
    while (offset < bytes.length && !this.#broken) {
      if (this.#size === 0) {
        offset = this.#skipLineBreaks(bytes, offset, frames);
        if (offset === bytes.length) break;
        this.#startedMs = nowMs;
      }
      offset += this.#append(bytes, offset);
      this.#cut(frames, nowMs);
    }
    return frames;
  }

  #skipLineBreaks(bytes: Uint8Array, start: number, frames: SipFrame[]): number {
    let offset = start;
    for (; offset < bytes.length; offset++) {
      const byte = bytes[offset];
      if (byte !== 0x0d && byte !== 0x0a) {
        this.#lineBreakBytes = 0;
        return offset;
      }
      // CR and LF have to alternate; anything else is a line break to skip, and no ping.
      const expected = this.#lineBreakBytes % 2 === 0 ? 0x0d : 0x0a;
      this.#lineBreakBytes = byte === expected ? this.#lineBreakBytes + 1 : 0;
      if (this.#lineBreakBytes === 2 && this.#pongExpected) {
        // A ping of the far side, crossing ours, is two of these: the pong behind it makes up for the one taken here.
        frames.push({ kind: 'pong' });
        this.#pongExpected = false;
        this.#lineBreakBytes = 0;
      } else if (this.#lineBreakBytes === 4) {
        // One answer for all pings of a chunk: a flood of line breaks earns no flood of answers.
        if (frames.at(-1)?.kind !== 'ping') frames.push({ kind: 'ping' });
        this.#lineBreakBytes = 0;
      }
    }
    return offset;
  }

  /** Takes no more than belongs to this message, once its size is known, and no more than the limit. */
  #append(bytes: Uint8Array, offset: number): number {
    const wanted = (this.#messageSize ?? this.#limits.messageBytesMax) - this.#size;
    const count = Math.min(wanted, bytes.length - offset);
    const needed = this.#size + count;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(bufferBytesMin, needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#size);
      this.#buffer = grown;
    }
    this.#buffer.set(bytes.subarray(offset, offset + count), this.#size);
    this.#size = needed;
    return count;
  }

  /** Cuts off every complete message at the front. */
  #cut(frames: SipFrame[], nowMs: number): void {
    let start = 0;
    while (start < this.#size) {
      this.#messageSize ??= this.#readMessageSize(start, frames);
      if (this.#broken) return;
      if (this.#messageSize === undefined || this.#messageSize > this.#size - start) break;
      const end = start + this.#messageSize;
      frames.push({ kind: 'message', bytes: Uint8Array.prototype.slice.call(this.#buffer, start, end) });
      this.#messageSize = undefined;
      start = this.#skipLineBreaks(this.#buffer.subarray(0, this.#size), end, frames);
      this.#searched = start;
    }
    if (start === 0) return;
    this.#buffer.copyWithin(0, start, this.#size);
    this.#size -= start;
    this.#searched = Math.max(0, this.#searched - start);
    this.#startedMs = nowMs;
    if (this.#size === 0) {
      this.#startedMs = undefined;
      // One long message must not keep its memory for the life of the connection.
      if (this.#buffer.length > bufferBytesMin) this.#buffer = Buffer.alloc(0);
    }
  }

  #readMessageSize(start: number, frames: SipFrame[]): number | undefined {
    const { messageBytesMax } = this.#limits;
    const headEnd = this.#buffer
      .subarray(0, this.#size)
      .indexOf('\r\n\r\n', Math.max(start, this.#searched), 'latin1');
    if (headEnd < 0) {
      this.#searched = Math.max(start, this.#size - 3);
      if (this.#size - start < messageBytesMax) return undefined;
    }
    const head = this.#buffer.toString('latin1', start, headEnd < 0 ? start : headEnd);
    const contentLength = findContentLength(head);
    if (headEnd >= 0 && contentLength !== undefined) {
      const messageSize = headEnd + 4 - start + contentLength;
      if (messageSize <= messageBytesMax) return messageSize;
    }
    const tooLarge = headEnd < 0 || contentLength !== undefined;
    this.#break(start, headEnd < 0 ? this.#size : headEnd, tooLarge, frames);
    return undefined;
  }

  /** The end of this message cannot be found, and so not the start of the next. */
  #break(start: number, headEnd: number, tooLarge: boolean, frames: SipFrame[]): void {
    const head = parseHead(decodeHead(this.#buffer, start, headEnd), this.#limits);
    if (tooLarge) {
      // The head may have been cut in the middle, which is no fault of its own.
      const message = `expected at most ${this.#limits.messageBytesMax} bytes`;
      head.fault = { code: 'message-too-large', message, status: 513 };
    } else addFault(head, 'missing-content-length', 'expected Content-Length on a stream');
    frames.push({ kind: 'broken', error: headError(head)! });
    this.#broken = true;
    this.#buffer = Buffer.alloc(0);
    this.#size = 0;
    this.#startedMs = undefined;
  }
}

/** The one value of Content-Length in a head; undefined if there is none, no number, or two that differ. */
function findContentLength(head: string): number | undefined {
  let contentLength: number | undefined;
  for (const [, value] of head.matchAll(/\r\n(?:content-length|l)[ \t]*:([^\r]*(?:\r\n[ \t][^\r]*)*)/gi)) {
    const digits = value!.trim();
    if (!/^[0-9]{1,9}$/.test(digits)) return undefined;
    if (contentLength !== undefined && contentLength !== Number(digits)) return undefined;
    contentLength = Number(digits);
  }
  return contentLength;
}
