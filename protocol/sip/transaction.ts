import type { SipRequest, SipResponse } from './message.ts';
import {
  type SipTimings,
  sipTimings,
  type TransactionAction,
  type TransactionEvent,
  type TransactionKind,
  type TransactionState,
  type TransactionTimer,
  timerMs,
  transactionTables,
} from './transaction-tables.ts';

/** What the edge does for a transaction. */
export type TransactionOutput =
  | { readonly send: SipRequest | SipResponse }
  /** For the transaction's user: a response (client), or the ACK of a 2xx (INVITE server). */
  | { readonly deliver: SipRequest | SipResponse }
  | { readonly report: 'timeout' | 'missingAck' | 'transportError' };

export interface TransactionOptions {
  readonly kind: TransactionKind;
  /** As sent (client, with its Via) or as received (server). */
  readonly request: SipRequest;
  readonly reliable: boolean;
  readonly timings?: SipTimings;
  /** INVITE client: the ACK of a final response other than 2xx, RFC 3261 §17.1.1.3. */
  readonly buildAck?: (response: SipResponse) => SipRequest;
}

/** Runs one of the tables of `transaction-tables.ts`. Time comes in, the next deadline is `deadlineMs`. */
export class Transaction {
  readonly kind: TransactionKind;
  readonly request: SipRequest;
  readonly reliable: boolean;
  readonly #timings: SipTimings;
  readonly #buildAck: ((response: SipResponse) => SipRequest) | undefined;
  #state: TransactionState;
  #timers: RunningTimer[] = [];
  #lastResponse: SipResponse | undefined;
  #ack: SipRequest | undefined;

  constructor({ kind, request, reliable, timings = sipTimings, buildAck }: TransactionOptions) {
    this.kind = kind;
    this.request = request;
    this.reliable = reliable;
    this.#timings = timings;
    this.#buildAck = buildAck;
    this.#state = transactionTables[kind].initial.next;
  }

  get state(): TransactionState {
    return this.#state;
  }

  /** When `expire` wants to be called, undefined while no timer runs. */
  get deadlineMs(): number | undefined {
    let deadlineMs: number | undefined;
    for (const timer of this.#timers) {
      if (deadlineMs === undefined || timer.deadlineMs < deadlineMs) deadlineMs = timer.deadlineMs;
    }
    return deadlineMs;
  }

  /** Server: the last response handed to `respond`. */
  get lastResponse(): SipResponse | undefined {
    return this.#lastResponse;
  }

  /** Once, before anything else. */
  start(nowMs: number): TransactionOutput[] {
    return this.#act(transactionTables[this.kind].initial.actions, this.request, nowMs);
  }

  /** Client: a response that matches. Server: the request again, or the ACK. */
  receive(message: SipRequest | SipResponse, nowMs: number): TransactionOutput[] {
    if (message.kind === 'response') return this.#step(responseEvent(message.status), message, nowMs);
    return this.#step(message.method === 'ACK' ? 'ack' : 'request', message, nowMs);
  }

  /** Server: the user's response. Ignored where a final one was sent, but for the repeated 2xx of an INVITE. */
  respond(response: SipResponse, nowMs: number): TransactionOutput[] {
    return this.#step(sendEvent(response.status), response, nowMs);
  }

  transportFailed(nowMs: number): TransactionOutput[] {
    return this.#step('transportError', this.request, nowMs);
  }

  /** Ends it without a word, for instance an INVITE whose CANCEL was never followed by a final response. */
  abandon(): void {
    this.#terminate();
  }

