import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ProtocolError } from '../protocol-error.ts';
import type { Credentials } from './digest.ts';
import {
  type DigestAlgorithm,
  digestAlgorithm,
  digestResponse,
  digestSecret,
  parseDigestParameters,
  withoutDigestScheme,
} from './digest-hash.ts';
import { quote } from './header-scanner.ts';
import { headerValues, type SipHeader, type SipRequest } from './message.ts';
import { NonceCounts } from './nonce-counts.ts';
import { parseUri } from './uri.ts';

export interface DigestServerOptions {
  readonly realm: string;
  readonly users: readonly Credentials[];
  /** Asked for in this order; no other counts. By default SHA-256 before MD5, as RFC 8760 §2.3 wants it. */
  readonly algorithms?: readonly ServedAlgorithm[] | undefined;
  /** At least 16 bytes; whoever has it can make nonces of ours. */
  readonly secret: Uint8Array;
  /** Random bytes, so that two nonces of the same moment differ. */
  readonly createRandom: (sizeBytes: number) => Uint8Array;
  readonly nonceMsMax?: number;
}

export type DigestVerdict =
  /** Nothing was presented for our realm: challenge. */
  | { readonly verdict: 'absent' }
  | { readonly verdict: 'accepted'; readonly username: string }
  /** The right password with a nonce that is too old, used already, or not ours: challenge with `stale`. */
  | { readonly verdict: 'stale'; readonly username: string }
  /** Whether the user, the password or the syntax is wrong is not to be told. */
  | { readonly verdict: 'refused'; readonly username: string };

interface Presented {
  readonly username: string;
  readonly nonce: string;
  readonly nonceCount: string;
  readonly qop: 'auth' | 'auth-int' | undefined;
  readonly response: string;
  readonly cnonce: string;
  readonly uri: string;
  readonly algorithm: DigestAlgorithm;
}

export const servedAlgorithms = ['SHA-256', 'MD5'] as const;
export type ServedAlgorithm = (typeof servedAlgorithms)[number];

const timeBytes = 6;
const randomBytes = 3;
const macBytes = 9;

/** The server's side of Digest. A challenge costs no memory: its nonce proves by itself when and by whom it was made;
 *  only nonces that came back with the right password are remembered, up to a limit. RFC 7616 §3.3, §5.4, RFC 8760. */
export class DigestServer {
  readonly #options: DigestServerOptions;
  readonly #nonceMsMax: number;
  readonly #algorithms: readonly ServedAlgorithm[];
  readonly #secrets = new Map<string, Readonly<Record<ServedAlgorithm, string>>>();
  /** What an unknown user is compared with, so that it takes as long as for a known one. */
  readonly #unknown: Readonly<Record<ServedAlgorithm, string>>;
  readonly #counts = new NonceCounts(20_000);

  constructor(options: DigestServerOptions) {
    this.#options = options;
    this.#nonceMsMax = options.nonceMsMax ?? 300_000;
    this.#algorithms = options.algorithms ?? servedAlgorithms;
    for (const user of options.users) this.#secrets.set(user.username, secretsOf(user, options.realm));
    const password = Buffer.from(options.secret).toString('hex');
    this.#unknown = secretsOf({ username: '', password }, options.realm);
  }

