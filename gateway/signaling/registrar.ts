import { type Binding, type BindingLimits, Bindings } from '../../protocol/sip/bindings.ts';
import { headerValue, type SipRequest } from '../../protocol/sip/message.ts';
import { parseNameAddr } from '../../protocol/sip/name-addr.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import type { Clock } from '../clock.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import type { OutsideReply, RequestSource } from './session.ts';
import { flowText, type SipFlow } from './sip-flow.ts';

export interface RegistrarOptions {
  readonly clock: Clock;
  readonly log: { info(fields: object, sentence: string): void };
  readonly limits?: Partial<BindingLimits>;
  counted(code: string): void;
  /** After every change: how many bindings there are. */
  changed(count: number): void;
}

/** A way to a phone, for `UserAgent.invite`. */
export interface RegisteredContact {
  /** Contact URI: the target. */
  readonly uri: string;
  /** The way that its REGISTER came, through the phone's NAT; undefined once that connection is closed. */
  readonly flow: SipFlow | undefined;
}

/** One binding, as people see it. */
export interface RegistrationView {
  readonly user: string;
  readonly contact: string;
  /** `udp:192.0.2.1:5060` */
  readonly source: string;
  readonly userAgent: string | undefined;
  readonly expiresSeconds: number;
}

interface Way {
  readonly flow: SipFlow;
  readonly userAgent: string | undefined;
}

const userAgentLengthMax = 128;

/** Phones that register with us, and the ways to them. RFC 3261 §10.3. */
export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #bindings: Bindings<Way>;
  readonly #timer: DeadlineTimer;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#bindings = new Bindings(options.limits);
    this.#timer = new DeadlineTimer(options.clock, () => this.#expire());
  }

  /** Answers a REGISTER of somebody who has proved to be `source.username`. */
  receive(request: SipRequest, source: RequestSource): OutsideReply {
    const { clock, counted, log } = this.#options;
    const { username, flow } = source;
    // Of an address that needs no digest nobody knows who it is.
    if (username === undefined || userOf(headerValue(request, 'To') ?? '') !== username) {
      counted('register-foreign');
      return { status: 403 };
    }
    const nowMs = clock.nowMs();
    const known = this.#bindings.lookup(username, nowMs).length > 0;
    const userAgent = headerValue(request, 'User-Agent')?.slice(0, userAgentLengthMax);
    const reply = this.#bindings.register(username, request, { flow, userAgent }, nowMs);
    if (reply.status !== 200) counted(`register-${reply.status}`);
    const bound = this.#bindings.lookup(username, nowMs).length > 0;
    if (bound !== known) {
      const fields = { user: username, source: flowText(flow.remote), userAgent };
      log.info(fields, bound ? 'phone registered' : 'phone unregistered');
    }
    this.#note();
    return reply;
  }

  /** Ways to a user, the preferred first; none where nobody is registered. */
  lookup(user: string): readonly RegisteredContact[] {
    return this.#bindings
      .lookup(user, this.#options.clock.nowMs())
      .map(({ uri, way: { flow } }) => ({ uri, flow: flow.open ? flow : undefined }));
  }

  list(): RegistrationView[] {
    const nowMs = this.#options.clock.nowMs();
    this.#bindings.expire(nowMs);
    return this.#bindings
      .users()
      .flatMap((user) => this.#bindings.lookup(user, nowMs).map((binding) => viewOf(user, binding, nowMs)));
  }

  close(): void {
    this.#timer.cancel();
  }

  #expire(): void {
    for (const user of this.#bindings.expire(this.#options.clock.nowMs())) {
      this.#options.log.info({ user }, 'registration expired');
    }
    this.#note();
  }

  #note(): void {
    this.#timer.arm(this.#bindings.deadlineMs);
    this.#options.changed(this.#bindings.size);
  }
}

function viewOf(user: string, { uri, way, expiresMs }: Binding<Way>, nowMs: number): RegistrationView {
  return {
    user,
    contact: uri,
    source: flowText(way.flow.remote),
    userAgent: way.userAgent,
    expiresSeconds: Math.max(0, Math.round((expiresMs - nowMs) / 1_000)),
  };
}

/** The request check has read this To already. */
function userOf(to: string): string | undefined {
  const { uri } = parseNameAddr(to);
  return /^sips?:/i.test(uri) ? parseUri(uri).user : undefined;
}
