import ipaddr from 'ipaddr.js';
import { ProtocolError } from '../protocol-error.ts';

/** Single fields of a session description, checked: sdp-transform takes whatever stands there. */

/** A decimal number within the range, undefined for anything else: signs, fractions, `1e3`, 2^64. */
export function readInteger(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,7}$/.test(text)) return undefined;
  const value = Number(text);
  return value < min || value > max ? undefined : value;
}

/** A unicast address literal of the IP version named. A host name is refused rather than resolved: resolving would
 *  let any caller make us send lookups, and hold the call for as long as they take. */
export function readAddress(address: string, version: number | undefined): string {
  const family = version === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
  if (address.length <= 45 && isLiteral(address, version)) {
    const range = family.parse(address).range();
    if (range !== 'multicast' && range !== 'broadcast') return address;
    throw unserved('address-unsupported', `a unicast address expected, got ${address}`);
  }
  if (address.length > 255 || /^[\d.]+$|:/.test(address) || !/^[\w./-]+$/.test(address))
    throw broken('bad-address', `an IPv${version ?? 4} address expected, got "${clip(address)}"`);
  throw unserved(
    'address-unsupported',
    `an IP address expected (host names and multicast are not served), got "${clip(address)}"`,
  );
}

function isLiteral(address: string, version: number | undefined): boolean {
  if (version === 4) return ipaddr.IPv4.isValidFourPartDecimal(address);
  return version === 6 && !address.includes('%') && ipaddr.IPv6.isValid(address);
}

/** 0.0.0.0 or ::, which stand for a peer that wants nothing sent (RFC 3264 §8.4). */
export function isUnspecified(address: string): boolean {
  return ipaddr.parse(address).range() === 'unspecified';
}

/** Breaks the grammar or a range. */
export function broken(code: string, message: string): ProtocolError {
  return new ProtocolError(code, message, { status: 400 });
}

/** Is right, and cannot be served. */
export function unserved(code: string, message: string): ProtocolError {
  return new ProtocolError(code, message, { status: 488 });
}

/** As much of the peer's text as an error message should carry. */
export function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
