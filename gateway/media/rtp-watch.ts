import type { EndpointId, MediaEvent } from './media-messages.ts';

/** Silence that is worth a line: long enough that no jitter explains it, and known within 7 s whatever the ptime. */
const stoppedMs = 5_000;

/** Whether RTP still comes: says when it stops, when it comes again, and when it has been gone for too long. */
export class RtpWatch {
  readonly #endpointId: EndpointId;
  readonly #timeoutMs: number;
  readonly #emit: (event: MediaEvent) => void;
  #receivedMs: number;
  #started = false;
  #stopped = false;
  #timedOut = false;

  constructor(options: {
    readonly endpointId: EndpointId;
    /** 0 = never. */
    readonly timeoutMs: number;
    readonly nowMs: number;
    readonly emit: (event: MediaEvent) => void;
  }) {
    this.#endpointId = options.endpointId;
    this.#timeoutMs = options.timeoutMs;
    this.#receivedMs = options.nowMs;
    this.#emit = options.emit;
  }

  /** A packet of the peer's came. */
  received(nowMs: number): void {
    if (this.#stopped) this.#resumed(nowMs);
    this.#receivedMs = nowMs;
    this.#started = true;
    this.#timedOut = false;
  }

  /** From now on packets are expected. */
  expect(nowMs: number): void {
    this.#receivedMs = nowMs;
    this.#stopped = false;
    this.#timedOut = false;
  }

  /** While packets are expected. `pausing`: the peer said that it is silent and sends nothing meanwhile. */
  check(nowMs: number, pausing: boolean): void {
    const silentMs = nowMs - this.#receivedMs;
    if (silentMs < stoppedMs && silentMs < this.#timeoutMs) return;
    if (this.#started && !this.#stopped && !pausing && silentMs >= stoppedMs) {
      this.#stopped = true;
      this.#emit({ type: 'rtpStopped', endpointId: this.#endpointId, silentMs });
    }
    if (this.#timedOut || this.#timeoutMs === 0 || silentMs < this.#timeoutMs) return;
    this.#timedOut = true;
    this.#emit({ type: 'rtpTimeout', endpointId: this.#endpointId });
  }

  #resumed(nowMs: number): void {
    this.#stopped = false;
    this.#emit({ type: 'rtpResumed', endpointId: this.#endpointId, silentMs: nowMs - this.#receivedMs });
  }
}
