/** DTMF digits in audio, ITU-T Q.24: each frequency may be 1.5 % off, the pair 8 dB apart one way and 4 the other, a
 *  digit 40 ms long, a pause 40 ms. Speech, which is full of pairs of frequencies, must not be taken for digits. */

import { dtmfColumnsHz, dtmfFrequenciesHz, dtmfRowsHz } from './tones.ts';

export interface DetectedDigit {
  /** `0`–`9`, `*`, `#`, `A`–`D`. */
  readonly digit: string;
  readonly durationMs: number;
}

const keys = ['123A', '456B', '789C', '*0#D'];
/** Long enough to tell 697 from 770 Hz, short enough that 40 ms hold four windows wherever they begin. */
const windowMs = 13;
const hopMs = 6.5;
const hitsMin = 4;
/** A tone that came up within its first window is pure a window or two later; what needs longer is a voice. */
const hitsToConfirmMax = 6;
/** A digit is over when so many windows in a row are without it; fewer are a drop-out. */
const missesMax = 4;
/** Of each frequency, as mean square of full scale: -38 dBFS. */
const levelMin = 10 ** -3.8;
/** Share of the two frequencies in all the energy of a window. Nominal digits have 1, the worst of what Q.24 wants
 *  accepted 0.77. */
const purityMin = 0.68;
/** Row above column, and column above row, as ratios of energy: more than Q.24 wants, as a window this short measures
 *  the weaker one badly. */
const rowTwistMax = 10 ** 0.65;
const columnTwistMax = 10 ** 1.15;
/** The frequency of a row or column against the others of its group, as ratio of energy. */
const distinctMin = 4;
/** The second look, at all windows of a digit in one: what its two frequencies have, wherever within the tolerance
 *  they are. A voice has other harmonics beside. */
const purityMinLong = 0.9;
const rowTwistMaxLong = 10 ** 0.5;
const columnTwistMaxLong = 10 ** 0.9;
/** Places where the second look tries each frequency: ±2 %. */
const detunings = [-0.02, -0.014, -0.008, -0.003, 0.003, 0.008, 0.014, 0.02];
/** Between the weakest and the strongest window of a digit: a tone stands, a voice moves. */
const steadinessMax = 4;
const fullScale = 32_767;

/** One for each direction of a leg. Allocates nothing per packet. */
export class DtmfDetector {
  readonly #sampleRateHz: number;
  readonly #window: Float64Array;
  readonly #hop: number;
  #filled = 0;
  /** The samples of the last `hitsMin` windows. */
  readonly #long: Float64Array;
  readonly #coefficients: Float64Array;
  readonly #energies: Float64Array;
  readonly #ended: DetectedDigit[] = [];
  /** The digit that may be sounding, and windows in a row with and without it. */
  #candidate = '';
  #hits = 0;
  #windows = 0;
  #misses = 0;
  #confirmed = false;
  #energyMin = 0;
  #energyMax = 0;
  #energyLast = 0;

