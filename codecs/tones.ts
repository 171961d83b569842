/** Sines and pairs of sines, for test tones, DTMF and call progress. */

export interface Tone {
  /** Writes the next `samples` samples from `pcm[pcmOffset]`; frames of any size join without a click. */
  fill(pcm: Int16Array, pcmOffset: number, samples: number): void;
  /** Back to phase 0. */
  reset(): void;
}

/** `levelDbfs` is that of the sine: 0 is full scale, from -32767 to 32767. RangeError for a positive level and for
 *  a frequency that the rate cannot carry. */
export function createTone(frequencyHz: number, sampleRateHz: number, levelDbfs: number): Tone {
  return new SineSum([frequencyHz], sampleRateHz, levelDbfs);
}

/** DTMF digit, ITU-T Q.23. `levelDbfs` is that of each of its two frequencies, at most -6.03. RangeError for what is
 *  not a digit. */
export function createDtmfTone(digit: string, sampleRateHz: number, levelDbfs: number): Tone {
  const frequencies = dtmfFrequenciesHz.get(digit.toUpperCase());
  if (frequencies === undefined)
    throw new RangeError(`DTMF digit must be one of 0-9 * # A-D, got '${digit}'`);
  return new SineSum(frequencies, sampleRateHz, levelDbfs);
}

export const dtmfRowsHz = [697, 770, 852, 941] as const;
export const dtmfColumnsHz = [1209, 1336, 1477, 1633] as const;
const DTMF_KEYS = ['123A', '456B', '789C', '*0#D'];

/** Row and column frequency of each digit. */
export const dtmfFrequenciesHz: ReadonlyMap<string, readonly [rowHz: number, columnHz: number]> = new Map(
  DTMF_KEYS.flatMap((keys, row) =>
    [...keys].map((digit, column) => [digit, [dtmfRowsHz[row]!, dtmfColumnsHz[column]!]] as const),
  ),
);

const FULL_SCALE = 32767;

class SineSum implements Tone {
  readonly #amplitude: number;
  readonly #steps: Float64Array;
  readonly #phases: Float64Array;

  constructor(frequenciesHz: readonly number[], sampleRateHz: number, levelDbfs: number) {
    this.#amplitude = FULL_SCALE * 10 ** (levelDbfs / 20);
    if (!(this.#amplitude * frequenciesHz.length <= FULL_SCALE))
      throw new RangeError(
        `level must be at most ${(-20 * Math.log10(frequenciesHz.length)).toFixed(2)} dBFS, got ${levelDbfs}`,
      );
    for (const frequencyHz of frequenciesHz) {
      if (!(frequencyHz > 0 && frequencyHz < sampleRateHz / 2))
        throw new RangeError(
          `frequency must be above 0 and below ${sampleRateHz / 2} Hz, got ${frequencyHz}`,
        );
    }
    this.#steps = Float64Array.from(
      frequenciesHz,
      (frequencyHz) => (2 * Math.PI * frequencyHz) / sampleRateHz,
    );
    this.#phases = new Float64Array(frequenciesHz.length);
  }

  fill(pcm: Int16Array, pcmOffset: number, samples: number): void {
    const end = Math.min(pcmOffset + samples, pcm.length);
    for (let at = pcmOffset; at < end; at++) {
      let sum = 0;
      for (let i = 0; i < this.#steps.length; i++) {
        const phase = this.#phases[i]!;
        sum += Math.sin(phase);
        const next = phase + this.#steps[i]!;
        this.#phases[i] = next >= 2 * Math.PI ? next - 2 * Math.PI : next;
      }
      pcm[at] = Math.round(this.#amplitude * sum);
    }
  }

  reset(): void {
    this.#phases.fill(0);
  }
}
