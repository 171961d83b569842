import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The other side of a signed connect: a JSON Web Token (RFC 7519) with HS256 in the query, as `token`, or in the
 *  Authorization header. */

export interface ConnectTokenClaims {
  /** The call's id. */
  readonly jti: string;
  /** The application's key. */
  readonly sub: string;
}

/** By how much the gateway's clock and ours may differ. */
const clockToleranceSeconds = 60;

/** Undefined where there is no token, or one that is not of who has the secret, or not of now. */
export function readConnectToken(
  request: Pick<IncomingMessage, 'url' | 'headers'>,
  secret: Uint8Array,
  nowMs: number,
): ConnectTokenClaims | undefined {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const token = bearer ?? new URL(request.url ?? '/', 'ws://bot').searchParams.get('token') ?? '';
  const [header = '', payload = '', signature = '', ...more] = token.split('.');
  const wanted = createHmac('sha256', secret).update(`${header}.${payload}`).digest();
  const got = Buffer.from(signature, 'base64url');
  if (more.length > 0 || got.length !== wanted.length || !timingSafeEqual(got, wanted)) return undefined;
  // From here on it is the gateway's own word.
  const { alg } = read(header);
  const { jti, sub, iat, exp } = read(payload);
  const nowSeconds = nowMs / 1_000;
  if (alg !== 'HS256' || typeof iat !== 'number' || typeof exp !== 'number') return undefined;
  if (nowSeconds > exp + clockToleranceSeconds || nowSeconds < iat - clockToleranceSeconds) return undefined;
  return { jti: String(jti), sub: String(sub) };
}

function read(part: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) ?? {};
  } catch {
    return {};
  }
}
