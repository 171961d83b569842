import {
  HeaderScanner,
  isToken,
  type Parameters,
  quote,
  rejectValue,
  serializeParameters,
} from './header-scanner.ts';
import { headerValues, type SipMessage } from './message.ts';

/** A decimal number of at most `max`; `header` names it in the error (`ProtocolError` 400, `bad-` + name). */
export function parseNumber(text: string, header: string, max: number): number {
  const digits = text.trim();
  // Leading zeros are legal, without a limit to their number.
  const number = /^[0-9]+$/.test(digits) ? Number(digits) : -1;
  if (number < 0 || number > max) {
    rejectValue(`bad-${header.toLowerCase()}`, `expected ${header} as a number from 0 to ${max}`, text);
  }
  return number;
}

export interface CSeq {
  /** 0 to 2^31 - 1. */
  readonly sequence: number;
  readonly method: string;
}

/** RFC 3261 §20.16. */
export function parseCSeq(text: string): CSeq {
  const scanner = new HeaderScanner(text, 'bad-cseq');
  const sequence = parseNumber(scanner.token('a sequence number'), 'CSeq', 2 ** 31 - 1);
  const method = scanner.token('a method');
  scanner.expectEnd();
  return { sequence, method };
}

export function serializeCSeq({ sequence, method }: CSeq): string {
  return `${sequence} ${method}`;
}

/** RFC 3261 §20.14. */
export function parseContentLength(text: string): number {
  return parseNumber(text, 'Content-Length', 2 ** 31 - 1);
}

/** RFC 3261 §20.22. */
export function parseMaxForwards(text: string): number {
  return parseNumber(text, 'Max-Forwards', 255);
}

/** Seconds. RFC 3261 §20.19. */
export function parseExpires(text: string): number {
  return parseNumber(text, 'Expires', 2 ** 32 - 1);
}

export interface RetryAfter {
  readonly seconds: number;
  /** `duration`, in seconds, among them. */
  readonly parameters: Parameters;
}

/** Its comment is dropped. RFC 3261 §20.33. */
export function parseRetryAfter(text: string): RetryAfter {
  const scanner = new HeaderScanner(text, 'bad-retry-after');
  const seconds = parseNumber(scanner.token('seconds'), 'Retry-After', 2 ** 32 - 1);
  if (scanner.take('(')) skipComment(scanner);
  return { seconds, parameters: scanner.parameters() };
}

export interface Reason {
  /** `SIP`, `Q.850` or another. */
  readonly protocol: string;
  /** A SIP status or a Q.850 cause. */
  readonly cause?: number | undefined;
  readonly text?: string | undefined;
}

/** RFC 3326 §2. */
export function parseReason(value: string): Reason {
  const scanner = new HeaderScanner(value, 'bad-reason');
  const protocol = scanner.token('a protocol');
  const parameters = scanner.parameters();
  const cause = parameters.get('cause');
  return {
    protocol,
    cause: cause === undefined ? undefined : parseNumber(cause, 'Reason', 999),
    text: parameters.get('text'),
  };
}

export function serializeReason({ protocol, cause, text }: Reason): string {
  const causeText = cause === undefined ? '' : ` ;cause=${cause}`;
  return `${protocol}${causeText}${text === undefined ? '' : ` ;text=${quote(text)}`}`;
}

export interface MediaType {
  /** `application/sdp`, in lower case. */
  readonly type: string;
  readonly parameters: Parameters;
}

/** Content-Type, and the entries of Accept (with `*`). RFC 3261 §20.15, §20.1. */
export function parseMediaType(text: string): MediaType {
  const scanner = new HeaderScanner(text, 'bad-media-type');
  const type = scanner.token('a media type');
  scanner.expect('/', 'in a media type');
  const subtype = scanner.token('a media subtype');
  return { type: `${type}/${subtype}`.toLowerCase(), parameters: scanner.parameters() };
}

export function serializeMediaType({ type, parameters }: MediaType): string {
  return `${type}${serializeParameters(parameters)}`;
}

export interface RAck {
  readonly responseSequence: number;
  readonly sequence: number;
  readonly method: string;
}

/** RFC 3262 §7.2. */
export function parseRAck(text: string): RAck {
  const scanner = new HeaderScanner(text, 'bad-rack');
  const responseSequence = parseNumber(scanner.token('a response number'), 'RAck', 2 ** 32 - 1);
  const sequence = parseNumber(scanner.token('a sequence number'), 'RAck', 2 ** 31 - 1);
  const method = scanner.token('a method');
  scanner.expectEnd();
  return { responseSequence, sequence, method };
}

export function serializeRAck({ responseSequence, sequence, method }: RAck): string {
  return `${responseSequence} ${sequence} ${method}`;
}

