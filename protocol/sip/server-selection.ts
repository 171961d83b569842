import { ProtocolError } from '../protocol-error.ts';
import { excerpt } from './header-scanner.ts';
import { isIPv4Address, isIPv6Address } from './ip-address.ts';
import type { SipUri } from './uri.ts';

/** Which servers a SIP URI means: RFC 3263 §4. The questions for the DNS, and what follows from its answers. */

export type ServerTransport = 'udp' | 'tcp' | 'tls';

/** RFC 3403. `service` is `SIP+D2U` and the like, `replacement` the name that is asked for SRV. */
export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly replacement: string;
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly name: string;
}

/** A name to ask for SRV records, and what their servers speak. */
export interface SipService {
  readonly transport: ServerTransport;
  readonly name: string;
}

/** What a URI says about its servers. */
export interface ServerTarget {
  /** An address without brackets, or a name in lower case. */
  readonly host: string;
  readonly isAddress: boolean;
  /** The name that a certificate must carry, undefined where the URI has none. */
  readonly domain: string | undefined;
  readonly port: number | undefined;
  /** TLS on every hop. */
  readonly secure: boolean;
  /** Undefined: the DNS may choose. */
  readonly transport: ServerTransport | undefined;
}

/** Throws `ProtocolError` 416 for a tel URI, 400 for a transport that is none of ours. */
export function serverTarget(uri: SipUri): ServerTarget {
  if (uri.scheme === 'tel') {
    throw new ProtocolError('unsupported-uri-scheme', `expected a sip or sips URI, got tel:${uri.user}`, {
      status: 416,
    });
  }
  const secure = uri.scheme === 'sips';
  const host =
    uri.parameters
      .get('maddr')
      ?.replace(/^\[|\]$/g, '')
      .toLowerCase() || uri.host;
  return {
    host,
    isAddress: isAddress(host),
    domain: isAddress(uri.host) ? undefined : uri.host,
    port: uri.port,
    secure,
    transport: namedTransport(uri.parameters.get('transport'), secure),
  };
}

function namedTransport(text: string | undefined, secure: boolean): ServerTransport | undefined {
  if (text === undefined) return undefined;
  const transport = text.toLowerCase();
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') {
    throw new ProtocolError(
      'unsupported-transport',
      `expected transport udp, tcp or tls, got ${excerpt(text)}`,
    );
  }
  // `transport=tcp` of a sips URI means TLS over TCP (§4.1); there is no TLS over UDP that anybody speaks.
  return secure ? 'tls' : transport;
}

/** §4.1, where the DNS is not asked: an address, or a port. */
export function defaultTransport({ transport, secure }: ServerTarget): ServerTransport {
  return transport ?? (secure ? 'tls' : 'udp');
}

export function defaultPort(transport: ServerTransport): number {
  return transport === 'tls' ? 5061 : 5060;
}

/** True where NAPTR is to be asked for the host. */
export function asksNaptr(target: ServerTarget): boolean {
  return asksSrv(target) && target.transport === undefined;
}

/** False for an address and where there is a port: neither leaves anything to choose. A name of one label is one of
 *  this network, of which the DNS knows no services. */
export function asksSrv({ host, isAddress: literal, port }: ServerTarget): boolean {
  return !literal && port === undefined && host.includes('.') && !/(?:^|\.)localhost\.?$/.test(host);
}

const servicesByTransport = { udp: 'SIP+D2U', tcp: 'SIP+D2T', tls: 'SIPS+D2T' } as const;

/** The services that NAPTR records offer, the preferred first; for sips URIs only those over TLS. §4.1. */
export function servicesOf(
  records: readonly NaptrRecord[],
  { secure }: Pick<ServerTarget, 'secure'>,
): SipService[] {
  const offered = records.flatMap((record) => {
    const transport = transports.find((known) => servicesByTransport[known] === record.service.toUpperCase());
    const usable = transport !== undefined && (!secure || transport === 'tls');
    return usable && record.flags.toLowerCase() === 's' && record.replacement !== ''
      ? [{ transport, record }]
      : [];
  });
  offered.sort(
    (left, right) =>
      left.record.order - right.record.order || left.record.preference - right.record.preference,
  );
  return offered.map(({ transport, record }) => ({ transport, name: record.replacement }));
}

/** In the order of our preference. */
const transports: readonly ServerTransport[] = ['udp', 'tcp', 'tls'];
const srvPrefixes = { udp: '_sip._udp.', tcp: '_sip._tcp.', tls: '_sips._tcp.' } as const;

/** The services to ask for where NAPTR says nothing, or the transport is settled. §4.1, §4.2. */
export function usualServices({
  host,
  secure,
  transport,
}: Pick<ServerTarget, 'host' | 'secure' | 'transport'>): SipService[] {
  return transports
    .filter((known) => (transport === undefined ? !secure || known === 'tls' : known === transport))
    .map((known) => ({ transport: known, name: `${srvPrefixes[known]}${host}` }));
}

/** In the order in which they are to be tried: by priority, among equals by chance and weight. A lone `.` says that the
 *  service is not offered. `random` gives 0 ≤ x < 1. RFC 2782. */
export function orderServers(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const left = records
    .filter(({ name, port }) => name !== '.' && name !== '' && port > 0)
    // Those without weight first, so that they have their small chance.
    .sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: SrvRecord[] = [];
  while (left.length > 0) {
    const { priority } = left[0]!;
    const equals = left.filter((record) => record.priority === priority);
    let rest = random() * equals.reduce((sum, { weight }) => sum + weight, 0);
    const chosen = equals.find(({ weight }) => {
      rest -= weight;
      return rest <= 0;
    });
    const index = left.indexOf(chosen ?? equals.at(-1)!);
    ordered.push(...left.splice(index, 1));
  }
  return ordered;
}

function isAddress(host: string): boolean {
  return isIPv4Address(host) || isIPv6Address(host);
}
