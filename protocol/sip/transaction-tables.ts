/** The four transactions of RFC 3261 §17 as amended by RFC 6026: one row per state and event, with the next state
 *  and what to do. `transaction.ts` runs them. Events that a state does not list are ignored. */

export type TransactionKind = 'inviteClient' | 'client' | 'inviteServer' | 'server';

export type TransactionState =
  | 'calling'
  | 'trying'
  | 'proceeding'
  | 'completed'
  | 'accepted'
  | 'confirmed'
  | 'terminated';

export type TransactionTimer = 'A' | 'B' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M';

export type TransactionEvent =
  | `timer${TransactionTimer}`
  /** The message came from the network: a response by its class, the request again, or the ACK. */
  | 'provisional'
  | 'success'
  | 'failure'
  | 'request'
  | 'ack'
  /** The transaction's user sends a response of that class. */
  | 'sendProvisional'
  | 'sendSuccess'
  | 'sendFailure'
  | 'transportError';

export type TransactionAction =
  | 'sendRequest'
  | 'sendResponse'
  | 'sendAck'
  | 'resendResponse'
  | 'deliver'
  | 'reportTimeout'
  | 'reportMissingAck'
  | 'reportTransportError'
  /** A timer is set to its base value; a doubled one to twice its last, at most T2 for E and G. */
  | `start${TransactionTimer}`
  | `double${TransactionTimer}`
  | `stop${TransactionTimer}`
  /** RFC 3261 §17.1.2.2: once proceeding, E always fires T2 apart. */
  | 'startEAtT2';

export interface TransactionRow {
  readonly next: TransactionState;
  readonly actions: readonly TransactionAction[];
}

export interface TransactionTable {
  /** What happens when the transaction is opened. */
  readonly initial: TransactionRow;
  readonly states: {
    readonly [state in TransactionState]?: { readonly [event in TransactionEvent]?: TransactionRow };
  };
}

/** RFC 3261 §17.1.1.2, Figure 5; `accepted` and timer M from RFC 6026 §7.2. */
const inviteClient: TransactionTable = {
  initial: { next: 'calling', actions: ['sendRequest', 'startA', 'startB'] },
  states: {
    calling: {
      timerA: { next: 'calling', actions: ['sendRequest', 'doubleA'] },
      timerB: { next: 'terminated', actions: ['reportTimeout'] },
      transportError: { next: 'terminated', actions: ['reportTransportError'] },
      provisional: { next: 'proceeding', actions: ['stopA', 'stopB', 'deliver'] },
      success: { next: 'accepted', actions: ['stopA', 'stopB', 'startM', 'deliver'] },
      failure: { next: 'completed', actions: ['stopA', 'stopB', 'startD', 'sendAck', 'deliver'] },
    },
    proceeding: {
      provisional: { next: 'proceeding', actions: ['deliver'] },
      success: { next: 'accepted', actions: ['startM', 'deliver'] },
      failure: { next: 'completed', actions: ['startD', 'sendAck', 'deliver'] },
    },
    completed: {
      failure: { next: 'completed', actions: ['sendAck'] },
      // The final response was delivered already; a lost ACK can only be seen by the far side.
      transportError: { next: 'terminated', actions: [] },
      timerD: { next: 'terminated', actions: [] },
    },
    accepted: {
      // Repeated and forked 2xx: their ACKs are the user's (RFC 3261 §13.2.2.4).
      success: { next: 'accepted', actions: ['deliver'] },
      timerM: { next: 'terminated', actions: [] },
    },
  },
};

/** RFC 3261 §17.1.2.2, Figure 6. */
const client: TransactionTable = {
  initial: { next: 'trying', actions: ['sendRequest', 'startE', 'startF'] },
  states: {
    trying: {
      timerE: { next: 'trying', actions: ['sendRequest', 'doubleE'] },
      timerF: { next: 'terminated', actions: ['reportTimeout'] },
      transportError: { next: 'terminated', actions: ['reportTransportError'] },
      provisional: { next: 'proceeding', actions: ['startEAtT2', 'deliver'] },
      success: { next: 'completed', actions: ['stopE', 'stopF', 'startK', 'deliver'] },
      failure: { next: 'completed', actions: ['stopE', 'stopF', 'startK', 'deliver'] },
    },
    proceeding: {
      timerE: { next: 'proceeding', actions: ['sendRequest', 'startEAtT2'] },
      timerF: { next: 'terminated', actions: ['reportTimeout'] },
      transportError: { next: 'terminated', actions: ['reportTransportError'] },
      provisional: { next: 'proceeding', actions: ['deliver'] },
      success: { next: 'completed', actions: ['stopE', 'stopF', 'startK', 'deliver'] },
      failure: { next: 'completed', actions: ['stopE', 'stopF', 'startK', 'deliver'] },
    },
    completed: {
      timerK: { next: 'terminated', actions: [] },
    },
  },
};

