import { isIPv6 } from 'node:net';
import type { SipAddress, SipProtocol } from './session.ts';

/** A way to one peer: our UDP socket and its address, or a connection. */
export interface SipFlow {
  readonly protocol: SipProtocol;
  /** No retransmission is needed. */
  readonly reliable: boolean;
  readonly remote: SipAddress;
  /** Ours that faces the peer, as it goes into Via and Contact: the port is one where we listen, if there is any.
   *  The address is a wildcard until `SipTransport.resolveLocal` has looked it up. */
  readonly local: SipAddress;
  /** False once nothing can be sent any more. */
  readonly open: boolean;
  /** Size of the datagram that it was made for. */
  readonly receivedBytes?: number | undefined;
  /** Bytes may be reused afterwards over UDP, not over a connection. */
  send(bytes: Uint8Array): void;
}

/** `udp:192.0.2.1:5060`, for messages and logs. */
export function flowText({ protocol, address, port }: SipAddress): string {
  return `${protocol}:${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** IPv4 addresses look like this to a socket that is open for both families. */
export function withoutMapping(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}
