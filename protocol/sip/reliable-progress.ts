import { cseqNumber } from './dialog.ts';
import { headerTokens, parseRAck, parseRSeq } from './header-values.ts';
import {
  headerValue,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './message.ts';
import type { SipTimings } from './transaction-tables.ts';

/** Provisional responses that are acknowledged with PRACK. RFC 3262. */

export const reliableTag = '100rel';

/** `required`, `supported` or neither, of an INVITE or a response. */
export function reliability(message: SipMessage): 'required' | 'supported' | undefined {
  const has = (name: string): boolean =>
    headerTokens(message, name).some((tag) => tag.toLowerCase() === reliableTag);
  if (has('Require')) return 'required';
  return has('Supported') ? 'supported' : undefined;
}

interface Waiting {
  readonly response: SipResponse;
  readonly withSdp: boolean;
}

interface Unacknowledged extends Waiting {
  readonly sequence: number;
  readonly giveUpMs: number;
  intervalMs: number;
  repeatMs: number;
}

/** The callee's side of one INVITE: one response at a time is repeated after T1, 2·T1, 4·T1 … until its PRACK comes; the
 *  next ones wait for it. After 64·T1 the call cannot be set up. §3. */
export class ReliableProgress {
  readonly #timings: SipTimings;
  readonly #inviteSequence: number | undefined;
  #sequence: number;
  #open: Unacknowledged | undefined;
  #waiting: Waiting[] = [];
  #stopped = false;

  /** `firstSequence`: 1 to 2^31 - 1, by chance. */
  constructor(invite: SipRequest, timings: SipTimings, firstSequence: number) {
    this.#timings = timings;
    this.#inviteSequence = cseqNumber(invite);
    this.#sequence = firstSequence;
  }

  get deadlineMs(): number | undefined {
    return this.#open === undefined || this.#stopped
      ? undefined
      : Math.min(this.#open.repeatMs, this.#open.giveUpMs);
  }

  /** A 2xx has to wait: a session description in one of them is not acknowledged yet. */
  get holdsAnswer(): boolean {
    return this.#open?.withSdp === true || this.#waiting.some(({ withSdp }) => withSdp);
  }

  /** What is to be sent now: the response with its number, or nothing where an earlier one is still open. */
  send(response: SipResponse, nowMs: number): SipResponse[] {
    this.#waiting.push({ response, withSdp: response.body.length > 0 });
    return this.#next(nowMs);
  }

  /** A PRACK came: undefined where it matches nothing (481), else what is to be sent next. */
  acknowledge(prack: SipRequest, nowMs: number): SipResponse[] | undefined {
    const open = this.#open;
    const rack = parseRAck(headerValue(prack, 'RAck') ?? '');
    const matches =
      open !== undefined &&
      rack.responseSequence === open.sequence &&
      rack.sequence === this.#inviteSequence &&
      rack.method === 'INVITE';
    if (!matches) return undefined;
    this.#open = undefined;
    return this.#next(nowMs);
  }

  expire(nowMs: number): SipResponse | 'giveUp' | undefined {
    const open = this.#open;
    if (open === undefined || this.#stopped) return undefined;
    if (nowMs >= open.giveUpMs) {
      this.stop();
      return 'giveUp';
    }
    if (nowMs < open.repeatMs) return undefined;
    open.intervalMs *= 2;
    open.repeatMs = nowMs + open.intervalMs;
    return open.response;
  }

  /** The final response was sent: nothing is repeated any more, but a late PRACK still finds what it is for. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
  }

  #next(nowMs: number): SipResponse[] {
    if (this.#open !== undefined) return [];
    const next = this.#waiting.shift();
    if (next === undefined) return [];
    const sequence = this.#sequence++;
    const response = withReliability(next.response, sequence);
    const { t1Ms } = this.#timings;
    this.#open = {
      response,
      withSdp: next.withSdp,
      sequence,
      giveUpMs: nowMs + 64 * t1Ms,
      intervalMs: t1Ms,
      repeatMs: nowMs + t1Ms,
    };
    return [response];
  }
}

function withReliability(response: SipResponse, sequence: number): SipResponse {
  const headers: SipHeader[] = [
    ...response.headers,
    { name: 'Require', value: reliableTag },
    { name: 'RSeq', value: String(sequence) },
  ];
  return { ...response, headers };
}

/** The caller's side of one early dialog: which provisional responses come in order and want a PRACK. §4. */
export class ReliableReception {
  #last: number | undefined;

  /** The RAck value to acknowledge it with, undefined for one that needs none, `again` for a repeated one and for one
   *  whose predecessor is missing: it will come again. */
  receive(invite: SipRequest, response: SipResponse): { readonly rack: string } | 'again' | undefined {
    const value = headerValue(response, 'RSeq');
    if (value === undefined || reliability(response) !== 'required') return undefined;
    const sequence = parseRSeq(value);
    if (this.#last !== undefined && sequence !== this.#last + 1) return 'again';
    this.#last = sequence;
    return { rack: `${sequence} ${cseqNumber(invite) ?? 0} INVITE` };
  }
}
