import { expect, it } from 'vitest';
import { digitsOf } from '../../../protocol/sip/info-digits.ts';
import type { SipRequest } from '../../../protocol/sip/message.ts';

function info(type: string | undefined, body: string): SipRequest {
  const headers = type === undefined ? [] : [{ name: 'Content-Type', value: type }];
  return { kind: 'request', method: 'INFO', uri: 'sip:a@b', headers, body: Buffer.from(body) };
}

const relay = 'application/dtmf-relay';
const plain = 'application/dtmf';

it.each([
  {
    name: 'as Cisco writes it',
    type: relay,
    body: 'Signal=1\r\nDuration=250\r\n',
    digits: '1',
    durationMs: 250,
  },
  {
    name: 'with blanks and other case',
    type: relay,
    body: ' signal = d \n duration = 80',
    digits: 'D',
    durationMs: 80,
  },
  { name: 'without a duration', type: relay, body: 'Signal=#\r\n', digits: '#', durationMs: 160 },
  { name: 'of no length', type: relay, body: 'Signal=#\r\nDuration=0', digits: '#', durationMs: 160 },
  { name: 'of no end', type: relay, body: 'Signal=#\r\nDuration=999999', digits: '#', durationMs: 10_000 },
  { name: 'by event number', type: relay, body: 'Signal=10\r\n', digits: '*', durationMs: 160 },
  { name: 'a flash', type: relay, body: 'Signal=hf\r\n', digits: '' },
  { name: 'nothing', type: relay, body: '', digits: '' },
  { name: 'bare', type: plain, body: '7', digits: '7', durationMs: 160 },
  { name: 'bare, by event number', type: plain, body: '11\r\n', digits: '#', durationMs: 160 },
  { name: 'bare, several', type: plain, body: '42#', digits: '42#', durationMs: 160 },
  { name: 'bare in name only', type: plain, body: 'Signal=3\r\nDuration=100', digits: '3', durationMs: 100 },
  {
    name: 'with a parameter',
    type: `${relay};charset=utf-8`,
    body: 'Signal=9',
    digits: '9',
    durationMs: 160,
  },
  {
    name: 'at most 32',
    type: plain,
    body: '1234567890'.repeat(5),
    digits: '12345678901234567890123456789012',
  },
])('$name', ({ type, body, digits, durationMs }) => {
  const found = digitsOf(info(type, body));
  expect(found?.map(({ digit }) => digit).join('')).toBe(digits);
  if (durationMs !== undefined) expect(found?.[0]?.durationMs).toBe(durationMs);
});

it.each([undefined, 'text/plain', 'application/dtmf-relayed'])('a body of type %s has none', (type) => {
  expect(digitsOf(info(type, 'Signal=1'))).toBeUndefined();
});
