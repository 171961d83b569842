import { describe, expect, it } from 'vitest';
import { usesFlow, wantsSecureContact } from '../../../gateway/signaling/flow-choice.ts';
import type { SipProtocol } from '../../../gateway/signaling/session.ts';
import type { SipFlow } from '../../../gateway/signaling/sip-flow.ts';
import { Dialog } from '../../../protocol/sip/dialog.ts';
import { createRequest } from '../../protocol/sip/messages.ts';

const flow = (protocol: SipProtocol): SipFlow => ({
  protocol,
  reliable: protocol !== 'udp',
  remote: { protocol, address: '198.51.100.1', port: 40_000 },
  local: { protocol, address: '192.0.2.1', port: 5060 },
  open: true,
  send() {},
});

describe('requests of ours go back on the way of the INVITE', () => {
  it.each([
    {
      name: 'through the NAT of a phone that names its private address',
      via: '10.0.0.5;received=198.51.100.1;rport=40000',
      contact: '10.0.0.5',
      uses: true,
    },
    {
      name: 'not to a phone that knows its public address',
      via: '10.0.0.5;received=198.51.100.1;rport=40000',
      contact: '198.51.100.1',
      uses: false,
    },
    { name: 'not without a NAT', via: '198.51.100.1', contact: '198.51.100.1', uses: false },
    {
      name: 'not where a name may be right',
      via: 'phone.example;received=198.51.100.1',
      contact: 'phone.example',
      uses: false,
    },
    {
      name: 'not past a proxy',
      via: '10.0.0.5;received=198.51.100.1',
      contact: '10.0.0.5',
      route: '198.51.100.1',
      uses: false,
    },
    { name: 'over its connection', protocol: 'tcp', via: '10.0.0.5', contact: '10.0.0.5', uses: true },
    {
      name: 'over the connection of its proxy',
      protocol: 'tcp',
      via: '10.0.0.5',
      contact: '10.0.0.5',
      route: '198.51.100.1',
      uses: true,
    },
    {
      name: 'not over that of another proxy',
      protocol: 'tls',
      via: '10.0.0.5',
      contact: '10.0.0.5',
      route: '198.51.100.2',
      uses: false,
    },
  ] as const)('$name', (row) => {
    const invite = createRequest('INVITE', {
      contact: `<sip:phone@${row.contact}>`,
      headers: 'route' in row ? [{ name: 'Record-Route', value: `<sip:${row.route};lr>` }] : [],
    });
    const via = { name: 'Via', value: `SIP/2.0/UDP ${row.via};branch=z9hG4bK1` };
    const stamped = { ...invite, headers: [via, ...invite.headers.slice(1)] };
    const { protocol = 'udp' }: { readonly protocol?: SipProtocol } = row;
    expect(usesFlow(Dialog.fromRequest(stamped, 'tag'), stamped, flow(protocol))).toBe(row.uses);
  });
});

describe('wantsSecureContact', () => {
  it.each([
    { uri: 'sips:b@example.com', headers: [], wants: true },
    { uri: 'sip:b@example.com', headers: ['Contact: <sips:a@192.0.2.1>'], wants: true },
    { uri: 'sip:b@example.com', headers: ['Contact: "A" <sip:a@192.0.2.1>'], wants: false },
    { uri: 'sip:b@example.com', headers: ['Record-Route: <sips:p;lr>', 'Contact: <sip:a@b>'], wants: true },
    { uri: 'sip:b@example.com', headers: ['Record-Route: <sip:p;lr>', 'Contact: <sips:a@b>'], wants: false },
    { uri: 'sip:b@example.com', headers: [], wants: false },
  ])('$uri with $headers: $wants', ({ uri, headers, wants }) => {
    const parsed = headers.map((line) => {
      const [name = '', value = ''] = line.split(/: (.*)/);
      return { name, value };
    });
    const invite = {
      kind: 'request',
      method: 'INVITE',
      uri,
      headers: parsed,
      body: new Uint8Array(0),
    } as const;
    expect(wantsSecureContact(invite)).toBe(wants);
  });
});
