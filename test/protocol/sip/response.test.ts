import { describe, expect, it } from 'vitest';
import { headerValue, headerValues, type SipRequest } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import { messageBytes } from './message-text.ts';

const invite = parseMessage(
  messageBytes(
    'INVITE sip:a@b SIP/2.0',
    'Via: SIP/2.0/UDP one, SIP/2.0/UDP two',
    'Record-Route: <sip:p1;lr>, <sip:p2;lr>',
    'Max-Forwards: 70',
    'From: <sip:c@d>;tag=1',
    'To: <sip:a@b;tag=not-this>',
    'Call-ID: x@y',
    'CSeq: 1 INVITE',
    'Timestamp: 54',
    'Content-Length: 0',
  ),
) as SipRequest;

describe('a response', () => {
  it('carries what RFC 3261 §8.2.6 copies from its request', () => {
    const response = createResponse(invite, 486, { toTag: 't' });
    expect(response).toMatchObject({ kind: 'response', status: 486, reasonPhrase: 'Busy Here' });
    expect(response.headers).toEqual([
      { name: 'Via', value: 'SIP/2.0/UDP one' },
      { name: 'Via', value: 'SIP/2.0/UDP two' },
      { name: 'From', value: '<sip:c@d>;tag=1' },
      { name: 'To', value: '<sip:a@b;tag=not-this>;tag=t' },
      { name: 'Call-ID', value: 'x@y' },
      { name: 'CSeq', value: '1 INVITE' },
    ]);
  });

  it.each([
    { status: 100, routes: 0, tagged: false, timestamp: '54' },
    { status: 180, routes: 2, tagged: true, timestamp: undefined },
    { status: 200, routes: 2, tagged: true, timestamp: undefined },
    { status: 404, routes: 0, tagged: true, timestamp: undefined },
  ])(
    '$status: $routes Record-Route, To tag $tagged, Timestamp $timestamp',
    ({ status, routes, tagged, timestamp }) => {
      const response = createResponse(invite, status, { toTag: 't' });
      expect(headerValues(response, 'Record-Route').length).toBe(routes);
      expect(headerValue(response, 'To')!.endsWith(';tag=t')).toBe(tagged);
      expect(headerValue(response, 'Timestamp')).toBe(timestamp);
    },
  );

  it('keeps the tag that To brought', () => {
    const headers = [{ name: 'To', value: '<sip:a@b> ; TAG = mine' }];
    expect(headerValue(createResponse({ ...invite, headers }, 200, { toTag: 't' }), 'To')).toBe(
      headers[0]!.value,
    );
  });

  it('adds its own headers, phrase and body', () => {
    const response = createResponse(invite, 499, {
      reasonPhrase: 'Why',
      headers: [{ name: 'Server', value: 's' }],
      body: Buffer.from('x'),
      contentType: 'text/plain',
    });
    expect(response).toMatchObject({ status: 499, reasonPhrase: 'Why' });
    expect(headerValue(response, 'Server')).toBe('s');
    expect(headerValue(response, 'Content-Type')).toBe('text/plain');
    expect(createResponse(invite, 499).reasonPhrase).toBe('Bad Request');
  });
});
