import { describe, expect, it } from 'vitest';
import type { SipRequest, SipResponse } from '../../../protocol/sip/message.ts';
import { parseMessage } from '../../../protocol/sip/parse.ts';
import {
  checkRequest,
  isSoundResponse,
  type RequestCapabilities,
} from '../../../protocol/sip/request-check.ts';
import { inviteText, messageBytes } from './message-text.ts';

const capabilities: RequestCapabilities = {
  methodsAllowed: ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS'],
  extensions: ['timer'],
  contentTypes: ['application/sdp'],
};

/** The INVITE with lines replaced by others (none for undefined), and lines added. */
function changed(changes: Record<string, string | undefined>, ...added: string[]): SipRequest {
  const [head = '', body = ''] = inviteText.split('\r\n\r\n');
  const lines = head.split('\r\n').flatMap((line) => {
    const name = line.slice(0, line.search(/[: ]/));
    if (!(name in changes)) return [line];
    const change = changes[name];
    return change === undefined ? [] : [change];
  });
  return parseMessage(Buffer.from([...lines, ...added, '', body].join('\r\n'))) as SipRequest;
}

const method = (name: string, ...added: string[]) =>
  changed({ INVITE: `${name} sip:a SIP/2.0`, CSeq: `CSeq: 1 ${name}` }, ...added);

