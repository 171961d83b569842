import type { Negotiated, SdpCodec } from './negotiate.ts';
import type { MediaLine, RemoteFormat } from './remote-audio.ts';
import type { RemoteMedia } from './session-description.ts';

/** Which number stands for which format in our offers. */

/** What an offer within a session goes on from: it has the same m-lines, and a number never changes its meaning.
 *  RFC 3264 §8. */
export interface ContinuedSession {
  /** Of the description before, in order. All but the one at `lineIndex` are offered with port 0. */
  readonly lines: readonly MediaLine[];
  readonly lineIndex: number;
  /** By `formatKey`. */
  readonly payloadTypes: ReadonlyMap<string, number>;
}

/** From the peer's offer, or its answer, and what came of it. `before` is what the session went on from until now: its
 *  numbers stay taken. */
export function continueSession(
  remote: RemoteMedia,
  { lineIndex }: Pick<Negotiated, 'lineIndex'>,
  before?: ContinuedSession,
): ContinuedSession {
  const payloadTypes = new Map(before?.payloadTypes);
  const audio = remote.audio.find(({ index }) => index === lineIndex);
  for (const format of audio?.formats ?? []) {
    const key = formatKey(format);
    const known = [...payloadTypes.values()].includes(format.payloadType);
    if (!payloadTypes.has(key) && !known) payloadTypes.set(key, format.payloadType);
  }
  return { lines: remote.lines, lineIndex, payloadTypes };
}

export function formatKey(
  format: Pick<RemoteFormat, 'encodingName' | 'rtpClockRateHz' | 'channels'>,
): string {
  return `${format.encodingName.toLowerCase()}/${format.rtpClockRateHz}/${format.channels}`;
}

/** The same codec always gets the same number, whatever is offered beside it. */
const dynamicPayloadTypes: Readonly<Record<string, number>> = {
  'l16/8000/1': 96,
  'l16/16000/1': 97,
  'telephone-event/8000/1': 101,
  'telephone-event/16000/1': 102,
  'telephone-event/48000/1': 110,
  'opus/48000/2': 111,
};
const payloadTypeFree = 112;
const payloadTypeDynamic = 96;
const payloadTypeMax = 127;

/** For the codecs in their order, and a telephone-event for each of their clock rates. */
export function assignPayloadTypes<C extends SdpCodec>(
  codecs: readonly C[],
  continued?: ContinuedSession,
): { codecs: Map<C, number>; dtmf: Map<number, number> } {
  const inUse = continued?.payloadTypes ?? new Map<string, number>();
  const taken = new Set(inUse.values());
  const assigned = { codecs: new Map<C, number>(), dtmf: new Map<number, number>() };
  const choose = (key: string, fixed: number | undefined): number => {
    const known = inUse.get(key);
    if (known !== undefined) return known;
    const wished = fixed ?? dynamicPayloadTypes[key];
    const chosen = wished === undefined || taken.has(wished) ? freePayloadType(taken) : wished;
    taken.add(chosen);
    return chosen;
  };
  for (const codec of codecs) {
    const { rtpClockRateHz } = codec;
    assigned.codecs.set(codec, choose(formatKey(codec), codec.payloadTypeStatic));
    if (assigned.dtmf.has(rtpClockRateHz)) continue;
    const key = formatKey({ encodingName: 'telephone-event', rtpClockRateHz, channels: 1 });
    assigned.dtmf.set(rtpClockRateHz, choose(key, undefined));
  }
  return assigned;
}

function freePayloadType(taken: ReadonlySet<number>): number {
  const named = new Set(Object.values(dynamicPayloadTypes));
  for (let number = payloadTypeFree; number <= payloadTypeMax; number++)
    if (!taken.has(number)) return number;
  for (let number = payloadTypeDynamic; number < payloadTypeFree; number++)
    if (!taken.has(number) && !named.has(number)) return number;
  for (let number = payloadTypeDynamic; number < payloadTypeFree; number++)
    if (!taken.has(number)) return number;
  return payloadTypeFree;
}
