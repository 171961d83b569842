/** PCMU and PCMA (ITU-T G.711) by table, bit-exact with the ITU's own software library (G.191). */

import alawmulaw from 'alawmulaw';
import type { AudioDecoder, AudioEncoder, Codec } from './codec.ts';
import { Concealment } from './concealment.ts';

const SAMPLE_RATE_HZ = 8000;

interface Law {
  /** Companded byte for each value of `sample >> shift`, offset so that it starts at 0. */
  readonly encoded: Uint8Array;
  /** Low bits that the law ignores. */
  readonly shift: number;
  readonly indexOffset: number;
  readonly decoded: Int16Array;
}

function createLaw(
  encodeSample: (sample: number) => number,
  decodeSample: (payloadByte: number) => number,
  shift: number,
): Law {
  const indexOffset = 32768 >> shift;
  const encoded = new Uint8Array(2 * indexOffset);
  for (let sample = -32768; sample < 32768; sample += 1 << shift) {
    // alawmulaw negates a negative sample where G.191 takes the one's complement, so for each law it is one step
    // off on the 127 negative samples that lie on a decision value. Its positive half is right: mirror that.
    const magnitude = sample < 0 ? ~sample : sample;
    encoded[(sample >> shift) + indexOffset] = encodeSample(magnitude) ^ (sample < 0 ? 0x80 : 0);
  }
  const decoded = new Int16Array(256);
  for (let payloadByte = 0; payloadByte < 256; payloadByte++)
    decoded[payloadByte] = decodeSample(payloadByte);
  return { encoded, shift, indexOffset, decoded };
}

class G711Encoder implements AudioEncoder {
  readonly sampleRateHz = SAMPLE_RATE_HZ;
  readonly #encoded: Uint8Array;
  readonly #shift: number;
  readonly #indexOffset: number;

  constructor(law: Law) {
    this.#encoded = law.encoded;
    this.#shift = law.shift;
    this.#indexOffset = law.indexOffset;
  }

  encode(
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
    payload: Uint8Array,
    payloadOffset: number,
  ): number {
    const encoded = this.#encoded;
    const shift = this.#shift;
    const indexOffset = this.#indexOffset;
    const count = Math.max(0, Math.min(samples, pcm.length - pcmOffset, payload.length - payloadOffset));
    for (let i = 0; i < count; i++)
      payload[payloadOffset + i] = encoded[(pcm[pcmOffset + i]! >> shift) + indexOffset]!;
    return count;
  }

  reset(): void {}

  close(): void {}
}

class G711Decoder implements AudioDecoder {
  readonly sampleRateHz = SAMPLE_RATE_HZ;
  readonly #decoded: Int16Array;
  readonly #concealment = new Concealment(SAMPLE_RATE_HZ);

  constructor(law: Law) {
    this.#decoded = law.decoded;
  }

  decode(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
  ): number {
    const decoded = this.#decoded;
    const count = Math.max(0, Math.min(sizeBytes, payload.length - payloadOffset, pcm.length - pcmOffset));
    for (let i = 0; i < count; i++) pcm[pcmOffset + i] = decoded[payload[payloadOffset + i]!]!;
    this.#concealment.accept(pcm, pcmOffset, count);
    return count;
  }

  conceal(pcm: Int16Array, pcmOffset: number, samples: number): number {
    return this.#concealment.conceal(pcm, pcmOffset, samples);
  }

  reset(): void {
    this.#concealment.reset();
  }

  close(): void {}
}

function createG711(name: 'pcmu' | 'pcma', encodingName: string, payloadTypeStatic: number, law: Law): Codec {
  return {
    name,
    encodingName,
    payloadTypeStatic,
    rtpClockRateHz: 8000,
    sampleRateHz: SAMPLE_RATE_HZ,
    channels: 1,
    payloadBytesMax: 160,
    createEncoder: () => new G711Encoder(law),
    createDecoder: () => new G711Decoder(law),
  };
}

// alawmulaw's µ-law encoder returns a negative number for half of its inputs; storing it in a byte masks it.
export const pcmu: Codec = createG711(
  'pcmu',
  'PCMU',
  0,
  createLaw(alawmulaw.mulaw.encodeSample, alawmulaw.mulaw.decodeSample, 2),
);

export const pcma: Codec = createG711(
  'pcma',
  'PCMA',
  8,
  createLaw(alawmulaw.alaw.encodeSample, alawmulaw.alaw.decodeSample, 4),
);
