import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import { type ConnectStream, maxDurationSecondsMax } from '../../protocol/svaml/connect-stream.ts';
import type { Log } from '../log.ts';
import type { EndpointId, MediaEvent } from '../media/media-messages.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import type { RouteDecision } from '../routing/router.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  ReferOptions,
  ReferOutcome,
} from '../signaling/session.ts';
import { AddedHeaders } from './added-headers.ts';
import type { CallContext, CallHandlers, CallParty } from './call-context.ts';
import { CallProgress } from './call-progress.ts';
import { qualityFields } from './call-quality.ts';
import type { CallDeadline, CallState } from './call-states.ts';
import { diceOf, type EndReason, endReasons, reasonHeader } from './end-reason.ts';
import { guardedHandlers } from './guarded-handlers.ts';
import { refusalOf, SipLeg } from './sip-leg.ts';
import { StreamLeg } from './stream-leg.ts';

/** One incoming call, from INVITE to the last freed port: a SIP leg bridged to a stream leg. What it may do next
 *  stands in `call-states.ts`, why it ended in `end-reason.ts`. */
export class Call {
  readonly callId: string;
  readonly party: CallParty;
  readonly startedMs: number;
  readonly startedWallMs: number;
  answeredMs: number | undefined;
  answeredWallMs: number | undefined;
  endedMs: number | undefined;
  endReason: EndReason | undefined;
  readonly #context: CallContext;
  readonly #handlers: CallHandlers;
  #session: InviteSession;
  readonly #log: Log;
  readonly #progress: CallProgress;
  #group: MediaGroup | undefined;
  #sip: SipLeg | undefined;
  /** Every SIP leg that is still open: a second one takes the first one's place. */
  readonly #sipLegs = new Map<EndpointId, SipLeg>();
  #sipLegsMade = 0;
  readonly #headers = new AddedHeaders();
  #stream: StreamLeg | undefined;
  #action: ConnectStream | undefined;
  /** Approved literal addresses, one an endpoint; undefined where the endpoint is trusted. */
  #addresses: readonly (string | undefined)[] = [];
  #attempts = 0;
  #earlyMedia = false;
  /** Endpoints that have not reported their closing yet. */
  readonly #open = new Set<EndpointId>();

