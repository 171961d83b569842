/** HMAC-SHA1 with a kept key, RFC 2104 and FIPS 180-4 §6.1. In JavaScript because one object of `node:crypto` costs more
 *  than hashing a whole packet here: 3 µs against 1. */

const blockBytes = 64;
const digestWords = 5;

/** Scratch of all keys of a thread: each use is over before the next begins. */
const schedule = new Int32Array(80);
const tail = new Uint8Array(2 * blockBytes);

export class HmacSha1 {
  /** Words of the digest computed last, big-endian as they go onto the wire. */
  readonly digest = new Int32Array(digestWords);
  /** States after the first block, which is the padded key. */
  readonly #inner = initialState();
  readonly #outer = initialState();

  /** `key` of at most 64 bytes; it is not kept. */
  constructor(key: Uint8Array) {
    if (key.length > blockBytes) throw new RangeError(`key must be at most 64 bytes, got ${key.length}`);
    const padded = new Uint8Array(blockBytes).fill(0x36);
    for (const [at, byte] of key.entries()) padded[at] = byte ^ 0x36;
    compress(this.#inner, padded, 0);
    // 0x36 becomes 0x5c.
    for (let at = 0; at < blockBytes; at++) padded[at] = padded[at]! ^ 0x6a;
    compress(this.#outer, padded, 0);
    padded.fill(0);
  }

  /** Fills `digest` from `bytes[0 … sizeBytes]` followed by the 32 bits of `trailer`. */
  compute(bytes: Uint8Array, sizeBytes: number, trailer: number): void {
    const { digest } = this;
    digest.set(this.#inner);
    let offset = 0;
    for (; offset + blockBytes <= sizeBytes; offset += blockBytes) compress(digest, bytes, offset);
    let used = 0;
    for (; offset < sizeBytes; offset++) tail[used++] = bytes[offset]!;
    used = writeWord(tail, used, trailer);
    finish(digest, used, blockBytes + sizeBytes + 4);

    for (let word = 0; word < digestWords; word++) writeWord(tail, word * 4, digest[word]!);
    digest.set(this.#outer);
    finish(digest, digestWords * 4, blockBytes + digestWords * 4);
  }
}

function initialState(): Int32Array {
  return Int32Array.of(0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0);
}

/** Pads what stands in `tail[0 … used]` and takes it in; `messageBytes` is the length of the whole. */
function finish(state: Int32Array, used: number, messageBytes: number): void {
  const padded = used + 9 > blockBytes ? 2 * blockBytes : blockBytes;
  tail[used] = 0x80;
  tail.fill(0, used + 1, padded - 4);
  writeWord(tail, padded - 4, messageBytes * 8);
  for (let offset = 0; offset < padded; offset += blockBytes) compress(state, tail, offset);
}

function writeWord(into: Uint8Array, offset: number, word: number): number {
  into[offset] = word >>> 24;
  into[offset + 1] = word >>> 16;
  into[offset + 2] = word >>> 8;
  into[offset + 3] = word;
  return offset + 4;
}

/** One block of FIPS 180-4 §6.1.2. */
function compress(state: Int32Array, bytes: Uint8Array, offset: number): void {
  const w = schedule;
  for (let t = 0, at = offset; t < 16; t++, at += 4) {
    w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let t = 16; t < 80; t++) {
    const mixed = w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!;
    w[t] = (mixed << 1) | (mixed >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let next = 0;
  for (let t = 0; t < 20; t++) {
    next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + 0x5a827999 + w[t]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 20; t < 40; t++) {
    next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0x6ed9eba1 + w[t]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 40; t < 60; t++) {
    next = (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + 0x8f1bbcdc + w[t]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 60; t < 80; t++) {
    next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + 0xca62c1d6 + w[t]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
}
