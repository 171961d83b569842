import { describe, expect, it } from 'vitest';
import { headerValue, type SipRequest } from '../../../protocol/sip/message.ts';
import { tagOf } from '../../../protocol/sip/name-addr.ts';
import { RequestSeries } from '../../../protocol/sip/request-series.ts';
import { createTestResponse } from './messages.ts';

let tokens = 0;
const create = () =>
  new RequestSeries({
    from: 'sip:u@h;transport=tcp',
    to: '"U" <sip:u@h>',
    credentials: { username: 'u', password: 'p' },
    userAgentName: 'test',
    createToken: () => `token${tokens++}`,
  });
const challenge = (nonce: string) => [
  { name: 'WWW-Authenticate', value: `Digest realm="r", nonce="${nonce}", qop="auth"` },
];
const cseq = (request: SipRequest) => headerValue(request, 'CSeq');

describe('requests that belong together', () => {
  it('share Call-ID and From and count on, with credentials once they were asked for', () => {
    const series = create();
    const first = series.next({ method: 'REGISTER', uri: 'sip:h' });
    const again = series.retry(first, createTestResponse(first, 401, 't', challenge('1')))!;
    expect(series.retry(again, createTestResponse(again, 200, 't'))).toBeUndefined();
    const second = series.next({ method: 'REGISTER', uri: 'sip:h' });
    expect([first, again, second].map(cseq)).toEqual(['1 REGISTER', '2 REGISTER', '3 REGISTER']);
    for (const name of ['Call-ID', 'From', 'To'])
      expect(new Set([first, again, second].map((request) => headerValue(request, name))).size).toBe(1);
    expect(
      [first, again, second].map(
        (request) => /nc=(\d+)/.exec(headerValue(request, 'Authorization') ?? '')?.[1],
      ),
    ).toEqual([undefined, '00000001', '00000002']);
    expect(headerValue(first, 'From')).toMatch(/^<sip:u@h;transport=tcp>;tag=token/);
    expect(tagOf(headerValue(first, 'To')!)).toBeUndefined();
  });

  it('do not insist on a wrong password', () => {
    const series = create();
    const first = series.next({ method: 'OPTIONS', uri: 'sip:h' });
    const again = series.retry(first, createTestResponse(first, 401, 't', challenge('1')))!;
    expect(series.retry(again, createTestResponse(again, 401, 't', challenge('2')))).toBeUndefined();
  });
});
