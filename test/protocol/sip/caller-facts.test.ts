import { describe, expect, it } from 'vitest';
import { callerFactsOf, reasonText } from '../../../protocol/sip/caller-facts.ts';
import { emptyBody, type SipRequest } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';

function invite(...lines: string[]): SipRequest {
  const text = ['INVITE sip:a@b SIP/2.0', 'CSeq: 1 INVITE', ...lines, '', ''].join('\r\n');
  return parseMessage(Buffer.from(text)) as SipRequest;
}

describe('what an INVITE says of its caller', () => {
  it.each([
    {
      name: 'asserted identities, in one line or several (RFC 3325 §9.1)',
      lines: ['P-Asserted-Identity: "Cullen Jennings" <sip:fluffy@cisco.com>, tel:+14085264000'],
      facts: { assertedIdentities: ['sip:fluffy@cisco.com', 'tel:+14085264000'] },
    },
    {
      name: 'the last diversion first (RFC 5806 §6)',
      lines: [
        'Diversion: <sip:bob@b.example>;reason=user-busy;counter=1',
        'Diversion: <sip:alice@a.example>;reason=unconditional',
      ],
      facts: {
        diversions: [
          { uri: 'sip:bob@b.example', reason: 'user-busy' },
          { uri: 'sip:alice@a.example', reason: 'unconditional' },
        ],
      },
    },
    {
      name: 'the history of the call, itself left out (RFC 7044 §5)',
      lines: [
        'History-Info: <sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1',
        'History-Info: <sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D486>;index=1.1',
        'History-Info: <sip:office@example.com>;index=1.2;mp=1',
      ],
      facts: {
        diversions: [
          { uri: 'sip:bob@192.0.2.4', reason: '486' },
          { uri: 'sip:bob@example.com', reason: '302' },
        ],
      },
    },
    {
      name: 'user-to-user data (RFC 7433 §4)',
      lines: ['User-to-User: 56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui;content=isdn-uui'],
      facts: { userToUser: [{ data: '56a390f3d2b7310023a2', encoding: 'hex', purpose: 'isdn-uui' }] },
    },
    { name: 'a wish for privacy (RFC 3323)', lines: ['Privacy: header;id'], facts: { private: true } },
    { name: 'none', lines: ['Privacy: none'], facts: { private: false } },
    {
      name: 'nothing that can be read',
      lines: [
        'P-Asserted-Identity: <>',
        'Diversion: ;;;',
        'History-Info: <sip:a@b',
        'User-to-User: ;encoding=hex',
      ],
      facts: { assertedIdentities: [], diversions: [], userToUser: [], private: false },
    },
  ])('$name', ({ lines, facts }) => {
    expect(callerFactsOf(invite(...lines))).toMatchObject(facts);
  });

  it('is read up to 16 values of each', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `Diversion: <sip:${index}@b>`);
    expect(callerFactsOf(invite(...lines)).diversions).toHaveLength(16);
  });
});

it.each([
  ['Q.850;cause=16;text="Terminated"', 'Q.850 16 "Terminated"'],
  ['SIP ;cause=200 ;text="Call completed elsewhere"', 'SIP 200 "Call completed elsewhere"'],
  ['preemption', 'preemption'],
  [';;', undefined],
])('Reason: %s', (value, text) => {
  const bye = { kind: 'request', method: 'BYE', uri: 'sip:a@b', body: emptyBody } as const;
  expect(reasonText({ ...bye, headers: [{ name: 'Reason', value }] })).toBe(text);
});
