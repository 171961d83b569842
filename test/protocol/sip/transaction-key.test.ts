import { describe, expect, it } from 'vitest';
import type { SipRequest } from '../../../protocol/sip/message.ts';
import {
  cancelledKey,
  clientKey,
  dialogKeyOf,
  mergeKey,
  serverKey,
} from '../../../protocol/sip/transaction-key.ts';
import { createRequest, createTestResponse, type RequestOptions } from './messages.ts';

const withVia = (request: SipRequest, via: string): SipRequest => ({
  ...request,
  headers: request.headers.map((header) => (header.name === 'Via' ? { name: 'Via', value: via } : header)),
});

describe('the key of a server transaction', () => {
  const same: readonly (readonly [string, SipRequest, SipRequest])[] = [
    ['a repeated INVITE', createRequest('INVITE'), createRequest('INVITE')],
    ['its ACK', createRequest('INVITE'), createRequest('ACK', { to: '<sip:bob@b.example>;tag=x' })],
    [
      'a Via spelled otherwise',
      withVia(createRequest('BYE'), 'SIP/2.0/UDP A.example;branch=z9hG4bK-1'),
      withVia(
        createRequest('BYE'),
        'SIP / 2.0 / UDP  a.example;rport=1;received=192.0.2.1; branch=z9hG4bK-1',
      ),
    ],
    [
      'RFC 2543: the INVITE and its ACK',
      createRequest('INVITE', { branch: '1' }),
      createRequest('ACK', { branch: '1', to: '<sip:bob@b.example>;tag=x' }),
    ],
  ];
  it.each(same)('is the same for %s', (_what, left, right) => {
    expect(serverKey(left)).toBe(serverKey(right));
  });

  const other: readonly (readonly [string, string, RequestOptions])[] = [
    ['another branch', 'INVITE', { branch: 'z9hG4bK-2' }],
    ['CANCEL', 'CANCEL', {}],
    ['RFC 2543', 'INVITE', { branch: '1' }],
  ];
  it.each(other)('is another for %s', (_what, method, options) => {
    expect(serverKey(createRequest(method, options))).not.toBe(serverKey(createRequest('INVITE')));
  });

  it('tells senders apart that use the same branch', () => {
    const keys = ['a.example', 'b.example', 'a.example:5070', '[2001:db8::1]'].map((sentBy) =>
      serverKey(withVia(createRequest('INVITE'), `SIP/2.0/UDP ${sentBy};branch=z9hG4bK-1`)),
    );
    expect(new Set(keys).size).toBe(4);
  });

  it.each([
    { callId: 'other' },
    { cseq: 2 },
    { uri: 'sip:other@b.example' },
    { from: '<sip:alice@a.example>;tag=other' },
  ])('tells requests of RFC 2543 apart by %o', (options) => {
    const key = serverKey(createRequest('INVITE', { branch: '1', ...options }));
    expect(key).not.toBe(serverKey(createRequest('INVITE', { branch: '1' })));
  });

  it('leads from CANCEL to its INVITE', () => {
    expect(cancelledKey(createRequest('CANCEL'))).toBe(serverKey(createRequest('INVITE')));
  });
});

it('a response has the key of its request', () => {
  const invite = createRequest('INVITE');
  expect(clientKey(createTestResponse(invite, 200, 'x'))).toBe(clientKey(invite));
  expect(clientKey(createTestResponse(createRequest('CANCEL'), 200, 'x'))).not.toBe(clientKey(invite));
});

it('requests merge by From tag, Call-ID and CSeq, outside dialogs alone', () => {
  const key = mergeKey(createRequest('INVITE'));
  expect(mergeKey(createRequest('INVITE', { branch: 'z9hG4bK-2', uri: 'sip:bob@c.example' }))).toBe(key);
  expect(mergeKey(createRequest('INVITE', { cseq: 2 }))).not.toBe(key);
  expect(mergeKey(createRequest('BYE', { to: '<sip:bob@b.example>;tag=x' }))).toBeUndefined();
});

it('a dialog is Call-ID, our tag and theirs', () => {
  const inDialog = (options: RequestOptions) =>
    dialogKeyOf(createRequest('BYE', { to: '<sip:b@b>;tag=b', ...options }));
  const keys = [{}, { callId: 'x' }, { to: '<sip:b@b>;tag=c' }, { from: '<sip:a@a>;tag=c' }].map(inDialog);
  expect(new Set(keys).size).toBe(4);
  expect(dialogKeyOf(createRequest('BYE'))).toBeUndefined();
});
