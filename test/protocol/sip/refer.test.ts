import { describe, expect, it } from 'vitest';
import { emptyBody, type SipHeader, type SipRequest } from '../../../protocol/sip/message.ts';
import {
  parseReferNotice,
  parseReferTo,
  parseSipfrag,
  referNotice,
  replacesOf,
  serializeReferTo,
  serializeReplaces,
} from '../../../protocol/sip/refer.ts';

function request(method: string, headers: readonly SipHeader[], body = ''): SipRequest {
  return {
    kind: 'request',
    method,
    uri: 'sip:a@b',
    headers,
    body: body === '' ? emptyBody : Buffer.from(body),
  };
}

function refer(value: string) {
  return parseReferTo(request('REFER', [{ name: 'Refer-To', value }]));
}

describe('Refer-To', () => {
  it.each([
    ['<sip:bob@biloxi.example.com>', { uri: 'sip:bob@biloxi.example.com', replaces: undefined }],
    ['sip:bob@biloxi.example.com', { uri: 'sip:bob@biloxi.example.com' }],
    ['<sip:bob@biloxi.example.com;method=INVITE>', { uri: 'sip:bob@biloxi.example.com' }],
    // RFC 3891 §6.1
    [
      '<sip:alice@atlanta.example.com?Replaces=425928%40bobster.example.org%3Bto-tag%3D7743%3Bfrom-tag%3D6472>',
      {
        uri: 'sip:alice@atlanta.example.com',
        replaces: { callId: '425928@bobster.example.org', toTag: '7743', fromTag: '6472', earlyOnly: false },
      },
    ],
  ])('%s', (value, target) => {
    expect(refer(value)).toMatchObject(target);
  });

  it('is read as it was written', () => {
    const replaces = { callId: 'a-b@c', toTag: 't1', fromTag: 'f1', earlyOnly: true };
    const value = serializeReferTo('sip:x@y;transport=tcp', serializeReplaces(replaces));
    expect(refer(value)).toEqual({ uri: 'sip:x@y;transport=tcp', replaces });
  });

  it.each(['<tel:>', '<sip:>', 'nonsense', '<sip:a@b?Replaces=x>'])('%s is refused', (value) => {
    expect(() => refer(value)).toThrow();
  });
});

describe('Replaces', () => {
  const value = '98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff';
  it('is read in any order of its tags', () => {
    expect(replacesOf(request('INVITE', [{ name: 'Replaces', value }]))).toMatchObject({
      callId: '98732@sip.example.com',
      toTag: 'ff87ff',
      fromTag: 'r33th4x0r',
    });
    expect(replacesOf(request('INVITE', []))).toBeUndefined();
  });

  it.each([
    [
      'twice',
      [
        { name: 'Replaces', value },
        { name: 'Replaces', value },
      ],
    ],
    [
      'beside Join',
      [
        { name: 'Replaces', value },
        { name: 'Join', value },
      ],
    ],
    ['without tags', [{ name: 'Replaces', value: 'abc' }]],
  ])('%s is refused', (_what, headers) => {
    expect(() => replacesOf(request('INVITE', headers))).toThrow();
  });
});

describe('NOTIFY', () => {
  it.each([
    ['SIP/2.0 100 Trying\r\n', { status: 100, reasonPhrase: 'Trying' }],
    ['SIP/2.0 503\r\n', { status: 503, reasonPhrase: 'Service Unavailable' }],
    ['sip/2.0 200 OK\r\nContact: <sip:a@b>\r\n', { status: 200, reasonPhrase: 'OK' }],
    ['SIP/2.0 99 x', undefined],
    ['', undefined],
  ])('%j', (body, progress) => {
    expect(parseSipfrag(Buffer.from(body))).toEqual(progress);
  });

  it('is read as it was written', () => {
    for (const status of [100, 180, 200, 486]) {
      const progress = { status, reasonPhrase: 'x y' };
      const { headers, body } = referNotice(progress, { id: 7, expiresSeconds: 60 });
      expect(parseReferNotice(request('NOTIFY', headers, Buffer.from(body).toString()))).toEqual({
        id: 7,
        progress,
        terminated: status >= 200,
      });
    }
  });

  it('of another event is none', () => {
    expect(parseReferNotice(request('NOTIFY', [{ name: 'Event', value: 'talk' }]))).toBeUndefined();
  });
});