describe('a request', () => {
  it.each([
    { name: 'an INVITE as phones send it', request: changed({}) },
    { name: 'no Max-Forwards (RFC 2543)', request: changed({ 'Max-Forwards': undefined }) },
    { name: 'no From tag (RFC 2543)', request: changed({ From: 'From: <sip:a@b>' }) },
    { name: 'no Contact (RFC 2543)', request: changed({ Contact: undefined }) },
    { name: 'no branch (RFC 2543)', request: changed({ Via: 'Via: SIP/2.0/UDP a' }) },
    { name: 'Max-Forwards 0', request: changed({ 'Max-Forwards': 'Max-Forwards: 0' }) },
    { name: 'an extension we have, in any case', request: changed({}, 'Require: Timer,') },
    { name: 'an empty Require', request: changed({}, 'Require:') },
    { name: 'any extension in Proxy-Require', request: changed({}, 'Proxy-Require: x') },
    { name: 'a Require in CANCEL', request: method('CANCEL', 'Require: x') },
    { name: 'a Require in ACK', request: method('ACK', 'Require: x') },
    { name: 'tel in From and To', request: changed({ From: 'From: <tel:+1>;tag=a', To: 'To: tel:+2' }) },
    {
      name: 'other schemes in From and To',
      request: changed({ From: 'From: <urn:a:b>;tag=a', To: 'To: x:y' }),
    },
    { name: 'tel as Request-URI', request: changed({ INVITE: 'INVITE tel:+46123 SIP/2.0' }) },
    {
      name: 'an optional body of another type',
      request: changed({ 'Content-Type': 'c: x/y' }, 'Content-Disposition: z;handling=optional'),
    },
    { name: 'identity as encoding', request: changed({}, 'Content-Encoding: identity') },
    { name: 'Accept with a range', request: changed({}, 'Accept: text/plain, application/*') },
    { name: 'Accept with everything', request: changed({}, 'Accept: */*;q=0.1') },
    { name: 'Accept of other things in OPTIONS', request: method('OPTIONS', 'Accept: text/plain') },
    { name: 'several Contact outside INVITE', request: method('OPTIONS', 'Contact: <sip:a>, <sip:b>') },
  ])('passes: $name', ({ request }) => {
    expect(checkRequest(request, capabilities)).toBeUndefined();
  });

  it.each([
    { name: 'no Via', request: changed({ Via: undefined }), code: 'missing-header' },
    { name: 'no From', request: changed({ From: undefined }), code: 'missing-header' },
    { name: 'no To', request: changed({ To: undefined }), code: 'missing-header' },
    { name: 'no Call-ID', request: changed({ 'Call-ID': undefined }), code: 'missing-header' },
    { name: 'no CSeq', request: changed({ CSeq: undefined }), code: 'missing-header' },
    { name: 'no Content-Type', request: changed({ 'Content-Type': undefined }), code: 'missing-header' },
    { name: 'two From', request: changed({}, 'From: <sip:x@y>;tag=1'), code: 'repeated-header' },
    { name: 'two CSeq', request: changed({}, 'CSeq: 314159 INVITE'), code: 'repeated-header' },
    { name: 'a bad Via', request: changed({ Via: 'Via: SIP/2.0/UDP' }), code: 'bad-via' },
    { name: 'a bad second Via', request: changed({}, 'Via: SIP/2.0/UDP 192.0.2.15;;,;,,'), code: 'bad-via' },
    {
      name: 'a branch of the cookie alone',
      request: changed({ Via: 'Via: SIP/2.0/UDP a;branch=z9hG4bK' }),
      code: 'bad-via',
    },
    { name: 'a bad From', request: changed({ From: 'From: "Alice <sip:a@b>;tag=1' }), code: 'bad-name-addr' },
    { name: 'a bad URI in From', request: changed({ From: 'From: <sip:@b>;tag=1' }), code: 'bad-uri' },
    { name: 'a bad To', request: changed({ To: 'To: ' }), code: 'bad-name-addr' },
    { name: 'a bad Call-ID', request: changed({ 'Call-ID': 'Call-ID: a b' }), code: 'bad-call-id' },
    { name: 'a bad CSeq', request: changed({ CSeq: 'CSeq: -1 INVITE' }), code: 'bad-cseq' },
    { name: 'an overlarge CSeq', request: changed({ CSeq: 'CSeq: 2147483648 INVITE' }), code: 'bad-cseq' },
    { name: 'another method in CSeq', request: changed({ CSeq: 'CSeq: 1 BYE' }), code: 'bad-cseq' },
    { name: 'the method in another case', request: changed({ CSeq: 'CSeq: 1 invite' }), code: 'bad-cseq' },
    {
      name: 'a bad Max-Forwards',
      request: changed({ 'Max-Forwards': 'Max-Forwards: 256' }),
      code: 'bad-max-forwards',
    },
    { name: 'a bad Request-URI', request: changed({ INVITE: 'INVITE sip:a@b@c SIP/2.0' }), code: 'bad-uri' },
    {
      name: 'headers in the Request-URI',
      request: changed({ INVITE: 'INVITE sip:a?b=c SIP/2.0' }),
      code: 'bad-request-uri',
    },
    {
      name: 'a method in the Request-URI',
      request: changed({ INVITE: 'INVITE sip:a;method=BYE SIP/2.0' }),
      code: 'bad-request-uri',
    },
    { name: 'two Contact', request: changed({}, 'Contact: <sip:x>'), code: 'bad-contact' },
    {
      name: 'a Contact nothing can be sent to',
      request: changed({ Contact: 'Contact: <tel:+1>' }),
      code: 'bad-name-addr',
    },
    { name: 'a Contact of *', request: changed({ Contact: 'Contact: *' }), code: 'bad-name-addr' },
    {
      name: 'a bad Record-Route',
      request: changed({}, 'Record-Route: <sip:a>, <sip:b'),
      code: 'bad-name-addr',
    },
    { name: 'a bad Route', request: changed({}, 'Route: <http://a>'), code: 'bad-name-addr' },
    {
      name: 'a bad Content-Type',
      request: changed({ 'Content-Type': 'Content-Type: sdp' }),
      code: 'bad-media-type',
    },
    { name: 'a bad Accept', request: changed({}, 'Accept: sdp'), code: 'bad-media-type' },
  ])('gets 400: $name', ({ request, code }) => {
    expect(checkRequest(request, capabilities)).toMatchObject({ status: 400, code, headers: [] });
  });

  it.each([
    {
      name: 'a method we do not allow',
      request: method('PUBLISH'),
      status: 405,
      header: 'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS',
    },
    { name: 'a method nobody knows', request: method('invite'), status: 501, header: undefined },
    {
      name: 'a method nobody knows, and another in CSeq',
      request: changed({ INVITE: 'NEWMETHOD sip:a SIP/2.0' }),
      status: 501,
      header: undefined,
    },
    {
      name: 'a Request-URI of another scheme',
      request: changed({ INVITE: 'INVITE http://a SIP/2.0' }),
      status: 416,
      header: undefined,
    },
    {
      name: 'extensions we lack',
      request: changed({}, 'Require: 100rel, timer', 'Require: x'),
      status: 420,
      header: 'Unsupported: 100rel, x',
    },
    {
      name: 'a body type we lack',
      request: changed({ 'Content-Type': 'c: TEXT/html;a=b' }),
      status: 415,
      header: 'Accept: application/sdp',
    },
    {
      name: 'a packed body',
      request: changed({}, 'Content-Encoding: gzip'),
      status: 415,
      header: 'Accept-Encoding: identity',
    },
    {
      name: 'an Accept without what we answer with',
      request: changed({}, 'Accept: text/plain, text/*'),
      status: 406,
      header: undefined,
    },
    { name: 'an empty Accept', request: changed({}, 'Accept:'), status: 406, header: undefined },
  ])('gets $status: $name', ({ request, status, header }) => {
    const refusal = checkRequest(request, capabilities);
    expect(refusal?.status).toBe(status);
    expect(refusal?.headers.map(({ name, value }) => `${name}: ${value}`)).toEqual(
      header === undefined ? [] : [header],
    );
  });

  it('gets 483 with Max-Forwards 0 from one who passes it on', () => {
    const request = changed({ 'Max-Forwards': 'Max-Forwards: 0' });
    expect(checkRequest(request, { ...capabilities, forwards: true })).toMatchObject({ status: 483 });
    expect(checkRequest(changed({}), { ...capabilities, forwards: true })).toBeUndefined();
  });

  it.each([
    { to: '<sip:alice@example.com>', status: undefined },
    { to: 'sips:alice@example.com', status: undefined },
    { to: 'tel:+46123', status: 400 },
    { to: 'isbn:2983792873', status: 400 },
  ])('that registers $to gets $status', ({ to, status }) => {
    const request = changed({
      INVITE: 'REGISTER sip:a SIP/2.0',
      CSeq: 'CSeq: 1 REGISTER',
      To: `To: ${to}`,
      'Content-Type': undefined,
    });
    const registrar = { ...capabilities, methodsAllowed: ['REGISTER'] };
    expect(checkRequest({ ...request, body: new Uint8Array(0) }, registrar)?.status).toBe(status);
  });

  it('is refused for its syntax before its method: an answer to it could not be routed', () => {
    const request = changed({ INVITE: 'PUBLISH sip:a SIP/2.0', CSeq: 'CSeq: 1 PUBLISH', Via: undefined });
    expect(checkRequest(request, capabilities)?.status).toBe(400);
  });
});

