import { describe, expect, test } from 'vitest';
import {
  authorizationOf,
  checkSignature,
  parseAuthorization,
  SeenSignatures,
  type SignedRequest,
  signRequest,
} from '../../protocol/signing.ts';

/** The worked example in the public API's documentation of signed requests. */
const published = {
  request: {
    method: 'POST',
    path: '/v1/sms/+46700000000',
    contentType: 'application/json',
    body: Buffer.from('{"message":"Hello world"}'),
    timestamp: '2014-06-04T13:41:58Z',
  } satisfies SignedRequest,
  key: '5F5C418A0F914BBC8234A9BF5EDDAD97',
  secret: 'JViE5vDor0Sw3WllZka15Q==',
  signature: 'qDXMwzfaxCRS849c/2R0hg0nphgdHciTo7OdM6MsdnM=',
};
const signedAtMs = Date.parse(published.request.timestamp);

describe('signed requests', () => {
  test('sign the published example as published', () => {
    const { request, key, secret, signature } = published;
    expect(signRequest(request, secret)).toBe(signature);
    expect(authorizationOf(request, { key, secret })).toBe(`Application ${key}:${signature}`);
  });

  test('are accepted up to five minutes off', () => {
    const { request, signature, secret } = published;
    for (const offMs of [-300_000, 0, 300_000]) {
      expect(() => checkSignature(request, signature, secret, signedAtMs + offMs)).not.toThrow();
    }
  });

  test.each<{ name: string; change: Partial<SignedRequest>; offMs?: number; code: string }>([
    { name: 'another verb', change: { method: 'PUT' }, code: 'bad-signature' },
    { name: 'another path', change: { path: '/v1/sms/+46700000001' }, code: 'bad-signature' },
    { name: 'another body', change: { body: Buffer.from('{}') }, code: 'bad-signature' },
    { name: 'no body', change: { body: new Uint8Array() }, code: 'bad-signature' },
    { name: 'another type', change: { contentType: 'text/plain' }, code: 'bad-signature' },
    { name: 'another time', change: { timestamp: '2014-06-04T13:41:59Z' }, code: 'bad-signature' },
    { name: 'an old time', change: {}, offMs: 300_001, code: 'bad-timestamp' },
    { name: 'a time to come', change: {}, offMs: -300_001, code: 'bad-timestamp' },
    { name: 'a time that is none', change: { timestamp: 'now' }, code: 'bad-timestamp' },
  ])('are refused with $name', ({ change, offMs = 0, code }) => {
    const request = { ...published.request, ...change };
    expect(() => checkSignature(request, published.signature, published.secret, signedAtMs + offMs)).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code, status: 401 }),
    );
  });

  test('name their application in the header, in any case', () => {
    const { key, signature } = published;
    expect(parseAuthorization(`application ${key}:${signature}`)).toEqual({ key, signature });
    expect(parseAuthorization('Basic abc')).toBeUndefined();
    for (const bad of ['Application ', `Application ${key}`, `Application ${key}:short`]) {
      expect(() => parseAuthorization(bad)).toThrow(expect.objectContaining({ code: 'bad-authorization' }));
    }
  });

  test('are taken once', () => {
    const seen = new SeenSignatures(3);
    expect(seen.accept('a', 0)).toBe(true);
    expect(seen.accept('a', 1_000)).toBe(false);
    expect(seen.accept('b', 1_000)).toBe(true);
    expect(seen.accept('a', 599_999)).toBe(false);
    expect(seen.accept('a', 600_001)).toBe(true);
  });

  test('are remembered within bounds', () => {
    const seen = new SeenSignatures(3);
    for (const signature of ['a', 'b', 'c', 'd']) expect(seen.accept(signature, 0)).toBe(true);
    expect(seen.accept('d', 0)).toBe(false);
  });
});
