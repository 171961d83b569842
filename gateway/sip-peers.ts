import type { SipRequest } from '../protocol/sip/message.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { AccessOptions } from './signaling/admission.ts';
import { type RegisteredContact, Registrar, type RegistrationView } from './signaling/registrar.ts';
import type { OutsideReply, RequestSource, UserAgent } from './signaling/session.ts';
import { Trunks, type TrunkView } from './signaling/trunks.ts';

export interface SipPeersOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Whom this gateway knows over SIP: the phones that register with it, the trunks that it registers with, and who else
 *  may call. */
export class SipPeers {
  readonly #options: SipPeersOptions;
  readonly #registrar: Registrar | undefined;
  #trunks: Trunks | undefined;

  constructor(options: SipPeersOptions) {
    this.#options = options;
    const { config, clock, log, metrics } = options;
    // Without users nobody could prove to be the one whose calls the phone asks for.
    if (config.sip.auth === undefined) return;
    this.#registrar = new Registrar({
      clock,
      log,
      counted: (code) => metrics.counted(code),
      changed: (count) => metrics.phonesRegistered(count),
    });
  }

  get access(): AccessOptions {
    const { auth, allow, limits } = this.#options.config.sip;
    return { auth, allow, limits };
  }

  get methodsServed(): readonly string[] {
    return this.#registrar === undefined ? [] : ['REGISTER'];
  }

  /** A request of the `methodsServed`. */
  receive(request: SipRequest, source: RequestSource): OutsideReply {
    return this.#registrar?.receive(request, source) ?? { status: 405 };
  }

  /** Registers where the configuration asks for it. */
  start(userAgent: UserAgent): void {
    const { config, clock, log, metrics } = this.#options;
    this.#trunks = new Trunks(config.trunks, {
      userAgent,
      clock,
      log,
      changed: (trunk, registered) => metrics.trunkRegistered(trunk, registered),
    });
    this.#trunks.start();
  }

  /** Ways to a phone that registered, the preferred first. */
  lookup(user: string): readonly RegisteredContact[] {
    return this.#registrar?.lookup(user) ?? [];
  }

  registrations(): RegistrationView[] {
    return this.#registrar?.list() ?? [];
  }

  trunks(): TrunkView[] {
    return this.#trunks?.list() ?? [];
  }

  /** Before the user agent is closed: registrars are told. */
  async close(): Promise<void> {
    this.#registrar?.close();
    await this.#trunks?.close();
  }
}
