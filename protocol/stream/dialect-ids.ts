import { createHash } from 'node:crypto';

/** Identifiers in the shape that a platform's servers expect, the same for the same call each time. */

/** 32 hexadecimal digits. `space` keeps the identifiers of different things of one call apart. */
export function hexId(space: string, callId: string): string {
  return createHash('sha256').update(`${space}\n${callId}`).digest('hex').slice(0, 32);
}

/** RFC 9562 §5.8: a UUID of 16 bytes whose content is ours. */
export function uuidBytes(space: string, callId: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(hexId(space, callId), 'hex'));
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

export function uuid(space: string, callId: string): string {
  const hex = Buffer.from(uuidBytes(space, callId)).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
