import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** An address, or a range such as `10.0.0.0/8`; undefined where the text is neither. */
function parseRange(text: string): readonly [Address, number] | undefined {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    return undefined;
  }
}

export function isAddressRange(text: string): boolean {
  // The parser knows `10.1` and `0x7f.1` too; nobody means those.
  const address = text.replace(/\/\d{1,3}$/, '');
  const written = /^\d+\.\d+\.\d+\.\d+$/.test(address) || /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address);
  return written && parseRange(text) !== undefined;
}

/** A set of addresses, by the ranges that it is made of. */
export class AddressRanges {
  readonly #ranges: readonly (readonly [Address, number])[];

  constructor(texts: readonly string[]) {
    this.#ranges = texts.map((text) => parseRange(text)).filter((range) => range !== undefined);
  }

  /** `address` without brackets; an IPv4 address in IPv6 form counts as IPv4. */
  includes(address: string): boolean {
    const parsed = parseAddress(address);
    if (parsed === undefined) return false;
    return this.#ranges.some(
      ([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits),
    );
  }
}

/** What limits are counted by: the address, of IPv6 the network of 64 bits, which one host has to itself. */
export function sourceKey(address: string): string {
  if (!address.includes(':')) return address;
  const parsed = parseAddress(address);
  if (parsed === undefined || parsed.kind() === 'ipv4') return address;
  return (parsed as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':');
}

export function isLoopback(address: string): boolean {
  return parseAddress(address)?.range() === 'loopback';
}

function parseAddress(text: string): Address | undefined {
  try {
    return ipaddr.process(text);
  } catch {
    return undefined;
  }
}
