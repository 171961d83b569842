import type { SipHeader, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import type { RequestFailure } from '../../protocol/sip/session-actions.ts';
import { Transaction, type TransactionOutput } from '../../protocol/sip/transaction.ts';
import { cancelledKey, clientKey, mergeKey, serverKey } from '../../protocol/sip/transaction-key.ts';
import { buildAck, buildCancel } from '../../protocol/sip/transaction-requests.ts';
import type { SipTimings } from '../../protocol/sip/transaction-tables.ts';
import type { Clock } from '../clock.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { SipAddress } from './session.ts';
import { flowText, type SipFlow } from './sip-flow.ts';

/** Who began a client transaction. */
export interface ClientUser {
  received(response: SipResponse): void;
  failed(failure: RequestFailure): void;
}

export interface TransactionsOptions {
  readonly clock: Clock;
  readonly timings: SipTimings;
  sendRequest(request: SipRequest, flow: SipFlow): void;
  /** Over the flow the request came on, or where its Via points if that is closed. */
  sendResponse(response: SipResponse, flow: SipFlow): void;
  counted(code: string): void;
}

interface Entry {
  readonly transaction: Transaction;
  readonly key: string;
  readonly mergeKey: string | undefined;
  readonly flow: SipFlow;
  readonly timer: DeadlineTimer;
  readonly user: ClientUser | undefined;
  /** An INVITE that was refused; nobody confirmed yet that he heard it. */
  unacknowledged: boolean;
}

/** The live transactions: finds the one a message belongs to, runs its timers, sends what it says. */
export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #clients = new Map<string, Entry>();
  readonly #servers = new Map<string, Entry>();
  readonly #merges = new Map<string, Entry>();
  readonly #unacknowledged = new Map<string, number>();

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#clients.size + this.#servers.size;
  }

  /** INVITEs from there that were refused and wait for their ACK: many, where nobody is who could send it. */
  unacknowledged(remote: SipAddress): number {
    return this.#unacknowledged.get(flowText(remote)) ?? 0;
  }

  /** `request` carries our Via, and leaves at once. */
  openClient(request: SipRequest, flow: SipFlow, user: ClientUser): void {
    const invite = request.method === 'INVITE';
    const transaction = new Transaction({
      kind: invite ? 'inviteClient' : 'client',
      request,
      reliable: flow.reliable,
      timings: this.#options.timings,
      buildAck: (response) => buildAck(request, response),
    });
    this.#start({ transaction, key: clientKey(request), flow, user, mergeKey: undefined }, this.#clients);
  }

  /** For a request that `receiveRequest` did not know. */
  openServer(request: SipRequest, flow: SipFlow): void {
    const transaction = new Transaction({
      kind: request.method === 'INVITE' ? 'inviteServer' : 'server',
      request,
      reliable: flow.reliable,
      timings: this.#options.timings,
    });
    const key = serverKey(request);
    this.#start({ transaction, key, flow, user: undefined, mergeKey: mergeKey(request) }, this.#servers);
  }

  #start(parts: Omit<Entry, 'timer' | 'unacknowledged'>, table: Map<string, Entry>): void {
    const timer = new DeadlineTimer(this.#options.clock, () =>
      this.#run(entry, entry.transaction.expire(this.#nowMs)),
    );
    const entry: Entry = { ...parts, timer, unacknowledged: false };
    table.set(entry.key, entry);
    if (entry.mergeKey !== undefined) this.#merges.set(entry.mergeKey, entry);
    this.#run(entry, entry.transaction.start(this.#nowMs));
  }

  /** True where the request, or the ACK, belonged to a transaction and is dealt with. An ACK of a 2xx is not: it is the
   *  dialog's. */
  receiveRequest(request: SipRequest): boolean {
    const entry = this.#servers.get(serverKey(request));
    if (entry === undefined) return false;
    const accepted = entry.transaction.state === 'accepted';
    this.#run(entry, entry.transaction.receive(request, this.#nowMs));
    return !(accepted && request.method === 'ACK');
  }

  /** False for a response that nobody waits for. */
  receiveResponse(response: SipResponse): boolean {
    const entry = this.#clients.get(clientKey(response));
    if (entry === undefined) return false;
    this.#run(entry, entry.transaction.receive(response, this.#nowMs));
    return true;
  }

  /** The same request is being served already, having come on another way: RFC 3261 §8.2.2.2. */
  isMerged(request: SipRequest): boolean {
    const key = mergeKey(request);
    return key !== undefined && this.#merges.has(key);
  }

  /** The INVITE that a CANCEL is for. */
  cancelled(cancel: SipRequest): SipRequest | undefined {
    return this.#servers.get(cancelledKey(cancel))?.transaction.request;
  }

  /** False where the transaction is over; a repeated 2xx then goes out without it. */
  respond(request: SipRequest, response: SipResponse): boolean {
    const entry = this.#servers.get(serverKey(request));
    if (entry === undefined || entry.transaction.request !== request) return false;
    this.#run(entry, entry.transaction.respond(response, this.#nowMs));
    return true;
  }

  /** CANCEL of an INVITE that was sent; nothing where it is over. */
  cancel(invite: SipRequest, headers: readonly SipHeader[]): void {
    const entry = this.#clients.get(clientKey(invite));
    if (entry === undefined) return;
    this.openClient(buildCancel(invite, headers), entry.flow, { received() {}, failed() {} });
  }

  abandon(invite: SipRequest): void {
    const entry = this.#clients.get(clientKey(invite));
    if (entry === undefined) return;
    entry.transaction.abandon();
    this.#run(entry, []);
  }

  /** The connection is gone. Answers to come find another way; requests that wait for one fail (RFC 3261 §18.4). */
  flowClosed(flow: SipFlow): void {
    for (const entry of [...this.#clients.values()]) {
      if (entry.flow === flow) this.#run(entry, entry.transaction.transportFailed(this.#nowMs));
    }
  }

  close(): void {
    for (const table of [this.#clients, this.#servers]) {
      for (const { timer } of table.values()) timer.cancel();
      table.clear();
    }
    this.#merges.clear();
    this.#unacknowledged.clear();
  }

  #run(entry: Entry, outputs: readonly TransactionOutput[]): void {
    const { transaction, timer } = entry;
    // Before the outputs, which may lead back here.
    if (transaction.state === 'terminated') this.#forget(entry);
    else timer.arm(transaction.deadlineMs);
    this.#noteAcknowledgement(entry);
    for (const output of outputs) {
      if ('send' in output) this.#send(output.send, entry.flow);
      else if ('report' in output) this.#report(entry, output.report);
      else if (output.deliver.kind === 'response') entry.user?.received(output.deliver);
    }
  }

  #noteAcknowledgement(entry: Entry): void {
    const { transaction, user, flow } = entry;
    const waits =
      user === undefined && transaction.request.method === 'INVITE' && transaction.state === 'completed';
    if (waits === entry.unacknowledged) return;
    entry.unacknowledged = waits;
    const peer = flowText(flow.remote);
    const count = (this.#unacknowledged.get(peer) ?? 0) + (waits ? 1 : -1);
    if (count === 0) this.#unacknowledged.delete(peer);
    else this.#unacknowledged.set(peer, count);
  }

  #send(message: SipRequest | SipResponse, flow: SipFlow): void {
    if (message.kind === 'request') this.#options.sendRequest(message, flow);
    else this.#options.sendResponse(message, flow);
  }

  #report(entry: Entry, report: 'timeout' | 'missingAck' | 'transportError'): void {
    const { method } = entry.transaction.request;
    const { protocol, address, port } = entry.flow.remote;
    const peer = `${protocol}:${address}:${port}`;
    if (report === 'timeout') {
      entry.user?.failed({ why: 'timeout', message: `${peer} did not answer ${method}` });
    } else if (report === 'transportError') {
      entry.user?.failed({ why: 'transport', message: `the connection to ${peer} was lost` });
    } else {
      this.#options.counted('missing-ack');
    }
  }

  #forget(entry: Entry): void {
    entry.timer.cancel();
    const table = entry.user === undefined ? this.#servers : this.#clients;
    if (table.get(entry.key) === entry) table.delete(entry.key);
    const { mergeKey: merged } = entry;
    if (merged !== undefined && this.#merges.get(merged) === entry) this.#merges.delete(merged);
  }

  get #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}
