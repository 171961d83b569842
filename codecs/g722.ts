/** G.722 at 64 kbit/s (ITU-T G.722 mode 1), bit-exact: 16 kHz audio as two sub-bands of 8 kHz, an octet a pair. */

import type { AudioDecoder, AudioEncoder, Codec } from './codec.ts';
import { Concealment } from './concealment.ts';
import { HigherBand, LowerBand } from './g722-band.ts';

const SAMPLE_RATE_HZ = 16_000;

/** The quadrature mirror filter: coefficients of one parity, those of the other are the same backwards. The
 *  recommendation's table 11, halved. */
const MIRROR = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);
const REACH = 2 * MIRROR.length;
/** Pairs filtered in one go. */
const BLOCK_PAIRS = 160;

/** A delay line that is shifted once a block instead of at each sample. */
class DelayLine {
  readonly samples = new Int32Array(REACH - 2 + 2 * BLOCK_PAIRS);

  /** Forgets all but what the next block reaches back to. */
  shift(pairs: number): void {
    this.samples.copyWithin(0, 2 * pairs, 2 * pairs + REACH - 2);
  }

  reset(): void {
    this.samples.fill(0);
  }
}

class G722Encoder implements AudioEncoder {
  readonly sampleRateHz = SAMPLE_RATE_HZ;
  readonly #line = new DelayLine();
  readonly #lower = new LowerBand();
  readonly #higher = new HigherBand();

  /** An odd last sample is left out. */
  encode(
    pcm: Int16Array,
    pcmOffset: number,
    samples: number,
    payload: Uint8Array,
    payloadOffset: number,
  ): number {
    const pairs = Math.max(
      0,
      Math.min(samples >> 1, (pcm.length - pcmOffset) >> 1, payload.length - payloadOffset),
    );
    for (let done = 0; done < pairs; done += BLOCK_PAIRS) {
      const block = Math.min(BLOCK_PAIRS, pairs - done);
      this.#encodeBlock(pcm, pcmOffset + 2 * done, block, payload, payloadOffset + done);
    }
    return pairs;
  }

  #encodeBlock(pcm: Int16Array, from: number, pairs: number, payload: Uint8Array, to: number): void {
    const line = this.#line.samples;
    for (let i = 0; i < 2 * pairs; i++) line[REACH - 2 + i] = pcm[from + i]!;
    for (let pair = 0; pair < pairs; pair++) {
      let older = 0;
      let newer = 0;
      for (let i = 0; i < MIRROR.length; i++) {
        const at = 2 * (pair + i);
        older += line[at]! * MIRROR[i]!;
        newer += line[at + 1]! * MIRROR[MIRROR.length - 1 - i]!;
      }
      const lowerCode = this.#lower.encode((newer + older) >> 14);
      const higherCode = this.#higher.encode((newer - older) >> 14);
      payload[to + pair] = (higherCode << 6) | lowerCode;
    }
    this.#line.shift(pairs);
  }

  reset(): void {
    this.#line.reset();
    this.#lower.reset();
    this.#higher.reset();
  }

  close(): void {}
}

class G722Decoder implements AudioDecoder {
  readonly sampleRateHz = SAMPLE_RATE_HZ;
  readonly #line = new DelayLine();
  readonly #lower = new LowerBand();
  readonly #higher = new HigherBand();
  readonly #concealment = new Concealment(SAMPLE_RATE_HZ);

  decode(
    payload: Uint8Array,
    payloadOffset: number,
    sizeBytes: number,
    pcm: Int16Array,
    pcmOffset: number,
  ): number {
    const pairs = Math.max(
      0,
      Math.min(sizeBytes, payload.length - payloadOffset, (pcm.length - pcmOffset) >> 1),
    );
    for (let done = 0; done < pairs; done += BLOCK_PAIRS) {
      const block = Math.min(BLOCK_PAIRS, pairs - done);
      this.#decodeBlock(payload, payloadOffset + done, block, pcm, pcmOffset + 2 * done);
    }
    this.#concealment.accept(pcm, pcmOffset, 2 * pairs);
    return 2 * pairs;
  }

  #decodeBlock(payload: Uint8Array, from: number, pairs: number, pcm: Int16Array, to: number): void {
    const line = this.#line.samples;
    for (let pair = 0; pair < pairs; pair++) {
      const code = payload[from + pair]!;
      const lower = this.#lower.decode(code & 63);
      const higher = this.#higher.decode(code >> 6);
      const newest = REACH - 2 + 2 * pair;
      line[newest] = lower + higher;
      line[newest + 1] = lower - higher;
      let first = 0;
      let second = 0;
      for (let i = 0; i < MIRROR.length; i++) {
        const at = 2 * (pair + i);
        first += line[at + 1]! * MIRROR[MIRROR.length - 1 - i]!;
        second += line[at]! * MIRROR[i]!;
      }
      pcm[to + 2 * pair] = saturate(first >> 11);
      pcm[to + 2 * pair + 1] = saturate(second >> 11);
    }
    this.#line.shift(pairs);
  }

  conceal(pcm: Int16Array, pcmOffset: number, samples: number): number {
    return this.#concealment.conceal(pcm, pcmOffset, samples);
  }

  reset(): void {
    this.#line.reset();
    this.#lower.reset();
    this.#higher.reset();
    this.#concealment.reset();
  }

  close(): void {}
}

function saturate(sample: number): number {
  return Math.max(-32768, Math.min(32767, sample));
}

/** Its RTP clock runs at 8000 Hz by an error of history that became the rule, RFC 3551 §4.5.2. */
export const g722: Codec = {
  name: 'g722',
  encodingName: 'G722',
  payloadTypeStatic: 9,
  rtpClockRateHz: 8000,
  sampleRateHz: SAMPLE_RATE_HZ,
  channels: 1,
  payloadBytesMax: 160,
  createEncoder: () => new G722Encoder(),
  createDecoder: () => new G722Decoder(),
};
