import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { parseUri } from '../../protocol/sip/uri.ts';
import { GatewayError } from '../errors.ts';
import type { SipProtocol } from './session.ts';
import type { SipDestination } from './stream-connections.ts';

/** Addresses of a host name, the best first. */
export type HostLookup = (host: string) => Promise<readonly string[]>;

export const systemHostLookup: HostLookup = async (host) => {
  const found = await lookup(host, { all: true });
  // Most SIP listeners are IPv4; a name such as localhost has both.
  return found.sort((left, right) => left.family - right.family).map(({ address }) => address);
};

/** Where a request to this URI is sent: at once for an address, after a look-up for a name. Throws `ProtocolError` for
 *  a URI that cannot be sent to, rejects with `GatewayError` for a name that nobody knows. */
export function resolveTarget(text: string, find: HostLookup): SipDestination | Promise<SipDestination> {
  const uri = parseUri(text);
  if (uri.scheme === 'tel') {
    throw new ProtocolError('unsupported-uri-scheme', `expected a sip or sips URI, got ${text}`, {
      status: 416,
    });
  }
  const protocol = protocolOf(uri.scheme, uri.parameters.get('transport'));
  const host = uri.parameters.get('maddr') || uri.host;
  const port = uri.port ?? (protocol === 'tls' ? 5061 : 5060);
  if (isIP(host) !== 0) return { protocol, address: host, port };
  return find(host).then(
    ([address]) => {
      if (address === undefined) throw new GatewayError('ENOTFOUND', `no address for ${host}`);
      return { protocol, address, port, serverName: uri.host };
    },
    (cause: unknown) => {
      throw new GatewayError('ENOTFOUND', `cannot look up ${host}`, { cause });
    },
  );
}

function protocolOf(scheme: 'sip' | 'sips', transport: string | undefined): SipProtocol {
  const wanted = (transport ?? 'udp').toLowerCase();
  if (scheme === 'sips' && (wanted === 'udp' || wanted === 'tcp')) return 'tls';
  if (wanted === 'udp' || wanted === 'tcp' || wanted === 'tls') return wanted;
  throw new ProtocolError('unsupported-transport', `expected transport udp, tcp or tls, got ${transport}`);
}
