import { isIP } from 'node:net';
import { parseUri } from '../../protocol/sip/uri.ts';
import type { Config } from '../config.ts';
import { AddressRanges, isLoopback } from '../signaling/address-ranges.ts';
import { globMatches } from './glob.ts';
import { type OutboundPattern, parseOutboundPattern } from './outbound-pattern.ts';

/** Where a call that an application asks for would go. */
export type OutboundDestination =
  /** Through a trunk. */
  | { readonly kind: 'number'; readonly number: string }
  /** `user` unescaped, `host` without brackets. */
  | {
      readonly kind: 'sip';
      readonly user?: string | undefined;
      readonly host: string;
      readonly port?: number | undefined;
    }
  /** A phone that is registered here. */
  | { readonly kind: 'user' };

export type OutboundPermit =
  /** `release` when the call is over; further times do nothing. */
  | { readonly allowed: true; release(): void }
  /** `code` is a metric label; the message names the destination or the setting. */
  | { readonly allowed: false; readonly code: OutboundRefusal; readonly message: string };

export type OutboundRefusal = 'outbound-not-allowed' | 'outbound-too-many' | 'outbound-too-fast';

type Limits = Config['applications'][number]['outbound'];

/** Keeps an application, or whoever got hold of its secret, from calling where the operator did not mean it to, and
 *  from calling too often. What the operator's own routes call is not asked about here. */
export class OutboundGuard {
  readonly #applications = new Map<string, Application>();
  readonly #peers: AddressRanges;
  readonly #trunkHosts: ReadonlySet<string>;
  readonly #counted: (code: OutboundRefusal) => void;

  constructor(
    { applications, trunks, sip }: Pick<Config, 'applications' | 'trunks' | 'sip'>,
    counted: (code: OutboundRefusal) => void = () => {},
  ) {
    this.#counted = counted;
    for (const { key, outbound } of applications) this.#applications.set(key, new Application(key, outbound));
    this.#peers = new AddressRanges(sip.allow ?? []);
    this.#trunkHosts = new Set(trunks.map(({ uri }) => parseUri(uri).host));
  }

  /** Asked once for each call that goes out, before its INVITE. Without configured applications, whoever may use the
   *  API is on this machine and may call anywhere. */
  begin(applicationKey: string, destination: OutboundDestination, nowMs: number): OutboundPermit {
    const permit = this.#begin(applicationKey, destination, nowMs);
    if (!permit.allowed) this.#counted(permit.code);
    return permit;
  }

  #begin(applicationKey: string, destination: OutboundDestination, nowMs: number): OutboundPermit {
    const application = this.#applications.get(applicationKey);
    if (application === undefined) {
      if (this.#applications.size === 0) return { allowed: true, release: () => {} };
      return refusal('outbound-not-allowed', `there is no application ${JSON.stringify(applicationKey)}`);
    }
    if (
      !application.allows(destination) &&
      !(this.#isPeer(destination) && application.allowsUser(destination, this.#isTrunk(destination)))
    ) {
      return refusal(
        'outbound-not-allowed',
        `${shown(destination)} is not in outbound.allow of application ${application.key}`,
      );
    }
    return application.begin(nowMs);
  }

  /** Hosts that the operator has named himself: they are meant to be called. */
  #isPeer(destination: OutboundDestination): boolean {
    if (destination.kind !== 'sip') return false;
    const host = destination.host.toLowerCase();
    if (this.#trunkHosts.has(host) || host === 'localhost') return true;
    return isIP(host) !== 0 && (isLoopback(host) || this.#peers.includes(host));
  }

  #isTrunk(destination: OutboundDestination): boolean {
    return destination.kind === 'sip' && this.#trunkHosts.has(destination.host.toLowerCase());
  }
}

class Application {
  readonly key: string;
  readonly #limits: Limits;
  readonly #patterns: readonly OutboundPattern[];
  /** Of the calls of the last minute, oldest first; those before `#firstAt` are over a minute old. */
  #begunMs: number[] = [];
  #firstAt = 0;
  #active = 0;

