import type { Callout } from '../../protocol/svaml/callout.ts';
import type { Svaml } from '../../protocol/svaml/svaml.ts';

/** What the HTTP API, and a program that runs the gateway inside itself, may do to calls. Calls belong to applications:
 *  who asks must compare `applicationKey` of `describe` with its own before it changes anything. */
export interface CallControl {
  /** Makes the call that a callout asks for, and resolves once it is being placed: what becomes of it is told by
   *  callbacks. For a conference of several destinations the id of the first.
   *  @throws CallControlError */
  callout(applicationKey: string, callout: Callout): Promise<{ readonly callId: string }>;
  /** Also of a call that ended a while ago; undefined where there is none of that id. */
  describe(callId: string): CallDescription | undefined;
  /** A live call goes on with another programme. `leg` of a bridged call: the caller alone (the default), the called
   *  party alone, or both of them, each with the programme.
   *  @throws CallControlError */
  modify(callId: string, svaml: Svaml, leg?: CallSide): Promise<void>;
  /** False where there is no live call of that id. */
  hangup(callId: string): boolean;
  /** Undefined where nobody is in a room of that id. Rooms belong to applications, as calls do. */
  conference(applicationKey: string, conferenceId: string): ConferenceDescription | undefined;
  /** `moh`: what the member hears on hold, a prompt as in `connectConf`.
   *  @throws CallControlError */
  commandMember(member: ConferenceMember, command: ConferenceCommand, moh?: string): void;
  /** How many were put out; without `callId` everybody. */
  kick(applicationKey: string, conferenceId: string, callId?: string): number;
  /** Everything that happens, of every application. The answer ends it. */
  watch(listener: (event: ControlEvent) => void): () => void;
}

export type CallSide = 'caller' | 'callee' | 'both';

export type ConferenceCommand = 'mute' | 'unmute' | 'onhold' | 'resume';

export interface ConferenceMember {
  readonly applicationKey: string;
  readonly conferenceId: string;
  readonly callId: string;
}

export interface ConferenceDescription {
  readonly participants: readonly {
    readonly cli: string;
    /** callId. */
    readonly id: string;
    /** Seconds in the room. */
    readonly duration: number;
    readonly muted: boolean;
    readonly onhold: boolean;
  }[];
}

export interface CallEndpointDescription {
  readonly type: 'number' | 'username' | 'sip' | 'did' | 'websocket';
  readonly endpoint: string;
}

/** As `GET /calling/v1/calls/id/{callId}` shows a call. */
export interface CallDescription {
  readonly callId: string;
  readonly applicationKey: string;
  readonly from: string;
  readonly to: CallEndpointDescription;
  readonly domain: 'pstn' | 'mxp' | 'sip' | 'stream' | 'conference';
  /** Seconds since the answer, 0 before. */
  readonly duration: number;
  readonly status: 'ONGOING' | 'FINAL';
  /** DICE of a call that ended; `N/A` before. */
  readonly result: string;
  readonly reason: string;
  /** ISO 8601, when the call began. */
  readonly timestamp: string;
  readonly custom: string | undefined;
}

/** News of calls for `/events`. Plain data; nothing secret, no digits. */
export interface ControlEvent {
  readonly type:
    | 'call.started'
    | 'call.ringing'
    | 'call.answered'
    | 'call.action'
    | 'call.ended'
    | 'conference.joined'
    | 'conference.left'
    | 'recording.started'
    | 'recording.finished'
    | 'recording.available'
    | 'recording.failed'
    /** A MESSAGE outside any call. */
    | 'message.received';
  /** Empty where no call is concerned. */
  readonly callId: string;
  readonly applicationKey: string;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly [field: string]: unknown;
}

export class CallControlError extends Error {
  override readonly name = 'CallControlError';
  readonly code: 'not-found' | 'conflict' | 'invalid' | 'unavailable' | 'forbidden';
  /** Path of the field that is to blame. */
  readonly field: string | undefined;

  constructor(code: CallControlError['code'], message: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}
