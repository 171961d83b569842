import { randomBytes } from 'node:crypto';
import type { Credentials } from '../../protocol/sip/digest.ts';
import { DigestServer, type ServedAlgorithm } from '../../protocol/sip/digest-server.ts';
import { headerValue, type SipHeader, type SipRequest } from '../../protocol/sip/message.ts';
import type { Clock, Timer } from '../clock.ts';
import { AddressRanges, isLoopback, sourceKey } from './address-ranges.ts';
import { type Attempt, GuessBrake } from './guess-brake.ts';
import type { SipAddress } from './session.ts';
import { RateLimit } from './source-limits.ts';

/** Who may use the user agent. Nothing set: everybody. */
export interface AccessOptions {
  readonly auth?:
    | {
        readonly realm: string;
        readonly users: readonly Credentials[];
        /** Also sources of `allow` need digest. */
        readonly required: boolean;
        /** Asked for in this order. */
        readonly algorithms?: readonly ServedAlgorithm[] | undefined;
      }
    | undefined;
  /** Addresses and ranges that may call without digest. Without `auth` nobody else hears anything from us. */
  readonly allow?: readonly string[] | undefined;
  readonly limits?:
    | {
        /** Requests outside dialogs, of one source; 0: no limit. */
        readonly requestsPerSecond: number;
        readonly burst: number;
      }
    | undefined;
}

export interface AdmissionOptions {
  readonly access: AccessOptions;
  readonly clock: Clock;
  readonly log: { warn(fields: object, sentence: string): void };
  counted(code: string): void;
}

export interface Admitted {
  /** Undefined where no digest was asked for. */
  readonly username: string | undefined;
}

const sourcesMax = 10_000;

/** Decides whose requests are looked at, before they cost anything to remember. What belongs to a transaction or a dialog
 *  never comes here: its branch or tags prove that the sender was let in before. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #allow: AddressRanges | undefined;
  readonly #digest: DigestServer | undefined;
  readonly #rate: RateLimit;
  readonly #brake = new GuessBrake();
  readonly #timers = new Set<Timer>();

  constructor(options: AdmissionOptions) {
    const { auth, allow, limits } = options.access;
    this.#options = options;
    this.#allow = allow === undefined ? undefined : new AddressRanges(allow);
    this.#digest =
      auth === undefined
        ? undefined
        : new DigestServer({
            realm: auth.realm,
            users: auth.users,
            algorithms: auth.algorithms,
            secret: randomBytes(32),
            createRandom: (sizeBytes) => randomBytes(sizeBytes),
          });
    this.#rate = new RateLimit({
      perSecond: limits?.requestsPerSecond ?? 0,
      burst: limits?.burst ?? 0,
      sourcesMax,
    });
  }

  /** What is held of others: never more than its limits. */
  get size(): { readonly sources: number; readonly held: number } {
    return { sources: this.#rate.sources, held: this.#brake.held };
  }

  /** False where a connection is closed as soon as it is made. */
  acceptsConnection(address: string): boolean {
    if (this.#digest !== undefined || this.#isAllowed(address) !== false) return true;
    this.#options.counted('source-not-allowed');
    return false;
  }

  /** A request that wants an answer without being let in: OPTIONS, something malformed, a dialog that nobody knows.
   *  False: say nothing. */
  hears({ address }: SipAddress): boolean {
    if (this.#isAllowed(address) === false) {
      this.#options.counted('source-not-allowed');
      return false;
    }
    return this.#withinRate(address);
  }

  /** A request that begins something. Undefined where it does not: then it was ignored, or `challenge` is called with the
   *  headers of a 401, now or, for one who has guessed too often, later. */
  judge(
    request: SipRequest,
    source: SipAddress,
    challenge: (headers: readonly SipHeader[]) => void,
  ): Admitted | undefined {
    const { address } = source;
    const digest = this.#digest;
    if (digest === undefined) return this.hears(source) ? { username: undefined } : undefined;
    const trusted = this.#isAllowed(address) === true && this.#options.access.auth?.required !== true;
    // Whose calls a phone may have is a question of who it is, not of where it stands.
    if (trusted && request.method !== 'REGISTER') return { username: undefined };
    if (!this.#withinRate(address)) return undefined;
    return this.#authenticate(request, address, digest, challenge);
  }

  /** Answers to it may not be larger than what it sent: the address could be somebody else's. */
  isStranger({ protocol, address }: SipAddress): boolean {
    if (protocol !== 'udp' || this.#isAllowed(address) === true) return false;
    const { auth, allow } = this.#options.access;
    return auth !== undefined || allow !== undefined || !isLoopback(address);
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #authenticate(
    request: SipRequest,
    address: string,
    digest: DigestServer,
    challenge: (headers: readonly SipHeader[]) => void,
  ): Admitted | undefined {
    const { clock, counted } = this.#options;
    const attempt = (username: string): Attempt => ({
      source: sourceKey(address),
      username,
      identity: ['Authorization', 'Call-ID', 'CSeq'].map((name) => headerValue(request, name)).join(' '),
    });
    const presented = digest.presented(request);
    if (presented !== undefined && this.#brake.isHeld(attempt(presented))) {
      counted('auth-held');
      return undefined;
    }
    const nowMs = clock.nowMs();
    const verdict = digest.check(request, nowMs);
    switch (verdict.verdict) {
      case 'accepted':
        this.#brake.right(attempt(verdict.username));
        return { username: verdict.username };
      case 'refused':
        counted('auth-refused');
        this.#slowDown(attempt(verdict.username), digest, challenge);
        return undefined;
      case 'stale':
        counted('auth-stale');
        challenge(digest.challenges(nowMs, { stale: true }));
        return undefined;
      case 'absent':
        counted('auth-challenged');
        challenge(digest.challenges(nowMs));
        return undefined;
    }
  }

  #slowDown(
    attempt: Attempt,
    digest: DigestServer,
    challenge: (headers: readonly SipHeader[]) => void,
  ): void {
    const { clock, counted, log } = this.#options;
    const braking = this.#brake.wrong(attempt, clock.nowMs());
    if (braking === undefined) return counted('auth-held');
    const answer = (): void => {
      braking.release();
      challenge(digest.challenges(clock.nowMs()));
    };
    if (braking.delayMs === 0) return answer();
    counted('auth-slowed');
    // The name stays out of the log: people type passwords into the wrong field.
    if (braking.first)
      log.warn({ source: attempt.source }, 'repeated wrong SIP passwords, answers are slowed down');
    const timer = clock.after(braking.delayMs, () => {
      this.#timers.delete(timer);
      answer();
    });
    this.#timers.add(timer);
  }

  /** Undefined where nobody is listed. */
  #isAllowed(address: string): boolean | undefined {
    return this.#allow?.includes(address);
  }

  /** The listed ones are known, and on loopback it is ourselves. */
  #withinRate(address: string): boolean {
    if (isLoopback(address) || this.#isAllowed(address) === true) return true;
    if (this.#rate.take(sourceKey(address), this.#options.clock.nowMs())) return true;
    this.#options.counted('rate-limited');
    return false;
  }
}
