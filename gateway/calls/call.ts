import type { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import type { Svaml } from '../../protocol/svaml/svaml.ts';
import type { Log } from '../log.ts';
import type { EndpointId } from '../media/media-messages.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  ReferOptions,
  ReferOutcome,
} from '../signaling/session.ts';
import { AddedHeaders } from './added-headers.ts';
import type { CallContext, CallHandlers, CallOwner, CallParty } from './call-context.ts';
import type { ControlEvent } from './call-control.ts';
import { CallCourse } from './call-course.ts';
import { CallMedia } from './call-media.ts';
import { diceMessage } from './call-messages.ts';
import { CallProgress } from './call-progress.ts';
import { qualityFields } from './call-quality.ts';
import { CallRecordings } from './call-recordings.ts';
import type { CallDeadline, CallState } from './call-states.ts';
import { diceOf, type EndReason, endReasons, reasonHeader } from './end-reason.ts';
import { FollowedTransfers } from './followed-transfers.ts';
import { guardedHandlers } from './guarded-handlers.ts';
import type { Leg } from './leg.ts';
import { PhoneLine } from './phone-line.ts';
import { refusalOf } from './session-ends.ts';
import type { StreamLeg } from './stream-leg.ts';
import { transferEvent } from './stream-requests.ts';

const maxDurationSecondsDefault = 14_400;

export interface CallOptions {
  readonly callId: string;
  readonly party: CallParty;
  /** Of an incoming call what holds until it is routed. */
  readonly owner: CallOwner;
  readonly direction: 'inbound' | 'outbound';
  readonly context: CallContext;
  readonly handlers: CallHandlers;
}

/** One party's whole call, from the first message to the last freed port: a leg, what is done with it, and how it ends.
 *  What it may do next stands in `call-states.ts`, why it ended in `end-reason.ts`, what it is doing is its course. How
 *  a call begins: `inbound-call.ts`, `outbound-call.ts`, `stream-call.ts`. */
export class Call {
  readonly callId: string;
  readonly party: CallParty;
  readonly direction: 'inbound' | 'outbound';
  readonly context: CallContext;
  readonly log: Log;
  readonly media: CallMedia;
  readonly course: CallCourse;
  readonly recordings: CallRecordings;
  readonly transfers: FollowedTransfers;
  /** The phone whose call this is, where it is one. */
  readonly line: PhoneLine;
  readonly startedMs: number;
  readonly startedWallMs: number;
  answeredMs: number | undefined;
  answeredWallMs: number | undefined;
  endedMs: number | undefined;
  endReason: EndReason | undefined;
  owner: CallOwner;
  /** Values that its programmes set. */
  readonly cookies = new Map<string, string>();
  /** 183 with SDP while a stream server decides, in place of 180. */
  earlyMedia = false;
  /** The stream server whose call this is, where it is none of a phone. */
  streamLeg: StreamLeg | undefined;
  /** The latest stream on this call, also after its end. */
  stream: StreamLeg | undefined;
  /** Given back when the call is over. */
  readonly releases: (() => void)[] = [];
  readonly #handlers: CallHandlers;
  readonly #progress: CallProgress;
  readonly #headers = new AddedHeaders();

