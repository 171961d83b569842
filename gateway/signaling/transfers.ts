import { ProtocolError } from '../../protocol/protocol-error.ts';
import { cseqNumber } from '../../protocol/sip/dialog.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../protocol/sip/message.ts';
import { headerValue } from '../../protocol/sip/message.ts';
import { reasonPhraseOf } from '../../protocol/sip/reason-phrases.ts';
import {
  declinesSubscription,
  parseReferNotice,
  parseReferTo,
  type ReferProgress,
  referNotice,
  serializeReferTo,
} from '../../protocol/sip/refer.ts';
import type { Clock, Timer } from '../clock.ts';
import type { InviteSessionHandlers, ReferOptions, ReferOutcome, Referral } from './session.ts';

export interface TransfersOptions {
  readonly clock: Clock;
  /** A request inside the dialog. */
  request(
    method: string,
    options: { readonly headers: readonly SipHeader[]; readonly body?: Uint8Array },
  ): Promise<SipResponse>;
}

interface Reply {
  readonly status: number;
  readonly headers?: readonly SipHeader[];
}

interface SentRefer {
  readonly progressed: ((progress: ReferProgress) => void) | undefined;
  readonly resolve: (outcome: ReferOutcome) => void;
  /** Its CSeq, known from the response. */
  id: number | undefined;
  last: ReferProgress | undefined;
  limit: Timer | undefined;
}

/** How long the outcome of a transfer may take, ours and theirs: a phone that rings and is not answered included. */
const limitMsDefault = 180_000;
const expiresSeconds = 180;
/** Transfers of the far side that are under way at a time. */
const referralsMax = 8;

/** REFER on one dialog, both ways: ours and the NOTIFYs that tell what became of it, theirs and the NOTIFYs that we owe.
 *  One of ours at a time. RFC 3515, RFC 4488. */
export class Transfers {
  readonly #options: TransfersOptions;
  #sent: SentRefer | undefined;
  readonly #notifiers = new Set<ReferNotifier>();
  #refersReceived = 0;

  constructor(options: TransfersOptions) {
    this.#options = options;
  }

