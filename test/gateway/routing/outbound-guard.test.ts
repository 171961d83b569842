import { describe, expect, test } from 'vitest';
import { defaultConfig } from '../../../gateway/config.ts';
import { type OutboundDestination, OutboundGuard } from '../../../gateway/routing/outbound-guard.ts';
import { parseOutboundPattern } from '../../../gateway/routing/outbound-pattern.ts';

const secret = 'c2VjcmV0LXNlY3JldA==';

function guardOf(outbound: { allow?: string[]; maxConcurrent?: number; perMinute?: number }) {
  return new OutboundGuard(
    defaultConfig({
      applications: [{ key: 'app', secret, outbound }],
      trunks: [{ name: 'carrier', uri: 'sip:carrier.example:5070' }],
      sip: { allow: ['10.1.0.0/16'] },
    }),
  );
}

const sip = (host: string, port?: number, user?: string): OutboundDestination => ({
  kind: 'sip',
  user,
  host,
  port,
});
const number = (text: string): OutboundDestination => ({ kind: 'number', number: text });

describe('where an application may call', () => {
  test.each<{ allow: string[]; to: OutboundDestination; allowed: boolean }>([
    // Without a list: what the operator has named elsewhere.
    { allow: [], to: { kind: 'user' }, allowed: true },
    { allow: [], to: number('+46701234567'), allowed: false },
    { allow: [], to: sip('carrier.example', undefined, '+46701234567'), allowed: false },
    { allow: [], to: sip('carrier.example'), allowed: true },
    { allow: [], to: sip('CARRIER.example', 5060), allowed: true },
    { allow: [], to: sip('127.0.0.1', 5070), allowed: true },
    { allow: [], to: sip('::1'), allowed: true },
    { allow: [], to: sip('localhost'), allowed: true },
    { allow: [], to: sip('0.0.0.0'), allowed: false },
    { allow: [], to: sip('10.1.2.3'), allowed: true },
    { allow: [], to: sip('10.2.2.3'), allowed: false },
    { allow: [], to: sip('sip.example'), allowed: false },
    { allow: [], to: sip('localhost.example'), allowed: false },
    // Hosts
    { allow: ['*.example'], to: sip('sip.example'), allowed: true },
    { allow: ['*.example'], to: sip('sip.example.evil'), allowed: false },
    { allow: ['10.2.*'], to: sip('10.2.2.3', 5080), allowed: true },
    { allow: ['10.2.*'], to: sip('10.2.evil.example'), allowed: false },
    { allow: ['pbx.example:5080'], to: sip('pbx.example', 5080), allowed: true },
    { allow: ['pbx.example:5080'], to: sip('pbx.example'), allowed: false },
    { allow: ['[2001:db8::1]'], to: sip('2001:db8::1'), allowed: true },
    { allow: ['*'], to: sip('anything.example'), allowed: true },
    // A number before the @ of a carrier is a number, whatever it is called over.
    { allow: ['+46*'], to: sip('carrier.example', undefined, '+46701234567'), allowed: true },
    { allow: ['+46*'], to: sip('carrier.example', undefined, '+881612345678'), allowed: false },
    { allow: ['+46*'], to: sip('carrier.example', undefined, '00881612345678'), allowed: false },
    { allow: ['+46*'], to: sip('carrier.example', undefined, '+46;phone-context=+881'), allowed: true },
    { allow: ['+46*'], to: sip('carrier.example', undefined, '+8(81)-6'), allowed: false },
    { allow: ['+46*'], to: sip('10.1.2.3', undefined, '011881612345678'), allowed: false },
    { allow: ['+46*'], to: sip('10.1.2.3', undefined, 'alice'), allowed: true },
    { allow: ['+46*', '10.1.*'], to: sip('10.1.2.3', undefined, '1234'), allowed: true },
    { allow: [], to: sip('10.1.2.3', undefined, '1234'), allowed: true },
    // Numbers cost money: none that no prefix names.
    { allow: ['*.example'], to: number('+46701234567'), allowed: false },
    { allow: ['+46*'], to: number('+46701234567'), allowed: true },
    { allow: ['+46*'], to: number('0046701234567'), allowed: true },
    { allow: ['+46*'], to: number('46701234567'), allowed: true },
    { allow: ['+46*'], to: number('+881612345678'), allowed: false },
    { allow: ['+46*'], to: number('00881612345678'), allowed: false },
    { allow: ['+46*'], to: number('4'), allowed: false },
    { allow: ['+46*', '112'], to: number('112'), allowed: true },
    { allow: ['+46*', '112'], to: number('1123'), allowed: false },
    { allow: ['+*'], to: number('+1'), allowed: true },
  ])('$allow: $to', ({ allow, to, allowed }) => {
    const permit = guardOf({ allow }).begin('app', to, 0);
    expect(permit).toMatchObject(allowed ? { allowed } : { allowed, code: 'outbound-not-allowed' });
  });

  test('is refused in words', () => {
    expect(guardOf({ allow: ['+46*'] }).begin('app', number('+8816'), 0)).toMatchObject({
      message: 'the number +8816 is not in outbound.allow of application app',
    });
    expect(guardOf({}).begin('other', { kind: 'user' }, 0)).toMatchObject({
      code: 'outbound-not-allowed',
      message: 'there is no application "other"',
    });
  });

  test('without applications, whoever is on this machine may call anywhere', () => {
    const guard = new OutboundGuard(defaultConfig());
    expect(guard.begin('', sip('anything.example'), 0).allowed).toBe(true);
  });
});

