import { expect, it } from 'vitest';
import { responsePort } from '../../../protocol/sip/response-target.ts';

it.each([
  { name: 'the port of sent-by', via: 'SIP/2.0/UDP a.example:5070', port: 5070 },
  { name: 'the usual port without one', via: 'SIP/2.0/UDP a.example', port: 5060 },
  { name: 'the usual port of TLS', via: 'SIP/2.0/TLS a.example', reliable: true, port: 5061 },
  { name: 'the source where rport asked', via: 'SIP/2.0/UDP a.example:5070;rport=40000', port: 40_000 },
  {
    name: 'sent-by over a connection',
    via: 'SIP/2.0/TCP a.example:5070;rport=40000',
    reliable: true,
    port: 5070,
  },
  { name: 'the source where Via is broken', via: 'SIP/7.0/UDP a.example:5070', port: 1234 },
  { name: 'nowhere without a Via', via: undefined, port: undefined },
])('a response goes to $name', ({ via, reliable = false, port }) => {
  const headers = via === undefined ? [] : [{ name: 'Via', value: via }];
  const response = {
    kind: 'response',
    status: 200,
    reasonPhrase: 'OK',
    headers,
    body: new Uint8Array(),
  } as const;
  expect(responsePort(response, { port: 1234, reliable })).toBe(port);
});
