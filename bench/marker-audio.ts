/** The audio that every call carries: a quiet pilot of 1 kHz without a break, and each second 40 ms of a loud
 *  tone, the *marker*. A marker's first sample has full amplitude, so that its place can be found to a fraction of
 *  a millisecond after any codec and resampler; its pitch says which of the last eight seconds it belongs to. A
 *  frame without even the pilot is silence that somebody inserted. */

export const frameMs = 20;
export const markerIntervalMs = 1000;
export const markerDurationMs = 40;
/** Pitches; a marker is told from those of the 7 s before and after it. */
export const markerTones = 8;
/** 20 ms frames from one marker to the next, and until the audio repeats. */
export const framesPerMarker = markerIntervalMs / frameMs;
export const loopFrames = framesPerMarker * markerTones;

export const markerAmplitude = 8000;
export const pilotAmplitude = 1000;
/** Half of the marker: a band-limited step crosses it at its true place. */
export const loudLevel = markerAmplitude / 2;
/** Below this, eight samples at 8 kHz in a row hold no pilot. */
export const silentLevel = pilotAmplitude / 4;

const PILOT_HZ = 1000;
const CROSSING_LEVEL = 1500;
const COUNTED_MS = 30;
const DEAF_MS = 200;
/** A marker whose first frame was lost is quiet before the count is over. */
const LOUD_END_MS = 5;

export function markerToneHz(tone: number): number {
  return 400 + 200 * tone;
}

/** The eight seconds that a call repeats; marker `tone` begins at `tone` seconds. */
export function createMarkerLoop(sampleRateHz: number): Int16Array {
  const pcm = new Int16Array((sampleRateHz * markerIntervalMs * markerTones) / 1000);
  for (let sample = 0; sample < pcm.length; sample++) {
    pcm[sample] = Math.round(pilotAmplitude * Math.sin((2 * Math.PI * PILOT_HZ * sample) / sampleRateHz));
  }
  for (let tone = 0; tone < markerTones; tone++)
    writeMarker(pcm, (sampleRateHz * markerIntervalMs * tone) / 1000, sampleRateHz, tone);
  return pcm;
}

/** `durationMs` of pilot that begins with the marker `tone`. */
export function createBurst(sampleRateHz: number, durationMs: number, tone: number): Int16Array {
  const pcm = createMarkerLoop(sampleRateHz).slice(0, (sampleRateHz * durationMs) / 1000);
  const second = (sampleRateHz * markerIntervalMs) / 1000;
  const markerSamples = (sampleRateHz * markerDurationMs) / 1000;
  // The other markers are painted over with pilot, which repeats every millisecond.
  for (let start = 0; start < pcm.length; start += second)
    pcm.copyWithin(start, start + markerSamples, start + 2 * markerSamples);
  writeMarker(pcm, 0, sampleRateHz, tone);
  return pcm;
}

function writeMarker(pcm: Int16Array, start: number, sampleRateHz: number, tone: number): void {
  const samples = (sampleRateHz * markerDurationMs) / 1000;
  const hz = markerToneHz(tone);
  for (let i = 0; i < samples; i++)
    pcm[start + i] = Math.round(markerAmplitude * Math.cos((2 * Math.PI * hz * i) / sampleRateHz));
}

/** Finds markers in a sequence of frames. `push` every frame that is loud, and every frame while `wanting`; the
 *  others may be passed over with `skip`. */
export class MarkerDetector {
  readonly #sampleRateHz: number;
  readonly #countedSamples: number;
  readonly #deafSamples: number;
  #state: 'idle' | 'counting' | 'deaf' = 'idle';
  /** Samples left in the state. */
  #left = 0;
  #crossings = 0;
  #positive = true;
  /** Samples of the count that were left at the last loud one. */
  #loudLeft = 0;
  #onsetMs = 0;
  #frameMs = 0;
  /** Of the marker that `push` reported last. */
  tone = 0;
  /** When its first sample came: the arrival of its frame plus its place in the frame. */
  onsetMs = 0;
  /** Arrival of the frame that held its first sample. */
  frameMs = 0;
  /** Loud sounds that were no marker, or a marker with a piece missing. */
  unknown = 0;

  constructor(sampleRateHz: number) {
    this.#sampleRateHz = sampleRateHz;
    this.#countedSamples = Math.round((sampleRateHz * COUNTED_MS) / 1000);
    this.#deafSamples = Math.round((sampleRateHz * DEAF_MS) / 1000);
  }

  get wanting(): boolean {
    return this.#state === 'counting';
  }

  skip(samples: number): void {
    if (this.#state !== 'deaf') return;
    this.#left -= samples;
    if (this.#left <= 0) this.#state = 'idle';
  }

  /** Audio is missing before the next frame: a marker that was being counted is given up. */
  interrupt(): void {
    if (this.#state !== 'counting') return;
    this.unknown++;
    this.#state = 'deaf';
    this.#left = this.#deafSamples;
  }

  /** `arrivedMs` is when the frame came. True when a marker is complete; `tone`, `onsetMs`, `frameMs` tell. */
  push(pcm: Int16Array, samples: number, arrivedMs: number): boolean {
    let at = 0;
    if (this.#state === 'deaf') {
      this.skip(samples);
      return false;
    }
    if (this.#state === 'idle') {
      while (at < samples && pcm[at]! < loudLevel && pcm[at]! > -loudLevel) at++;
      if (at === samples) return false;
      this.#state = 'counting';
      this.#left = this.#countedSamples;
      this.#crossings = 0;
      this.#positive = pcm[at]! > 0;
      this.#onsetMs = arrivedMs + (at * 1000) / this.#sampleRateHz;
      this.#frameMs = arrivedMs;
    }
    const end = Math.min(samples, at + this.#left);
    for (let i = at; i < end; i++) {
      const sample = pcm[i]!;
      if (this.#positive ? sample < -CROSSING_LEVEL : sample > CROSSING_LEVEL) {
        this.#positive = !this.#positive;
        this.#crossings++;
      }
      if (sample >= loudLevel || sample <= -loudLevel) this.#loudLeft = this.#left - (i - at);
    }
    this.#left -= end - at;
    return this.#left === 0 && this.#finish();
  }

  #finish(): boolean {
    this.#state = 'deaf';
    this.#left = this.#deafSamples;
    const hz = this.#crossings / ((2 * COUNTED_MS) / 1000);
    const tone = Math.round((hz - markerToneHz(0)) / 200);
    const cutShort = this.#loudLeft > (this.#sampleRateHz * LOUD_END_MS) / 1000;
    if (cutShort || tone < 0 || tone >= markerTones || Math.abs(hz - markerToneHz(tone)) > 80) {
      this.unknown++;
      return false;
    }
    this.tone = tone;
    this.onsetMs = this.#onsetMs;
    this.frameMs = this.#frameMs;
    return true;
  }
}
