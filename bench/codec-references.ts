/** What G.711 and G.722 must give, bit by bit, from elsewhere than our own code. */

import { createHash } from 'node:crypto';
import { pcma, pcmu } from '../codecs/g711.ts';
import { g722 } from '../codecs/g722.ts';

/** Index of the segment: how often `value` can be halved before it is below `limit`. */
function segmentOf(value: number, limit: number): number {
  let segment = 0;
  for (let rest = value; rest >= limit; rest >>= 1) segment++;
  return segment;
}

/** µ-law after ITU-T G.191: 14-bit one's complement magnitude plus 33, clipped, all bits of the code inverted. */
function encodePcmu(sample: number): number {
  const magnitude = Math.min((sample < 0 ? ~sample >> 2 : sample >> 2) + 33, 8191);
  const segment = segmentOf(magnitude, 64);
  const code = (segment << 4) | ((magnitude >> (segment + 1)) & 15);
  return (code ^ 0x7f) | (sample < 0 ? 0 : 0x80);
}

function decodePcmu(payloadByte: number): number {
  const code = ~payloadByte & 0x7f;
  const magnitude = ((((code & 15) * 2 + 33) << (code >> 4)) - 33) << 2;
  return payloadByte & 0x80 ? magnitude : -magnitude;
}

/** A-law after ITU-T G.191: 12-bit one's complement magnitude, even bits inverted. */
function encodePcma(sample: number): number {
  const magnitude = (sample < 0 ? ~sample : sample) >> 4;
  const segment = segmentOf(magnitude, 32);
  const code = magnitude < 16 ? magnitude : ((segment + 1) << 4) | ((magnitude >> segment) & 15);
  return (code | (sample < 0 ? 0 : 0x80)) ^ 0x55;
}

function decodePcma(payloadByte: number): number {
  const code = (payloadByte ^ 0x55) & 0x7f;
  const segment = code >> 4;
  const step = segment === 0 ? code & 15 : (code & 15) + 16;
  const magnitude = ((step << 4) + 8) << Math.max(0, segment - 1);
  return payloadByte & 0x80 ? magnitude : -magnitude;
}

export const g711Laws = [
  { codec: pcmu, encode: encodePcmu, decode: decodePcmu },
  { codec: pcma, encode: encodePcma, decode: decodePcma },
] as const;

/** How many of all 65,536 samples and 256 codes come out otherwise than G.191 has it. */
export function countG711Errors({ codec, encode, decode }: (typeof g711Laws)[number]): number {
  const pcm = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
  const payload = new Uint8Array(pcm.length);
  codec.createEncoder().encode(pcm, 0, pcm.length, payload, 0);
  const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const heard = new Int16Array(256);
  codec.createDecoder().decode(codes, 0, 256, heard, 0);
  return (
    pcm.filter((sample, i) => payload[i] !== encode(sample)).length +
    codes.filter((code) => heard[code] !== decode(code)).length
  );
}

/** Payloads of 8000 samples and the audio decoded from them by FFmpeg 5.1, whose G.722 has the recommendation's
 *  arithmetic; the audio of all but the loudest signals was the same from SpanDSP 0.0.6, the payloads of all. `start` is
 *  the first 40 octets, the digests are the first half of the SHA-256 of everything. */
export interface G722Vector {
  readonly name: string;
  readonly sample: (i: number) => number;
  readonly start: string;
  readonly payload: string;
  readonly audio: string;
}

export const g722Samples = 8000;

/** Those that need no random numbers. */
export const g722Vectors: readonly G722Vector[] = [
  {
    name: 'a triangle wave that rises',
    sample: (i) => Math.floor(Math.abs(((i * (20 + i / 40)) % 4000) - 2000) * 12 - 12_000),
    start: '922084208520a026a728e9eaeceeeff1f3f4f5f5f7f878f9fafcfcfdfe5edddcd998d6d6d6d6d5d4',
    payload: 'b423ee4868d3b2a1c26fff5e7495c010',
    audio: '5bd06745e4a8da88ba5eb5c8cfd9a5ae',
  },
  {
    name: 'a square wave at full scale',
    sample: (i) => (Math.floor(i / 37) % 2 === 0 ? 32_767 : -32_768),
    start: '872084208420a020a020a0e060e0e0e0e0e16222a323a52704840484c6484acacacacbcbcc8c0c8b',
    payload: 'efc68d0aef53975e88e2f96fb6617a70',
    audio: 'dc820686c34155fed937ecee251d80f2',
  },
];

/** What our codec makes of a vector's samples. */
export function runG722({ sample }: G722Vector): Pick<G722Vector, 'start' | 'payload' | 'audio'> {
  const pcm = Int16Array.from({ length: g722Samples }, (_, i) => sample(i));
  const encoded = new Uint8Array(g722Samples / 2);
  g722.createEncoder().encode(pcm, 0, g722Samples, encoded, 0);
  const decoded = new Int16Array(g722Samples);
  g722.createDecoder().decode(encoded, 0, encoded.length, decoded, 0);
  return {
    start: Buffer.from(encoded.subarray(0, 40)).toString('hex'),
    payload: digest(encoded),
    audio: digest(new Uint8Array(decoded.buffer)),
  };
}

export function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}
