import { serializeReplaces } from '../../protocol/sip/refer.ts';
import type { Referral } from '../signaling/session.ts';
import type { Call } from './call.ts';
import { type EndReason, endReasons } from './end-reason.ts';
import type { Leg } from './leg.ts';
import { OutboundPhone } from './outbound-phone.ts';
import { playPrompts } from './player.ts';
import type { SipLeg } from './sip-leg.ts';

const ringLimitMs = 60_000;

/** REFER of a phone, followed by the gateway itself: it calls whom the phone names and puts that one into the phone's
 *  place; the other side notices nothing but ringing. One at a time a call. */
export class FollowedTransfers {
  readonly #call: Call;
  #pending:
    | { readonly from: SipLeg; readonly phone: OutboundPhone; readonly tone: AbortController }
    | undefined;
  /** Phones that took a place here. */
  readonly #adopted: OutboundPhone[] = [];

  constructor(call: Call) {
    this.#call = call;
  }

  /** That leg may hang up already: somebody else is being called for its place. */
  waitsFor(leg: SipLeg): boolean {
    return this.#pending?.from === leg;
  }

  /** `side`: which end of the call the phone is. */
  follow(from: SipLeg, referral: Referral, side: 'caller' | 'callee'): { readonly status: number } {
    const call = this.#call;
    if (!call.owner.followsTransfers || !call.answered) return { status: 603 };
    if (this.#pending !== undefined) return { status: 491 };
    const { target, replaces } = referral;
    const tone = new AbortController();
    let settled = false;
    const phone: OutboundPhone = new OutboundPhone(call, {
      wanted: { kind: 'sip', uri: target, asWritten: replaces !== undefined },
      cli: call.party.from,
      callHeaders: [],
      ringLimitMs,
      moreHeaders: replaces === undefined ? [] : [{ name: 'Replaces', value: serializeReplaces(replaces) }],
      handlers: {
        ringing: () => referral.report(180),
        answered: (leg) => {
          settled = true;
          this.#end();
          this.#adopted.push(phone);
          referral.report(200);
          call.log.info({ side, codec: leg.codec }, 'transfer followed');
          if (side === 'caller') call.line.adopt(leg, 'transferred');
          else if (!call.course.adoptPartner(phone)) leg.end('transferred');
        },
        ended: (reason, detail) => {
          if (settled) return call.end(reason, detail);
          settled = true;
          this.#failed(from, referral, reason, detail);
        },
        held: (held) => call.course.held(held),
        digit: (digit) => call.course.digit(digit),
      },
    });
    this.#pending = { from, phone, tone };
    call.log.info({ side, target }, 'following a transfer');
    // After the REFER is accepted: what is told of it comes in NOTIFYs.
    call.background(this.#begin(phone, tone, side === 'caller' ? call.course.partner : call.leg));
    return { status: 202 };
  }

  /** The call is over. */
  stop(reason: EndReason): void {
    this.#pending?.phone.end(reason);
    this.#end();
    for (const phone of this.#adopted) phone.end(reason);
  }

  async #begin(phone: OutboundPhone, { signal }: AbortController, to: Leg | undefined): Promise<void> {
    await Promise.resolve();
    if (signal.aborted || !phone.start() || to === undefined) return;
    await playPrompts(this.#call, [{ kind: 'tone', name: 'ringback' }], { signal, loops: true, to });
  }

  #failed(from: SipLeg, referral: Referral, reason: EndReason, detail: string | undefined): void {
    const call = this.#call;
    const gone = from.over;
    this.#end();
    referral.report(endReasons[reason].sipStatus);
    call.log.warn({ reason, detail }, 'transfer failed');
    if (gone) call.end(reason, detail);
    else call.course.replaced(undefined);
  }

  #end(): void {
    this.#pending?.tone.abort();
    this.#pending = undefined;
  }
}
