import { createHash } from 'node:crypto';

/** What both ends of Digest compute. RFC 7616 §3.4, RFC 8760. */
export type DigestAlgorithm = 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess';

/** `auth-int` protects the body too. */
export type DigestQop = 'auth' | 'auth-int';

const algorithms: readonly DigestAlgorithm[] = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'];

/** Undefined for one that we do not have; MD5 where none is named. */
export function digestAlgorithm(text: string | undefined): DigestAlgorithm | undefined {
  if (text === undefined) return 'MD5';
  return algorithms.find((algorithm) => algorithm.toLowerCase() === text.toLowerCase());
}

/** H(username:realm:password), in hexadecimal: all that a server needs to keep of a password. */
export function digestSecret(
  algorithm: DigestAlgorithm,
  credentials: { readonly username: string; readonly password: string },
  realm: string,
): string {
  return hash(algorithm, `${credentials.username}:${realm}:${credentials.password}`);
}

export interface DigestFacts {
  readonly algorithm: DigestAlgorithm;
  /** Of `digestSecret`. */
  readonly secret: string;
  readonly nonce: string;
  readonly cnonce: string;
  /** Eight hexadecimal digits, as they are sent. */
  readonly nonceCount: string;
  /** Undefined as of RFC 2069. */
  readonly qop: DigestQop | undefined;
  readonly method: string;
  /** As it is sent in the header. */
  readonly uri: string;
  readonly body: Uint8Array;
}

/** The value of `response`, in hexadecimal. */
export function digestResponse(facts: DigestFacts): string {
  const { algorithm, nonce, cnonce, nonceCount, qop, method, uri } = facts;
  const session = algorithm.endsWith('-sess');
  const secret = session ? hash(algorithm, `${facts.secret}:${nonce}:${cnonce}`) : facts.secret;
  const bodyPart = qop === 'auth-int' ? `:${hash(algorithm, facts.body)}` : '';
  const subject = hash(algorithm, `${method}:${uri}${bodyPart}`);
  return qop === undefined
    ? hash(algorithm, `${secret}:${nonce}:${subject}`)
    : hash(algorithm, `${secret}:${nonce}:${nonceCount}:${cnonce}:${qop}:${subject}`);
}

/** `name=token` and `name="quoted string"` between commas; names in lower case. Stops at what is neither. */
export function parseDigestParameters(text: string): ReadonlyMap<string, string> {
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

/** What follows `Digest`; undefined for another scheme. */
export function withoutDigestScheme(value: string): string | undefined {
  const scheme = /^\s*digest[ \t]+/i.exec(value);
  return scheme === null ? undefined : value.slice(scheme[0].length);
}

function hash(algorithm: DigestAlgorithm, data: string | Uint8Array): string {
  return createHash(algorithm.startsWith('MD5') ? 'md5' : 'sha256')
    .update(data)
    .digest('hex');
}
