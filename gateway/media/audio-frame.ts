import { randomFillSync } from 'node:crypto';

/** One binary WebSocket message of PCM, made once and sent again and again (RFC 6455 §5.2). The resampler writes
 *  straight into `samples`, which lie where the frame has its payload; masking is then one pass in place. */
export class AudioFrame {
  readonly samples: Int16Array;
  readonly #bytes: Buffer;
  readonly #words: Int32Array;

  /** `samples`: an even number from 64 to 32766, as every rate has in 20 ms. */
  constructor(samples: number) {
    const payloadBytes = samples * 2;
    if (payloadBytes < 126 || payloadBytes > 65_532 || payloadBytes % 4 !== 0) {
      throw new RangeError(`an audio message must have 64 to 32766 samples, an even number, got ${samples}`);
    }
    const buffer = new ArrayBuffer(headerBytes + payloadBytes);
    this.#bytes = Buffer.from(buffer);
    this.#words = new Int32Array(buffer);
    this.samples = new Int16Array(buffer, headerBytes, samples);
    this.#bytes[0] = 0x82;
    this.#bytes[1] = 0x80 | 126;
    this.#bytes.writeUInt16BE(payloadBytes, 2);
  }

  /** Masks what `samples` hold with a fresh key and gives the whole frame. */
  mask(): Buffer {
    const words = this.#words;
    const key = nextMaskingKey();
    words[1] = key;
    for (let index = 2; index < words.length; index++) words[index] = words[index]! ^ key;
    return this.#bytes;
  }
}

/** FIN and opcode, length as 126 and 16 bits, masking key: 8 bytes, so that samples and words are aligned. */
const headerBytes = 8;

// A call to the random generator costs more than the rest of a frame: take a thousand keys at a time.
const maskingKeys = new Int32Array(1024);
let maskingKeysUsed = maskingKeys.length;

function nextMaskingKey(): number {
  if (maskingKeysUsed === maskingKeys.length) {
    randomFillSync(maskingKeys);
    maskingKeysUsed = 0;
  }
  return maskingKeys[maskingKeysUsed++]!;
}