describe('how often an application may call', () => {
  test('what is refused is counted', () => {
    const counted: string[] = [];
    const applications = [{ key: 'app', secret, outbound: { maxConcurrent: 1 } }];
    const guard = new OutboundGuard(defaultConfig({ applications }), (code) => counted.push(code));
    guard.begin('app', { kind: 'user' }, 0);
    guard.begin('app', { kind: 'user' }, 0);
    guard.begin('app', sip('evil.example'), 0);
    expect(counted).toEqual(['outbound-too-many', 'outbound-not-allowed']);
  });

  test('so many at a time', () => {
    const guard = guardOf({ maxConcurrent: 2 });
    const [first] = [guard.begin('app', { kind: 'user' }, 0), guard.begin('app', { kind: 'user' }, 0)];
    expect(guard.begin('app', { kind: 'user' }, 0)).toMatchObject({
      code: 'outbound-too-many',
      message: 'application app has 2 calls out, outbound.maxConcurrent is 2',
    });
    if (!first?.allowed) throw new Error('expected a permit');
    first.release();
    first.release();
    expect(guard.begin('app', { kind: 'user' }, 0).allowed).toBe(true);
    expect(guard.begin('app', { kind: 'user' }, 0).allowed).toBe(false);
  });

  test('so many a minute, any minute', () => {
    const guard = guardOf({ perMinute: 3 });
    const allowed = (nowMs: number) => guard.begin('app', { kind: 'user' }, nowMs).allowed;
    expect([0, 30_000, 59_999, 59_999].map(allowed)).toEqual([true, true, true, false]);
    // The one of 0 is a minute old.
    expect([60_000, 60_000, 90_000].map(allowed)).toEqual([true, false, true]);
  });

  test('a refused one does not count', () => {
    const guard = guardOf({ perMinute: 1 });
    for (let i = 0; i < 10; i++) guard.begin('app', sip('evil.example'), 0);
    expect(guard.begin('app', { kind: 'user' }, 0).allowed).toBe(true);
  });

  test('a year of calls leaves nothing behind', () => {
    const guard = guardOf({ perMinute: 5_000 });
    for (let i = 0; i < 100_000; i++) {
      const permit = guard.begin('app', { kind: 'user' }, i * 20);
      if (!permit.allowed) throw new Error(permit.message);
      permit.release();
    }
  });
});

test.each(['', 'a b', '+46*7', 'sip:host', '[::1', 'a/b', '+', '*'])('the pattern %j', (text) => {
  const kinds: Record<string, string> = { '+': 'number', '*': 'host' };
  expect(parseOutboundPattern(text)?.kind).toBe(kinds[text]);
});
