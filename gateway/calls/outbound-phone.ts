import type { CodecName } from '../../codecs/codec.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { SipHeader } from '../../protocol/sip/message.ts';
import { callCodecs } from '../call-codecs.ts';
import type { Endpoint } from '../callbacks/callback-messages.ts';
import type { FoundDestination, Wanted } from '../routing/destinations.ts';
import type { InviteSession, Referral } from '../signaling/session.ts';
import type { Call } from './call.ts';
import type { EndReason } from './end-reason.ts';
import { SipLeg } from './sip-leg.ts';
import type { SipLegHandlers, SipLegSettings } from './sip-leg-options.ts';

export interface OutboundPhoneHandlers {
  /** `media`: its audio is heard already. */
  ringing(media: boolean): void;
  answered(leg: SipLeg): void;
  /** Not called after `end`. */
  ended(reason: EndReason, detail?: string): void;
  held?(held: boolean): void;
  digit?: SipLegHandlers['digit'];
  referred?(leg: SipLeg, referral: Referral): { readonly status: number };
}

export interface OutboundPhoneOptions {
  readonly wanted: Wanted;
  readonly cli: string;
  readonly callHeaders: readonly { readonly key: string; readonly value: string }[];
  /** Offered in this order, in place of those of the configuration. */
  readonly codecs?: readonly CodecName[] | undefined;
  readonly ringLimitMs: number;
  /** Of the INVITE, besides. */
  readonly moreHeaders?: readonly SipHeader[];
  readonly sessionExpiresSeconds?: number | undefined;
  readonly handlers: OutboundPhoneHandlers;
}

type Found = Extract<FoundDestination, { readonly found: true }>;

interface NoCallee {
  readonly found: false;
  readonly reason: EndReason;
  readonly detail: string;
}

/** Finds whom to call, asks whether that is allowed, and what a leg of that needs; or why there is no such call. */
export function findCallee(
  call: Call,
  { wanted, cli, callHeaders }: Pick<OutboundPhoneOptions, 'wanted' | 'cli' | 'callHeaders'>,
): Found | NoCallee {
  const { context, owner, party } = call;
  if (party.maxForwards !== undefined && party.maxForwards <= 1)
    return { found: false, reason: 'tooManyHops', detail: `Max-Forwards is ${party.maxForwards}` };
  let found: FoundDestination;
  try {
    found = context.destinations.find(wanted, { cli, callHeaders });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { found: false, reason: 'invalidAction', detail: error.message };
  }
  if (!found.found || owner.trusted) return found;
  const permit = context.outbound.begin(owner.applicationKey, found.guarded, context.clock.nowMs());
  if (!permit.allowed) {
    context.counted(permit.code);
    return { found: false, reason: 'destinationRefused', detail: permit.message };
  }
  call.releases.push(() => permit.release());
  return found;
}

export function legSettings(
  settings: SipLegSettings,
  names: readonly CodecName[] | undefined,
): SipLegSettings {
  if (names === undefined) return settings;
  const allowed = new Set(settings.codecs);
  const chosen = callCodecs(names).filter((codec) => allowed.has(codec));
  return chosen.length === 0 ? settings : { ...settings, codecs: chosen };
}

/** Places the INVITE of a leg whose port is open. */
export function placeInvite(
  call: Call,
  leg: SipLeg,
  found: Found,
  {
    ringLimitMs,
    sessionExpiresSeconds,
    moreHeaders = [],
  }: Pick<OutboundPhoneOptions, 'ringLimitMs' | 'moreHeaders' | 'sessionExpiresSeconds'>,
): InviteSession {
  return leg.place((offer, handlers) => {
    const headers = [...(found.placement.headers ?? []), ...moreHeaders];
    const { maxForwards } = call.party;
    const placement = {
      ...found.placement,
      headers,
      ringLimitMs,
      sessionExpiresSeconds,
      maxForwards: maxForwards === undefined ? undefined : maxForwards - 1,
    };
    const session = call.context.invite({ ...placement, offer }, call.guarded(handlers));
    call.named(session.sipCallId);
    return session;
  });
}

/** A phone that is called on behalf of a call and placed beside it. */
export class OutboundPhone {
  readonly #call: Call;
  readonly #options: OutboundPhoneOptions;
  #found: Found | undefined;
  #leg: SipLeg | undefined;

  constructor(call: Call, options: OutboundPhoneOptions) {
    this.#call = call;
    this.#options = options;
  }

  get leg(): SipLeg | undefined {
    return this.#leg;
  }

  get to(): Endpoint | undefined {
    return this.#found?.to;
  }

  /** False where there is nobody to call: `ended` has told why. */
  start(): boolean {
    const call = this.#call;
    const { handlers, codecs } = this.#options;
    const found = findCallee(call, this.#options);
    if (!found.found) {
      handlers.ended(found.reason, found.detail);
      return false;
    }
    this.#found = found;
    const endpointId = call.media.name('callee');
    const tell = (message: string, fields: Record<string, unknown>): void =>
      call.log.info({ leg: 'callee', ...fields }, message);
    const leg: SipLeg = new SipLeg({
      endpointId,
      targetHost: found.host,
      settings: legSettings(call.context.sip, codecs),
      clock: call.context.clock,
      sessionId: Math.floor(call.context.clock.wallMs()),
      handlers: {
        opened: () => void placeInvite(call, leg, found, this.#options),
        ringing: (status, media) => {
          tell('called party rings', { status, media });
          handlers.ringing(media);
        },
        answered: () => {
          tell('called party answered', { codec: leg.codec });
          handlers.answered(leg);
        },
        ended: (reason, detail) => handlers.ended(reason, detail),
        closed: (closed) => call.media.closed(closed),
        told: (message, fields) => tell(message.replaceAll('caller', 'called party'), fields),
        held: (held) => {
          tell(held ? 'on hold by called party' : 'taken back by called party', {});
          handlers.held?.(held);
        },
        digit: (digit) => handlers.digit?.(digit),
        referred: (referral) => handlers.referred?.(leg, referral) ?? { status: 603 },
        requested: () => undefined,
      },
    });
    this.#leg = leg;
    call.media.opened(endpointId, (event) => leg.receiveMedia(event));
    leg.open(call.media.group());
    return true;
  }

  end(reason: EndReason): void {
    this.#leg?.end(reason);
  }
}
