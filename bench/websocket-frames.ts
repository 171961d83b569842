import { createHash } from 'node:crypto';

/** The server's half of RFC 6455, as little of it as the harness's stream servers need: what they receive is cut
 *  into frames and unmasked in place, so that an echo can go out of the very bytes that came in. */

export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Value of Sec-WebSocket-Accept (§4.2.2). */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** An unmasked, unfragmented frame (§5.2). */
export function serverFrame(opcode: number, payload: Uint8Array): Buffer {
  const headerBytes = serverHeaderBytes(payload.length);
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  writeServerHeader(frame, 0, opcode, payload.length);
  frame.set(payload, headerBytes);
  return frame;
}

export function serverHeaderBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

export function writeServerHeader(frame: Buffer, offset: number, opcode: number, payloadBytes: number): void {
  frame[offset] = 0x80 | opcode;
  if (payloadBytes < 126) frame[offset + 1] = payloadBytes;
  else if (payloadBytes < 65_536) {
    frame[offset + 1] = 126;
    frame.writeUInt16BE(payloadBytes, offset + 2);
  } else {
    frame[offset + 1] = 127;
    frame.writeUInt32BE(0, offset + 2);
    frame.writeUInt32BE(payloadBytes, offset + 6);
  }
}

/** Takes the bytes of a connection as they come. `frame` gets the opcode and the place of the unmasked payload in
 *  `bytes`, which is the callee's to keep. The bytes before `offset`, header and mask, may be overwritten. */
export class FrameCutter {
  readonly #frame: (opcode: number, bytes: Buffer, offset: number, sizeBytes: number) => void;
  #rest: Buffer | undefined;

  constructor(frame: (opcode: number, bytes: Buffer, offset: number, sizeBytes: number) => void) {
    this.#frame = frame;
  }

  /** False where the far side broke the protocol: an unmasked or fragmented frame, or one above 1 MB. */
  push(chunk: Buffer): boolean {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      const left = bytes.length - at;
      if (left < 2) break;
      const first = bytes[at]!;
      const second = bytes[at + 1]!;
      if ((first & 0xf0) !== 0x80 || (first & 0x0f) === 0 || (second & 0x80) === 0) return false;
      let sizeBytes = second & 0x7f;
      let headerBytes = 6;
      if (sizeBytes === 126) {
        if (left < 8) break;
        sizeBytes = (bytes[at + 2]! << 8) | bytes[at + 3]!;
        headerBytes = 8;
      } else if (sizeBytes === 127) {
        if (left < 14) break;
        if (bytes.readUInt32BE(at + 2) !== 0) return false;
        sizeBytes = bytes.readUInt32BE(at + 6);
        headerBytes = 14;
      }
      if (sizeBytes > 1_000_000) return false;
      if (left < headerBytes + sizeBytes) break;
      const payload = at + headerBytes;
      unmask(bytes, payload - 4, payload, sizeBytes);
      this.#frame(first & 0x0f, bytes, payload, sizeBytes);
      at = payload + sizeBytes;
    }
    if (at < bytes.length) this.#rest = at === 0 ? bytes : bytes.subarray(at);
    return true;
  }
}

function unmask(bytes: Buffer, mask: number, start: number, sizeBytes: number): void {
  const a = bytes[mask]!;
  const b = bytes[mask + 1]!;
  const c = bytes[mask + 2]!;
  const d = bytes[mask + 3]!;
  if ((a | b | c | d) === 0) return;
  const end = start + sizeBytes;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    bytes[at] = bytes[at]! ^ a;
    bytes[at + 1] = bytes[at + 1]! ^ b;
    bytes[at + 2] = bytes[at + 2]! ^ c;
    bytes[at + 3] = bytes[at + 3]! ^ d;
  }
  if (at < end) bytes[at] = bytes[at]! ^ a;
  if (at + 1 < end) bytes[at + 1] = bytes[at + 1]! ^ b;
  if (at + 2 < end) bytes[at + 2] = bytes[at + 2]! ^ c;
}
