import { Resolver } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { NaptrRecord, SrvRecord } from '../../protocol/sip/server-selection.ts';
import { errorCode } from '../errors.ts';

/** What the DNS says. Empty where it knows the name and has no such records; rejects with the system's error (`ENOTFOUND`,
 *  `ETIMEOUT`) where it does not, or does not answer. */
export interface NameService {
  /** Every address of a host, the best first. `ttlMs` where it is known. */
  addresses(host: string): Promise<{ readonly found: readonly string[]; readonly ttlMs?: number }>;
  /** Undefined: there are none, ever. */
  naptr?(name: string): Promise<readonly NaptrRecord[]>;
  srv?(name: string): Promise<readonly SrvRecord[]>;
}

/** Shorter than a caller waits; a server that is slower is as good as none. */
const timeoutMs = 1_500;
const tries = 2;

/** The system's resolver: hosts file and search domains for addresses, the DNS alone for NAPTR and SRV. */
export function systemNameService(): NameService {
  const resolver = new Resolver({ timeout: timeoutMs, tries });
  return {
    async addresses(host) {
      const [found, ttlMs] = await Promise.all([lookup(host, { all: true }), shortestTtlMs(resolver, host)]);
      // Most SIP listeners are IPv4; a name such as localhost has both.
      const addresses = found.sort((left, right) => left.family - right.family).map(({ address }) => address);
      return { found: addresses, ...(ttlMs === undefined ? {} : { ttlMs }) };
    },
    naptr: (name) => ask((answer) => resolver.resolveNaptr(name, answer)),
    srv: (name) => ask((answer) => resolver.resolveSrv(name, answer)),
  };
}

/** Node gives the time to live of addresses, and only here; what is in the hosts file has none. */
async function shortestTtlMs(resolver: Resolver, host: string): Promise<number | undefined> {
  if (!host.includes('.')) return undefined;
  const answers = await Promise.all([
    ask<{ ttl: number }>((answer) => resolver.resolve4(host, { ttl: true }, answer)).catch(() => []),
    ask<{ ttl: number }>((answer) => resolver.resolve6(host, { ttl: true }, answer)).catch(() => []),
  ]);
  const ttls = answers.flat().map(({ ttl }) => ttl * 1_000);
  return ttls.length === 0 ? undefined : Math.min(...ttls);
}

function ask<Found>(
  question: (answer: (error: Error | null, found: readonly Found[]) => void) => void,
): Promise<readonly Found[]> {
  return new Promise((resolve, reject) => {
    question((error, found) => {
      if (error === null) resolve(found);
      else if (errorCode(error) === 'ENODATA') resolve([]);
      else reject(error);
    });
  });
}
