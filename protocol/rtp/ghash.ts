/** GHASH of NIST SP 800-38D §6.4 with a kept key, eight bits at a time from tables of 4 KiB a key. */

const blockBytes = 16;

/** What the eight bits shifted out at the low end come back as at the high end, modulo x^128 + x^7 + x^2 + x + 1;
 *  bits are reflected (SP 800-38D §6.3). The upper 16 bits of the first word. */
const reduction = createReduction();

export class Ghash {
  /** The hash so far; the result after `finish`. Big-endian words. */
  readonly state = new Int32Array(4);
  /** The key times each polynomial of eight bits. */
  readonly #table = new Int32Array(256 * 4);

  /** `key` is the cipher of sixteen zeros; it is not kept. */
  constructor(key: Uint8Array) {
    const table = this.#table;
    let [a, b, c, d] = [0, 4, 8, 12].map((at) => readWord(key, at)) as [number, number, number, number];
    // 0x80 is the polynomial 1, each bit to the right one power of x more.
    for (let bit = 0x80; bit > 0; bit >>= 1) {
      table.set([a, b, c, d], bit * 4);
      const carry = d & 1;
      d = (d >>> 1) | (c << 31);
      c = (c >>> 1) | (b << 31);
      b = (b >>> 1) | (a << 31);
      a = (a >>> 1) ^ (carry === 0 ? 0 : 0xe1000000);
    }
    for (let high = 2; high < 256; high *= 2) {
      for (let low = 1; low < high; low++) {
        for (let word = 0; word < 4; word++) {
          table[(high + low) * 4 + word] = table[high * 4 + word]! ^ table[low * 4 + word]!;
        }
      }
    }
  }

  reset(): void {
    this.state.fill(0);
  }

  /** Takes in `bytes[from … to]`, the last block filled up with zeros. */
  update(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    for (; at + blockBytes <= to; at += blockBytes) {
      this.#absorb(
        readWord(bytes, at),
        readWord(bytes, at + 4),
        readWord(bytes, at + 8),
        readWord(bytes, at + 12),
      );
    }
    if (at === to) return;
    let word = 0;
    const words: [number, number, number, number] = [0, 0, 0, 0];
    for (let shift = 24; at < to; at++, shift -= 8) {
      if (shift < 0) {
        shift = 24;
        word++;
      }
      words[word] = words[word]! | (bytes[at]! << shift);
    }
    this.#absorb(words[0], words[1], words[2], words[3]);
  }

  /** The block of lengths that ends it. */
  finish(additionalBytes: number, textBytes: number): void {
    this.#absorb(0, additionalBytes * 8, 0, textBytes * 8);
  }

  #absorb(block0: number, block1: number, block2: number, block3: number): void {
    const { state } = this;
    const table = this.#table;
    const words = blockWords;
    words[0] = state[0]! ^ block0;
    words[1] = state[1]! ^ block1;
    words[2] = state[2]! ^ block2;
    words[3] = state[3]! ^ block3;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    // Horner from the highest power, which is the last byte.
    for (let index = 3; index >= 0; index--) {
      const word = words[index]!;
      for (let shift = 0; shift < 32; shift += 8) {
        const out = d & 0xff;
        const at = ((word >>> shift) & 0xff) * 4;
        d = ((d >>> 8) | (c << 24)) ^ table[at + 3]!;
        c = ((c >>> 8) | (b << 24)) ^ table[at + 2]!;
        b = ((b >>> 8) | (a << 24)) ^ table[at + 1]!;
        a = (a >>> 8) ^ (reduction[out]! << 16) ^ table[at]!;
      }
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
  }
}

/** Scratch of all keys of a thread. */
const blockWords = new Int32Array(4);

function createReduction(): Uint16Array {
  const table = new Uint16Array(256);
  for (let out = 0; out < 256; out++) {
    let value = 0;
    for (let bit = 0; bit < 8; bit++) {
      // The bit that leaves after `bit + 1` shifts has been shifted on for the rest of the eight.
      if ((out & (1 << bit)) !== 0) value ^= 0xe100 >>> (7 - bit);
    }
    table[out] = value;
  }
  return table;
}

function readWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
