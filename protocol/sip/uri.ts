import { ProtocolError } from '../protocol-error.ts';
import { excerpt, type Parameters, rejectValue } from './header-scanner.ts';
import { isIPv6Address } from './ip-address.ts';
import type { SipHeader } from './message.ts';
import { decodeEscapes, escapeText } from './uri-escape.ts';

export interface SipUri {
  readonly scheme: 'sip' | 'sips' | 'tel';
  /** Unescaped. Of a tel URI the number as written. */
  readonly user?: string | undefined;
  /** Unescaped. */
  readonly password?: string | undefined;
  /** Lower case, an IPv6 address without its brackets. Empty in a tel URI. */
  readonly host: string;
  readonly port?: number | undefined;
  /** Unescaped; names in lower case; empty where there is no value. Of a repeated name the first counts. */
  readonly parameters: Parameters;
  /** Unescaped, names as received. */
  readonly headers: readonly SipHeader[];
}

const noHeaders: readonly SipHeader[] = [];
const noUriParameters: Parameters = new Map();
const schemePattern = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const hostPattern = /^[A-Za-z0-9_.-]{1,253}$/;

/** A sip, sips or tel URI. Throws `ProtocolError`: 416 for another scheme, 400 for what is malformed.
 *  RFC 3261 §19.1, RFC 3966. */
export function parseUri(text: string): SipUri {
  const colon = text.indexOf(':');
  const scheme = text.slice(0, Math.max(0, colon)).toLowerCase();
  if (scheme === 'sip' || scheme === 'sips') return parseSipUri(scheme, text, colon + 1);
  if (scheme === 'tel') return parseTelUri(text, colon + 1);
  if (!schemePattern.test(scheme)) rejectValue('bad-uri', 'expected a URI', text);
  throw new ProtocolError('unsupported-uri-scheme', `expected a sip, sips or tel URI, got ${excerpt(text)}`, {
    status: 416,
  });
}

/** Throws 400 unless `text` is a URI as From and To may carry: one that `parseUri` reads, or one of another scheme. */
export function checkAnyUri(text: string): void {
  try {
    parseUri(text);
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.code !== 'unsupported-uri-scheme') throw error;
  }
}

export function serializeUri(uri: SipUri): string {
  let text = `${uri.scheme}:`;
  if (uri.scheme === 'tel') text += uri.user ?? '';
  else {
    if (uri.user !== undefined) {
      text += escapeText(uri.user, 'user');
      if (uri.password !== undefined) text += `:${escapeText(uri.password, 'password')}`;
      text += '@';
    }
    text += serializeHostPort(uri.host, uri.port);
  }
  for (const [name, value] of uri.parameters) {
    text += `;${escapeText(name, 'parameter')}`;
    if (value !== '') text += `=${escapeText(value, 'parameter')}`;
  }
  let separator = '?';
  for (const { name, value } of uri.headers) {
    text += `${separator}${escapeText(name, 'header')}=${escapeText(value, 'header')}`;
    separator = '&';
  }
  return text;
}

/** `host`, `host:port` or `[2001:db8::1]:port`. */
export function serializeHostPort(host: string, port: number | undefined): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
}

/** Reads `host`, `host:port`, `[ipv6]` or `[ipv6]:port` with nothing around it. Undefined if it is neither. */
export function parseHostPort(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  let hostEnd: number;
  let host: string;
  if (text.charCodeAt(0) === 0x5b) {
    hostEnd = text.indexOf(']') + 1;
    // The grammar of RFC 3261 asks for a third colon before an IPv4 tail; RFC 5118 §4.10 wants both forms read.
    host = text
      .slice(1, hostEnd - 1)
      .toLowerCase()
      .replace(/:::(?=[0-9]+\.)/, '::');
    if (hostEnd === 0 || !isIPv6Address(host)) return undefined;
  } else {
    const colon = text.indexOf(':');
    hostEnd = colon < 0 ? text.length : colon;
    host = text.slice(0, hostEnd).toLowerCase();
    if (!hostPattern.test(host)) return undefined;
  }
  if (hostEnd === text.length) return { host, port: undefined };
  const digits = text.slice(hostEnd + 1);
  const port = text.charCodeAt(hostEnd) === 0x3a && /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 65_536;
  return port > 65_535 ? undefined : { host, port };
}

