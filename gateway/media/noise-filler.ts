import { ComfortNoise } from '../../codecs/comfort-noise.ts';

const frameMs = 20;
/** After a stall the rest is left out: it would only make what comes next late. */
const framesMax = 5;

/** Fills the time in which a peer with silence suppression sends nothing, from its comfort noise packet to its next
 *  audio, so that a stream hears no holes. */
export class NoiseFiller {
  readonly #noise = new ComfortNoise();
  #untilMs: number | undefined;

  /** Whether the peer is silent now. */
  get active(): boolean {
    return this.#untilMs !== undefined;
  }

  /** A comfort noise packet came; it may follow others. */
  begin(payload: Uint8Array, offset: number, sizeBytes: number, nowMs: number): void {
    this.#noise.update(payload, offset, sizeBytes);
    this.#untilMs ??= nowMs;
  }

  /** The peer speaks again. */
  end(): void {
    this.#untilMs = undefined;
  }

  /** Fills `pcm` with the next frame that is due; 0 where none is. Call it until then. */
  next(pcm: Int16Array, sampleRateHz: number, nowMs: number): number {
    if (this.#untilMs === undefined || nowMs - this.#untilMs < frameMs) return 0;
    if (nowMs - this.#untilMs > frameMs * framesMax) this.#untilMs = nowMs - frameMs;
    this.#untilMs += frameMs;
    const samples = (sampleRateHz * frameMs) / 1000;
    this.#noise.fill(pcm, 0, samples);
    return samples;
  }
}
