import { isIPv4, isIPv6 } from 'node:net';
import type { SipAddress, SipProtocol } from './signaling/session.ts';

export interface HttpAddress {
  readonly address: string;
  readonly port: number;
}

/** `udp:HOST:PORT`, where HOST is an IPv4 address, an IPv6 address in brackets or `localhost`; port 0 lets the system
 *  choose. Undefined where the text is none. */
export function parseSipListener(text: string): SipAddress | undefined {
  const match = /^(udp|tcp|tls):(.+)$/.exec(text);
  if (match === null) return undefined;
  const address = parseHostPort(match[2]!);
  return address === undefined ? undefined : { protocol: match[1] as SipProtocol, ...address };
}

/** `HOST:PORT`, with the same hosts. */
export function parseHttpListener(text: string): HttpAddress | undefined {
  return parseHostPort(text);
}

export function sipListenerText({ protocol, address, port }: SipAddress): string {
  return `${protocol}:${hostPortText({ address, port })}`;
}

export function hostPortText({ address, port }: HttpAddress): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Addresses only, no names: what a name means could change between two starts. `localhost` means 127.0.0.1 everywhere. */
function parseHostPort(text: string): HttpAddress | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(
    text.replace(/^localhost:/, '127.0.0.1:'),
  );
  if (match === null) return undefined;
  const address = match[1] ?? match[2]!;
  const port = Number(match[3]);
  if (port > 65_535 || !(match[1] === undefined ? isIPv4(address) : isIPv6(address))) return undefined;
  return { address, port };
}