// The parameters that must agree even if only one URI carries them (RFC 3261 §19.1.4).
const decisiveParameters = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** Equality of RFC 3261 §19.1.4; it is not transitive. tel URIs: RFC 3966 §4. */
export function urisEqual(left: SipUri, right: SipUri): boolean {
  if (left.scheme !== right.scheme || left.host !== right.host || left.port !== right.port) return false;
  if (left.scheme === 'tel') {
    return (
      withoutVisualSeparators(left.user) === withoutVisualSeparators(right.user) &&
      left.parameters.size === right.parameters.size &&
      [...left.parameters].every(
        ([name, value]) => right.parameters.get(name)?.toLowerCase() === value.toLowerCase(),
      )
    );
  }
  if (left.user !== right.user || left.password !== right.password) return false;
  for (const name of decisiveParameters) {
    if (left.parameters.get(name)?.toLowerCase() !== right.parameters.get(name)?.toLowerCase()) return false;
  }
  for (const [name, value] of left.parameters) {
    const other = right.parameters.get(name);
    if (other !== undefined && other.toLowerCase() !== value.toLowerCase()) return false;
  }
  return comparableHeaders(left) === comparableHeaders(right);
}

function comparableHeaders({ headers }: SipUri): string {
  if (headers.length === 0) return '';
  return JSON.stringify(headers.map(({ name, value }) => `${name.toLowerCase()}:${value}`).sort());
}

function withoutVisualSeparators(number: string | undefined): string {
  return (number ?? '').replace(/[-.()]/g, '').toLowerCase();
}

function parseSipUri(scheme: 'sip' | 'sips', text: string, start: number): SipUri {
  // An @ stands nowhere but behind the user part; that part may hold ; and ? itself.
  const at = text.indexOf('@', start);
  let user: string | undefined;
  let password: string | undefined;
  if (at >= 0) {
    const userInfo = text.slice(start, at);
    const colon = userInfo.indexOf(':');
    user = decodeEscapes(colon < 0 ? userInfo : userInfo.slice(0, colon), 'user', text);
    if (user === '') rejectValue('bad-uri', 'expected a user before "@"', text);
    if (colon >= 0) password = decodeEscapes(userInfo.slice(colon + 1), 'password', text);
  }
  const hostStart = at < 0 ? start : at + 1;
  const question = text.indexOf('?', hostStart);
  const parametersEnd = question < 0 ? text.length : question;
  let hostEnd = text.indexOf(';', hostStart);
  if (hostEnd < 0 || hostEnd > parametersEnd) hostEnd = parametersEnd;
  const hostPort = parseHostPort(text.slice(hostStart, hostEnd));
  if (hostPort === undefined) return rejectValue('bad-uri', 'expected a host and perhaps a port', text);
  return {
    scheme,
    user,
    password,
    host: hostPort.host,
    port: hostPort.port,
    parameters: parseUriParameters(text, hostEnd, parametersEnd),
    headers: question < 0 ? noHeaders : parseUriHeaders(text, question + 1),
  };
}

function parseTelUri(text: string, start: number): SipUri {
  const semicolon = text.indexOf(';', start);
  const numberEnd = semicolon < 0 ? text.length : semicolon;
  const user = text.slice(start, numberEnd);
  if (!/^\+?[0-9A-Fa-f*#.()-]+$/.test(user)) rejectValue('bad-uri', 'expected a telephone number', text);
  const parameters = parseUriParameters(text, numberEnd, text.length);
  return {
    scheme: 'tel',
    user,
    password: undefined,
    host: '',
    port: undefined,
    parameters,
    headers: noHeaders,
  };
}

function parseUriParameters(text: string, start: number, end: number): Parameters {
  if (start >= end) return noUriParameters;
  const parameters = new Map<string, string>();
  for (const parameter of text.slice(start + 1, end).split(';')) {
    const equals = parameter.indexOf('=');
    const nameEnd = equals < 0 ? parameter.length : equals;
    const name = decodeEscapes(parameter.slice(0, nameEnd), 'parameter', text).toLowerCase();
    if (name === '') rejectValue('bad-uri', 'expected a parameter name', text);
    const value = equals < 0 ? '' : decodeEscapes(parameter.slice(equals + 1), 'parameter', text);
    if (!parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}

function parseUriHeaders(text: string, start: number): readonly SipHeader[] {
  return text
    .slice(start)
    .split('&')
    .map((header) => {
      const equals = header.indexOf('=');
      const name = decodeEscapes(header.slice(0, Math.max(0, equals)), 'header', text);
      if (name === '') rejectValue('bad-uri', 'expected a header as "name=value"', text);
      return { name, value: decodeEscapes(header.slice(equals + 1), 'header', text) };
    });
}
