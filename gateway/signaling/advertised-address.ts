import { isIPv6 } from 'node:net';
import { AddressRanges } from './address-ranges.ts';

/** Addresses that mean something in one network only: RFC 1918, RFC 6598, loopback, link-local, unique local, and
 *  wildcards. What is kept for documentation counts as public here. */
const inside = new AddressRanges([
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['0.0.0.0/8', '::/127', 'fe80::/10', 'fc00::/7'],
]);

export function isInsideAddress(address: string): boolean {
  // A zone names the network of a link-local address.
  return inside.includes(address.replace(/%.*/, ''));
}

/** The address of ours that goes into Via, Contact and SDP for this peer: the external one for peers outside, where the
 *  local one that faces them could not be reached by them. Neighbours in the same private network and on this machine
 *  get the local one, and so do peers of the other family. */
export function advertisedAddress(options: {
  readonly local: string;
  readonly peer: string;
  readonly external: string | undefined;
}): string {
  const { local, peer, external } = options;
  if (external === undefined || isIPv6(external) !== isIPv6(local)) return local;
  return isInsideAddress(local) && !isInsideAddress(peer) ? external : local;
}