/** RFC 3261 §17.2.1, Figure 7; `accepted` and timer L from RFC 6026 §7.1. The 100 is sent by the user at once. */
const inviteServer: TransactionTable = {
  initial: { next: 'proceeding', actions: [] },
  states: {
    proceeding: {
      request: { next: 'proceeding', actions: ['resendResponse'] },
      sendProvisional: { next: 'proceeding', actions: ['sendResponse'] },
      sendSuccess: { next: 'accepted', actions: ['sendResponse', 'startL'] },
      sendFailure: { next: 'completed', actions: ['sendResponse', 'startG', 'startH'] },
      transportError: { next: 'proceeding', actions: ['reportTransportError'] },
    },
    completed: {
      request: { next: 'completed', actions: ['resendResponse'] },
      timerG: { next: 'completed', actions: ['resendResponse', 'doubleG'] },
      timerH: { next: 'terminated', actions: ['reportMissingAck'] },
      ack: { next: 'confirmed', actions: ['stopG', 'stopH', 'startI'] },
      transportError: { next: 'completed', actions: ['reportTransportError'] },
    },
    confirmed: {
      timerI: { next: 'terminated', actions: [] },
    },
    accepted: {
      // INVITEs that come again are absorbed: the user repeats the 2xx until its ACK (RFC 3261 §13.3.1.4).
      sendSuccess: { next: 'accepted', actions: ['sendResponse'] },
      ack: { next: 'accepted', actions: ['deliver'] },
      transportError: { next: 'accepted', actions: ['reportTransportError'] },
      timerL: { next: 'terminated', actions: [] },
    },
  },
};

/** RFC 3261 §17.2.2, Figure 8. */
const server: TransactionTable = {
  initial: { next: 'trying', actions: [] },
  states: {
    trying: {
      sendProvisional: { next: 'proceeding', actions: ['sendResponse'] },
      sendSuccess: { next: 'completed', actions: ['sendResponse', 'startJ'] },
      sendFailure: { next: 'completed', actions: ['sendResponse', 'startJ'] },
    },
    proceeding: {
      request: { next: 'proceeding', actions: ['resendResponse'] },
      sendProvisional: { next: 'proceeding', actions: ['sendResponse'] },
      sendSuccess: { next: 'completed', actions: ['sendResponse', 'startJ'] },
      sendFailure: { next: 'completed', actions: ['sendResponse', 'startJ'] },
      transportError: { next: 'terminated', actions: ['reportTransportError'] },
    },
    completed: {
      request: { next: 'completed', actions: ['resendResponse'] },
      timerJ: { next: 'terminated', actions: [] },
      transportError: { next: 'terminated', actions: ['reportTransportError'] },
    },
  },
};

export const transactionTables: { readonly [kind in TransactionKind]: TransactionTable } = {
  inviteClient,
  client,
  inviteServer,
  server,
};

/** RFC 3261 §17.1.1.1. */
export interface SipTimings {
  /** Round-trip estimate. */
  readonly t1Ms: number;
  /** Longest gap between repeats of non-INVITE requests and of INVITE responses. */
  readonly t2Ms: number;
  /** How long a message may live in the network. */
  readonly t4Ms: number;
}

export const sipTimings: SipTimings = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000 };

/** Base value of a timer, RFC 3261 Table 4 and RFC 6026. Undefined: not used over a reliable transport. Zero: the
 *  transaction ends in the same step. */
export function timerMs(
  timer: TransactionTimer,
  reliable: boolean,
  { t1Ms, t2Ms, t4Ms }: SipTimings,
): number | undefined {
  switch (timer) {
    case 'A':
    case 'G':
      return reliable ? undefined : t1Ms;
    case 'E':
      return reliable ? undefined : Math.min(t1Ms, t2Ms);
    case 'B':
    case 'F':
    case 'H':
    case 'L':
    case 'M':
      return 64 * t1Ms;
    case 'D':
      return reliable ? 0 : Math.max(32_000, 64 * t1Ms);
    case 'I':
    case 'K':
      return reliable ? 0 : t4Ms;
    case 'J':
      return reliable ? 0 : 64 * t1Ms;
  }
}
