import { isIPv6 } from 'node:net';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { headerValue, type SipHeader, type SipMessage } from '../../protocol/sip/message.ts';
import type { SessionTimerSettings } from '../../protocol/sip/session-timer.ts';
import { parseUri, type SipUri } from '../../protocol/sip/uri.ts';
import { type Clock, systemClock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { type Log, silentLog } from '../log.ts';
import { type Network, systemNetwork } from '../network.ts';
import type {
  InviteSession,
  InviteSessionHandlers,
  SessionEnd,
  SipAddress,
  SipProtocol,
  UserAgent,
  UserAgentCounts,
} from '../signaling/session.ts';
import type { SipTls } from '../signaling/sip-tls.ts';
import { createUserAgent } from '../signaling/user-agent.ts';
import { type CallResult, PhoneCall, type TalkOptions } from './phone-call.ts';
import { codecsOf } from './phone-negotiation.ts';
import { PhoneRtp } from './phone-rtp.ts';

export interface PhoneOptions {
  readonly protocol?: SipProtocol;
  /** Whom it believes over TLS, and its certificate: without one it places calls over TLS, and cannot be called. */
  readonly tls?: SipTls;
  /** Literal address to bind for SIP and RTP. Default 0.0.0.0: SDP and Contact then carry the one facing the peer. */
  readonly address?: string;
  /** SIP port. Default 0, the system chooses. */
  readonly port?: number;
  /** RFC 4028. Default: half an hour, refreshed by whom the far side chooses. */
  readonly sessionTimer?: SessionTimerSettings;
  readonly network?: Network;
  readonly clock?: Clock;
  readonly log?: Log;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  readonly localAddressFor?: (peer: string) => Promise<string>;
}

const sessionTimerDefault: SessionTimerSettings = {
  expiresSeconds: 1_800,
  minSeSeconds: 90,
  refresher: 'peer',
};

export interface CallOptions extends TalkOptions {
  /** `sip:user@host:port;transport=tcp`, `sips:user@host`. */
  readonly target: string;
  /** Default `sip:phone@callwire.invalid`. */
  readonly from?: string;
  readonly to?: string;
  readonly headers?: readonly SipHeader[];
  readonly user?: string;
  readonly password?: string;
  /** Gives up so long after the INVITE, if it was not answered. Default 60 s. */
  readonly answerTimeoutMs?: number;
  /** The same, for tests of CANCEL; the earlier of the two counts. */
  readonly cancelAfterMs?: number;
}

/** What the phone does when it is called. */
export interface AnswerOptions extends TalkOptions {
  /** A final response of 300 or more instead of an answer. */
  readonly refuseWith?: number;
  /** 180 at once, the final response so much later. Default 0: no 180. */
  readonly ringMs?: number;
  /** Every call that came in, when it is over. */
  readonly ended?: (result: CallResult) => void;
}

/** A SIP phone for tests and trials: one user agent, any number of calls. */
export interface Phone {
  /** Port 0 where it cannot be called. */
  readonly listening: SipAddress;
  /** Rejects where the options make no sense or no port can be bound. The outcome of the call is in the result. */
  placeCall(options: CallOptions): Promise<PhoneCall>;
  /** From now on calls are answered like this; until then 480. RangeError for a codec that is not in this build. */
  answerCalls(options: AnswerOptions): void;
  counts(): UserAgentCounts;
  /** Ends every call. */
  close(): Promise<void>;
}

export async function createPhone(options: PhoneOptions = {}): Promise<Phone> {
  const phone = new SipPhone(options);
  await phone.listen();
  return phone;
}

/** One call on a phone of its own. Rejects as `createPhone` and `Phone.placeCall` do. */
export async function placeCall(options: CallOptions & PhoneOptions): Promise<PhoneCall> {
  const target = parseUri(options.target);
  const phone = await createPhone({
    ...options,
    protocol: options.protocol ?? protocolOf(target),
    address: options.address ?? (isIPv6(target.host) ? '::' : '0.0.0.0'),
  });
  try {
    const call = await phone.placeCall(options);
    call.ended.then(() => closeQuietly(phone, options.clock ?? systemClock));
    return call;
  } catch (error) {
    await phone.close();
    throw error;
  }
}

function protocolOf({ scheme, parameters }: SipUri): SipProtocol {
  const transport = scheme === 'sips' ? 'tls' : parameters.get('transport')?.toLowerCase();
  return transport === 'tcp' || transport === 'tls' ? transport : 'udp';
}

const quietMsMax = 2_000;
const quietStepMs = 10;

/** Closes it when the last ACK is out. */
async function closeQuietly(phone: Phone, clock: Clock): Promise<void> {
  const deadlineMs = clock.nowMs() + quietMsMax;
  while (phone.counts().sessions > 0 && clock.nowMs() < deadlineMs)
    await new Promise<void>((resolve) => clock.after(quietStepMs, resolve));
  await phone.close();
}

class SipPhone implements Phone {
  readonly #options: PhoneOptions;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #calls = new Map<string, PhoneCall>();
  #answering: AnswerOptions | undefined;
  #userAgent: UserAgent | undefined;

  constructor(options: PhoneOptions) {
    this.#options = options;
    this.#network = options.network ?? systemNetwork;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  async listen(): Promise<void> {
    const { protocol = 'udp', port = 0, log = silentLog, localAddressFor, tls } = this.#options;
    const { sessionTimer = sessionTimerDefault } = this.#options;
    const local: SipAddress = { protocol, address: this.#address, port };
    this.#userAgent = await createUserAgent({
      clock: this.#clock,
      network: this.#network,
      log,
      listen: protocol === 'tls' && tls?.cert === undefined ? [] : [local],
      ...(tls && { tls }),
      externalAddress: undefined,
      userAgentName: 'Callwire phone',
      sessionTimer,
      ...(localAddressFor && { localAddressFor }),
      handlers: {
        invited: (session) => this.#invited(session),
        readiness: () => 200,
        traced: (direction, message) => this.#traced(direction, message),
      },
    });
  }

  get listening(): SipAddress {
    const { protocol = 'udp' } = this.#options;
    return this.#userAgent!.listening[0] ?? { protocol, address: this.#address, port: 0 };
  }

  async placeCall(options: CallOptions): Promise<PhoneCall> {
    const { target, to, headers, user, password, answerTimeoutMs = 60_000, cancelAfterMs } = options;
    const rtp = await this.#openRtp(options);
    let call: PhoneCall;
    let session: InviteSession;
    try {
      call = this.#createCall(options, rtp);
      session = this.#userAgent!.invite(
        {
          target,
          from: options.from ?? 'sip:phone@callwire.invalid',
          offer: (localAddress) => call.writeOffer(localAddress),
          ...(to === undefined ? {} : { to }),
          ...(headers === undefined ? {} : { headers }),
          ...(user === undefined ? {} : { credentials: { username: user, password: password ?? '' } }),
        },
        call.outboundHandlers,
      );
    } catch (error) {
      rtp.close();
      throw error;
    }
    this.#attach(call, session);
    const giveUp = this.#clock.after(Math.min(answerTimeoutMs, cancelAfterMs ?? answerTimeoutMs), () => {
      if (session.state === 'early') call.giveUp();
    });
    call.answered.then(() => giveUp.cancel());
    return call;
  }

  answerCalls(options: AnswerOptions): void {
    codecsOf(options.codecs);
    this.#answering = options;
  }

  counts(): UserAgentCounts {
    return this.#userAgent!.counts();
  }

  async close(): Promise<void> {
    for (const call of this.#calls.values()) call.hangUp();
    await this.#userAgent?.close();
  }

  get #address(): string {
    return this.#options.address ?? '0.0.0.0';
  }

  #openRtp(talk: TalkOptions): Promise<PhoneRtp> {
    return PhoneRtp.open({
      network: this.#network,
      clock: this.#clock,
      address: this.#address,
      recordSeconds: talk.recordSeconds ?? 300,
      trouble: talk.trouble ?? {},
      random: this.#random,
    });
  }

  #createCall(talk: TalkOptions, rtp: PhoneRtp): PhoneCall {
    return new PhoneCall({ clock: this.#clock, rtp, talk, random: this.#random });
  }

  #attach(call: PhoneCall, session: InviteSession): void {
    call.attach(session);
    this.#calls.set(session.sipCallId, call);
    call.ended.then(() => this.#calls.delete(session.sipCallId));
  }

  #traced(direction: 'in' | 'out', message: SipMessage): void {
    this.#calls.get(headerValue(message, 'Call-ID') ?? '')?.noteMessage(direction, message);
  }

  #invited(session: InviteSession): InviteSessionHandlers {
    const answering = this.#answering;
    if (answering === undefined) {
      queueMicrotask(() => session.end({ status: 480 }));
      return { ended: () => {} };
    }
    let call: PhoneCall | undefined;
    let early: SessionEnd | undefined;
    this.#openRtp(answering).then(
      (rtp) => {
        const created = this.#createCall(answering, rtp);
        call = created;
        this.#attach(created, session);
        if (answering.ended !== undefined) created.ended.then(answering.ended);
        if (early === undefined) this.#ring(created, session, answering);
        else created.inboundHandlers.ended(early);
      },
      (error) => session.end({ status: 500, reasonPhrase: errorMessage(error) }),
    );
    return {
      offered: (offer) => call?.inboundHandlers.offered?.(offer) ?? { status: 491 },
      refreshed: (answer) => call?.inboundHandlers.refreshed?.(answer),
      ended: (end) => {
        early = end;
        call?.inboundHandlers.ended(end);
      },
    };
  }

  #ring(call: PhoneCall, session: InviteSession, { ringMs = 0, refuseWith }: AnswerOptions): void {
    if (ringMs > 0) session.progress(180);
    call.after(ringMs, () => {
      if (refuseWith !== undefined) session.end({ status: refuseWith });
      else this.#accept(call, session);
    });
  }

  #accept(call: PhoneCall, session: InviteSession): void {
    if (session.offer === undefined) {
      session.end({ status: 488 });
      return;
    }
    let sdp: string;
    try {
      sdp = call.writeAnswer(session.offer, session.local.address);
    } catch (error) {
      session.end({ status: error instanceof ProtocolError ? (error.status ?? 488) : 500 });
      return;
    }
    session.accept({ sdp });
    call.talk();
  }
}
