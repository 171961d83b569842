import { ComfortNoise } from '../../codecs/comfort-noise.ts';

const frameMs = 20;
/** After a stall the rest is left out: it would only make what comes next late. */
const framesMax = 8;

/** Fills the time in which a peer with silence suppression sends nothing, up to its next audio, so that a stream hears
 *  no holes: with the noise that it described (RFC 3389), or at the level that it was last heard at. */
export class NoiseFiller {
  readonly #noise = new ComfortNoise();
  #state: 'idle' | 'announced' | 'guessed' = 'idle';
  /** Up to where the time is filled. */
  #untilMs = 0;
  #filledMs = 0;

  /** The peer has said that it is silent. */
  get announced(): boolean {
    return this.#state === 'announced';
  }

  /** Nothing has come for a while, and the peer has said nothing of it. */
  get guessed(): boolean {
    return this.#state === 'guessed';
  }

  /** A comfort noise packet came; it may follow others. */
  announce(payload: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    this.#noise.update(payload, offset, sizeBytes);
    if (this.#state === 'idle') this.#begin(nowMs);
    this.#state = 'announced';
  }

  /** The last audio ended at `endedMs`, as quiet as `levelDbov`, and no more came. */
  guess(levelDbov: number, endedMs: number): void {
    this.#noise.update(Uint8Array.of(Math.min(127, Math.round(-levelDbov))), 0, 1);
    this.#begin(endedMs);
    this.#state = 'guessed';
  }

  #begin(nowMs: number): void {
    this.#untilMs = nowMs;
    this.#filledMs = 0;
  }

  /** The peer speaks again; how much was filled. */
  end(): number {
    this.#state = 'idle';
    const filledMs = this.#filledMs;
    this.#filledMs = 0;
    return filledMs;
  }

  /** Fills `pcm` with the next frame that is due; 0 where none is. Call it until then. */
  next(pcm: Int16Array, sampleRateHz: number, nowMs: number): number {
    if (this.#state === 'idle' || nowMs - this.#untilMs < frameMs) return 0;
    if (nowMs - this.#untilMs > frameMs * framesMax) this.#untilMs = nowMs - frameMs;
    this.#untilMs += frameMs;
    this.#filledMs += frameMs;
    const samples = (sampleRateHz * frameMs) / 1000;
    this.#noise.fill(pcm, 0, samples);
    return samples;
  }
}
