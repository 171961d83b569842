/** What a call may do next: one row a state, with the time it may stay there. Unlisted events are ignored there,
 *  which is how crossings resolve: what comes second finds the call gone on. */
export type CallState = 'routing' | 'connecting' | 'ringing' | 'answered' | 'ending' | 'ended';

export type CallEvent =
  /** The router named an action and the legs are being opened. */
  | 'routed'
  /** The stream's socket is open and `connect` was sent. */
  | 'streamConnected'
  /** The stream server answered. */
  | 'streamAnswered'
  /** Anything that is over: a hang-up, a refusal, a failure, a limit. */
  | 'end'
  /** Every endpoint of the call reported that it is closed. */
  | 'released';

/** Which limit ends the stay in a state; the call knows the milliseconds. */
export type CallDeadline = 'route' | 'connect' | 'answer' | 'maxDuration' | 'release';

export interface CallStateRow {
  readonly deadline: CallDeadline | undefined;
  readonly on: Readonly<Partial<Record<CallEvent, CallState>>>;
}

export const callStates: Readonly<Record<CallState, CallStateRow>> = {
  routing: {
    deadline: 'route',
    on: { routed: 'connecting', end: 'ending' },
  },
  connecting: {
    deadline: 'connect',
    on: { streamConnected: 'ringing', end: 'ending' },
  },
  ringing: {
    deadline: 'answer',
    on: { streamAnswered: 'answered', end: 'ending' },
  },
  answered: {
    deadline: 'maxDuration',
    on: { end: 'ending' },
  },
  ending: {
    deadline: 'release',
    on: { released: 'ended' },
  },
  ended: { deadline: undefined, on: {} },
};

export function nextCallState(state: CallState, event: CallEvent): CallState | undefined {
  return callStates[state].on[event];
}
