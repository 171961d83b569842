import { describe, expect, it } from 'vitest';
import { partyOf } from '../../../gateway/calls/registry.ts';
import { createRequest } from '../../../protocol/sip/message.ts';

describe('caller and callee, as the stream server is told', () => {
  const rows: readonly { name: string; uri: string; from: string; expected: { to: string; from: string } }[] =
    [
      {
        name: 'user parts of SIP URIs',
        uri: 'sip:echo@10.0.0.1:5060;transport=udp',
        from: '"Alice" <sip:alice@example.com>;tag=1',
        expected: { to: 'echo', from: 'alice' },
      },
      {
        name: 'the host where there is no user',
        uri: 'sip:gateway.example.com',
        from: '<sip:pbx.example.com>;tag=1',
        expected: { to: 'gateway.example.com', from: 'pbx.example.com' },
      },
      {
        name: 'telephone numbers',
        uri: 'tel:+46123456',
        from: '<tel:+46987654;phone-context=x>;tag=1',
        expected: { to: '+46123456', from: '+46987654' },
      },
      {
        name: 'a URI of a kind that we do not speak stands for itself',
        uri: 'sip:echo@10.0.0.1',
        from: '<urn:service:sos>;tag=1',
        expected: { to: 'echo', from: 'urn:service:sos' },
      },
    ];

  it.each(rows)('$name', ({ uri, from, expected }) => {
    const invite = createRequest({ method: 'INVITE', uri, headers: [{ name: 'From', value: from }] });
    expect(partyOf({ invite })).toMatchObject(expected);
  });

  it('hands on X- headers by the name as received, and no others', () => {
    const headers = [
      { name: 'From', value: '<sip:a@b>' },
      { name: 'X-Ticket', value: 'INC-4815' },
      { name: 'x-lower', value: '1' },
      { name: 'P-Asserted-Identity', value: '<sip:c@d>' },
    ];
    const invite = createRequest({ method: 'INVITE', uri: 'sip:e@f', headers });
    expect(partyOf({ invite }).sipHeaders).toEqual({ 'X-Ticket': 'INC-4815', 'x-lower': '1' });
  });
});
