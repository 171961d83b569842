import { describe, expect, it } from 'vitest';
import {
  asksNaptr,
  asksSrv,
  defaultTransport,
  orderServers,
  serverTarget,
  servicesOf,
  usualServices,
} from '../../../protocol/sip/server-selection.ts';
import { parseUri } from '../../../protocol/sip/uri.ts';
import { createRandom } from '../../support/random.ts';

const target = (text: string) => serverTarget(parseUri(text));

describe('the questions for a URI', () => {
  it.each([
    { uri: 'sip:a@192.0.2.1', asks: 'nothing', transport: 'udp' },
    { uri: 'sip:a@[2001:db8::1];transport=tcp', asks: 'nothing', transport: 'tcp' },
    { uri: 'sips:a@192.0.2.1', asks: 'nothing', transport: 'tls' },
    { uri: 'sip:a@example.com:5070', asks: 'nothing', transport: 'udp' },
    { uri: 'sips:a@example.com:5070', asks: 'nothing', transport: 'tls' },
    { uri: 'sip:a@pbx', asks: 'nothing', transport: 'udp' },
    { uri: 'sip:a@localhost', asks: 'nothing', transport: 'udp' },
    { uri: 'sip:a@example.com;maddr=192.0.2.9', asks: 'nothing', transport: 'udp' },
    { uri: 'sip:a@example.com', asks: 'naptr', transport: 'udp' },
    { uri: 'sips:a@example.com', asks: 'naptr', transport: 'tls' },
    { uri: 'sip:a@example.com;transport=tcp', asks: 'srv', transport: 'tcp' },
    { uri: 'sips:a@example.com;transport=tcp', asks: 'srv', transport: 'tls' },
  ])('$uri: $asks', ({ uri, asks, transport }) => {
    const found = target(uri);
    expect(asksNaptr(found) ? 'naptr' : asksSrv(found) ? 'srv' : 'nothing').toBe(asks);
    expect(defaultTransport(found)).toBe(transport);
  });

  it('the name of a certificate is that of the URI, not of maddr', () => {
    expect(target('sips:a@Example.com;maddr=192.0.2.9')).toMatchObject({
      host: '192.0.2.9',
      domain: 'example.com',
    });
  });
});

// RFC 3263 §4.1.
const naptr = [
  { order: 50, preference: 50, flags: 's', service: 'SIPS+D2T', replacement: '_sips._tcp.example.com' },
  { order: 90, preference: 50, flags: 's', service: 'SIP+D2T', replacement: '_sip._tcp.example.com' },
  { order: 100, preference: 50, flags: 's', service: 'SIP+D2U', replacement: '_sip._udp.example.com' },
];

describe('services', () => {
  it('follow order and preference of NAPTR', () => {
    const shuffled = [naptr[2]!, { ...naptr[0]!, order: 90, preference: 60 }, naptr[1]!];
    expect(servicesOf(shuffled, { secure: false }).map(({ transport }) => transport)).toEqual([
      'tcp',
      'tls',
      'udp',
    ]);
  });

  it('of a sips URI are those over TLS', () => {
    expect(servicesOf(naptr, { secure: true })).toEqual([
      { transport: 'tls', name: '_sips._tcp.example.com' },
    ]);
  });

  it.each([
    { ...naptr[0]!, service: 'E2U+sip' },
    { ...naptr[0]!, service: 'SIP+D2S' },
    { ...naptr[0]!, flags: 'u' },
    { ...naptr[0]!, replacement: '' },
  ])('leave out $service $flags $replacement', (record) => {
    expect(servicesOf([record], { secure: false })).toEqual([]);
  });

  it('without NAPTR are all that we speak, or the one that was asked for', () => {
    const names = (uri: string): string[] => usualServices(target(uri)).map(({ name }) => name);
    expect(names('sip:a@example.com')).toEqual([
      '_sip._udp.example.com',
      '_sip._tcp.example.com',
      '_sips._tcp.example.com',
    ]);
    expect(names('sips:a@example.com')).toEqual(['_sips._tcp.example.com']);
    expect(names('sip:a@example.com;transport=tcp')).toEqual(['_sip._tcp.example.com']);
  });
});

describe('orderServers', () => {
  const server = (name: string, priority: number, weight: number) => ({ name, priority, weight, port: 5060 });

  it('goes by priority', () => {
    const ordered = orderServers([server('c', 30, 9), server('a', 1, 0), server('b', 2, 5)], () => 0.5);
    expect(ordered.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  it('chooses among equals by weight', () => {
    const random = createRandom(2782);
    const first = { big: 0, small: 0, none: 0 };
    for (let run = 0; run < 2_000; run++) {
      const ordered = orderServers(
        [server('small', 1, 20), server('none', 1, 0), server('big', 1, 60)],
        random,
      );
      expect(ordered).toHaveLength(3);
      first[ordered[0]!.name as keyof typeof first]++;
    }
    expect(first.big).toBeGreaterThan(1_400);
    expect(first.small).toBeGreaterThan(400);
    expect(first.none).toBeLessThan(10);
  });

  it('leaves out a service that is not offered', () => {
    expect(orderServers([server('.', 0, 0), { ...server('x', 0, 0), port: 0 }], () => 0)).toEqual([]);
  });
});
