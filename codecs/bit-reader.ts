/** Bits of a buffer, most significant first. */

/** There are fewer bits than were asked for. */
export class OutOfBits extends Error {
  constructor() {
    super('there are fewer bits than were asked for');
    this.name = 'OutOfBits';
  }
}

export class BitReader {
  readonly #bytes: Uint8Array;
  readonly #endBit: number;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#endBit = 8 * bytes.length;
  }

  /** 0 to 32 bits, as a number without sign. @throws OutOfBits */
  read(count: number): number {
    const end = this.#bit + count;
    if (end > this.#endBit) throw new OutOfBits();
    let value = 0;
    let left = count;
    while (left > 0) {
      const room = 8 - (this.#bit & 7);
      const taken = left < room ? left : room;
      const part = (this.#bytes[this.#bit >> 3]! >> (room - taken)) & ((1 << taken) - 1);
      value = value * (1 << taken) + part;
      this.#bit += taken;
      left -= taken;
    }
    return value;
  }

  /** In two's complement. @throws OutOfBits */
  readSigned(count: number): number {
    const value = this.read(count);
    return value >= 2 ** (count - 1) ? value - 2 ** count : value;
  }

  /** The zeros before the next one. @throws OutOfBits */
  readUnary(): number {
    const start = this.#bit;
    let at = start >> 3;
    let byte = (this.#bytes[at] ?? 0) & (0xff >> (start & 7));
    while (byte === 0) {
      if (++at >= this.#bytes.length) throw new OutOfBits();
      byte = this.#bytes[at]!;
    }
    const one = 8 * at + Math.clz32(byte) - 24;
    this.#bit = one + 1;
    return one - start;
  }

  /** A residual of Rice's code with `parameter` low bits. @throws OutOfBits */
  readRice(parameter: number): number {
    const high = this.readUnary();
    const folded = high * 2 ** parameter + this.read(parameter);
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }

  /** The bytes that are used, the last perhaps in part. */
  alignedBytes(): number {
    return (this.#bit + 7) >> 3;
  }
}
