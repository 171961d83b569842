import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  headerTokens,
  isCallId,
  parseAuthValue,
  parseContentLength,
  parseCSeq,
  parseExpires,
  parseMaxForwards,
  parseMediaType,
  parseRAck,
  parseReason,
  parseReplaces,
  parseRetryAfter,
  parseRSeq,
  parseSessionExpires,
  serializeAuthValue,
  serializeCSeq,
  serializeMediaType,
  serializeRAck,
  serializeReason,
  serializeReplaces,
  serializeSessionExpires,
  serializeWarning,
} from '../../../protocol/sip/header-values.ts';
import { createRequest } from '../../../protocol/sip/message.ts';
import { codeThrownBy } from './message-text.ts';

const parameters = (entries: Record<string, string> = {}) => new Map(Object.entries(entries));

const good: readonly {
  readonly name: string;
  readonly parse: (text: string) => unknown;
  readonly text: string;
  readonly value: unknown;
}[] = [
  { name: 'CSeq', parse: parseCSeq, text: '0009 \t INVITE', value: { sequence: 9, method: 'INVITE' } },
  { name: 'CSeq', parse: parseCSeq, text: '2147483647 X', value: { sequence: 2_147_483_647, method: 'X' } },
  { name: 'Content-Length', parse: parseContentLength, text: ' 12 ', value: 12 },
  { name: 'Max-Forwards', parse: parseMaxForwards, text: '0068', value: 68 },
  { name: 'Expires', parse: parseExpires, text: '4294967295', value: 4_294_967_295 },
  { name: 'RSeq', parse: parseRSeq, text: '988789', value: 988_789 },
  {
    name: 'Retry-After',
    parse: parseRetryAfter,
    text: '18000;duration=3600',
    value: { seconds: 18_000, parameters: parameters({ duration: '3600' }) },
  },
  {
    name: 'Retry-After',
    parse: parseRetryAfter,
    text: "120 (I'm in \\) a (big) meeting) ;x",
    value: { seconds: 120, parameters: parameters({ x: '' }) },
  },
  {
    name: 'Reason',
    parse: parseReason,
    text: 'Q.850 ;cause=16 ;text="Terminated; or not"',
    value: { protocol: 'Q.850', cause: 16, text: 'Terminated; or not' },
  },
  {
    name: 'Reason',
    parse: parseReason,
    text: 'SIP',
    value: { protocol: 'SIP', cause: undefined, text: undefined },
  },
  {
    name: 'Content-Type',
    parse: parseMediaType,
    text: 'Multipart / Mixed; boundary="a b"',
    value: { type: 'multipart/mixed', parameters: parameters({ boundary: 'a b' }) },
  },
  {
    name: 'Accept',
    parse: parseMediaType,
    text: '*/*;q=0.1',
    value: { type: '*/*', parameters: parameters({ q: '0.1' }) },
  },
  {
    name: 'RAck',
    parse: parseRAck,
    text: '776656 1 INVITE',
    value: { responseSequence: 776_656, sequence: 1, method: 'INVITE' },
  },
  {
    name: 'Replaces',
    parse: parseReplaces,
    text: '425928@phone.example.com;to-tag=7743;from-tag=6472;early-only',
    value: { callId: '425928@phone.example.com', toTag: '7743', fromTag: '6472', earlyOnly: true },
  },
  {
    name: 'Session-Expires',
    parse: parseSessionExpires,
    text: '4000;Refresher=UAC',
    value: { seconds: 4_000, refresher: 'uac' },
  },
  {
    name: 'challenge',
    parse: parseAuthValue,
    text: 'Digest realm="a, \\"b\\"",  qop="auth,auth-int" , nonce=x==,stale=FALSE',
    value: {
      scheme: 'Digest',
      parameters: parameters({ realm: 'a, "b"', qop: 'auth,auth-int', nonce: 'x==', stale: 'FALSE' }),
    },
  },
  {
    name: 'empty list elements',
    parse: parseAuthValue,
    text: 'Digest ,a=b,,c=d,',
    value: { scheme: 'Digest', parameters: parameters({ a: 'b', c: 'd' }) },
  },
  {
    name: 'token68',
    parse: parseAuthValue,
    text: 'Basic YTpi==',
    value: { scheme: 'Basic', parameters: parameters({ '': 'YTpi==' }) },
  },
];

