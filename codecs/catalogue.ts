/** The codecs that this build can use, in our order of preference. */

import type { Codec, CodecName } from './codec.ts';
import { pcma, pcmu } from './g711.ts';

export const codecs: readonly Codec[] = [pcmu, pcma];

/** Undefined where the codec is unknown here, or its optional native module is not installed. */
export function codecNamed(name: CodecName): Codec | undefined {
  return codecs.find((codec) => codec.name === name);
}
