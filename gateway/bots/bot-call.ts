import type { EventMessage } from '../../protocol/stream/message-schemas.ts';
import type { BotCallEnd, BotCallEventName, BotCallListener } from './bot-call-events.ts';
import type { BotCallInfo } from './bot-connect.ts';
import type { DigitWish } from './digit-reader.ts';
import type { PlayableAudio } from './outgoing-audio.ts';

export type BotCallState = 'ringing' | 'answered' | 'refused' | 'closed';

/** One call, from its `connect` to its end. What is asked of a call that is over does nothing; what is asked of one
 *  that was not answered, or wants an extension that was not granted, throws a `BotError`. */
export interface BotCall {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  /** All that `connect` told. */
  readonly info: BotCallInfo;
  readonly state: BotCallState;
  /** Hz, of `audio` and of what is played: the stream's, unless the server was created with a `sampleRate` and
   *  there is one channel. */
  readonly sampleRate: number;
  /** Those that the gateway offered and the answer asked for. */
  readonly extensions: readonly string[];
  /** Audio that the phone was sent since the answer, by the clock; `mark` and `clear` know it exactly. */
  readonly playedMs: number;
  /** Audio that the gateway was sent since the answer, also what `clear` dropped there. */
  readonly sentMs: number;
  /** Audio that waits at the gateway, by the clock. */
  readonly bufferedMs: number;
  /** Resolves when the call is over; never rejects. */
  readonly closed: Promise<BotCallEnd>;

  on<Name extends BotCallEventName>(name: Name, listener: BotCallListener<Name>): this;
  off<Name extends BotCallEventName>(name: Name, listener: BotCallListener<Name>): this;

  /** Answers the phone. Asks for the extensions named here, else for those of the server's options; gives those that
   *  were granted, which are the only ones that can be used. */
  answer(options?: { readonly extensions?: 'all' | readonly string[] }): readonly string[];
  /** Refuses the call: the phone hears 486. */
  busy(): void;
  /** Refuses the call: the phone hears 603. */
  reject(): void;

  /** Queues audio behind what was queued before: mono PCM at `sampleRate` as an `Int16Array`, as its bytes (16-bit
   *  little-endian), or as an iterable of either, also an asynchronous one, which is read as fast as it is heard.
   *  Resolves when the last of it was sent to the gateway, which is up to `playAheadMs` before it is heard (`mark`
   *  tells that): true, or false where `clear` or the end of the call cut it off or its source threw. A chunk must not
   *  change until then. */
  play(audio: PlayableAudio): Promise<boolean>;
  /** Resolves when all that was queued before it was sent to the phone, or was dropped, or the call is over; never
   *  rejects. Without the extension `mark` the clock tells it: `exact` is false then. A name has 1 to 256 characters
   *  and may come again. */
  mark(name?: string): Promise<MarkReport>;
  /** Drops all audio that the phone was not sent yet, here and at the gateway. Resolves with what was heard and what
   *  was not, by the clock (`exact` is false) without the extension `mark`; never rejects. What is played after
   *  it, which need not wait for it, is heard whole. */
  clear(): Promise<ClearReport>;
  /** Stops playing; what is queued waits, and the phone hears silence. Extension `control`. */
  pause(): void;
  /** Goes on after `pause`. Extension `control`. */
  continue(): void;

  /** Sends digits to the phone as RFC 4733 events: 0-9 * # A-D, `w` for a pause of 500 ms. Extension `dtmf`. */
  sendDtmf(digits: string): void;
  /** Resolves with the digits that the phone presses from now on: as many as wished for, fewer when time is up or the
   *  call is over. Never rejects. Extension `dtmf`. */
  readDigits(wish?: DigitWish): Promise<string>;
  /** Ends the call. `reason` has at most 123 bytes in UTF-8. */
  hangup(reason?: string): void;
  /** Blind transfer of the phone (SIP REFER); what becomes of it comes as `transfer`. Extension `control`. */
  transfer(to: string, headers?: Readonly<Record<string, string>>): void;
  /** How the call is. Rejects with `closed` where the call ends first. Extension `control`. */
  status(): Promise<EventMessage<'status'>>;
}

/** What became of a mark. */
export interface MarkReport {
  readonly name: string;
  /** `played`: the phone was sent all before it. `cleared`: some of it was dropped. `closed`: the call ended first. */
  readonly status: 'played' | 'cleared' | 'closed';
  /** Audio that the phone was sent since the answer. */
  readonly playedMs: number;
  /** False where the clock had to do, as the gateway does not report it. */
  readonly exact: boolean;
}

/** What `clear` did. */
export interface ClearReport {
  /** Audio that the phone was sent since the answer. */
  readonly playedMs: number;
  /** Audio that it never will be: of the gateway's and of what was still here. */
  readonly droppedMs: number;
  /** False where the clock had to do, as the gateway does not report it. */
  readonly exact: boolean;
}
