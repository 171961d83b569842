import { expect, test } from 'vitest';
import {
  hostPortText,
  parseHttpListener,
  parseSipListener,
  sipListenerText,
} from '../../gateway/listen-address.ts';

test.each([
  { text: 'udp:127.0.0.1:5060', listener: { protocol: 'udp', address: '127.0.0.1', port: 5060 } },
  { text: 'tcp:0.0.0.0:0', listener: { protocol: 'tcp', address: '0.0.0.0', port: 0 } },
  { text: 'tls:[::1]:65535', listener: { protocol: 'tls', address: '::1', port: 65_535 } },
])('a SIP listener is read and written: $text', ({ text, listener }) => {
  const read = parseSipListener(text);
  expect(read).toEqual(listener);
  expect(read && sipListenerText(read)).toBe(text);
});

test.each([
  { text: 'udp:localhost:0', listener: { protocol: 'udp', address: '127.0.0.1', port: 0 } },
  { text: 'tcp:localhost:5060', listener: { protocol: 'tcp', address: '127.0.0.1', port: 5060 } },
])('--sip takes localhost as --http does: $text', ({ text, listener }) => {
  expect(parseSipListener(text)).toEqual(listener);
});

test.each([
  '',
  'udp',
  'udp:5060',
  'udp::5060',
  'udp:127.0.0.1',
  'udp:127.0.0.1:',
  'udp:127.0.0.1:65536',
  'udp:127.0.0.1:-1',
  'udp:127.0.0.256:5060',
  'udp:127.1:5060',
  'udp:[127.0.0.1]:5060',
  'udp:::1:5060',
  'udp:[::1:5060',
  'udp:[fe80::1%eth0]:5060',
  'udp:localhost.example:5060',
  'udp:LOCALHOST:5060',
  'UDP:127.0.0.1:5060',
  'sctp:127.0.0.1:5060',
  ' udp:127.0.0.1:5060',
  'udp:127.0.0.1:5060\n',
])('no SIP listener: %j', (text) => {
  expect(parseSipListener(text)).toBeUndefined();
});

test.each([
  { text: '127.0.0.1:8080', address: '127.0.0.1', port: 8080, written: '127.0.0.1:8080' },
  { text: 'localhost:0', address: '127.0.0.1', port: 0, written: '127.0.0.1:0' },
  { text: '[::]:8080', address: '::', port: 8080, written: '[::]:8080' },
])('an HTTP listener is read and written: $text', ({ text, address, port, written }) => {
  expect(parseHttpListener(text)).toEqual({ address, port });
  expect(hostPortText({ address, port })).toBe(written);
});