  /** WWW-Authenticate, the preferred first. */
  challenges(nowMs: number, { stale = false }: { readonly stale?: boolean } = {}): SipHeader[] {
    const nonce = this.#createNonce(nowMs);
    const start = `Digest realm=${quote(this.#options.realm)},nonce="${nonce}",qop="auth,auth-int"`;
    return this.#algorithms.map((algorithm) => ({
      name: 'WWW-Authenticate',
      value: `${start},algorithm=${algorithm}${stale ? ',stale=true' : ''}`,
    }));
  }

  /** The user that it claims to be from; undefined without credentials for our realm. */
  presented(request: SipRequest): string | undefined {
    const parameters = this.#parametersOf(request);
    return parameters === undefined ? undefined : (parameters.get('username') ?? '');
  }

  check(request: SipRequest, nowMs: number): DigestVerdict {
    const parameters = this.#parametersOf(request);
    return parameters === undefined ? { verdict: 'absent' } : this.#judge(request, parameters, nowMs);
  }

  #parametersOf(request: SipRequest): ReadonlyMap<string, string> | undefined {
    for (const value of headerValues(request, 'Authorization')) {
      const text = withoutDigestScheme(value);
      const parameters = text === undefined ? undefined : parseDigestParameters(text);
      if (parameters?.get('realm') === this.#options.realm) return parameters;
    }
    return undefined;
  }

  #judge(request: SipRequest, parameters: ReadonlyMap<string, string>, nowMs: number): DigestVerdict {
    const username = parameters.get('username') ?? '';
    const presented = readPresented(parameters);
    if (presented === undefined) return { verdict: 'refused', username };
    if (!this.#isRight(request, presented)) return { verdict: 'refused', username };
    const issuedMs = this.#issuedMs(presented.nonce);
    if (issuedMs === undefined || issuedMs > nowMs || nowMs - issuedMs > this.#nonceMsMax) {
      return { verdict: 'stale', username };
    }
    // Without a count (RFC 2069) a nonce serves once.
    const count = presented.qop === undefined ? 1 : Number.parseInt(presented.nonceCount, 16);
    this.#counts.forgetBefore(nowMs - this.#nonceMsMax);
    const fresh = this.#counts.use(presented.nonce, count, issuedMs);
    return { verdict: fresh ? 'accepted' : 'stale', username };
  }

  #isRight(request: SipRequest, presented: Presented): boolean {
    const { username, uri, response } = presented;
    const algorithm = this.#algorithms.find((served) => served === presented.algorithm);
    if (algorithm === undefined) return false;
    const known = this.#secrets.get(username);
    const secret = (known ?? this.#unknown)[algorithm];
    const expected = digestResponse({ ...presented, secret, method: request.method, body: request.body });
    const same = timingSafeEqual(hashed(expected), hashed(response.toLowerCase()));
    return same && known !== undefined && isSameResource(uri, request.uri);
  }

  /** Time, randomness and what proves that both are ours, 24 characters. */
  #createNonce(nowMs: number): string {
    const nonce = Buffer.alloc(timeBytes + randomBytes + macBytes);
    nonce.writeUIntBE(Math.max(0, Math.floor(nowMs)), 0, timeBytes);
    nonce.set(this.#options.createRandom(randomBytes), timeBytes);
    nonce.set(this.#mac(nonce.subarray(0, timeBytes + randomBytes)), timeBytes + randomBytes);
    return nonce.toString('base64url');
  }

  /** Undefined for a nonce that is not ours. */
  #issuedMs(text: string): number | undefined {
    const nonce = Buffer.from(text, 'base64url');
    // The decoder overlooks what is no base64: only the one spelling counts, or a used nonce would have many names.
    if (nonce.length !== timeBytes + randomBytes + macBytes || nonce.toString('base64url') !== text)
      return undefined;
    const mac = this.#mac(nonce.subarray(0, timeBytes + randomBytes));
    if (!timingSafeEqual(mac, nonce.subarray(timeBytes + randomBytes))) return undefined;
    return nonce.readUIntBE(0, timeBytes);
  }

  #mac(facts: Uint8Array): Buffer {
    const mac = createHmac('sha256', this.#options.secret).update(facts).update(this.#options.realm);
    return mac.digest().subarray(0, macBytes);
  }
}

function secretsOf(user: Credentials, realm: string): Readonly<Record<ServedAlgorithm, string>> {
  return { 'SHA-256': digestSecret('SHA-256', user, realm), MD5: digestSecret('MD5', user, realm) };
}

/** Of equal length whatever came. */
function hashed(text: string): Buffer {
  return createHmac('sha256', 'compare').update(text).digest();
}

/** RFC 7616 §3.4. */
function readPresented(parameters: ReadonlyMap<string, string>): Presented | undefined {
  const [username, nonce, response, uri] = ['username', 'nonce', 'response', 'uri'].map((name) =>
    parameters.get(name),
  );
  const algorithm = digestAlgorithm(parameters.get('algorithm'));
  const qop = parameters.get('qop')?.toLowerCase();
  const nonceCount = parameters.get('nc') ?? '';
  const cnonce = parameters.get('cnonce') ?? '';
  if (username === undefined || nonce === undefined || response === undefined || uri === undefined)
    return undefined;
  if (algorithm === undefined) return undefined;
  if (qop !== undefined && qop !== 'auth' && qop !== 'auth-int') return undefined;
  if (qop !== undefined && (!/^[0-9a-f]{8}$/i.test(nonceCount) || cnonce === '')) return undefined;
  return { username, nonce, response, uri, algorithm, qop, nonceCount, cnonce };
}

/** Credentials made for one number must not open another. Proxies on the way may have changed all but the user. */
function isSameResource(presented: string, requested: string): boolean {
  if (presented === requested) return true;
  try {
    return parseUri(presented).user === parseUri(requested).user;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}
