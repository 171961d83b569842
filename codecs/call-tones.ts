/** What a caller hears instead of a voice: dial, ringback, busy and congestion tone of a country (ITU-T E.180
 *  Supplement 2), and a beep. */

import { createTone, type Tone } from './tones.ts';

export type CallTone = 'dial' | 'ringback' | 'busy' | 'congestion';

/** Frequencies that sound together, and for how long: on, off, on, off … in ms, over and over. No times: without end. */
interface Signal {
  readonly frequenciesHz: readonly number[];
  readonly cadenceMs: readonly number[];
}

function signal(frequencies: number | readonly number[], ...cadenceMs: number[]): Signal {
  return { frequenciesHz: typeof frequencies === 'number' ? [frequencies] : frequencies, cadenceMs };
}

type Tones = Readonly<Record<CallTone, Signal>>;

/** Most of Europe rings 1 s in 5. */
function european(hz: number, busyMs: number, congestionMs: number): Tones {
  return {
    dial: signal(hz),
    ringback: signal(hz, 1000, 4000),
    busy: signal(hz, busyMs, busyMs),
    congestion: signal(hz, congestionMs, congestionMs),
  };
}

/** By ISO 3166 country code. A tone that E.180 gives as modulated (Japan, India, Australia) is the pair of its
 *  sidebands, which beats in the same way. */
const countries: Readonly<Record<string, Tones>> = {
  at: { ...european(420, 400, 200), ringback: signal(420, 1000, 5000) },
  au: {
    dial: signal([413, 438]),
    ringback: signal([413, 438], 400, 200, 400, 2000),
    busy: signal(425, 375, 375),
    congestion: signal(425, 375, 375),
  },
  br: { ...european(425, 250, 250), congestion: signal(425, 250, 250, 750, 250) },
  ch: european(425, 500, 200),
  cn: european(450, 350, 700),
  de: european(425, 480, 240),
  es: {
    dial: signal(425),
    ringback: signal(425, 1500, 3000),
    busy: signal(425, 200, 200),
    congestion: signal(425, 200, 200, 200, 200, 200, 600),
  },
  fi: european(425, 300, 200),
  fr: { ...european(440, 500, 250), ringback: signal(440, 1500, 3500) },
  gb: {
    dial: signal([350, 440]),
    ringback: signal([400, 450], 400, 200, 400, 2000),
    busy: signal(400, 375, 375),
    congestion: signal(400, 400, 350, 225, 525),
  },
  in: {
    dial: signal([375, 425]),
    ringback: signal([375, 425], 400, 200, 400, 2000),
    busy: signal(400, 750, 750),
    congestion: signal(400, 250, 250),
  },
  it: { ...european(425, 500, 200), dial: signal(425, 200, 200, 600, 1000) },
  jp: {
    dial: signal(400),
    ringback: signal([384, 416], 1000, 2000),
    busy: signal(400, 500, 500),
    congestion: signal(400, 500, 500),
  },
  nl: european(425, 500, 250),
  no: european(425, 500, 200),
  se: {
    dial: signal(425),
    ringback: signal(425, 1000, 5000),
    busy: signal(425, 250, 250),
    congestion: signal(425, 250, 750),
  },
  us: {
    dial: signal([350, 440]),
    ringback: signal([440, 480], 2000, 4000),
    busy: signal([480, 620], 500, 500),
    congestion: signal([480, 620], 250, 250),
  },
};

export const callToneCountries: readonly string[] = Object.keys(countries);

export interface CallToneOptions {
  /** ISO 3166 code in either case; `us` where it is none of `callToneCountries`. */
  readonly country?: string;
  readonly sampleRateHz: number;
  /** Of each frequency. Default -16, as E.180 wants about -10 dBm0 in all. */
  readonly levelDbfs?: number;
}

const levelDbfsDefault = -16;

export function createCallTone(tone: CallTone, options: CallToneOptions): Tone {
  const tones = countries[options.country?.toLowerCase() ?? 'us'] ?? countries.us!;
  return new Cadence(tones[tone], options.sampleRateHz, options.levelDbfs ?? levelDbfsDefault);
}

/** One beep of 1 kHz, and silence after it. */
export function createBeep({
  sampleRateHz,
  levelDbfs = levelDbfsDefault,
  lengthMs = 200,
}: {
  readonly sampleRateHz: number;
  readonly levelDbfs?: number;
  readonly lengthMs?: number;
}): Tone {
  return new Cadence(signal(1000, lengthMs, Number.POSITIVE_INFINITY), sampleRateHz, levelDbfs);
}

/** Level rises and falls over so long: a switch at once is heard as a click. */
const rampMs = 5;
const chunkSamples = 480;
const chunk = new Int16Array(chunkSamples);

class Cadence implements Tone {
  readonly #sines: readonly Tone[];
  readonly #lengths: readonly number[];
  readonly #rampSamples: number;
  #place = 0;
  /** Samples since the present part of the cadence began. */
  #at = 0;

  constructor({ frequenciesHz, cadenceMs }: Signal, sampleRateHz: number, levelDbfs: number) {
    this.#sines = frequenciesHz.map((hz) => createTone(hz, sampleRateHz, levelDbfs));
    this.#lengths = cadenceMs.map((ms) => Math.round((ms * sampleRateHz) / 1000));
    this.#rampSamples = Math.round((rampMs * sampleRateHz) / 1000);
  }

  fill(pcm: Int16Array, pcmOffset: number, samples: number): void {
    const end = Math.min(pcmOffset + samples, pcm.length);
    for (let at = pcmOffset; at < end; ) {
      const length = this.#lengths[this.#place] ?? Number.POSITIVE_INFINITY;
      const count = Math.min(end - at, length - this.#at, chunkSamples);
      if (this.#place % 2 === 0) this.#sound(pcm, at, count, length);
      else pcm.fill(0, at, at + count);
      at += count;
      this.#at += count;
      if (this.#at >= length) this.#next();
    }
  }

  reset(): void {
    this.#place = 0;
    this.#at = 0;
    for (const sine of this.#sines) sine.reset();
  }

  #next(): void {
    this.#place = (this.#place + 1) % this.#lengths.length;
    this.#at = 0;
    for (const sine of this.#sines) sine.reset();
  }

  #sound(pcm: Int16Array, offset: number, count: number, length: number): void {
    pcm.fill(0, offset, offset + count);
    for (const sine of this.#sines) {
      sine.fill(chunk, 0, count);
      for (let i = 0; i < count; i++) pcm[offset + i] = pcm[offset + i]! + chunk[i]!;
    }
    for (let i = 0; i < count; i++) {
      const at = this.#at + i;
      const edge = Math.min(at, length - at) / this.#rampSamples;
      if (edge < 1) pcm[offset + i] = Math.round(pcm[offset + i]! * edge);
    }
  }
}