  constructor(key: string, limits: Limits) {
    this.key = key;
    this.#limits = limits;
    this.#patterns = limits.allow.map(parseOutboundPattern).filter((pattern) => pattern !== undefined);
  }

  allows(destination: OutboundDestination): boolean {
    if (destination.kind === 'user') return true;
    if (destination.kind === 'number') return this.#allowsNumber(destination.number);
    const host = destination.host.toLowerCase();
    return this.#patterns.some(
      (pattern) => pattern.kind === 'host' && hostMatches(pattern, host, destination.port),
    );
  }

  /** A carrier or PBX calls what stands before the @ just as if it had been dialled: prefixes count there too. A trunk
   *  costs money, so that there nothing is allowed that is not named. */
  allowsUser(destination: OutboundDestination, isTrunk: boolean): boolean {
    if (destination.kind !== 'sip') return true;
    const { user = '' } = destination;
    if (!/^[+\d]/.test(user)) return true;
    if (!isTrunk && !this.#patterns.some(({ kind }) => kind === 'number')) return true;
    return this.#allowsNumber(user.replace(/;.*$/s, '').replace(/[-.() ]/g, ''));
  }

  #allowsNumber(dialled: string): boolean {
    return this.#patterns.some(
      (pattern) => pattern.kind === 'number' && numberMatches(pattern.number, dialled),
    );
  }

  begin(nowMs: number): OutboundPermit {
    const { maxConcurrent, perMinute } = this.#limits;
    if (this.#active >= maxConcurrent) {
      const message = `application ${this.key} has ${this.#active} calls out, outbound.maxConcurrent is ${maxConcurrent}`;
      return refusal('outbound-too-many', message);
    }
    this.#forget(nowMs - 60_000);
    if (this.#begunMs.length - this.#firstAt >= perMinute) {
      const message = `application ${this.key} began ${perMinute} calls within a minute, which is outbound.perMinute`;
      return refusal('outbound-too-fast', message);
    }
    this.#begunMs.push(nowMs);
    this.#active++;
    let released = false;
    return {
      allowed: true,
      release: () => {
        if (released) return;
        released = true;
        this.#active--;
      },
    };
  }

  #forget(beforeMs: number): void {
    while ((this.#begunMs[this.#firstAt] ?? Number.POSITIVE_INFINITY) <= beforeMs) this.#firstAt++;
    if (this.#firstAt < 1_000) return;
    this.#begunMs = this.#begunMs.slice(this.#firstAt);
    this.#firstAt = 0;
  }
}

/** `+` and `00` in front are the same, so that neither slips past a rule written with the other. */
function numberMatches(pattern: string, number: string): boolean {
  const plain = (text: string) => text.replace(/^00/, '+');
  return globMatches(plain(pattern), plain(number)) || globMatches(plain(pattern), `+${plain(number)}`);
}

function hostMatches(
  { host: pattern, port: wanted }: Extract<OutboundPattern, { kind: 'host' }>,
  host: string,
  port: number | undefined,
): boolean {
  // `10.0.*` means addresses: a name may not be built to fit it.
  if (/^\d[\d.*]*$/.test(pattern) && isIP(host) === 0) return false;
  return globMatches(pattern, host) && (wanted === undefined || wanted === String(port ?? 5060));
}

function shown(destination: OutboundDestination): string {
  if (destination.kind === 'user') return 'the phone';
  if (destination.kind === 'number') return `the number ${destination.number.slice(0, 40)}`;
  const { user, host } = destination;
  return user === undefined
    ? `the SIP host ${host.slice(0, 100)}`
    : `${user.slice(0, 40)} at the SIP host ${host.slice(0, 100)}`;
}

function refusal(code: OutboundRefusal, message: string): OutboundPermit {
  return { allowed: false, code, message };
}
