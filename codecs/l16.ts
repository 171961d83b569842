/** L16 (RFC 3551 §4.5.11): linear PCM in network byte order. Dynamic payload types alone, at the two rates that are
 *  telephone audio; the static ones (44.1 kHz) need ten times the line and are no call. */

import type { AudioDecoder, AudioEncoder, Codec, CodecName } from './codec.ts';
import { Concealment } from './concealment.ts';

class L16Encoder implements AudioEncoder {
  readonly sampleRateHz: number;

  constructor(sampleRateHz: number) {
    this.sampleRateHz = sampleRateHz;
  }

  encode(
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
    payload: Uint8Array,
    payloadOffset: number,
  ): number {
    const room = Math.min(samples, pcm.length - pcmOffset, (payload.length - payloadOffset) >> 1);
    const count = Math.max(0, room);
    for (let i = 0, at = payloadOffset; i < count; i++) {
      const sample = pcm[pcmOffset + i]!;
      payload[at++] = sample >> 8;
      payload[at++] = sample;
    }
    return count * 2;
  }

  reset(): void {}

  close(): void {}
}

class L16Decoder implements AudioDecoder {
  readonly sampleRateHz: number;
  readonly #concealment: Concealment;

  constructor(sampleRateHz: number) {
    this.sampleRateHz = sampleRateHz;
    this.#concealment = new Concealment(sampleRateHz);
  }

  /** Half a sample at the end is left out. */
  decode(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
  ): number {
    const room = Math.min(sizeBytes, payload.length - payloadOffset) >> 1;
    const count = Math.max(0, Math.min(room, pcm.length - pcmOffset));
    for (let i = 0, at = payloadOffset; i < count; i++, at += 2) {
      pcm[pcmOffset + i] = (payload[at]! << 8) | payload[at + 1]!;
    }
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

function createL16(name: CodecName, sampleRateHz: number): Codec {
  return {
    name,
    encodingName: 'L16',
    payloadTypeStatic: undefined,
    rtpClockRateHz: sampleRateHz,
    sampleRateHz,
    channels: 1,
    payloadBytesMax: sampleRateHz / 25,
    createEncoder: () => new L16Encoder(sampleRateHz),
    createDecoder: () => new L16Decoder(sampleRateHz),
  };
}

export const l16: Codec = createL16('l16', 16_000);
export const l16Narrow: Codec = createL16('l16-8000', 8000);