  /** Throws `ProtocolError` for a bad URI. */
  refer(target: string, options: ReferOptions): Promise<ReferOutcome> {
    const headers: SipHeader[] = [
      { name: 'Refer-To', value: serializeReferTo(target, options.replaces) },
      ...(options.referredBy === undefined ? [] : [{ name: 'Referred-By', value: options.referredBy }]),
      ...(options.headers ?? []),
    ];
    if (this.#sent !== undefined)
      return Promise.resolve({ outcome: 'failed', status: 491, reasonPhrase: reasonPhraseOf(491) });
    return new Promise((resolve) => {
      const { progressed, limitMs = limitMsDefault } = options;
      const sent: SentRefer = { progressed, resolve, id: undefined, last: undefined, limit: undefined };
      this.#sent = sent;
      this.#options
        .request('REFER', { headers })
        .then((response) => this.#answered(sent, response, limitMs, options.accepted));
    });
  }

  #answered(sent: SentRefer, response: SipResponse, limitMs: number, accepted?: () => void): void {
    const { status, reasonPhrase } = response;
    if (status < 300) accepted?.();
    if (this.#sent !== sent) return;
    if (status >= 300) return this.#settle({ outcome: 'failed', status, reasonPhrase });
    if (declinesSubscription(response)) return this.#settle({ outcome: 'unknown', why: 'notFollowed' });
    sent.id = cseqNumber(response);
    sent.limit = this.#options.clock.after(limitMs, () =>
      this.#settle({ outcome: 'unknown', why: 'silence' }),
    );
  }

  /** A NOTIFY came: the reply, undefined where it is about something else. */
  receiveNotify(notify: SipRequest): Reply | undefined {
    const notice = parseReferNotice(notify);
    if (notice === undefined) return undefined;
    const sent = this.#sent;
    const ours =
      sent !== undefined && (notice.id === undefined || sent.id === undefined || notice.id === sent.id);
    if (!ours) return { status: 481 };
    const { progress, terminated } = notice;
    if (progress !== undefined) {
      sent.last = progress;
      if (progress.status >= 200)
        this.#settle({ outcome: progress.status < 300 ? 'succeeded' : 'failed', ...progress });
      else sent.progressed?.(progress);
    }
    if (terminated && this.#sent === sent) this.#settle({ outcome: 'unknown', why: 'silence' });
    return { status: 200 };
  }

  #settle(outcome: ReferOutcome): void {
    const sent = this.#sent;
    if (sent === undefined) return;
    this.#sent = undefined;
    sent.limit?.cancel();
    sent.resolve(outcome);
  }

  /** A REFER came: the reply, and `begin` for when that has been sent. */
  receiveRefer(
    refer: SipRequest,
    referred: NonNullable<InviteSessionHandlers['referred']>,
  ): { readonly reply: Reply; begin(): void } {
    if (this.#notifiers.size >= referralsMax) return { reply: { status: 486 }, begin() {} };
    const first = this.#refersReceived++ === 0;
    const silent = declinesSubscription(refer);
    const notifier = new ReferNotifier(this.#options, first ? undefined : cseqNumber(refer), () =>
      this.#notifiers.delete(notifier),
    );
    let target: ReturnType<typeof parseReferTo>;
    try {
      target = parseReferTo(refer);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { reply: { status: 400 }, begin() {} };
    }
    const referral: Referral = {
      target: target.uri,
      replaces: target.replaces,
      referredBy: headerValue(refer, 'Referred-By'),
      request: refer,
      report: (status, reasonPhrase = reasonPhraseOf(status)) => notifier.report({ status, reasonPhrase }),
    };
    const { status, headers = [] } = referred(referral);
    if (status >= 300) return { reply: { status, headers }, begin() {} };
    if (silent) {
      return {
        reply: { status: 202, headers: [...headers, { name: 'Refer-Sub', value: 'false' }] },
        begin() {},
      };
    }
    this.#notifiers.add(notifier);
    return { reply: { status: 202, headers }, begin: () => notifier.begin() };
  }

  /** The session is over: nothing more will be heard, and nothing told. */
  end(): void {
    this.#settle({ outcome: 'unknown', why: 'hungUp' });
    for (const notifier of this.#notifiers) notifier.end();
    this.#notifiers.clear();
  }
}

/** The NOTIFYs of one REFER that we took: one at a time, so that a repeated one never overtakes the next; what is
 *  outdated meanwhile is left out. */
class ReferNotifier {
  readonly #options: TransfersOptions;
  readonly #id: number | undefined;
  readonly #done: () => void;
  #next: ReferProgress | undefined = { status: 100, reasonPhrase: 'Trying' };
  #state: 'waiting' | 'idle' | 'busy' | 'over' = 'waiting';
  #limit: Timer | undefined;
  #expiresMs = 0;

  constructor(options: TransfersOptions, id: number | undefined, done: () => void) {
    this.#options = options;
    this.#id = id;
    this.#done = done;
  }

  begin(): void {
    if (this.#state !== 'waiting') return;
    const { clock } = this.#options;
    this.#expiresMs = clock.nowMs() + expiresSeconds * 1000;
    this.#limit = clock.after(expiresSeconds * 1000, () =>
      this.report({ status: 408, reasonPhrase: reasonPhraseOf(408) }),
    );
    this.#state = 'idle';
    this.#send();
  }

  /** A final one is the last. */
  report(progress: ReferProgress): void {
    if (this.#state === 'over' || (this.#next?.status ?? 0) >= 200) return;
    this.#next = progress;
    this.#send();
  }

  end(): void {
    this.#state = 'over';
    this.#limit?.cancel();
    this.#done();
  }

  #send(): void {
    const progress = this.#next;
    if (this.#state !== 'idle' || progress === undefined) return;
    this.#next = undefined;
    this.#state = 'busy';
    const leftSeconds = (this.#expiresMs - this.#options.clock.nowMs()) / 1000;
    const parts = referNotice(progress, { id: this.#id, expiresSeconds: leftSeconds });
    this.#options.request('NOTIFY', parts).then(({ status }) => {
      if (this.#state === 'over') return;
      // Who answers with an error, or not at all, does not want to know.
      if (progress.status >= 200 || status >= 300) return this.end();
      this.#state = 'idle';
      this.#send();
    });
  }
}
