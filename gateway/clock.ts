/** Time as the gateway sees it. Everything outside the media worker's ticker waits through this, so that whole
 *  calls can run on a fake clock. */
export interface Clock {
  /** Monotonic milliseconds, fractional, of no particular epoch. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970. For logs, NTP timestamps and dates only. */
  wallMs(): number;
  /** Calls `run` once, `delayMs` from now, unless cancelled first. */
  after(delayMs: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timeout = setTimeout(run, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(timeout) };
  },
};
