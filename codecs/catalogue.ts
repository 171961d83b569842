/** The codecs that this build can use. */

import type { Codec, CodecName } from './codec.ts';
import { pcma, pcmu } from './g711.ts';
import { g722 } from './g722.ts';
import { l16, l16Narrow } from './l16.ts';
import { opus } from './opus.ts';
import { opusAvailable } from './opus-native.ts';

/** Those that are used unless others are named, cheapest first. */
export const codecs: readonly Codec[] = [pcmu, pcma, g722, ...(opusAvailable() ? [opus] : [])];

/** Only for who asks for them: they take eight times the line of G.711 for sound that few phones have. */
const codecsOnRequest: readonly Codec[] = [l16, l16Narrow];

/** Undefined where the codec is unknown here, or its optional native module is not installed. */
export function codecNamed(name: CodecName): Codec | undefined {
  return codecs.find((codec) => codec.name === name) ?? codecsOnRequest.find((codec) => codec.name === name);
}