  constructor(
    callId: string,
    session: InviteSession,
    party: CallParty,
    context: CallContext,
    handlers: CallHandlers,
  ) {
    this.callId = callId;
    this.party = party;
    this.#session = session;
    this.#context = context;
    this.#handlers = handlers;
    this.#log = context.log.child({ callId });
    this.#progress = new CallProgress({
      clock: context.clock,
      limits: context.streamLimits,
      maxDurationSeconds: () => this.#action?.maxDuration ?? maxDurationSecondsMax,
      expired: (deadline) => this.#guard(() => this.#expired(deadline)),
    });
    this.startedMs = context.clock.nowMs();
    this.startedWallMs = context.clock.wallMs();
  }

  get state(): CallState {
    return this.#progress.state;
  }

  /** The Call-ID header. */
  get sipCallId(): string {
    return this.#session.sipCallId;
  }

  get codec(): string | undefined {
    return this.#sip?.codec;
  }

  get streamEndpoint(): string | undefined {
    return this.#stream?.endpoint;
  }

  get sampleRateHz(): number | undefined {
    return this.#stream?.sampleRateHz;
  }

  get endpointIds(): { readonly sip: EndpointId; readonly stream: EndpointId | undefined } {
    return { sip: this.#sip?.endpointId ?? `${this.callId}/sip`, stream: this.#stream?.endpointId };
  }

  get worker(): number | undefined {
    return this.#group?.worker;
  }

  /** Begins the call; the returned handlers belong to its INVITE session. */
  start(): InviteSessionHandlers {
    const { from, to } = this.party;
    const { protocol, address, port } = this.#session.remote;
    this.#log.info(
      { from, to, source: `${protocol}:${address}:${port}`, sipCallId: this.#session.sipCallId },
      'call received',
    );
    this.#handlers.started(this);
    this.#progress.restart();
    const group = this.#context.pool.openGroup((event) => this.#guard(() => this.#receiveMedia(event)));
    this.#group = group;
    try {
      this.#sip = this.#createSipLeg(this.#session, group, () => this.#openStream());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuseOffer(error);
      return { ended: () => {} };
    }
    void this.#route();
    return guardedHandlers(this.#guard, this.#sip.sessionHandlers);
  }

  /** Ends the call whatever its state: each side is told why, media is closed. Only the first reason counts. */
  end(reason: EndReason, detail?: string): void {
    if (!this.#progress.enter('end')) return;
    this.#outcome(reason, detail);
    if (this.#sip === undefined)
      this.#attempt(() =>
        this.#session.end({ status: endReasons[reason].sipStatus, headers: [reasonHeader(reason, detail)] }),
      );
    this.#attempt(() => this.#stream?.end(reason));
    for (const leg of this.#sipLegs.values()) this.#attempt(() => leg.end(reason, detail, this.#headers.end));
    this.#releaseWhenEmpty();
  }

  /** One step of the end: what throws must not keep the other legs open, and nobody would end them a second time. */
  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#log.error({ err: error }, 'internal error while ending');
    }
  }

  #createSipLeg(session: InviteSession, media: MediaGroup, opened: () => void): SipLeg {
    const number = this.#sipLegsMade++;
    const endpointId = `${this.callId}/sip${number === 0 ? '' : number}`;
    const leg: SipLeg = new SipLeg({
      endpointId,
      session,
      media,
      clock: this.#context.clock,
      settings: this.#context.sip,
      sessionId: Math.floor(this.startedWallMs),
      handlers: {
        opened,
        ended: (reason, detail) => {
          if (this.#sip === leg || this.#sip === undefined) return this.end(reason, detail);
          // One that was to take over, and failed: the call goes on as it was.
          this.#log.warn({ reason, detail }, 'take-over failed');
          leg.end(reason, detail);
        },
        closed: () => {
          this.#sipLegs.delete(endpointId);
          this.#released(endpointId);
        },
        told: (message, fields) => this.#log.info(fields, message),
        held: (held) => {
          this.#log.info({}, held ? 'on hold by caller' : 'taken back by caller');
          this.#handlers.held?.(this, held);
        },
        digit: (digit) => this.#handlers.digit?.(this, digit),
        referred: (referral) => this.#handlers.referred?.(this, referral) ?? { status: 603 },
        requested: (request) => this.#handlers.requested?.(this, request),
      },
    });
    this.#sipLegs.set(endpointId, leg);
    return leg;
  }

  /** True where this session is its caller's. */
  isOn(session: InviteSession): boolean {
    return this.#session === session;
  }

  /** Another phone takes the caller's place (INVITE with Replaces): it is answered at once, the first one is hung up, the
   *  stream notices nothing. Refused with 481 before the answer and after the end. */
  takeOver(session: InviteSession): InviteSessionHandlers {
    const group = this.#group;
    if (this.#progress.state !== 'answered' || group === undefined) {
      session.end({ status: 481, headers: [reasonHeader('replaced')] });
      return { ended: () => {} };
    }
    try {
      const leg = this.#createSipLeg(session, group, () => this.#swap(leg, session));
      this.#open.add(leg.endpointId);
      leg.open();
      return guardedHandlers(this.#guard, leg.sessionHandlers);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      session.end(refusalOf(error));
      return { ended: () => {} };
    }
  }

  #swap(leg: SipLeg, session: InviteSession): void {
    const before = this.#sip;
    if (this.#progress.state !== 'answered') return leg.end('callerHangup');
    this.#sip = leg;
    this.#session = session;
    leg.answer();
    this.#bridge();
    before?.end('replaced');
    this.#log.info({ sipCallId: session.sipCallId, codec: leg.codec }, 'caller replaced');
  }

  /** For the 200, and for the BYE or the refusal: `X-` headers and User-to-User. Throws `TypeError` for others. */
  addHeaders(message: 'answer' | 'end', headers: readonly SipHeader[]): void {
    this.#headers.add(message, headers);
  }

  /** Hold from our side; false where the phone refused. */
  async hold(on: boolean): Promise<boolean> {
    return this.#progress.state === 'answered' && (await this.#sip?.hold(on)) === true;
  }

  /** Sends the phone to `target` (REFER). Where it gets through, this call ends as TRANSFERRED; else it goes on.
   *  Throws `ProtocolError` for a bad URI. */
  async transfer(target: string, options: ReferOptions = {}): Promise<ReferOutcome> {
    const sip = this.#sip;
    if (this.#progress.state !== 'answered' || sip === undefined)
      return { outcome: 'failed', status: 481, reasonPhrase: 'Call Does Not Exist' };
    this.#log.info({}, 'transfer begun');
    const outcome = await sip.refer(target, options);
    this.#log.info({ ...outcome }, 'transfer settled');
    if (outcome.outcome === 'succeeded') this.#guard(() => this.end('transferred'));
    return outcome;
  }

  async #route(): Promise<void> {
    let decision: RouteDecision;
    try {
      decision = await this.#context.route(this.party);
    } catch (error) {
      this.#log.error({ err: error }, 'routing failed');
      return this.end('internalError');
    }
    this.#guard(() => this.#routed(decision));
  }

  #routed(decision: RouteDecision): void {
    if (this.#progress.state !== 'routing') return;
    if (decision.kind === 'none') return this.end('noRoute');
    if (decision.kind === 'refused') return this.end('endpointRefused', decision.message);
    this.#progress.enter('routed');
    this.#action = decision.action;
    this.#addresses = decision.addresses;
    this.#earlyMedia = decision.earlyMedia ?? false;
    this.#log.info({ endpoint: decision.action.destination.endpoint }, 'call routed');
    this.#open.add(this.endpointIds.sip);
    this.#sip?.open();
  }

  /** Opens the stream at the next endpoint of the action: its destination, then the fallback endpoints. */
  #openStream(): void {
    const { callId, party } = this;
    const action = this.#action;
    const group = this.#group;
    if (this.#progress.state !== 'connecting' || action === undefined || group === undefined) return;
    const endpoints = [action.destination.endpoint, ...action.streamingOptions.fallbackEndpoints];
    const attempt = this.#attempts++;
    const endpointId = `${callId}/stream${attempt === 0 ? '' : attempt}`;
    this.#open.add(endpointId);
    this.#stream = new StreamLeg({
      endpointId,
      endpoint: endpoints[attempt] ?? action.destination.endpoint,
      sampleRateHz: action.streamingOptions.sampleRate,
      media: group,
      handlers: {
        connected: () => this.#streamConnected(),
        answered: () => this.#answered(),
        ended: (reason, detail) => {
          const reachable = reason !== 'unreachable' && reason !== 'connectTimeout';
          if (reachable || this.#attempts >= endpoints.length) return this.end(reason, detail);
          this.#log.warn(
            { endpoint: endpoints[attempt], reason, detail },
            'stream server unreachable, trying the next',
          );
          this.#progress.restart();
          this.#openStream();
        },
        closed: () => this.#released(endpointId),
        told: (message, fields) => this.#log.warn(fields, message),
      },
    });
    this.#stream.open({
      dialect: action.streamingOptions.dialect,
      connect: {
        callId,
        applicationKey: this.#context.applicationKey,
        sampleRateHz: action.streamingOptions.sampleRate,
        callHeaders: action.callHeaders,
        from: party.from,
        to: party.to,
        direction: 'inbound',
        sipHeaders: party.sipHeaders,
      },
      frameMs: action.streamingOptions.frameMs,
      headers: action.authorization === undefined ? {} : { Authorization: action.authorization },
      address: this.#addresses[attempt],
      limits: this.#context.streamLimits,
    });
    // The stream keeps still until it answers; joined now, not a word is lost once it has.
    this.#bridge();
  }

  #streamConnected(): void {
    if (!this.#progress.enter('streamConnected')) return;
    this.#log.info({ connectMs: this.#sinceStart() }, 'stream connected, phone rings');
    this.#sip?.ring(this.#earlyMedia);
  }

  #bridge(): void {
    const { sip, stream } = this.endpointIds;
    if (stream !== undefined) this.#group?.send({ type: 'bridge', a: sip, b: stream });
  }

  #answered(): void {
    if (!this.#progress.enter('streamAnswered')) return;
    this.answeredMs = this.#context.clock.nowMs();
    this.answeredWallMs = this.#context.clock.wallMs();
    this.#sip?.answer(this.#headers.answer);
    this.#log.info(
      {
        setupMs: this.#sinceStart(),
        codec: this.codec,
        sampleRateHz: this.sampleRateHz,
        srtp: this.#sip?.srtpSuite,
      },
      'call answered',
    );
    this.#handlers.answered(this);
  }

  #receiveMedia(event: MediaEvent): void {
    if (event.type === 'report' || event.type === 'load') return;
    const leg = this.#sipLegs.get(event.endpointId);
    if (leg !== undefined) leg.receiveMedia(event);
    else if (event.endpointId === this.endpointIds.stream) this.#stream?.receiveMedia(event);
  }

  #refuseOffer(error: ProtocolError): void {
    const reason = error.status === 400 ? 'badOffer' : 'noCodec';
    this.#progress.enter('end');
    this.#outcome(reason, error.message);
    const { status, headers } = refusalOf(error);
    this.#session.end({ status, headers: [...headers, reasonHeader(reason)] });
    this.#releaseWhenEmpty();
  }

  #outcome(reason: EndReason, detail: string | undefined): void {
    this.endReason = reason;
    this.endedMs = this.#context.clock.nowMs();
    this.#attempt(() => this.#handlers.ending(this));
    const level = endReasons[reason].fault === 'gateway' ? 'error' : 'info';
    this.#log[level]({ reason, detail, fault: endReasons[reason].fault }, 'call ending');
  }

  #released(endpointId: EndpointId): void {
    this.#open.delete(endpointId);
    // A stream that closes ends its call; an RTP endpoint only closes when the call is ending already.
    if (this.#progress.state === 'ending') this.#releaseWhenEmpty();
  }

  #releaseWhenEmpty(): void {
    if (this.#open.size > 0 || !this.#progress.enter('released')) return;
    this.#group?.release();
    const { result, reason } = diceOf(this.endReason ?? 'internalError', this.answeredMs !== undefined);
    this.#log.info(
      {
        durationSeconds: this.durationSeconds,
        result,
        reason,
        ...qualityFields(this.#sip?.counters, this.#stream?.counters),
      },
      'call ended',
    );
    this.#handlers.ended(this);
  }

  /** From the answer to the end, or to now. 0 for calls that were not answered. */
  get durationSeconds(): number {
    if (this.answeredMs === undefined) return 0;
    return Math.round((this.endedMs ?? this.#context.clock.nowMs()) - this.answeredMs) / 1000;
  }

  #expired(deadline: CallDeadline): void {
    if (deadline === 'maxDuration') return this.end('maxDuration');
    if (deadline !== 'release') {
      // The worker's own limits for the stream are shorter: it is late even for those.
      const reason = deadline === 'route' ? 'mediaFailed' : 'overload';
      return this.end(reason, `no word within the ${deadline} limit`);
    }
    this.#log.error({ open: [...this.#open] }, 'media did not close in time');
    this.#open.clear();
    this.#releaseWhenEmpty();
  }

  #sinceStart(): number {
    return Math.round(this.#context.clock.nowMs() - this.startedMs);
  }

  /** A fault of ours ends this call and no other. */
  readonly #guard = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      this.#log.error({ err: error }, 'internal error');
      this.#attempt(() => this.end('internalError'));
      return undefined;
    }
  };
}
