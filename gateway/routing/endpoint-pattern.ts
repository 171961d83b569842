import { isIPv4 } from 'node:net';
import { globMatches } from './glob.ts';

/** One entry of `stream.endpoints.allow`, taken apart, so that a `*` in the host never reaches into port, path or
 *  credentials. */
export interface EndpointPattern {
  readonly scheme: string;
  readonly host: string;
  /** Undefined: the port of the scheme, or any where the host ends in `*`. */
  readonly port: string | undefined;
  /** Undefined: any. */
  readonly path: string | undefined;
  /** The entry names its host, so that a private address is meant. */
  readonly named: boolean;
}

/** `wss://*`, `ws://127.0.0.1:*`, `wss://*.example.com/calls/*`; undefined where the text is none. */
export function parseEndpointPattern(text: string): EndpointPattern | undefined {
  const match =
    /^(wss?|https?|tcp):\/\/(\[[0-9a-f:.]{2,45}\]|[a-z0-9*?._-]{1,253})(?::([0-9*?]{1,5}))?(\/[\x21-\x7e]{0,1024})?$/i.exec(
      text,
    );
  if (match === null) return undefined;
  const host = match[2]!.toLowerCase();
  return {
    scheme: match[1]!.toLowerCase(),
    host,
    port: match[3],
    path: match[4],
    named: !/[*?]/.test(host) || /^\d[\d.*]*$/.test(host),
  };
}

/** A host like `10.0.*` means addresses, not names: `10.0.evil.example` is refused. `scheme` where it is not the
 *  URL's. */
export function endpointMatches(
  pattern: EndpointPattern,
  url: URL,
  scheme = url.protocol.slice(0, -1),
): boolean {
  const host = url.hostname.toLowerCase();
  if (pattern.scheme !== scheme || !globMatches(pattern.host, host)) return false;
  if (/^\d[\d.*]*$/.test(pattern.host) && !isIPv4(host)) return false;
  const portDefault = scheme === 'wss' || scheme === 'https' ? '443' : '80';
  const port = url.port === '' ? portDefault : url.port;
  const portFits =
    pattern.port === undefined
      ? pattern.host.endsWith('*') || port === portDefault
      : globMatches(pattern.port, port);
  return portFits && (pattern.path === undefined || globMatches(pattern.path, url.pathname + url.search));
}
