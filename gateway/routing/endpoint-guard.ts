import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { isTcpUrl, streamUrl, webUrl } from '../../protocol/svaml/formats.ts';
import { errorCode } from '../errors.ts';
import { endpointMatches, parseEndpointPattern } from './endpoint-pattern.ts';

export type EndpointApproval =
  /** The literal address that was checked; connecting to anything else would undo the check. */
  | { readonly approved: true; readonly address: string }
  | { readonly approved: false; readonly code: EndpointRefusal; readonly message: string };

export type EndpointRefusal =
  | 'endpoint-malformed'
  | 'endpoint-not-allowed'
  | 'endpoint-unresolved'
  | 'endpoint-private';

/** Keeps others from using the gateway to reach what only the gateway can reach. Every URL that came over the API
 *  or a callback goes through it: scheme, host, and the address that the host means now. */
export interface EndpointGuard {
  approve(endpoint: string): Promise<EndpointApproval>;
}

export interface EndpointGuardOptions {
  /** Patterns as in `stream.endpoints.allow`. Empty: every public endpoint. */
  readonly allow: readonly string[];
  readonly denyPrivate: boolean;
  /** Which URLs it is about: ws and wss (the default), or http and https. `allow` counts for each by itself: patterns
   *  of the one kind close nothing of the other. */
  readonly kind?: 'stream' | 'web';
  /** Every address of a name, in order of preference. Rejects as `dns.lookup` does. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export function createEndpointGuard({
  allow,
  denyPrivate,
  kind = 'stream',
  resolve = resolveHost,
}: EndpointGuardOptions): EndpointGuard {
  const [urlOf, schemes] =
    kind === 'stream' ? [streamUrl, 'ws://, wss:// or tcp://'] : [webUrl, 'http:// or https://'];
  const patterns = allow
    .map((text) => parseEndpointPattern(text))
    .filter((pattern) => pattern !== undefined)
    .filter(({ scheme }) => schemes.includes(`${scheme}:`));
  return {
    async approve(endpoint) {
      // ws and wss are special schemes to the URL standard: 0x7f.1, 2130706433 and 127.1 all come out as 127.0.0.1.
      const url = urlOf(endpoint);
      if (url === undefined) return refusal('endpoint-malformed', endpoint, `is no ${schemes} URL`);
      const matching = patterns.filter((pattern) =>
        endpointMatches(pattern, url, isTcpUrl(endpoint) ? 'tcp' : undefined),
      );
      if (patterns.length > 0 && matching.length === 0) {
        return refusal('endpoint-not-allowed', endpoint, 'is not in stream.endpoints.allow');
      }
      const host = url.hostname.replace(/^\[|\]$/g, '');
      let addresses: readonly string[];
      try {
        addresses = isIP(host) === 0 ? await resolve(host) : [host];
      } catch (error) {
        return refusal(
          'endpoint-unresolved',
          endpoint,
          `has a host that cannot be resolved (${errorCode(error)})`,
        );
      }
      const [address] = addresses;
      if (address === undefined)
        return refusal('endpoint-unresolved', endpoint, 'has a host without address');
      // One private address among public ones is enough: the answer is the attacker's to write.
      const inside = addresses.find((found) => !isPublicAddress(found));
      if (denyPrivate && inside !== undefined && !matching.some(({ named }) => named)) {
        return refusal('endpoint-private', endpoint, `leads to ${inside}, which is not a public address`);
      }
      return { approved: true, address };
    },
  };
}

/** Whether an address can be anybody's on the Internet: not loopback, private, link-local, metadata, multicast,
 *  reserved, nor an IPv6 form that carries an IPv4 address. False for what is no address. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || isIP(address.replace(/%.*/, '')) === 0) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  return !neverPublic.some(
    ([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits),
  );
}

/** Ranges that count as ordinary addresses elsewhere. */
const neverPublic = [
  '168.63.129.16/32', // metadata of a large cloud, in the midst of public space
  '::/96', // IPv4-compatible IPv6, RFC 4291 §2.5.5.1
  '64:ff9b::/32', // NAT64, RFC 6052 and RFC 8215
  'fec0::/10', // site-local, RFC 3879
].map((range) => ipaddr.parseCIDR(range));

function refusal(code: EndpointRefusal, endpoint: string, why: string): EndpointApproval {
  // Without query and credentials, which may be secrets.
  const shown = endpoint
    .replace(/[?#].*$/s, '')
    .replace(/\/\/[^/]*@/, '//')
    .slice(0, 200);
  return { approved: false, code, message: `endpoint ${shown} ${why}` };
}

async function resolveHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, verbatim: false });
  return found.map(({ address }) => address);
}