/** RFC 3262 §7.1. */
export function parseRSeq(text: string): number {
  return parseNumber(text, 'RSeq', 2 ** 32 - 1);
}

export interface Replaces {
  readonly callId: string;
  readonly toTag: string;
  readonly fromTag: string;
  readonly earlyOnly: boolean;
}

/** RFC 3891 §6.1. */
export function parseReplaces(text: string): Replaces {
  const semicolon = text.indexOf(';');
  const callId = text.slice(0, Math.max(0, semicolon)).trim();
  if (!isCallId(callId)) rejectValue('bad-replaces', 'expected a Call-ID and tags', text);
  const parameters = new HeaderScanner(text, 'bad-replaces', semicolon).parameters();
  const toTag = parameters.get('to-tag');
  const fromTag = parameters.get('from-tag');
  if (toTag === undefined || fromTag === undefined) {
    return rejectValue('bad-replaces', 'expected to-tag and from-tag', text);
  }
  return { callId, toTag, fromTag, earlyOnly: parameters.has('early-only') };
}

export function serializeReplaces({ callId, toTag, fromTag, earlyOnly }: Replaces): string {
  return `${callId};to-tag=${toTag};from-tag=${fromTag}${earlyOnly ? ';early-only' : ''}`;
}

export interface SessionExpires {
  readonly seconds: number;
  readonly refresher?: 'uac' | 'uas' | undefined;
}

/** RFC 4028 §4. */
export function parseSessionExpires(text: string): SessionExpires {
  const scanner = new HeaderScanner(text, 'bad-session-expires');
  const seconds = parseNumber(scanner.token('seconds'), 'Session-Expires', 2 ** 32 - 1);
  const refresher = scanner.parameters().get('refresher')?.toLowerCase();
  return { seconds, refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined };
}

export function serializeSessionExpires({ seconds, refresher }: SessionExpires): string {
  return refresher === undefined ? `${seconds}` : `${seconds};refresher=${refresher}`;
}

/** A challenge or credentials. */
export interface AuthValue {
  /** As received; compared without case. */
  readonly scheme: string;
  /** Names in lower case, values without quotes; a lone token68 stands under an empty name. */
  readonly parameters: Parameters;
}

/** WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization. RFC 3261 §25.1, RFC 7235 §2.1. */
export function parseAuthValue(text: string): AuthValue {
  const scanner = new HeaderScanner(text, 'bad-auth');
  const scheme = scanner.token('a scheme');
  const parameters = new Map<string, string>();
  scanner.skipSpace();
  const rest = text.slice(scanner.position);
  if (/^[A-Za-z0-9._~+/-]+=*$/.test(rest)) return { scheme, parameters: parameters.set('', rest) };
  while (!scanner.atEnd) {
    if (scanner.take(',')) continue;
    const name = scanner.token('a parameter name').toLowerCase();
    scanner.expect('=', 'after a parameter name');
    const value = scanner.parameterValue();
    if (!parameters.has(name)) parameters.set(name, value);
    scanner.skipSpace();
    if (!scanner.atEnd) scanner.expect(',', 'between parameters');
    scanner.skipSpace();
  }
  return { scheme, parameters };
}

// RFC 3261 §25.1 has these bare; some peers refuse them in quotes, and the others without.
const bareAuthParameters = new Set(['algorithm', 'stale', 'nc', 'qop']);

/** `qop` is quoted in a challenge and bare in credentials: which one it is tells `nonce-count` (`nc`). */
export function serializeAuthValue({ scheme, parameters }: AuthValue): string {
  const token68 = parameters.get('');
  if (token68 !== undefined) return `${scheme} ${token68}`;
  const inChallenge = !parameters.has('nc');
  const texts: string[] = [];
  for (const [name, value] of parameters) {
    const bare = bareAuthParameters.has(name) && isToken(value) && !(name === 'qop' && inChallenge);
    texts.push(`${name}=${bare ? value : quote(value)}`);
  }
  return `${scheme} ${texts.join(', ')}`;
}

/** One Warning value. RFC 3261 §20.43. */
export function serializeWarning(code: number, agent: string, text: string): string {
  return `${code} ${agent} ${quote(text)}`;
}

/** Every token of a list header (Allow, Supported, Require), without empty ones. */
export function headerTokens(message: SipMessage, name: string): string[] {
  return headerValues(message, name).filter((value) => value !== '');
}

/** `word` or `word@word` of RFC 3261 §25.1. */
export function isCallId(text: string): boolean {
  return /^[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]+(?:@[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]+)?$/.test(text);
}

function skipComment(scanner: HeaderScanner): void {
  let depth = 1;
  while (depth > 0) {
    if (scanner.atEnd) scanner.reject('expected the end of the comment');
    const char = scanner.text[scanner.position++];
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === '\\') scanner.position++;
  }
}
