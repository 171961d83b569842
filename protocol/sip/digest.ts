import { createHash } from 'node:crypto';
import { ProtocolError } from '../protocol-error.ts';
import { quote } from './header-scanner.ts';
import { headerValue, headerValues, type SipHeader, type SipRequest, type SipResponse } from './message.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A Digest challenge that can be answered. RFC 7616 §3.3, RFC 8760. */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: 'MD5' | 'SHA-256';
  /** As the challenge spelled it; undefined where it named none. */
  readonly algorithmText: string | undefined;
  readonly opaque: string | undefined;
  /** False for servers of RFC 2069, which offer no qop. */
  readonly qopAuth: boolean;
  readonly stale: boolean;
}

/** Value of WWW-Authenticate or Proxy-Authenticate; undefined for a scheme, an algorithm or a qop that we cannot
 *  answer. Throws `ProtocolError` where realm or nonce are missing or the value is malformed. */
export function parseChallenge(value: string): DigestChallenge | undefined {
  const scheme = /^\s*digest[ \t]+/i.exec(value);
  if (scheme === null) return undefined;
  const parameters = parseParameters(value.slice(scheme[0].length));
  const realm = parameters.get('realm');
  const nonce = parameters.get('nonce');
  if (realm === undefined || nonce === undefined) {
    throw new ProtocolError('bad-challenge', 'expected realm and nonce in a Digest challenge');
  }
  const algorithmText = parameters.get('algorithm');
  const algorithm = (algorithmText ?? 'MD5').toUpperCase();
  if (algorithm !== 'MD5' && algorithm !== 'SHA-256') return undefined;
  const qop = parameters.get('qop');
  const qopAuth = qop?.split(',').some((option) => option.trim().toLowerCase() === 'auth') ?? false;
  if (qop !== undefined && !qopAuth) return undefined;
  return {
    realm,
    nonce,
    algorithm,
    algorithmText,
    opaque: parameters.get('opaque'),
    qopAuth,
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  };
}

export interface DigestInput {
  readonly challenge: DigestChallenge;
  readonly credentials: Credentials;
  readonly method: string;
  /** The Request-URI, exactly as it is sent. */
  readonly uri: string;
  readonly cnonce: string;
  /** How often this nonce was used, this time included. */
  readonly nonceCount: number;
}

/** Value of Authorization or Proxy-Authorization. RFC 7616 §3.4. */
export function authorize({ challenge, credentials, method, uri, cnonce, nonceCount }: DigestInput): string {
  const { realm, nonce, algorithm, algorithmText, opaque, qopAuth } = challenge;
  const hash = (text: string): string =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const secret = hash(`${credentials.username}:${realm}:${credentials.password}`);
  const subject = hash(`${method}:${uri}`);
  const count = nonceCount.toString(16).padStart(8, '0');
  const response = qopAuth
    ? hash(`${secret}:${nonce}:${count}:${cnonce}:auth:${subject}`)
    : hash(`${secret}:${nonce}:${subject}`);
  const parts = [
    `username=${quote(credentials.username)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(uri)}`,
    `response="${response}"`,
  ];
  if (algorithmText !== undefined) parts.push(`algorithm=${algorithm}`);
  if (opaque !== undefined) parts.push(`opaque=${quote(opaque)}`);
  if (qopAuth) parts.push('qop=auth', `nc=${count}`, `cnonce="${cnonce}"`);
  return `Digest ${parts.join(', ')}`;
}

/** In a row, by a server that calls every nonce stale. */
const challengesMax = 3;

/** Answers 401 and 407 for one dialog: once per request, again where the server calls the nonce stale. */
export class DigestClient {
  readonly #credentials: Credentials | undefined;
  readonly #createCnonce: () => string;
  #challenges = 0;
  #lastNonce: { readonly nonce: string; readonly count: number } | undefined;

  constructor(credentials: Credentials | undefined, createCnonce: () => string) {
    this.#credentials = credentials;
    this.#createCnonce = createCnonce;
  }

  /** To be called with every final response. The headers with which `request` is worth sending again, undefined
   *  where it is not: no credentials, nothing we can answer, or refused with credentials already. */
  answer(request: SipRequest, response: SipResponse): SipHeader | undefined {
    if (response.status !== 401 && response.status !== 407) {
      this.#challenges = 0;
      return undefined;
    }
    const proxy = response.status === 407;
    const name = proxy ? 'Proxy-Authorization' : 'Authorization';
    const challenge = bestChallenge(
      headerValues(response, proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'),
    );
    if (this.#credentials === undefined || challenge === undefined) return undefined;
    if (headerValue(request, name) !== undefined && !challenge.stale) return undefined;
    if (++this.#challenges > challengesMax) return undefined;
    const { nonce } = challenge;
    const count = this.#lastNonce?.nonce === nonce ? this.#lastNonce.count + 1 : 1;
    this.#lastNonce = { nonce, count };
    const value = authorize({
      challenge,
      credentials: this.#credentials,
      method: request.method,
      uri: request.uri,
      cnonce: this.#createCnonce(),
      nonceCount: count,
    });
    return { name, value };
  }
}

/** `headers` with this one instead of an older one of its name. */
export function withCredentials(headers: readonly SipHeader[], credentials: SipHeader): SipHeader[] {
  return [...headers.filter(({ name }) => name !== credentials.name), credentials];
}

/** The topmost that can be answered (RFC 8760 §2.4: the server's order is its preference). */
function bestChallenge(values: readonly string[]): DigestChallenge | undefined {
  for (const value of values) {
    try {
      const challenge = parseChallenge(value);
      if (challenge !== undefined) return challenge;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  return undefined;
}

/** `name=token` and `name="quoted string"` between commas; names in lower case. */
function parseParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const pattern = /[\s,]*([A-Za-z0-9_-]{1,64})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) break;
    const value = match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '';
    parameters.set(match[1]!.toLowerCase(), value);
  }
  return parameters;
}
