/** What the other side of an Opus session asks for in its `a=fmtp` line (RFC 7587 §6.1), and we do unless asked. */

export interface OpusFmtp {
  /** Highest rate that its player has use for, 8000 to 48000. */
  readonly maxPlaybackRateHz: number;
  /** Highest rate of what it sends. */
  readonly maxCaptureRateHz: number;
  /** Average bits per second that it wants at most, 6000 to 510000; undefined leaves it to us. */
  readonly maxAverageBitrate: number | undefined;
  /** Shortest packet that it wants, 3 to 120. */
  readonly minPtimeMs: number;
  /** It prefers two channels, and sends two. We send one all the same, as anyone may. */
  readonly stereo: boolean;
  readonly sendsStereo: boolean;
  readonly inbandFec: boolean;
  readonly dtx: boolean;
  readonly constantBitrate: boolean;
}

/** What we send where neither side wishes anything else: enough for a voice at 16 kHz with FEC. */
export const opusBitrateDefault = 32_000;
/** From the table of `bench/quality.ts`: below it a voice at 24 kbit/s is a third further from what was spoken, above it
 *  each step costs more than it is heard. */
export const opusComplexityDefault = 5;

/** Ours, in offers and answers, where we can read what we ask for. */
export const opusFmtpLocal = 'useinbandfec=1';

/** Reads the parameters, whatever their order and case. A value that is not within the RFC's bounds counts as not
 *  given: it is a wish, and no reason to refuse a call. */
export function parseOpusFmtp(text: string | undefined): OpusFmtp {
  const values = new Map<string, string>();
  for (const part of (text ?? '').slice(0, 1000).split(';')) {
    const at = part.indexOf('=');
    if (at > 0) values.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const number = (name: string, min: number, max: number): number | undefined => {
    const value = values.get(name);
    if (value === undefined || !/^\d{1,6}$/.test(value)) return undefined;
    return Number(value) < min || Number(value) > max ? undefined : Number(value);
  };
  const flag = (name: string): boolean => values.get(name) === '1';
  return {
    maxPlaybackRateHz: number('maxplaybackrate', 8000, 48_000) ?? 48_000,
    maxCaptureRateHz: number('sprop-maxcapturerate', 8000, 48_000) ?? 48_000,
    maxAverageBitrate: number('maxaveragebitrate', 6000, 510_000),
    minPtimeMs: number('minptime', 3, 120) ?? 3,
    stereo: flag('stereo'),
    sendsStereo: flag('sprop-stereo'),
    inbandFec: flag('useinbandfec'),
    dtx: flag('usedtx'),
    constantBitrate: flag('cbr'),
  };
}
