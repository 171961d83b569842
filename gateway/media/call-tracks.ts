import { SideTrack } from './side-track.ts';

const frameMs = 20;

/** 20 ms at 96 kHz. Shared by all of the thread. */
const leftPcm = new Int16Array(1920);
const rightPcm = new Int16Array(1920);

/** Takes 20 ms of both sides, the first `samples` of each; they are its only until it returns. */
export type TakeFrame = (left: Int16Array, right: Int16Array, samples: number) => void;

/** Both sides of a call on one time axis, that of the worker, read `delayMs` behind the present. */
export class CallTracks {
  readonly left: SideTrack;
  readonly right: SideTrack;
  readonly #sampleRateHz: number;
  readonly #delayMs: number;
  /** Frames read since `#beganMs`: no sum of fractions, so nothing drifts. */
  #frames = 0;
  #beganMs: number;
  #tickMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly sampleRateHz: number; readonly delayMs: number; readonly nowMs: number }) {
    this.#sampleRateHz = options.sampleRateHz;
    this.#delayMs = options.delayMs;
    this.#beganMs = options.nowMs;
    this.left = new SideTrack(options.nowMs);
    this.right = new SideTrack(options.nowMs);
  }

  /** The next frame is that from `nowMs` on. */
  begin(nowMs: number): void {
    this.#frames = 0;
    this.#beganMs = nowMs;
    this.left.begin(nowMs);
    this.right.begin(nowMs);
  }

  /** Reads the frame that is due. After the ticker stood still two each time, as the packets of that time may only be
   *  about to come in. */
  read(nowMs: number, take: TakeFrame): void {
    if (nowMs - this.#tickMs < frameMs / 2) return;
    this.#tickMs = nowMs;
    this.left.tick(nowMs);
    this.right.tick(nowMs);
    const dueMs = nowMs - this.#delayMs;
    const readMs = this.#beganMs + this.#frames * frameMs;
    this.#readUntil(Math.min(dueMs, readMs + 2 * frameMs), take);
  }

  /** Reads all up to now: the last frame goes beyond it. */
  drain(nowMs: number, take: TakeFrame): void {
    this.#readUntil(nowMs + frameMs, take);
  }

  #readUntil(untilMs: number, take: TakeFrame): void {
    const sampleRateHz = this.#sampleRateHz;
    const samples = (sampleRateHz * frameMs) / 1000;
    for (; this.#beganMs + (this.#frames + 1) * frameMs <= untilMs; this.#frames++) {
      this.left.read(leftPcm, samples, sampleRateHz);
      this.right.read(rightPcm, samples, sampleRateHz);
      take(leftPcm, rightPcm, samples);
    }
  }
}
