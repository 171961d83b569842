import { expect, it } from 'vitest';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import { redactMessage } from '../../../protocol/sip/redact.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import { messageBytes } from './message-text.ts';

const shown = (...lines: string[]): string =>
  Buffer.from(
    serializeMessage(
      redactMessage(parseMessage(messageBytes('INVITE sip:bob@example.com SIP/2.0', ...lines))),
    ),
  ).toString();

const withBody = (type: string, body: string): string =>
  shown(`Content-Type: ${type}`, `Content-Length: ${body.length}`, '', body).split('\r\n\r\n')[1]!;

it.each([
  'Authorization: Digest username="alice", response="0123456789abcdef"',
  'proxy-authorization: Digest response="0123456789abcdef"',
  'Authentication-Info: rspauth="0123456789abcdef"',
  'Contact: <sip:alice:0123456789abcdef@192.0.2.1>',
  'From: "A" <SIPS:alice:0123456789abcdef@example.com>;tag=1',
])('hides the secret of %j', (line) => {
  const text = shown(line);
  expect(text).not.toContain('0123456789abcdef');
  expect(text).toContain('[hidden]');
});

it('hides the password in a Request-URI', () => {
  const request = parseMessage(messageBytes('INVITE sip:bob:secret@example.com SIP/2.0'));
  expect(redactMessage(request)).toMatchObject({ uri: 'sip:bob:[hidden]@example.com' });
});

it.each([
  {
    type: 'application/sdp',
    body: 'v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n',
    is: 'v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[hidden]|2^20\r\n',
  },
  { type: 'application/sdp', body: 'v=0\r\nk=base64:abcd\r\n', is: 'v=0\r\nk=[hidden]\r\n' },
  {
    type: 'application/dtmf-relay',
    body: 'Signal= 5\r\nDuration= 160\r\n',
    is: 'Signal=[hidden]\r\nDuration= 160\r\n',
  },
  { type: 'application/dtmf', body: '5', is: '[hidden]' },
  { type: 'text/plain', body: 'Hello', is: 'Hello' },
])('shows $body of $type as $is', ({ type, body, is }) => {
  expect(withBody(type, body)).toBe(is);
});

it('gives back the same message where there is nothing to hide', () => {
  const message = parseMessage(
    messageBytes(
      'INVITE sip:bob@example.com SIP/2.0',
      'From: <sip:a@b>;tag=1',
      'Contact: <sip:a@192.0.2.1:5060>',
    ),
  );
  expect(redactMessage(message)).toBe(message);
});
