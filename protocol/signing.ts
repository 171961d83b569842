import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { ProtocolError } from './protocol-error.ts';

/** Signed HTTP requests, both ways between the gateway and an application: `Authorization: Application KEY:SIGNATURE`
 *  with an HMAC-SHA256, in base64, over verb, MD5 of the body, content type, timestamp and path. */

export interface SignedRequest {
  readonly method: string;
  /** With the query, as on the request line. */
  readonly path: string;
  /** As in the Content-Type header; empty without a body. */
  readonly contentType: string;
  readonly body: Uint8Array;
  /** As in the `x-timestamp` header, ISO 8601. */
  readonly timestamp: string;
}

export const timestampToleranceMs = 300_000;

/** The signature alone. `secret` is base64, as configured. */
export function signRequest(request: SignedRequest, secret: string): string {
  return createHmac('sha256', Buffer.from(secret, 'base64')).update(textToSign(request)).digest('base64');
}

/** Value of the Authorization header. */
export function authorizationOf(
  request: SignedRequest,
  application: { readonly key: string; readonly secret: string },
): string {
  return `Application ${application.key}:${signRequest(request, application.secret)}`;
}

/** Key and signature of an Authorization header; undefined where it is of another scheme.
 *  @throws ProtocolError `bad-authorization`, 401. */
export function parseAuthorization(
  header: string,
): { readonly key: string; readonly signature: string } | undefined {
  const scheme = /^application +/i.exec(header);
  if (scheme === null) return undefined;
  const match = /^([\x21-\x39\x3b-\x7e]{1,256}):([A-Za-z0-9+/]{43}=)$/.exec(header.slice(scheme[0].length));
  if (match === null)
    throw unauthorized('bad-authorization', 'Authorization must be Application KEY:SIGNATURE');
  return { key: match[1]!, signature: match[2]! };
}

/** Returns when the signature is that of this request and the timestamp is near `wallMs`.
 *  @throws ProtocolError `bad-timestamp` or `bad-signature`, 401. */
export function checkSignature(
  request: SignedRequest,
  signature: string,
  secret: string,
  wallMs: number,
): void {
  const timestampMs = Date.parse(request.timestamp);
  if (!(Math.abs(timestampMs - wallMs) <= timestampToleranceMs)) {
    const expected = `x-timestamp must be ISO 8601 within ${timestampToleranceMs / 60_000} minutes of now`;
    throw unauthorized('bad-timestamp', `${expected}, got ${JSON.stringify(request.timestamp.slice(0, 40))}`);
  }
  const wanted = Buffer.from(signRequest(request, secret));
  const shown = Buffer.from(signature);
  if (shown.length !== wanted.length || !timingSafeEqual(shown, wanted)) {
    throw unauthorized(
      'bad-signature',
      'the signature does not fit this request and the secret of the application',
    );
  }
}

function textToSign({ method, path, contentType, body, timestamp }: SignedRequest): string {
  const bodyMd5 = body.length === 0 ? '' : createHash('md5').update(body).digest('base64');
  return [method.toUpperCase(), bodyMd5, contentType, `x-timestamp:${timestamp}`, path].join('\n');
}

function unauthorized(code: string, message: string): ProtocolError {
  return new ProtocolError(code, message, { status: 401 });
}

/** Remembers the signatures of the last minutes, so that none is taken twice. Bounded: when it is full, the
 *  oldest goes, which is the one nearest to being refused for its age anyway. */
export class SeenSignatures {
  readonly #seen = new Map<string, number>();
  readonly #limit: number;

  constructor(limit = 100_000) {
    this.#limit = limit;
  }

  /** False where it was here before within twice the tolerance. */
  accept(signature: string, wallMs: number): boolean {
    for (const [old, atMs] of this.#seen) {
      if (wallMs - atMs <= 2 * timestampToleranceMs && this.#seen.size < this.#limit) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(signature)) return false;
    this.#seen.set(signature, wallMs);
    return true;
  }
}