const bad: readonly {
  readonly name: string;
  readonly parse: (text: string) => unknown;
  readonly texts: readonly string[];
  readonly code: string;
}[] = [
  {
    name: 'CSeq',
    parse: parseCSeq,
    texts: [
      '',
      '1',
      'INVITE',
      '-1 INVITE',
      '2147483648 INVITE',
      '1 INVITE x',
      '1.5 INVITE',
      '0x1 INVITE',
      '1 IN VITE',
      '1 "x"',
      '36893488147419103232 REGISTER',
    ],
    code: 'bad-cseq',
  },
  {
    name: 'Content-Length',
    parse: parseContentLength,
    texts: ['', '-1', '1 2', '+1', '1e3', 'x', '9'.repeat(400)],
    code: 'bad-content-length',
  },
  { name: 'Max-Forwards', parse: parseMaxForwards, texts: ['256', '-1', ''], code: 'bad-max-forwards' },
  { name: 'Expires', parse: parseExpires, texts: ['4294967296', 'x'], code: 'bad-expires' },
  {
    name: 'Retry-After',
    parse: parseRetryAfter,
    texts: ['x', '1 (', '1 (a\\', '1 x'],
    code: 'bad-retry-after',
  },
  {
    name: 'Reason',
    parse: parseReason,
    texts: ['', ';cause=1', 'SIP;cause=x', 'SIP;cause=1000', 'SIP;text="x'],
    code: 'bad-reason',
  },
  {
    name: 'Content-Type',
    parse: parseMediaType,
    texts: ['', 'text', 'text/', '/plain', 'text/plain x'],
    code: 'bad-media-type',
  },
  { name: 'RAck', parse: parseRAck, texts: ['', '1', '1 2', '1 2 3 4', 'x 2 INVITE'], code: 'bad-rack' },
  {
    name: 'Replaces',
    parse: parseReplaces,
    texts: ['', 'a', ';to-tag=a;from-tag=b', 'a;to-tag=b', 'a b;to-tag=a;from-tag=b'],
    code: 'bad-replaces',
  },
  {
    name: 'Session-Expires',
    parse: parseSessionExpires,
    texts: ['', '-1', '1 2'],
    code: 'bad-session-expires',
  },
  {
    name: 'Authorization',
    parse: parseAuthValue,
    texts: ['', '"x"', 'Digest a=b c=d', 'Digest a="b', 'Digest a=,b=c', 'Digest a b'],
    code: 'bad-auth',
  },
];

describe('a header value', () => {
  it.each(good)('$name is read: $text', ({ parse, text, value }) => {
    expect(parse(text)).toEqual(value);
  });

  it.each(bad.flatMap(({ texts, ...row }) => texts.map((text) => ({ ...row, text }))))(
    '$name is refused: $text',
    ({ parse, text, code }) => {
      expect(codeThrownBy(() => parse(text))).toBe(code);
    },
  );

  it.each([
    { text: serializeCSeq({ sequence: 1, method: 'BYE' }), written: '1 BYE' },
    {
      text: serializeReason({ protocol: 'Q.850', cause: 17, text: 'busy "now"' }),
      written: 'Q.850 ;cause=17 ;text="busy \\"now\\""',
    },
    { text: serializeWarning(304, 'gw-1', 'no "codec"'), written: '304 gw-1 "no \\"codec\\""' },
    {
      text: serializeMediaType({ type: 'multipart/mixed', parameters: parameters({ boundary: 'a b' }) }),
      written: 'multipart/mixed;boundary="a b"',
    },
    { text: serializeRAck({ responseSequence: 1, sequence: 2, method: 'INVITE' }), written: '1 2 INVITE' },
    { text: serializeSessionExpires({ seconds: 90, refresher: 'uas' }), written: '90;refresher=uas' },
    {
      text: serializeAuthValue({
        scheme: 'Digest',
        parameters: parameters({ realm: 'a', qop: 'auth', algorithm: 'MD5', stale: 'true' }),
      }),
      written: 'Digest realm="a", qop="auth", algorithm=MD5, stale=true',
    },
    {
      text: serializeAuthValue({
        scheme: 'Digest',
        parameters: parameters({ username: 'a', qop: 'auth', nc: '00000001' }),
      }),
      written: 'Digest username="a", qop=auth, nc=00000001',
    },
  ])('is written: $written', ({ text, written }) => {
    expect(text).toBe(written);
  });

  it('of a token list leaves out empty entries', () => {
    const headers = ['timer', '', '100rel'].map((value) => ({ name: 'Supported', value }));
    expect(headerTokens(createRequest({ method: 'X', uri: 'sip:a', headers }), 'supported')).toEqual([
      'timer',
      '100rel',
    ]);
  });

  it.each(['a', 'a@b', 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{'])('is a Call-ID: %s', (text) => {
    expect(isCallId(text)).toBe(true);
  });

  it.each(['', '@', 'a@', '@b', 'a@b@c', 'a b', 'ü', 'a,b', 'a;b'])('is no Call-ID: %s', (text) => {
    expect(isCallId(text)).toBe(false);
  });
});

const token = fc.string({ unit: fc.constantFrom(..."abc09-.!%*_+`'~"), minLength: 1, maxLength: 8 });
const text = fc.string({ unit: fc.constantFrom(...'abcXY09-_.;:,?<>"\\=@ \t%üé日🦆\0'), maxLength: 12 });

describe('any value', () => {
  it('is the same after a round trip', () => {
    const sequence = fc.integer({ min: 0, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(fc.record({ sequence, method: token }), (cseq) => {
        expect(parseCSeq(serializeCSeq(cseq))).toEqual(cseq);
      }),
      { seed: 1 },
    );
    fc.assert(
      fc.property(fc.record({ protocol: token, cause: fc.integer({ min: 0, max: 999 }), text }), (reason) => {
        expect(parseReason(serializeReason(reason))).toEqual(reason);
      }),
      { seed: 2 },
    );
    fc.assert(
      fc.property(
        fc.record({ callId: token, toTag: token, fromTag: token, earlyOnly: fc.boolean() }),
        (replaces) => {
          expect(parseReplaces(serializeReplaces(replaces))).toEqual(replaces);
        },
      ),
      { seed: 3 },
    );
    const entries = fc.array(fc.tuple(token, text), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(token, entries, (scheme, list) => {
        const value = { scheme, parameters: new Map(list) };
        expect(parseAuthValue(serializeAuthValue(value))).toEqual(value);
      }),
      { seed: 4 },
    );
  });
});
