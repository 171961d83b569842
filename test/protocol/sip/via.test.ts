import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRequest, headerValues } from '../../../protocol/sip/message.ts';
import {
  parseVia,
  responseTarget,
  serializeVia,
  stampRequest,
  stampSource,
  type Via,
} from '../../../protocol/sip/via.ts';

describe('a Via', () => {
  it.each([
    { text: 'SIP/2.0/UDP a.b', via: { transport: 'UDP', host: 'a.b' } },
    {
      text: 'SIP/2.0/TCP A:5070;branch=z9hG4bKx',
      via: { transport: 'TCP', host: 'a', port: 5070, branch: 'z9hG4bKx' },
    },
    {
      text: 'SIP / 2.0 / tls  a : 5061 ; branch = x',
      via: { transport: 'TLS', host: 'a', port: 5061, branch: 'x' },
    },
    { text: 'SIP/2.0/UDP [2001:DB8::1]:5060', via: { transport: 'UDP', host: '2001:db8::1', port: 5060 } },
    { text: 'SIP/2.0/UDP [2001:db8::1]', via: { transport: 'UDP', host: '2001:db8::1' } },
    { text: 'SIP/2.0/UDP a;rport', via: { transport: 'UDP', host: 'a', rport: 'requested' } },
    {
      text: 'SIP/2.0/UDP a;rport=5062;received=192.0.2.1',
      via: { transport: 'UDP', host: 'a', rport: 5062, received: '192.0.2.1' },
    },
    {
      text: 'SIP/2.0/UDP a;received=2001:db8::2',
      via: { transport: 'UDP', host: 'a', received: '2001:db8::2' },
    },
    {
      text: 'SIP/2.0/UDP a;received=[2001:db8::2]',
      via: { transport: 'UDP', host: 'a', received: '2001:db8::2' },
    },
    {
      text: 'SIP/2.0/UDP a;maddr=224.2.0.1;ttl=16',
      via: { transport: 'UDP', host: 'a', maddr: '224.2.0.1', ttl: 16 },
    },
    {
      text: 'SIP/2.0/UNKNOWN a;alias;x="y;z"',
      via: {
        transport: 'UNKNOWN',
        host: 'a',
        parameters: new Map([
          ['alias', ''],
          ['x', 'y;z'],
        ]),
      },
    },
  ])('is read: $text', ({ text, via }) => {
    expect(parseVia(text)).toEqual({ parameters: new Map(), ...via });
  });

  it.each([
    '',
    'SIP',
    'SIP/2.0',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ;branch=x',
    'SIP/3.0/UDP a',
    'HTTP/2.0/UDP a',
    'SIP/2.0/UDP a b',
    'SIP/2.0/UDP a:x',
    'SIP/2.0/UDP a:99999',
    'SIP/2.0/UDP 2001:db8::1',
    'SIP/2.0/UDP [2001:db8::1',
    'SIP/2.0/UDP a;',
    'SIP/2.0/UDP a;;,;,,',
    'SIP/2.0/UDP a;branch=',
    'SIP/2.0/UDP a;rport=x',
    'SIP/2.0/UDP a;rport=70000',
    'SIP/2.0/UDP a;ttl=256',
    'SIP/2.0/UDP a;received="x y"',
    'SIP/2.0/UDP a;received=1:2',
  ])('is refused with 400: %s', (text) => {
    expect(() => parseVia(text)).toThrow(expect.objectContaining({ code: 'bad-via', status: 400 }));
  });

  it.each([
    {
      name: 'nothing where sent-by is the source',
      text: 'SIP/2.0/UDP 192.0.2.1:5062;branch=x',
      stamped: 'SIP/2.0/UDP 192.0.2.1:5062;branch=x',
    },
    {
      name: 'received where it is not',
      text: 'SIP/2.0/UDP phone;branch=x',
      stamped: 'SIP/2.0/UDP phone;branch=x;received=192.0.2.1',
    },
    {
      name: 'both where rport asks',
      text: 'SIP/2.0/UDP 192.0.2.1;rport;branch=x',
      stamped: 'SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.1;rport=6000',
    },
    {
      name: 'what was sent as received is not believed',
      text: 'SIP/2.0/UDP a;received=10.0.0.1',
      stamped: 'SIP/2.0/UDP a;received=192.0.2.1',
    },
  ])('is stamped with the source: $name', ({ text, stamped }) => {
    expect(serializeVia(stampSource(parseVia(text), '192.0.2.1', 6_000))).toBe(stamped);
  });
});

describe('a request from the network', () => {
  const request = (...vias: string[]) =>
    createRequest({
      method: 'OPTIONS',
      uri: 'sip:a',
      headers: [{ name: 'To', value: 'x' }, ...vias.map((value) => ({ name: 'Via', value }))],
    });

  it('has its top Via stamped, and no other', () => {
    const stamped = stampRequest(request('SIP/2.0/UDP a;rport', 'SIP/2.0/UDP b;rport'), '2001:db8::1', 6_000);
    expect(headerValues(stamped, 'Via')).toEqual([
      'SIP/2.0/UDP a;received=2001:db8::1;rport=6000',
      'SIP/2.0/UDP b;rport',
    ]);
  });

  it.each([['SIP/2.0/UDP 192.0.2.1'], ['nonsense'], []])(
    'is left alone where there is nothing to stamp: %s',
    (...vias) => {
      const original = request(...vias);
      expect(stampRequest(original, '192.0.2.1', 6_000)).toBe(original);
    },
  );

  it.each([
    { via: 'SIP/2.0/UDP a;received=192.0.2.1;rport=6000', address: '192.0.2.1', port: 6_000 },
    { via: 'SIP/2.0/UDP a:5070;received=192.0.2.1', address: '192.0.2.1', port: 5_070 },
    { via: 'SIP/2.0/UDP 192.0.2.1', address: '192.0.2.1', port: 5_060 },
    { via: 'SIP/2.0/TLS 192.0.2.1', address: '192.0.2.1', port: 5_061 },
    { via: 'SIP/2.0/UDP 192.0.2.1;maddr=10.0.0.1', address: '192.0.2.1', port: 5_060 },
  ])('is answered to $address:$port: $via', ({ via, address, port }) => {
    expect(responseTarget(parseVia(via))).toEqual({ address, port });
  });
});

const token = fc.string({ unit: fc.constantFrom(..."abc09-.!%*_+`'~"), minLength: 1, maxLength: 8 });
const number = (max: number) => fc.option(fc.integer({ min: 0, max }), { nil: undefined });
const host = fc.constantFrom('example.com', '192.0.2.1', '2001:db8::1', '::1');
const someVia: fc.Arbitrary<Via> = fc.record({
  transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'X-Y'.toUpperCase()),
  host,
  port: number(65_535),
  branch: fc.option(token, { nil: undefined }),
  received: fc.option(host, { nil: undefined }),
  rport: fc.option(fc.oneof(fc.constant('requested' as const), fc.integer({ min: 0, max: 65_535 })), {
    nil: undefined,
  }),
  maddr: fc.option(host, { nil: undefined }),
  ttl: number(255),
  parameters: fc
    .array(
      fc.tuple(
        token.map((name) => `x-${name}`),
        fc.oneof(token, fc.constantFrom('', 'a b', 'é;"')),
      ),
      { maxLength: 3 },
    )
    .map((entries) => new Map(entries)),
});

describe('any Via', () => {
  it('is the same after a round trip', () => {
    fc.assert(
      fc.property(someVia, (via) => {
        expect(parseVia(serializeVia(via))).toEqual(via);
      }),
      { seed: 2042, numRuns: 1_000 },
    );
  });
});
