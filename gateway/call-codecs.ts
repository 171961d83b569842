import { codecNamed } from '../codecs/catalogue.ts';
import type { Codec, CodecName } from '../codecs/codec.ts';
import { opusUnavailableReason } from '../codecs/opus-native.ts';
import { GatewayError } from './errors.ts';

/** The codecs of `rtp.codecs` that this machine has, in that order. `l16` is both of its rates. Throws `GatewayError`
 *  `no-codec` where none is left. */
export function callCodecs(names: readonly CodecName[]): readonly Codec[] {
  const wanted = names.flatMap((name): CodecName[] => (name === 'l16' ? ['l16', 'l16-8000'] : [name]));
  const found = wanted.map((name) => codecNamed(name)).filter((codec): codec is Codec => codec !== undefined);
  if (found.length > 0) return found;
  const reason = opusUnavailableReason() ?? 'none of them is in this build';
  throw new GatewayError('no-codec', `rtp.codecs has only ${names.join(', ')}, and ${reason}`);
}

/** For the log at start-up: what is wanted and not there, and how to mend that. */
export function missingCodec(names: readonly CodecName[]): string | undefined {
  return names.includes('opus') ? opusUnavailableReason() : undefined;
}
