import { createHmac } from 'node:crypto';

/** Tells a stream server who connects: a JSON Web Token (RFC 7519) signed with HMAC-SHA256 (HS256), which every server
 *  can check with a library that it has, and with a dozen lines of its own. */

/** A token is good for this long; clocks may lie apart by as much again. */
export const connectTokenSeconds = 60;

export interface ConnectClaims {
  readonly callId: string;
  readonly applicationKey: string;
  /** The URL that is connected to, without the token. Scheme, host and path become the audience. */
  readonly url: string;
  readonly nowMs: number;
}

/** Claims: `iss` callwire, `sub` the application's key, `aud` scheme, host and path of the URL, `jti` the call's id,
 *  `iat` and `exp` in seconds. */
export function signConnect(claims: ConnectClaims, secret: Uint8Array): string {
  const issuedAt = Math.floor(claims.nowMs / 1000);
  const url = new URL(claims.url);
  const payload = {
    iss: 'callwire',
    sub: claims.applicationKey,
    aud: `${url.protocol}//${url.host}${url.pathname}`,
    jti: claims.callId,
    iat: issuedAt,
    exp: issuedAt + connectTokenSeconds,
  };
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(payload)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** The URL with the token in its query, after what is there. */
export function withToken(url: string, token: string): string {
  const signed = new URL(url);
  signed.searchParams.set('token', token);
  return signed.href;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