  constructor(sampleRateHz: number) {
    this.#sampleRateHz = sampleRateHz;
    this.#window = new Float64Array(Math.round((sampleRateHz * windowMs) / 1000));
    this.#hop = Math.round((sampleRateHz * hopMs) / 1000);
    this.#long = new Float64Array(this.#window.length + (hitsMin - 1) * this.#hop);
    const frequencies = [...dtmfRowsHz, ...dtmfColumnsHz];
    this.#coefficients = Float64Array.from(
      frequencies,
      (hz) => 2 * Math.cos((2 * Math.PI * hz) / sampleRateHz),
    );
    this.#energies = new Float64Array(frequencies.length);
  }

  /** True while the audio looks like a digit, from its first window on: what to mute where digits shall not be
   *  heard. */
  get sounding(): boolean {
    return this.#hits > 0;
  }

  /** Listens to `samples` samples from `pcm[pcmOffset]`, in the order of their time; then call `next`. */
  listen(pcm: Int16Array, pcmOffset: number, samples: number): void {
    const window = this.#window;
    for (let i = 0; i < samples; i++) {
      window[this.#filled++] = pcm[pcmOffset + i]!;
      if (this.#filled < window.length) continue;
      this.#remember();
      this.#judge();
      window.copyWithin(0, this.#hop);
      this.#filled = window.length - this.#hop;
    }
  }

  /** The next digit that has ended, once; undefined where there is none. */
  next(): DetectedDigit | undefined {
    return this.#ended.length === 0 ? undefined : this.#ended.shift();
  }

  /** Ends a digit that is sounding, and forgets the past. */
  flush(): void {
    this.#end();
    this.#filled = 0;
  }

  #judge(): void {
    const digit = this.#hear();
    if (digit !== '' && digit === this.#candidate) {
      this.#hit();
      return;
    }
    if (this.#candidate !== '') {
      this.#misses++;
      this.#windows++;
      // Before it is believed a digit has to sound without a break.
      const over = !this.#confirmed || this.#misses > missesMax || digit !== '';
      if (!over) return;
      this.#end();
    }
    if (digit === '') return;
    this.#candidate = digit;
    this.#energyMin = this.#energyMax = this.#energyLast;
    this.#hit();
  }

  #hit(): void {
    this.#hits++;
    this.#windows++;
    this.#misses = 0;
    if (this.#confirmed) return;
    this.#energyMin = Math.min(this.#energyMin, this.#energyLast);
    this.#energyMax = Math.max(this.#energyMax, this.#energyLast);
    if (this.#hits < hitsMin) return;
    const steady = this.#energyMax <= this.#energyMin * steadinessMax;
    if (steady && this.#hits <= hitsToConfirmMax && this.#isPure()) this.#confirmed = true;
    else this.#energyMin = this.#energyMax = this.#energyLast;
  }

  #remember(): void {
    const long = this.#long;
    const hop = this.#hop;
    long.copyWithin(0, hop);
    const window = this.#window;
    // The window is the end of it: only its last hop is new.
    for (let i = 0; i < hop; i++) long[long.length - hop + i] = window[window.length - hop + i]!;
  }

  /** Whether all that was heard since the candidate began is its two frequencies. */
  #isPure(): boolean {
    let total = 0;
    for (let i = 0; i < this.#long.length; i++) total += this.#long[i]! * this.#long[i]!;
    const [rowHz, columnHz] = dtmfFrequenciesHz.get(this.#candidate)!;
    const row = this.#strongestNear(rowHz);
    const column = this.#strongestNear(columnHz);
    if (row > column * rowTwistMaxLong || column > row * columnTwistMaxLong) return false;
    return row + column >= purityMinLong * total;
  }

  #strongestNear(hz: number): number {
    let best = 0;
    for (const detuning of detunings) {
      const coefficient = 2 * Math.cos((2 * Math.PI * hz * (1 + detuning)) / this.#sampleRateHz);
      best = Math.max(best, energyOf(this.#long, coefficient));
    }
    return best;
  }

  #end(): void {
    if (this.#confirmed) {
      const windows = this.#windows - this.#misses;
      const hopSamples = (windows - 1) * this.#hop;
      const durationMs = Math.round(((hopSamples + this.#window.length) * 1000) / this.#sampleRateHz);
      this.#ended.push({ digit: this.#candidate, durationMs });
    }
    this.#candidate = '';
    this.#hits = 0;
    this.#windows = 0;
    this.#misses = 0;
    this.#confirmed = false;
  }

  /** The digit that the window holds, empty where it holds none. */
  #hear(): string {
    const window = this.#window;
    let total = 0;
    for (let i = 0; i < window.length; i++) total += window[i]! * window[i]!;
    const floor = levelMin * fullScale * fullScale * window.length * 0.5;
    if (total < 2 * floor) return '';
    this.#measure(4);
    const column = strongest(this.#energies, 4);
    if (column < 0) return '';
    const columnEnergy = this.#energies[column]!;
    // With the loudest row that may be beside it, it would not be pure enough: most speech ends here, at half the cost.
    if (columnEnergy * (1 + rowTwistMax) < purityMin * total) return '';
    this.#measure(0);
    const row = strongest(this.#energies, 0);
    if (row < 0) return '';
    const rowEnergy = this.#energies[row]!;
    if (rowEnergy < floor || columnEnergy < floor) return '';
    if (rowEnergy > columnEnergy * rowTwistMax || columnEnergy > rowEnergy * columnTwistMax) return '';
    if (rowEnergy + columnEnergy < purityMin * total) return '';
    this.#energyLast = rowEnergy + columnEnergy;
    return keys[row]![column - 4]!;
  }

  /** The four frequencies from `first` on. */
  #measure(first: number): void {
    for (let place = first; place < first + 4; place++)
      this.#energies[place] = energyOf(this.#window, this.#coefficients[place]!);
  }
}

/** Energy of one frequency, by Goertzel's recurrence. */
function energyOf(samples: Float64Array, coefficient: number): number {
  let last = 0;
  let beforeLast = 0;
  for (let i = 0; i < samples.length; i++) {
    const next = samples[i]! + coefficient * last - beforeLast;
    beforeLast = last;
    last = next;
  }
  return (2 * (last * last + beforeLast * beforeLast - coefficient * last * beforeLast)) / samples.length;
}

/** Index of the strongest of the four from `first` on, -1 where another comes near it. */
function strongest(energies: Float64Array, first: number): number {
  let best = first;
  for (let place = first + 1; place < first + 4; place++) {
    if (energies[place]! > energies[best]!) best = place;
  }
  for (let place = first; place < first + 4; place++) {
    if (place !== best && energies[place]! * distinctMin > energies[best]!) return -1;
  }
  return best;
}
