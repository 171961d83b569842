import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { readConnectToken } from '../../../gateway/bots/connect-token.ts';
import { signConnect, withToken } from '../../../protocol/stream/signed-connect.ts';

const secret = Buffer.from('a secret');
const nowMs = 1_700_000_000_000;
const claims = { callId: 'gw-1.7', applicationKey: 'app', url: 'wss://bot.example/calls?x=1', nowMs };
const token = signConnect(claims, secret);

function forged(header: object, payload: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

const good = { jti: 'gw-1.7', sub: 'app', iat: nowMs / 1_000, exp: nowMs / 1_000 + 60 };
const rows: readonly { name: string; url?: string; authorization?: string; atMs?: number; taken: boolean }[] =
  [
    {
      name: 'in the query',
      url: `${new URL(withToken(claims.url, token)).pathname}?token=${token}`,
      taken: true,
    },
    { name: 'in the header', authorization: `Bearer ${token}`, taken: true },
    { name: 'in the header, in small letters', authorization: `bearer ${token}`, taken: true },
    { name: 'two minutes later', authorization: `Bearer ${token}`, atMs: nowMs + 120_000, taken: true },
    { name: 'too late', authorization: `Bearer ${token}`, atMs: nowMs + 121_000, taken: false },
    { name: 'too early', authorization: `Bearer ${token}`, atMs: nowMs - 61_000, taken: false },
    { name: 'none', taken: false },
    { name: 'another scheme', authorization: `Basic ${token}`, taken: false },
    { name: 'cut off', authorization: `Bearer ${token.slice(0, -2)}`, taken: false },
    { name: 'with more behind it', authorization: `Bearer ${token}.x`, taken: false },
    { name: 'without a signature', authorization: `Bearer ${token.replace(/[^.]*$/, '')}`, taken: false },
    { name: 'of another algorithm', authorization: `Bearer ${forged({ alg: 'none' }, good)}`, taken: false },
    {
      name: 'without an end',
      authorization: `Bearer ${forged({ alg: 'HS256' }, { ...good, exp: undefined })}`,
      taken: false,
    },
  ];

it.each(rows)('a token $name', ({ url = '/calls', authorization, atMs = nowMs, taken }) => {
  const claimed = readConnectToken({ url, headers: { authorization } }, secret, atMs);
  expect(claimed).toEqual(taken ? { jti: 'gw-1.7', sub: 'app' } : undefined);
});
