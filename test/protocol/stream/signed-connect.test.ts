import { createHmac, timingSafeEqual } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { signConnect, withToken } from '../../../protocol/stream/signed-connect.ts';

const claims = {
  callId: 'gw-1.17',
  applicationKey: 'app-key',
  url: 'wss://bot.example:8443/calls?x=1',
  nowMs: 1_700_000_000_500,
};
const secret = Buffer.from('a secret of the application');

/** As the documentation tells servers to do it. */
function verify(token: string, key: Uint8Array, nowSeconds: number): Record<string, unknown> | undefined {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const wanted = createHmac('sha256', key).update(`${header}.${payload}`).digest();
  const got = Buffer.from(signature, 'base64url');
  if (got.length !== wanted.length || !timingSafeEqual(got, wanted)) return undefined;
  const read = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { iat: number; exp: number };
  return nowSeconds > read.exp + 60 || nowSeconds < read.iat - 60 ? undefined : read;
}

describe('a signed connect', () => {
  it('says who calls whom, for a minute', () => {
    expect(verify(signConnect(claims, secret), secret, 1_700_000_010)).toEqual({
      iss: 'callwire',
      sub: 'app-key',
      aud: 'wss://bot.example:8443/calls',
      jti: 'gw-1.17',
      iat: 1_700_000_000,
      exp: 1_700_000_060,
    });
  });

  it('is nothing to who has another secret, comes too late or changed it', () => {
    const token = signConnect(claims, secret);
    expect(verify(token, Buffer.from('another'), 1_700_000_010)).toBeUndefined();
    expect(verify(token, secret, 1_700_000_200)).toBeUndefined();
    expect(
      verify(
        token.replace(/\.[^.]+\./, (part) => `${part.slice(0, -2)}A.`),
        secret,
        1_700_000_010,
      ),
    ).toBeUndefined();
  });

  it('stands in the query behind what is there', () => {
    expect(withToken('wss://bot.example/calls?x=1', 'a.b-c_d')).toBe(
      'wss://bot.example/calls?x=1&token=a.b-c_d',
    );
  });
});