  /** Fires what is due, one timer a call in order of its deadline. */
  expire(nowMs: number): TransactionOutput[] {
    const outputs: TransactionOutput[] = [];
    for (;;) {
      const due = this.#takeDue(nowMs);
      if (due === undefined) return outputs;
      outputs.push(...this.#step(`timer${due.timer}`, this.request, nowMs, due.lengthMs));
    }
  }

  #takeDue(nowMs: number): RunningTimer | undefined {
    let due: RunningTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.deadlineMs <= nowMs && (due === undefined || timer.deadlineMs < due.deadlineMs)) due = timer;
    }
    if (due !== undefined) this.#stop(due.timer);
    return due;
  }

  #step(
    event: TransactionEvent,
    message: SipRequest | SipResponse,
    nowMs: number,
    lengthMs = 0,
  ): TransactionOutput[] {
    const row = transactionTables[this.kind].states[this.#state]?.[event];
    if (row === undefined) return [];
    this.#state = row.next;
    const outputs = this.#act(row.actions, message, nowMs, lengthMs);
    if (this.#state === 'terminated') this.#terminate();
    return outputs;
  }

  #act(
    actions: readonly TransactionAction[],
    message: SipRequest | SipResponse,
    nowMs: number,
    lengthMs = 0,
  ): TransactionOutput[] {
    const outputs: TransactionOutput[] = [];
    for (const action of actions) {
      switch (action) {
        case 'sendRequest':
          outputs.push({ send: this.request });
          break;
        case 'sendResponse':
          if (message.kind === 'response') this.#lastResponse = message;
          outputs.push({ send: message });
          break;
        case 'resendResponse':
          if (this.#lastResponse !== undefined) outputs.push({ send: this.#lastResponse });
          break;
        case 'sendAck':
          if (message.kind === 'response') this.#ack ??= this.#buildAck?.(message);
          if (this.#ack !== undefined) outputs.push({ send: this.#ack });
          break;
        case 'deliver':
          outputs.push({ deliver: message });
          break;
        case 'reportTimeout':
          outputs.push({ report: 'timeout' });
          break;
        case 'reportMissingAck':
          outputs.push({ report: 'missingAck' });
          break;
        case 'reportTransportError':
          outputs.push({ report: 'transportError' });
          break;
        case 'startEAtT2':
          this.#startFor('E', this.reliable ? undefined : this.#timings.t2Ms, nowMs);
          break;
        default:
          this.#setTimer(action, nowMs, lengthMs);
      }
    }
    return outputs;
  }

  #setTimer(
    action: `${'start' | 'double' | 'stop'}${TransactionTimer}`,
    nowMs: number,
    lengthMs: number,
  ): void {
    const timer = action.slice(-1) as TransactionTimer;
    if (action.startsWith('stop')) {
      this.#stop(timer);
    } else if (action.startsWith('start')) {
      this.#startFor(timer, timerMs(timer, this.reliable, this.#timings), nowMs);
    } else {
      const doubledMs = lengthMs * 2;
      this.#startFor(timer, timer === 'A' ? doubledMs : Math.min(doubledMs, this.#timings.t2Ms), nowMs);
    }
  }

  #startFor(timer: TransactionTimer, lengthMs: number | undefined, nowMs: number): void {
    this.#stop(timer);
    if (lengthMs === undefined) return;
    // Zero over a reliable transport: there is nothing to wait for, and D, I, J and K all lead to the same end.
    if (lengthMs === 0) this.#state = 'terminated';
    else this.#timers.push({ timer, lengthMs, deadlineMs: nowMs + lengthMs });
  }

  #stop(timer: TransactionTimer): void {
    const index = this.#timers.findIndex((running) => running.timer === timer);
    if (index >= 0) this.#timers.splice(index, 1);
  }

  #terminate(): void {
    this.#state = 'terminated';
    this.#timers = [];
  }
}

interface RunningTimer {
  readonly timer: TransactionTimer;
  readonly lengthMs: number;
  readonly deadlineMs: number;
}

function responseEvent(status: number): TransactionEvent {
  return status < 200 ? 'provisional' : status < 300 ? 'success' : 'failure';
}

function sendEvent(status: number): TransactionEvent {
  return status < 200 ? 'sendProvisional' : status < 300 ? 'sendSuccess' : 'sendFailure';
}
