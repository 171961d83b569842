/** What a phone must have heard of the audio sent to it, by the clock alone: a gateway plays in real time from the
 *  moment something comes. Right within the delay of the network and the gateway; exact figures come with marks. */
export class PlayedEstimate {
  #playedMs = 0;
  #bufferedMs = 0;
  #atMs: number;
  #paused = false;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  sent(durationMs: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#bufferedMs += durationMs;
  }

  /** Gives how much was dropped unheard. */
  cleared(nowMs: number): number {
    this.#advance(nowMs);
    const droppedMs = this.#bufferedMs;
    this.#bufferedMs = 0;
    return droppedMs;
  }

  setPaused(paused: boolean, nowMs: number): void {
    this.#advance(nowMs);
    this.#paused = paused;
  }

  /** Heard since the answer. */
  playedMs(nowMs: number): number {
    this.#advance(nowMs);
    return this.#playedMs;
  }

  /** Sent and not heard yet. */
  bufferedMs(nowMs: number): number {
    this.#advance(nowMs);
    return this.#bufferedMs;
  }

  get paused(): boolean {
    return this.#paused;
  }

  #advance(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    if (this.#paused) return;
    const playedMs = Math.min(this.#bufferedMs, elapsedMs);
    this.#playedMs += playedMs;
    this.#bufferedMs -= playedMs;
  }
}