  constructor({ callId, party, owner, direction, context, handlers }: CallOptions) {
    this.callId = callId;
    this.party = party;
    this.owner = owner;
    this.direction = direction;
    this.context = context;
    this.#handlers = handlers;
    this.log = context.log.child({ callId });
    this.media = new CallMedia({
      callId,
      pool: context.pool,
      guard: this.guard,
      // A stream that closes ends its call; an RTP endpoint only closes when the call is ending already.
      emptied: () => {
        if (this.state === 'ending') this.#releaseWhenEmpty();
      },
    });
    this.course = new CallCourse(this);
    this.recordings = new CallRecordings(this);
    this.transfers = new FollowedTransfers(this);
    this.line = new PhoneLine(this);
    this.#progress = new CallProgress({
      clock: context.clock,
      maxDurationSeconds: () => this.owner.maxDuration ?? maxDurationSecondsDefault,
      expired: (deadline) => this.guard(() => this.#expired(deadline)),
    });
    this.startedMs = context.clock.nowMs();
    this.startedWallMs = context.clock.wallMs();
  }

  get state(): CallState {
    return this.#progress.state;
  }

  get live(): boolean {
    return this.state !== 'ending' && this.state !== 'ended';
  }

  get answered(): boolean {
    return this.state === 'answered';
  }

  get codec(): string | undefined {
    return this.line.phone?.codec;
  }

  get streamEndpoint(): string | undefined {
    return this.stream?.endpoint;
  }

  get sampleRateHz(): number | undefined {
    return this.stream?.sampleRateHz;
  }

  get endpointIds(): { readonly sip: EndpointId; readonly stream: EndpointId | undefined } {
    return { sip: this.line.phone?.endpointId ?? `${this.callId}/sip`, stream: this.stream?.endpointId };
  }

  get worker(): number | undefined {
    return this.media.worker;
  }

  /** Whoever's call this is: a phone, or a stream server. */
  get leg(): Leg | undefined {
    return this.line.phone ?? this.streamLeg;
  }

  /** The call is there: what it came from, or goes to, stands in `fields`. */
  begin(fields: Record<string, unknown>): void {
    const { from, to } = this.party;
    this.log.info({ from, to, ...fields }, this.direction === 'inbound' ? 'call received' : 'call placed');
    this.#handlers.started(this);
    this.#progress.begin();
    this.happened('call.started', { direction: this.direction, from, to });
  }

  /** It is known what becomes of it. False where it is over already. */
  routed(): boolean {
    return this.#progress.enter('routed');
  }

  /** The far side rings, or the phone is told that somebody else does. `early`: audio is heard already. */
  rings(early = false): void {
    const first = this.#progress.enter('ringing');
    if (this.direction === 'inbound') this.line.ring(early || this.earlyMedia);
    if (first) this.happened('call.ringing', {});
  }

  /** Answers a phone that called us, once; any other call has been answered by whom it is. */
  answer(): void {
    if (this.direction === 'outbound' || this.answered || !this.live) return;
    this.line.phone?.answer(this.#headers.answer);
    this.wasAnswered();
  }

  /** The leg speaks from now on. */
  wasAnswered(): void {
    if (!this.#progress.enter('answered')) return;
    const { clock } = this.context;
    this.answeredMs = clock.nowMs();
    this.answeredWallMs = clock.wallMs();
    const { codec, sampleRateHz } = this;
    const fields = { setupMs: this.sinceStartMs, codec, sampleRateHz, srtp: this.line.phone?.srtpSuite };
    this.log.info(fields, 'call answered');
    this.#handlers.answered(this);
    this.happened('call.answered', { codec });
  }

  /** Goes on with another programme, whatever it does now. */
  run(svaml: Svaml): void {
    if (this.live) this.course.run(svaml);
  }

  /** Ends the call whatever its state: each side is told why, media is closed. Only the first reason counts. */
  end(reason: EndReason, detail?: string): void {
    if (!this.#progress.enter('end')) return;
    this.#outcome(reason, detail);
    this.attempt(() => this.transfers.stop(reason));
    this.attempt(() => this.course.stop(reason));
    this.attempt(() => this.recordings.stop());
    this.attempt(() => this.streamLeg?.end(reason));
    this.attempt(() => this.line.end(reason, detail, this.#headers.end));
    this.#releaseWhenEmpty();
  }

  /** One step of the end: what throws must not keep the other legs open, and nobody would end them a second time. */
  attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.log.error({ err: error }, 'internal error while ending');
    }
  }

  /** The offer of its INVITE cannot be served. */
  refuseOffer(session: InviteSession, error: ProtocolError): void {
    const reason = error.status === 400 ? 'badOffer' : 'noCodec';
    this.#progress.enter('end');
    this.#outcome(reason, error.message);
    const { status, headers } = refusalOf(error);
    session.end({ status, headers: [...headers, reasonHeader(reason)] });
    this.#releaseWhenEmpty();
  }

  /** True where this session is its caller's. */
  isOn(session: InviteSession): boolean {
    return this.line.phone?.isOn(session) === true;
  }

  /** Another phone takes the caller's place (INVITE with Replaces): it is answered at once, the first one is hung up, the
   *  other side notices nothing. Refused with 481 before the answer and after the end. */
  takeOver(session: InviteSession): InviteSessionHandlers {
    return this.line.takeOver(session);
  }

  /** For the 200, and for the BYE or the refusal: `X-` headers and User-to-User. Throws `TypeError` for others. */
  addHeaders(message: 'answer' | 'end', headers: readonly SipHeader[]): void {
    this.#headers.add(message, headers);
  }

  /** Hold from our side; false where the phone refused. */
  async hold(on: boolean): Promise<boolean> {
    return this.answered && (await this.line.phone?.hold(on)) === true;
  }

  /** Sends the phone to `target` (REFER). Where it gets through, this call ends as TRANSFERRED; else it goes on.
   *  Throws `ProtocolError` for a bad URI. */
  async transfer(target: string, options: ReferOptions = {}): Promise<ReferOutcome> {
    const { phone } = this.line;
    if (!this.answered || phone === undefined)
      return { outcome: 'failed', status: 481, reasonPhrase: 'Call Does Not Exist' };
    this.log.info({}, 'transfer begun');
    const outcome = await phone.refer(target, options);
    this.log.info({ ...outcome }, 'transfer settled');
    this.stream?.tell(transferEvent(outcome));
    if (outcome.outcome === 'succeeded') this.guard(() => this.end('transferred'));
    return outcome;
  }

  /** A SIP dialog belongs to it: its Call-ID header. */
  named(sipCallId: string): void {
    this.#handlers.named?.(this, sipCallId);
  }

  /** What the phone does, for the gateway's owner and for what the call is doing. */
  get owners(): CallHandlers {
    return this.#handlers;
  }

  /** News for those who watch calls. */
  happened(type: ControlEvent['type'], fields: Record<string, unknown>): void {
    const timestamp = new Date(this.context.clock.wallMs()).toISOString();
    const { applicationKey } = this.owner;
    this.context.happened({ ...fields, type, callId: this.callId, applicationKey, timestamp });
  }

  /** From the answer to the end, or to now. 0 for calls that were not answered. */
  get durationSeconds(): number {
    if (this.answeredMs === undefined) return 0;
    return Math.round((this.endedMs ?? this.context.clock.nowMs()) - this.answeredMs) / 1000;
  }

  get sinceStartMs(): number {
    return Math.round(this.context.clock.nowMs() - this.startedMs);
  }

  /** A fault of ours ends this call and no other. */
  readonly guard = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      this.log.error({ err: error }, 'internal error');
      this.attempt(() => this.end('internalError'));
      return undefined;
    }
  };

  /** The same for work that waits for something. */
  background(work: Promise<void>): void {
    work.catch((error) =>
      this.guard(() => {
        throw error;
      }),
    );
  }

  guarded(handlers: InviteSessionHandlers): InviteSessionHandlers {
    return guardedHandlers(this.guard, handlers);
  }

  #outcome(reason: EndReason, detail: string | undefined): void {
    this.endReason = reason;
    this.endedMs = this.context.clock.nowMs();
    this.attempt(() => this.#handlers.ending(this));
    const level = endReasons[reason].fault === 'gateway' ? 'error' : 'info';
    this.log[level]({ reason, detail, fault: endReasons[reason].fault }, 'call ending');
    const { durationSeconds, owner } = this;
    this.attempt(() =>
      this.happened('call.ended', { ...diceOf(reason, this.answeredMs !== undefined), durationSeconds }),
    );
    this.attempt(() => {
      if (owner.tellsDice) this.context.callbacks.tell(owner.applicationKey, diceMessage(this));
    });
  }

  #releaseWhenEmpty(): void {
    if (this.media.openEndpoints.length > 0 || !this.#progress.enter('released')) return;
    this.media.release();
    for (const release of this.releases) this.attempt(release);
    const { result, reason } = diceOf(this.endReason ?? 'internalError', this.answeredMs !== undefined);
    this.log.info(
      {
        durationSeconds: this.durationSeconds,
        result,
        reason,
        ...qualityFields(this.line.phone?.counters, this.stream?.counters),
      },
      'call ended',
    );
    this.#handlers.ended(this);
  }

  #expired(deadline: CallDeadline): void {
    if (deadline === 'maxDuration') return this.end('maxDuration');
    if (deadline !== 'release')
      return this.end(
        deadline === 'route' ? 'mediaFailed' : 'overload',
        `no word within the ${deadline} limit`,
      );
    this.log.error({ open: this.media.openEndpoints }, 'media did not close in time');
    this.media.release();
    this.#releaseWhenEmpty();
  }
}
