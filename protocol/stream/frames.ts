/** Frames as a WebSocket client sends them, other than audio, and what both directions share. RFC 6455 §5.2. */

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One whole message, masked with the four bytes of `maskingKey`, which must be strong and new for each frame (§10.3). */
export function buildFrame(opcode: number, payload: Uint8Array, maskingKey: Uint8Array): Uint8Array {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const payloadOffset = 2 + lengthBytes + 4;
  const frame = new Uint8Array(payloadOffset + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  for (let index = 0, rest = length; index < lengthBytes; index++, rest = Math.floor(rest / 256)) {
    frame[1 + lengthBytes - index] = rest % 256;
  }
  for (let index = 0; index < 4; index++) frame[payloadOffset - 4 + index] = maskingKey[index]!;
  for (let index = 0; index < length; index++) {
    frame[payloadOffset + index] = payload[index]! ^ maskingKey[index & 3]!;
  }
  return frame;
}

/** Payload of a close frame; undefined where code or reason are none that a frame can carry. */
export function closePayload(code: number, reason: string): Uint8Array | undefined {
  const text = new TextEncoder().encode(reason);
  if (!maySendCloseCode(code) || text.length > 123) return undefined;
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return payload;
}

/** §7.4: the registered codes without those that only say what happened here, and the free ones. */
export function maySendCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
