/** What an application is told and asked about its calls: JSON bodies of POSTs, fields as published for the Voice
 *  API v1. What is undefined is left out. */

/** Answered with SVAML. */
export type CallbackQuestion = IceMessage | AceMessage | PieMessage;
/** Wants no answer but that it was taken. */
export type CallbackNews = DiceMessage | NotifyMessage;

interface Common {
  readonly callid: string;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly version: 1;
  readonly custom?: string | undefined;
  readonly applicationKey: string;
}

export interface Endpoint {
  readonly type: 'number' | 'username' | 'sip' | 'did' | 'websocket' | 'conference';
  readonly endpoint: string;
}

/** Values set by `setCookie`, a field each; ours. */
interface Cookies {
  readonly cookies?: Readonly<Record<string, string>> | undefined;
}

export interface Price {
  readonly currencyId: string;
  readonly amount: number;
}

export interface CallHeader {
  readonly key: string;
  readonly value: string;
}

export type CallDomain = 'pstn' | 'mxp' | 'sip';

/** A call has come in, or a callout asks what to do: the answer is SVAML with an action. */
export interface IceMessage extends Common, Cookies {
  readonly event: 'ice';
  readonly callResourceUrl?: string | undefined;
  readonly userRate?: Price | undefined;
  /** Who calls. */
  readonly cli: string;
  readonly to: Endpoint;
  readonly domain: CallDomain;
  readonly originationType: CallDomain;
  /** 0: nothing has been answered yet. */
  readonly duration?: number | undefined;
  /** Number that the call was diverted from. */
  readonly rdnis?: string | undefined;
  readonly callHeaders?: readonly CallHeader[] | undefined;
}

/** The called party has answered: the answer is SVAML. */
export interface AceMessage extends Common, Cookies {
  readonly event: 'ace';
}

export interface MenuResult {
  readonly menuId: string;
  readonly type: 'error' | 'return' | 'sequence' | 'timeout' | 'hangup' | 'invalidinput';
  readonly value?: string | undefined;
  readonly inputMethod?: 'dtmf' | undefined;
  /** Ours: the keys behind a `return`. */
  readonly returnValue?: string | undefined;
}

/** A menu has a result: the answer is SVAML. */
export interface PieMessage extends Common, Cookies {
  readonly event: 'pie';
  readonly menuResult: MenuResult;
}

/** The call is over. */
export interface DiceMessage extends Common, Cookies {
  readonly event: 'dice';
  readonly result: 'N/A' | 'ANSWERED' | 'BUSY' | 'NOANSWER' | 'FAILED';
  readonly reason: string;
  /** Whole seconds since the answer. */
  readonly duration: number;
  readonly debit?: Price | undefined;
  readonly userRate?: Price | undefined;
  readonly to?: Endpoint | undefined;
  /** Who called. */
  readonly from?: string | undefined;
  readonly callHeaders?: readonly CallHeader[] | undefined;
}

/** Something happened that wants no answer. */
export interface NotifyMessage extends Omit<Common, 'timestamp'> {
  readonly event: 'notify';
  readonly timestamp?: string | undefined;
  readonly type:
    | 'recording_finished'
    | 'recording_available'
    | 'recording_failed'
    | 'callingerror'
    /** A state of a called leg, for `callStateUrl`. */
    | 'callstate';
  readonly conferenceId?: string | undefined;
  /** Where the recording is. */
  readonly destination?: string | undefined;
  /** Seconds of a recording or, of an ended leg, since the answer. */
  readonly duration?: number | undefined;
  readonly errorCode?: number | undefined;
  readonly errorMsg?: string | undefined;
  /** Of `callstate`, with who is called and, once it has ended, why. */
  readonly state?: 'created' | 'ringing' | 'answered' | 'ended' | undefined;
  readonly to?: Endpoint | undefined;
  readonly result?: string | undefined;
  readonly reason?: string | undefined;
}
