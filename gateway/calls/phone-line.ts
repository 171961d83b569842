import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import type { Timer } from '../clock.ts';
import type { MediaGroup } from '../media/media-pool.ts';
import type { InviteSession, InviteSessionHandlers } from '../signaling/session.ts';
import type { Call } from './call.ts';
import { type EndReason, reasonHeader } from './end-reason.ts';
import { refusalOf } from './session-ends.ts';
import { SipLeg } from './sip-leg.ts';
import type { SipLegSettings } from './sip-leg-options.ts';

/** Longer than any worker takes to bind a port: only one that hangs or died unnoticed runs into it. */
const openLimitMs = 7_000;

export interface LineHandlers {
  /** Its RTP port is bound. */
  opened(): void;
  /** Where we called it: it answered. */
  answered?(): void;
}

/** The phone whose call it is, and every phone that took its place or is about to. */
export class PhoneLine {
  readonly #call: Call;
  #phone: SipLeg | undefined;
  /** Every one that is still open. */
  readonly #legs = new Set<SipLeg>();
  #opening: Timer | undefined;
  #hearsEarly = false;

  constructor(call: Call) {
    this.#call = call;
  }

  get phone(): SipLeg | undefined {
    return this.#phone;
  }

  /** A phone that called us, or with `targetHost` one that we are to call. Nothing is opened yet. Throws
   *  `ProtocolError` where its offer cannot be served. */
  create(
    options: Pick<ConstructorParameters<typeof SipLeg>[0], 'session' | 'targetHost'> & {
      readonly settings?: SipLegSettings;
    },
    handlers: LineHandlers,
  ): SipLeg {
    this.#phone = this.#create(options, handlers);
    return this.#phone;
  }

  /** Binds its RTP port, beside another call's where that is given; what `create` was given for it follows. */
  open(beside?: MediaGroup): void {
    const phone = this.#phone;
    const call = this.#call;
    if (phone === undefined) return;
    this.#open(phone, call.media.group(beside));
    this.#opening = call.context.clock.after(openLimitMs, () =>
      call.guard(() => call.end('overload', 'no word of the RTP port in time')),
    );
  }

  /** A phone that was called for it takes the place of this one, which is told why and hung up. */
  adopt(leg: SipLeg, reason: EndReason): void {
    const before = this.#phone;
    this.#phone = leg;
    this.#legs.add(leg);
    this.#call.course.replaced(before);
    before?.end(reason);
  }

  /** The call goes on on the worker of `beside`; false where it cannot. */
  async moveTo(beside: MediaGroup): Promise<boolean> {
    const { media, recordings, log } = this.#call;
    const phone = this.#phone;
    if (phone === undefined) return false;
    if (recordings.active) {
      recordings.stop();
      log.warn({}, 'recording ended: the call moves to another media worker');
    }
    const group = media.openBeside(beside);
    const endpointId = media.name('sip');
    media.opened(endpointId, (event) => phone.receiveMedia(event), group);
    const moved = await phone.moveTo(endpointId, group);
    if (moved) media.use(group);
    log.info({ worker: media.worker, moved }, 'moved to another media worker');
    return moved;
  }

  ring(early: boolean): void {
    if (this.#hearsEarly) return;
    this.#hearsEarly = early;
    this.#phone?.ring(early);
  }

  end(reason: EndReason, detail: string | undefined, headers: readonly SipHeader[]): void {
    this.#opening?.cancel();
    for (const leg of this.#legs) this.#call.attempt(() => leg.end(reason, detail, headers));
  }

  takeOver(session: InviteSession): InviteSessionHandlers {
    const call = this.#call;
    if (!call.answered || this.#phone === undefined) {
      session.end({ status: 481, headers: [reasonHeader('replaced')] });
      return { ended: () => {} };
    }
    try {
      const leg: SipLeg = this.#create({ session }, { opened: () => this.#swap(leg) });
      call.named(session.sipCallId);
      this.#open(leg, call.media.group());
      return call.guarded(leg.sessionHandlers);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      session.end(refusalOf(error));
      return { ended: () => {} };
    }
  }

  #swap(leg: SipLeg): void {
    const before = this.#phone;
    if (!this.#call.answered) return leg.end('callerHangup');
    this.#phone = leg;
    leg.answer();
    this.#call.course.replaced(before);
    before?.end('replaced');
    this.#call.log.info({ sipCallId: leg.sipCallId, codec: leg.codec }, 'caller replaced');
  }

  #open(leg: SipLeg, media: MediaGroup): void {
    this.#call.media.opened(leg.endpointId, (event) => leg.receiveMedia(event));
    leg.open(media);
  }

  #create(
    options: Pick<ConstructorParameters<typeof SipLeg>[0], 'session' | 'targetHost'> & {
      readonly settings?: SipLegSettings;
    },
    { opened, answered }: LineHandlers,
  ): SipLeg {
    const call = this.#call;
    const { owners, log } = call;
    const leg: SipLeg = new SipLeg({
      settings: call.context.sip,
      ...options,
      endpointId: call.media.name('sip'),
      clock: call.context.clock,
      sessionId: Math.floor(call.startedWallMs),
      handlers: {
        opened: () => {
          this.#opening?.cancel();
          opened();
        },
        ringing: (status, media) => {
          log.info({ status, media }, 'phone rings');
          call.rings();
        },
        answered: () => answered?.(),
        ended: (reason, detail) => {
          // It has asked for somebody else in its place, and waits no longer for how that goes.
          if (this.#phone === leg && call.transfers.waitsFor(leg)) return leg.end(reason, detail);
          if (this.#phone === leg || this.#phone === undefined) return call.end(reason, detail);
          // One that was to take over, and failed: the call goes on as it was.
          log.warn({ reason, detail }, 'take-over failed');
          leg.end(reason, detail);
        },
        closed: (endpointId) => {
          if (endpointId === leg.endpointId) this.#legs.delete(leg);
          call.media.closed(endpointId);
        },
        told: (message, fields) => log.info(fields, message),
        held: (held) => {
          log.info({}, held ? 'on hold by caller' : 'taken back by caller');
          owners.held?.(call, held);
          call.course.held(held);
        },
        digit: (digit) => {
          owners.digit?.(call, digit);
          call.course.digit(digit);
        },
        referred: (referral) =>
          owners.referred?.(call, referral) ?? call.transfers.follow(leg, referral, 'caller'),
        requested: (request) => owners.requested?.(call, request),
      },
    });
    this.#legs.add(leg);
    return leg;
  }
}
