import { codecNamed } from '../../codecs/catalogue.ts';
import type { StreamEncoding } from '../../protocol/stream/messages.ts';

/** Turns what stands in a message into samples and back, for the encodings that are not simply our own samples. */

/** Undefined where bytes are samples as they are. */
export function payloadDecoder(encoding: StreamEncoding): PayloadDecoder | undefined {
  switch (encoding) {
    case 'pcm16':
      return undefined;
    case 'pcm16be':
      return swapDecoder;
    case 'mulaw':
    case 'alaw': {
      const decoder = codecNamed(encoding === 'mulaw' ? 'pcmu' : 'pcma')!.createDecoder();
      return {
        bytesPerSample: 1,
        decode: (bytes, offset, sizeBytes, pcm) => decoder.decode(bytes, offset, sizeBytes, pcm, 0),
      };
    }
  }
}

export interface PayloadDecoder {
  readonly bytesPerSample: 1 | 2;
  /** Whole samples into `pcm[0…]`; returns how many. */
  decode(bytes: Uint8Array, offset: number, sizeBytes: number, pcm: Int16Array): number;
}

const swapDecoder: PayloadDecoder = {
  bytesPerSample: 2,
  decode(bytes, offset, sizeBytes, pcm) {
    const samples = sizeBytes >>> 1;
    for (let index = 0; index < samples; index++) {
      const at = offset + index * 2;
      pcm[index] = (bytes[at]! << 8) | bytes[at + 1]!;
    }
    return samples;
  },
};

/** `pcm` as it stands in a message; the bytes are a view on `payload`, or on `pcm` itself. */
export function encodePayload(encoding: StreamEncoding, pcm: Int16Array, payload: Uint8Array): Uint8Array {
  switch (encoding) {
    case 'pcm16':
      return new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
    case 'pcm16be':
      for (let index = 0; index < pcm.length; index++) {
        payload[index * 2] = pcm[index]! >> 8;
        payload[index * 2 + 1] = pcm[index]!;
      }
      return payload.subarray(0, pcm.byteLength);
    case 'mulaw':
    case 'alaw': {
      const encoder = encoding === 'mulaw' ? mulaw : alaw;
      return payload.subarray(0, encoder.encode(pcm, 0, pcm.length, payload, 0));
    }
  }
}

/** G.711 has no state: one of each serves all streams. */
const mulaw = codecNamed('pcmu')!.createEncoder();
const alaw = codecNamed('pcma')!.createEncoder();
