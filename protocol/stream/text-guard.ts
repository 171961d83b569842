/** Follows the WebSocket frames that come in, header by header, for one purpose: to tell that a text message
 *  exceeds its limit before it was received. (A receiver with one limit for text and binary cannot.) RFC 6455 §5.2;
 *  whether frames are otherwise well-formed is the receiver's business. */
export class TextGuard {
  readonly #textBytesMax: number;
  /** Header of the frame that is coming in, as far as it came: 2 bytes, then 2 or 8 of length, then 4 of mask. */
  readonly #header = new Uint8Array(14);
  #headerBytes = 0;
  #payloadBytesLeft = 0;
  /** Of the text message that is coming in; undefined where the message is none. */
  #textBytes: number | undefined;

  constructor(textBytesMax: number) {
    this.#textBytesMax = textBytesMax;
  }

  /** Takes the next bytes of the connection; false as soon as a text message is announced to be too long. */
  receive(bytes: Uint8Array): boolean {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#payloadBytesLeft > 0) {
        const skipped = Math.min(this.#payloadBytesLeft, bytes.length - offset);
        this.#payloadBytesLeft -= skipped;
        offset += skipped;
        continue;
      }
      this.#header[this.#headerBytes++] = bytes[offset++]!;
      if (this.#headerBytes === headerBytesWanted(this.#header, this.#headerBytes)) {
        this.#headerBytes = 0;
        if (!this.#beginFrame()) return false;
      }
    }
    return true;
  }

  #beginFrame(): boolean {
    const sizeBytes = payloadBytesOf(this.#header);
    this.#payloadBytesLeft = sizeBytes;
    const opcode = this.#header[0]! & 0x0f;
    if (opcode === opcodes.text) this.#textBytes = sizeBytes;
    else if (opcode === opcodes.binary) this.#textBytes = undefined;
    else if (opcode === opcodes.continuation && this.#textBytes !== undefined) this.#textBytes += sizeBytes;
    return this.#textBytes === undefined || this.#textBytes <= this.#textBytesMax;
  }
}

const opcodes = { continuation: 0, text: 1, binary: 2 } as const;

function headerBytesWanted(header: Uint8Array, have: number): number {
  if (have < 2) return 2;
  const second = header[1]!;
  const length = second & 0x7f;
  return 2 + (length === 127 ? 8 : length === 126 ? 2 : 0) + (second > 127 ? 4 : 0);
}

function payloadBytesOf(header: Uint8Array): number {
  const length = header[1]! & 0x7f;
  if (length < 126) return length;
  let sizeBytes = 0;
  const end = length === 126 ? 4 : 10;
  for (let index = 2; index < end; index++) sizeBytes = sizeBytes * 256 + header[index]!;
  return sizeBytes;
}
