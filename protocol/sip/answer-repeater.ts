import type { SipRequest, SipResponse } from './message.ts';
import type { SipTimings } from './transaction-tables.ts';

/** A 2xx of an INVITE that waits for its ACK. Repeated over every transport, after T1, 2·T1 … T2, until 64·T1
 *  have passed: RFC 3261 §13.3.1.4. */
export class AnswerRepeater {
  readonly request: SipRequest;
  readonly response: SipResponse;
  /** The answer is due in the ACK. */
  readonly offerIsOurs: boolean;
  /** Of the INVITE that began the session. */
  readonly initial: boolean;
  readonly #t2Ms: number;
  readonly #giveUpMs: number;
  #intervalMs: number;
  #repeatMs: number;

  constructor(
    options: {
      readonly request: SipRequest;
      readonly response: SipResponse;
      readonly offerIsOurs: boolean;
      readonly initial: boolean;
    },
    { t1Ms, t2Ms }: SipTimings,
    nowMs: number,
  ) {
    this.request = options.request;
    this.response = options.response;
    this.offerIsOurs = options.offerIsOurs;
    this.initial = options.initial;
    this.#t2Ms = t2Ms;
    this.#intervalMs = t1Ms;
    this.#repeatMs = nowMs + t1Ms;
    this.#giveUpMs = nowMs + 64 * t1Ms;
  }

  get deadlineMs(): number {
    return Math.min(this.#repeatMs, this.#giveUpMs);
  }

  /** What `nowMs` brings: at most one repeat, however late the call. */
  expire(nowMs: number): 'repeat' | 'giveUp' | undefined {
    if (nowMs >= this.#giveUpMs) return 'giveUp';
    if (nowMs < this.#repeatMs) return undefined;
    this.#intervalMs = Math.min(2 * this.#intervalMs, this.#t2Ms);
    this.#repeatMs = nowMs + this.#intervalMs;
    return 'repeat';
  }
}
