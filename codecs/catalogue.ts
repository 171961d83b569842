/** The codecs that this build can use, cheapest first. */

import type { Codec, CodecName } from './codec.ts';
import { pcma, pcmu } from './g711.ts';
import { g722 } from './g722.ts';
import { opus, opusAvailable } from './opus.ts';

export const codecs: readonly Codec[] = [pcmu, pcma, g722, ...(opusAvailable() ? [opus] : [])];

/** Undefined where the codec is unknown here, or its optional native module is not installed. */
export function codecNamed(name: CodecName): Codec | undefined {
  return codecs.find((codec) => codec.name === name);
}
