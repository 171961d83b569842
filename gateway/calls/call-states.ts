/** What a call may do next: one row a state, with the time it may stay there. Unlisted events are ignored there,
 *  which is how crossings resolve: what comes second finds the call gone on. */
export type CallState = 'routing' | 'connecting' | 'ringing' | 'answered' | 'ending' | 'ended';

export type CallEvent =
  /** It is known what becomes of the call; its RTP port, or its stream, is being opened. */
  | 'routed'
  /** The phone hears ringing, or what is played to it before the answer; one that we call rings. */
  | 'ringing'
  /** The phone, or the stream server, answered or was answered. */
  | 'answered'
  /** Anything that is over: a hang-up, a refusal, a failure, a limit. */
  | 'end'
  /** Every endpoint of the call reported that it is closed. */
  | 'released';

/** Which limit ends the stay in a state; the call knows the milliseconds. What it does there may have shorter limits of
 *  its own. */
export type CallDeadline = 'route' | 'setup' | 'maxDuration' | 'release';

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
    deadline: 'setup',
    on: { ringing: 'ringing', answered: 'answered', end: 'ending' },
  },
  ringing: {
    deadline: 'setup',
    on: { answered: 'answered', end: 'ending' },
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
