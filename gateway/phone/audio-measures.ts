import { convertRate } from './rate-conversion.ts';

/** Figures about PCM, for reports: level, and how late an echo is. */

/** RMS level against that of a sine of full scale, as for tones; -Infinity for silence and for no samples at all. */
export function levelDbfs(pcm: Int16Array): number {
  if (pcm.length === 0) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const sample of pcm) sum += sample * sample;
  return 10 * Math.log10(sum / pcm.length / ((32_767 * 32_767) / 2));
}

export interface EchoMatch {
  /** How much later than in `spoken` the audio is in `heard`. */
  readonly delaySamples: number;
  /** Normalized cross-correlation at that delay: 1 for the same waveform at any level, around 0 for another. */
  readonly correlation: number;
}

const decimation = 4;

/** Looks for `spoken` in `heard`, from no delay up to `delaySamplesMax`. Undefined if either is silent or too short.
 *  Looks on a quarter of the rate first, then sample by sample around what it found. */
export function findEcho(
  spoken: Int16Array,
  heard: Int16Array,
  delaySamplesMax: number,
): EchoMatch | undefined {
  const coarse = bestDelay(decimate(spoken), decimate(heard), 0, Math.ceil(delaySamplesMax / decimation));
  if (coarse === undefined) return undefined;
  const around = coarse.delaySamples * decimation;
  return bestDelay(spoken, heard, Math.max(0, around - 2 * decimation), around + 2 * decimation);
}

/** When what on the phone's clock. */
export interface HeardCall {
  readonly heard: Int16Array;
  readonly heardRateHz: number;
  readonly heardFromMs: number | undefined;
  readonly spokenFromMs: number | undefined;
}

export interface Echo {
  /** From a packet sent to the packet that brings its audio back. */
  readonly roundTripMs: number;
  readonly correlation: number;
}

const roundTripMsMax = 2_000;

/** How long what the phone spoke took to come back. Undefined where nothing of the sort was heard. */
export function measureEcho(
  { heard, heardRateHz, heardFromMs, spokenFromMs }: HeardCall,
  spoken: { readonly pcm: Int16Array; readonly sampleRateHz: number },
): Echo | undefined {
  if (heardFromMs === undefined || spokenFromMs === undefined) return undefined;
  const said = convertRate(spoken.pcm, spoken.sampleRateHz, heardRateHz);
  const match = findEcho(said, heard, (roundTripMsMax * heardRateHz) / 1_000);
  if (match === undefined) return undefined;
  const delayMs = (match.delaySamples * 1_000) / heardRateHz;
  return { roundTripMs: heardFromMs - spokenFromMs + delayMs, correlation: match.correlation };
}

function bestDelay(
  spoken: Int16Array,
  heard: Int16Array,
  fromSamples: number,
  toSamples: number,
): EchoMatch | undefined {
  let best: EchoMatch | undefined;
  for (let delaySamples = fromSamples; delaySamples <= toSamples; delaySamples++) {
    const overlap = Math.min(spoken.length, heard.length - delaySamples);
    // Half of what was spoken must be there, or noise in a short overlap would win.
    if (overlap < spoken.length / 2 || overlap <= 0) break;
    let product = 0;
    let spokenPower = 0;
    let heardPower = 0;
    for (let i = 0; i < overlap; i++) {
      const a = spoken[i]!;
      const b = heard[i + delaySamples]!;
      product += a * b;
      spokenPower += a * a;
      heardPower += b * b;
    }
    if (spokenPower === 0 || heardPower === 0) continue;
    const correlation = product / Math.sqrt(spokenPower * heardPower);
    if (best === undefined || correlation > best.correlation) best = { delaySamples, correlation };
  }
  return best;
}

/** Averages each `decimation` samples: filter enough for speech, whose power lies low. */
function decimate(pcm: Int16Array): Int16Array {
  const output = new Int16Array(Math.floor(pcm.length / decimation));
  for (let i = 0; i < output.length; i++) {
    let sum = 0;
    for (let j = 0; j < decimation; j++) sum += pcm[i * decimation + j]!;
    output[i] = sum / decimation;
  }
  return output;
}