describe('a response', () => {
  const lines = [
    'Via: SIP/2.0/UDP a;branch=z9hG4bKx',
    'From: <sip:a>;tag=1',
    'To: <sip:b>;tag=2',
    'i: c',
    'CSeq: 1 INVITE',
  ];
  const response = (...headers: string[]) =>
    parseMessage(messageBytes('SIP/2.0 200 OK', ...headers)) as SipResponse;

  it('with all that a transaction is found by is sound', () => {
    expect(isSoundResponse(response(...lines))).toBe(true);
  });

  it.each([
    { name: 'a second Via', headers: [...lines, 'Via: SIP/2.0/UDP b'] },
    { name: 'no Via', headers: lines.slice(1) },
    { name: 'a bad Via', headers: ['Via: x', ...lines.slice(1)] },
    { name: 'no CSeq', headers: lines.slice(0, 4) },
    { name: 'two CSeq', headers: [...lines, 'CSeq: 2 INVITE'] },
    { name: 'an overlarge CSeq', headers: [...lines.slice(0, 4), 'CSeq: 9292394834772304023312 OPTIONS'] },
    { name: 'a bad To', headers: [...lines.filter((line) => !line.startsWith('To')), 'To: <sip:b'] },
  ])('is dropped: $name', ({ headers }) => {
    expect(isSoundResponse(response(...headers))).toBe(false);
  });
});
