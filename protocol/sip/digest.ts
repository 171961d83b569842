import { ProtocolError } from '../protocol-error.ts';
import {
  type DigestAlgorithm,
  type DigestQop,
  digestAlgorithm,
  digestResponse,
  digestSecret,
  parseDigestParameters,
  withoutDigestScheme,
} from './digest-hash.ts';
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
  readonly algorithm: DigestAlgorithm;
  /** As the challenge spelled it; undefined where it named none. */
  readonly algorithmText: string | undefined;
  readonly opaque: string | undefined;
  /** `auth` wherever it is offered; undefined for servers of RFC 2069, which offer none. */
  readonly qop: DigestQop | undefined;
  readonly stale: boolean;
}

/** Value of WWW-Authenticate or Proxy-Authenticate; undefined for a scheme, an algorithm or a qop that we cannot
 *  answer. Throws `ProtocolError` where realm or nonce are missing or the value is malformed. */
export function parseChallenge(value: string): DigestChallenge | undefined {
  const text = withoutDigestScheme(value);
  if (text === undefined) return undefined;
  const parameters = parseDigestParameters(text);
  const realm = parameters.get('realm');
  const nonce = parameters.get('nonce');
  if (realm === undefined || nonce === undefined) {
    throw new ProtocolError('bad-challenge', 'expected realm and nonce in a Digest challenge');
  }
  const algorithmText = parameters.get('algorithm');
  const algorithm = digestAlgorithm(algorithmText);
  if (algorithm === undefined) return undefined;
  const offered = parameters.get('qop')?.split(',');
  const options = offered?.map((option) => option.trim().toLowerCase());
  const qop = (['auth', 'auth-int'] as const).find((option) => options?.includes(option));
  if (options !== undefined && qop === undefined) return undefined;
  return {
    realm,
    nonce,
    algorithm,
    algorithmText,
    opaque: parameters.get('opaque'),
    qop,
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  };
}

export interface DigestInput {
  readonly challenge: DigestChallenge;
  readonly credentials: Credentials;
  readonly method: string;
  /** The Request-URI, exactly as it is sent. */
  readonly uri: string;
  readonly body?: Uint8Array;
  readonly cnonce: string;
  /** How often this nonce was used, this time included. */
  readonly nonceCount: number;
}

/** Value of Authorization or Proxy-Authorization. RFC 7616 §3.4. */
export function authorize({
  challenge,
  credentials,
  method,
  uri,
  body = noBody,
  cnonce,
  nonceCount,
}: DigestInput): string {
  const { realm, nonce, algorithm, algorithmText, opaque, qop } = challenge;
  const count = nonceCount.toString(16).padStart(8, '0');
  const secret = digestSecret(algorithm, credentials, realm);
  const response = digestResponse({
    algorithm,
    secret,
    nonce,
    cnonce,
    nonceCount: count,
    qop,
    method,
    uri,
    body,
  });
  const parts = [
    `username=${quote(credentials.username)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(uri)}`,
    `response="${response}"`,
  ];
  if (algorithmText !== undefined) parts.push(`algorithm=${algorithm}`);
  if (opaque !== undefined) parts.push(`opaque=${quote(opaque)}`);
  if (qop !== undefined) parts.push(`qop=${qop}`, `nc=${count}`);
  // A session's secret depends on it, also where there is no qop.
  if (qop !== undefined || algorithm.endsWith('-sess')) parts.push(`cnonce="${cnonce}"`);
  return `Digest ${parts.join(', ')}`;
}

const noBody = new Uint8Array(0);
/** In a row, by a server that calls every nonce stale. */
const challengesMax = 3;

/** Answers 401 and 407 for one dialog or registration: once per request, again where the server calls the nonce
 *  stale. */
export class DigestClient {
  readonly #credentials: Credentials | undefined;
  readonly #createCnonce: () => string;
  #challenges = 0;
  #last:
    | { readonly name: string; readonly challenge: DigestChallenge; readonly nonceCount: number }
    | undefined;
  /** The value that `ahead` gave last. */
  #unasked: string | undefined;

  constructor(credentials: Credentials | undefined, createCnonce: () => string) {
    this.#credentials = credentials;
    this.#createCnonce = createCnonce;
  }

  /** To be called with every final response. The headers with which `request` is worth sending again, undefined
   *  where it is not: no credentials, nothing we can answer, or refused with credentials already. */
  answer(request: SipRequest, response: SipResponse): SipHeader | undefined {
    if (response.status !== 401 && response.status !== 407) {
      this.#challenges = 0;
      this.#takeNextNonce(response);
      return undefined;
    }
    const proxy = response.status === 407;
    const name = proxy ? 'Proxy-Authorization' : 'Authorization';
    const challenge = bestChallenge(
      headerValues(response, proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'),
    );
    if (challenge === undefined) return undefined;
    const carried = headerValue(request, name);
    // Credentials that were sent unasked may be out of date; the server need not say so.
    const refused = carried !== undefined && carried !== this.#unasked;
    if (refused && !challenge.stale) {
      // Nothing to be sent ahead any more: every such attempt would count as another wrong password.
      this.#last = undefined;
      return undefined;
    }
    if (++this.#challenges > challengesMax) return undefined;
    return this.#authorize(request, name, challenge);
  }

  /** Credentials for the next request, out of the last challenge: spares the server's question. Undefined where it
   *  never asked. */
  ahead(request: SipRequest): SipHeader | undefined {
    if (this.#last === undefined) return undefined;
    const header = this.#authorize(request, this.#last.name, this.#last.challenge);
    this.#unasked = header?.value;
    return header;
  }

  #authorize(request: SipRequest, name: string, challenge: DigestChallenge): SipHeader | undefined {
    const credentials = this.#credentials;
    if (credentials === undefined) return undefined;
    const last = this.#last;
    const nonceCount = last?.challenge.nonce === challenge.nonce ? last.nonceCount + 1 : 1;
    this.#last = { name, challenge, nonceCount };
    const { method, uri, body } = request;
    const cnonce = this.#createCnonce();
    return { name, value: authorize({ challenge, credentials, method, uri, body, cnonce, nonceCount }) };
  }

  /** RFC 7616 §3.5. */
  #takeNextNonce(response: SipResponse): void {
    const information = headerValue(response, 'Authentication-Info');
    if (this.#last === undefined || information === undefined) return;
    const nonce = parseDigestParameters(information).get('nextnonce');
    if (nonce === undefined || nonce === this.#last.challenge.nonce) return;
    this.#last = { ...this.#last, challenge: { ...this.#last.challenge, nonce }, nonceCount: 0 };
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
