import { describe, expect, it } from 'vitest';
import { pcma, pcmu } from '../../../codecs/g711.ts';
import { LegNegotiation } from '../../../gateway/calls/leg-negotiation.ts';
import { type SdpParts, sdp } from '../../calls/bare-phone.ts';

function create(): LegNegotiation {
  return new LegNegotiation({
    codecs: [pcmu, pcma],
    srtp: 'off',
    symmetric: 'auto',
    sessionId: 42,
    local: () => ({ address: '192.0.2.1', port: 4000, rtcpPort: 4001 }),
    remoteAddress: () => '198.51.100.9',
  });
}

function offer(parts: Partial<SdpParts> = {}): string {
  return sdp({ port: 5000, address: '192.0.2.9', ...parts });
}

function answered(): LegNegotiation {
  const leg = create();
  leg.takeOffer(offer());
  leg.writeAnswer();
  return leg;
}

function versionOf(text: string): number {
  return Number(/^o=callwire 42 (\d+)/m.exec(text)![1]);
}

/** RFC 3264 §6.1 and §8.4; c=0.0.0.0 is the hold of RFC 2543. */
describe('hold by the far side', () => {
  it.each([
    { name: 'none', parts: {}, direction: 'sendrecv', held: false, remote: '192.0.2.9' },
    {
      name: 'sendonly',
      parts: { direction: 'sendonly' },
      direction: 'recvonly',
      held: true,
      remote: '192.0.2.9',
    },
    {
      name: 'inactive',
      parts: { direction: 'inactive' },
      direction: 'inactive',
      held: true,
      remote: '192.0.2.9',
    },
    {
      name: 'c=0.0.0.0',
      parts: { address: '0.0.0.0' },
      direction: 'recvonly',
      held: true,
      remote: '192.0.2.9',
    },
    // It does not speak, and listens: an announcement to it is no hold.
    {
      name: 'recvonly',
      parts: { direction: 'recvonly' },
      direction: 'sendonly',
      held: false,
      remote: '192.0.2.9',
    },
  ])('$name', ({ parts, direction, held, remote }) => {
    const leg = answered();
    const answer = leg.answer(offer({ version: 2, ...parts }));
    expect(answer).toContain(`a=${direction}`);
    expect([leg.held, leg.rtpSession.direction, leg.rtpSession.remote]).toEqual([
      held,
      direction,
      { address: remote, port: 5000 },
    ]);
  });

  it('from the start leaves RTCP with who called', () => {
    const leg = create();
    leg.takeOffer(offer({ address: '0.0.0.0' }));
    expect(leg.rtpSession).toMatchObject({
      direction: 'recvonly',
      remote: { address: '198.51.100.9', port: 5000 },
      remoteRtcp: { address: '198.51.100.9', port: 5001 },
    });
  });
});

describe('hold by us', () => {
  it('holds from its answer on, and stays through offers of the far side', () => {
    const leg = answered();
    expect(leg.writeOffer('sendonly')).toContain('a=sendonly');
    expect(leg.rtpSession.direction).toBe('sendrecv');
    leg.takeAnswer(offer({ version: 2, direction: 'recvonly' }));
    expect(leg.rtpSession.direction).toBe('sendonly');
    expect(leg.answer(offer({ version: 3 }))).toContain('a=sendonly');
    expect(leg.held).toBe(false);
  });

  it('that is refused changes nothing', () => {
    const leg = answered();
    leg.writeOffer('sendonly');
    leg.forgetOffer();
    expect([leg.offering, leg.rtpSession.direction]).toEqual([false, 'sendrecv']);
    expect(leg.answer(offer({ version: 2 }))).toContain('a=sendrecv');
  });
});

describe('our description', () => {
  it('has the same version while nothing changes, and one more when something does', () => {
    const leg = answered();
    const versions = [
      leg.writeAnswer(),
      leg.answer(offer({ version: 2 })),
      leg.answer(offer({ version: 3, direction: 'sendonly' })),
      leg.answer(offer({ version: 4, direction: 'sendonly' })),
      leg.writeOffer(),
    ].map(versionOf);
    expect(versions).toEqual([1, 1, 2, 2, 3]);
  });

  it('offers the codec in use first', () => {
    const leg = answered();
    leg.answer(offer({ version: 2, formats: '8 101' }));
    expect(leg.writeOffer()).toMatch(/^m=audio 4000 RTP\/AVP 8 0 101/m);
  });
});

describe('what cannot be served', () => {
  it.each([
    ['no codec of ours', { formats: '3', rtpmaps: [] }],
    ['a host name', { address: 'phone.example' }],
    ['no port', { port: 99_999 }],
  ])('%s leaves everything as it was', (_what, parts) => {
    const leg = answered();
    const before = leg.rtpSession;
    expect(() => leg.answer(offer({ version: 2, ...parts }))).toThrow();
    expect(leg.rtpSession).toEqual(before);
    expect(versionOf(leg.answer(offer({ version: 3 })))).toBe(1);
  });
});

describe('the answer to a refresh', () => {
  it('is read where it is another one than before', () => {
    const leg = answered();
    expect(leg.takeRefresh(offer({ version: 1, port: 6000 }))).toBe(false);
    expect(leg.takeRefresh(offer({ version: 2, port: 6000 }))).toBe(true);
    expect(leg.rtpSession.remote.port).toBe(6000);
    expect(() => leg.takeRefresh(offer({ version: 3, formats: '3', rtpmaps: [] }))).toThrow();
    expect(leg.rtpSession.remote.port).toBe(6000);
  });
});

it('a late offer is ours, and agreed on with its answer', () => {
  const leg = create();
  expect(leg.writeOffer()).toMatch(/^m=audio 4000 RTP\/AVP 0 8 101/m);
  expect(leg.agreed).toBeUndefined();
  leg.takeAnswer(offer({ formats: '8 101' }));
  expect([leg.agreed?.codec.name, leg.offering]).toEqual(['pcma', false]);
});
