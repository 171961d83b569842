import { expect, test } from 'vitest';
import { endpointMatches, parseEndpointPattern } from '../../../gateway/routing/endpoint-pattern.ts';

// biome-ignore format: a table reads as a table
test.each([
  { pattern: 'wss://*', fits: ['wss://a.example/', 'wss://a:9000/b?c'], not: ['ws://a.example/'] },
  { pattern: 'ws://127.0.0.1:*', fits: ['ws://127.0.0.1:9000/', 'ws://127.0.0.1/', 'ws://127.1:5/'], not: ['ws://127.0.0.2:9000/', 'wss://127.0.0.1:9000/'] },
  { pattern: 'wss://bot.example', fits: ['wss://bot.example/x', 'wss://BOT.example:443/'], not: ['wss://bot.example:8443/', 'wss://bot.example.evil/', 'wss://xbot.example/'] },
  { pattern: 'wss://*.bot.example', fits: ['wss://a.bot.example/', 'wss://a.b.bot.example/'], not: ['wss://bot.example/', 'wss://abot.example/', 'wss://a.bot.example:8443/'] },
  { pattern: 'wss://bot.example:8443/calls/*', fits: ['wss://bot.example:8443/calls/1?a=b'], not: ['wss://bot.example:8443/', 'wss://bot.example/calls/1'] },
  { pattern: 'ws://10.0.*:9000', fits: ['ws://10.0.1.2:9000/'], not: ['ws://10.0.evil.example:9000/', 'ws://10.1.1.2:9000/'] },
  { pattern: 'ws://[::1]:9000', fits: ['ws://[::1]:9000/', 'ws://[0:0::1]:9000/'], not: ['ws://[::2]:9000/'] },
  // A star in the host reaches neither into credentials nor into the path.
  { pattern: 'wss://bot*', fits: ['wss://bot1/'], not: ['wss://user@evil.example/', 'wss://evil.example/bot', 'wss://bot@evil.example/'] },
])('$pattern', ({ pattern, fits, not }) => {
  const parsed = parseEndpointPattern(pattern)!;
  for (const url of fits) expect(endpointMatches(parsed, new URL(url)), url).toBe(true);
  for (const url of not) expect(endpointMatches(parsed, new URL(url)), url).toBe(false);
});

// biome-ignore format: a table reads as a table
test.each([
  { pattern: 'wss://*', named: false },
  { pattern: 'wss://*.example', named: false },
  { pattern: 'wss://?', named: false },
  { pattern: 'ws://127.0.0.1:*', named: true },
  { pattern: 'ws://10.0.*', named: true },
  { pattern: 'ws://bots.internal', named: true },
  { pattern: 'ws://[fd00::1]:9000', named: true },
])('$pattern names its host: $named', ({ pattern, named }) => {
  expect(parseEndpointPattern(pattern)?.named).toBe(named);
});

test.each([
  '*',
  '',
  'wss',
  'wss://',
  'ftp://a',
  'wss://a b',
  'wss://user@a',
  'wss://a:b',
  '//a',
  'wss://*/*\n',
])('no pattern: %j', (pattern) => {
  expect(parseEndpointPattern(pattern)).toBeUndefined();
});
