import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { headerValue, headerValues, type SipMessage } from '../../../protocol/sip/message.ts';
import { parseNameAddr } from '../../../protocol/sip/name-addr.ts';
import { parseMessage, SipParseError } from '../../../protocol/sip/parse.ts';
import { checkRequest, isSoundResponse } from '../../../protocol/sip/request-check.ts';
import { createResponse } from '../../../protocol/sip/response.ts';
import { serializeMessage } from '../../../protocol/sip/serialize.ts';
import { parseUri } from '../../../protocol/sip/uri.ts';
import { parseVia } from '../../../protocol/sip/via.ts';
import { withoutContentLength } from './message-text.ts';

// The messages of RFC 4475 and RFC 5118 lie beside a checkout, not in it.
const vectors = new URL('../../../../shared/vectors/', import.meta.url);
const present = existsSync(new URL('rfc4475/', vectors)) && existsSync(new URL('rfc5118/', vectors));

/** `accept`: nothing to complain of before authentication, dialogs and SDP. `drop`: no answer is due. */
type Verdict = 'accept' | 'drop' | number;

interface Row {
  readonly file: string;
  readonly verdict: Verdict;
  /** Section of the RFC, and the reason where it leaves a choice. */
  readonly why: string;
}

const rfc4475: readonly Row[] = [
  { file: 'wsinv', verdict: 'accept', why: '3.1.1.1 folding, spaces, case, compact forms' },
  { file: 'intmeth', verdict: 501, why: '3.1.1.2 well-formed to the last odd character, its method unknown' },
  { file: 'esc01', verdict: 'accept', why: '3.1.1.3 percent escapes' },
  { file: 'escnull', verdict: 'accept', why: '3.1.1.4 escaped NUL in URIs' },
  {
    file: 'esc02',
    verdict: 501,
    why: '3.1.1.5 no escapes in method and header names: the method is unknown',
  },
  { file: 'lwsdisp', verdict: 'accept', why: '3.1.1.6 no space between display name and <' },
  { file: 'longreq', verdict: 'accept', why: '3.1.1.7 long values, 34 Via' },
  { file: 'dblreq', verdict: 'accept', why: '3.1.1.8 what follows the message in a datagram is ignored' },
  { file: 'semiuri', verdict: 'accept', why: '3.1.1.9 semicolon in the user part' },
  { file: 'transports', verdict: 'accept', why: '3.1.1.10 unknown transports in Via' },
  { file: 'mpart01', verdict: 'accept', why: '3.1.1.11 binary multipart body' },
  { file: 'unreason', verdict: 'accept', why: '3.1.1.12 UTF-8 in the reason phrase' },
  { file: 'noreason', verdict: 'accept', why: '3.1.1.13 empty reason phrase' },
  { file: 'badinv01', verdict: 400, why: '3.1.2.1 empty parameters and values in Via' },
  { file: 'clerr', verdict: 400, why: '3.1.2.2 Content-Length beyond the datagram' },
  { file: 'ncl', verdict: 400, why: '3.1.2.3 negative Content-Length' },
  { file: 'scalar02', verdict: 400, why: '3.1.2.4 CSeq and Max-Forwards out of range' },
  { file: 'scalarlg', verdict: 'drop', why: '3.1.2.5 response with CSeq out of range' },
  { file: 'quotbal', verdict: 400, why: '3.1.2.6 unclosed quote' },
  { file: 'ltgtruri', verdict: 400, why: '3.1.2.7 Request-URI in angle brackets' },
  { file: 'lwsruri', verdict: 400, why: '3.1.2.8 space within the Request-URI' },
  { file: 'lwsstart', verdict: 400, why: '3.1.2.9 several spaces in the Request-Line' },
  { file: 'trws', verdict: 400, why: '3.1.2.10 space at the end of the Request-Line' },
  { file: 'escruri', verdict: 400, why: '3.1.2.11 headers in the Request-URI' },
  {
    file: 'baddate',
    verdict: 'accept',
    why: '3.1.2.12 nothing here reads Date, and the RFC lets it be ignored then',
  },
  { file: 'regbadct', verdict: 400, why: '3.1.2.13 Contact with "?" outside angle brackets' },
  { file: 'badaspec', verdict: 400, why: '3.1.2.14 spaces within an addr-spec' },
  { file: 'baddn', verdict: 400, why: '3.1.2.15 comma in an unquoted display name' },
  { file: 'badvers', verdict: 505, why: '3.1.2.16 unknown version' },
  { file: 'mismatch01', verdict: 400, why: '3.1.2.17 method in CSeq is another' },
  { file: 'mismatch02', verdict: 400, why: '3.1.2.18 the same with an unknown method; 501 would do as well' },
  { file: 'bigcode', verdict: 'drop', why: '3.1.2.19 response with a status out of range' },
  { file: 'badbranch', verdict: 400, why: '3.2.1 the magic cookie with nothing behind it' },
  { file: 'insuf', verdict: 400, why: '3.3.1 no From, To, Call-ID' },
  { file: 'unkscm', verdict: 416, why: '3.3.2 Request-URI of an unknown scheme' },
  { file: 'novelsc', verdict: 416, why: '3.3.3 Request-URI of a scheme that is no SIP' },
  { file: 'unksm2', verdict: 'accept', why: '3.3.4 other schemes in From, To, Contact: a registrar decides' },
  { file: 'bext01', verdict: 420, why: '3.3.5 Require of unknown extensions' },
  { file: 'invut', verdict: 415, why: '3.3.6 unknown body type' },
  { file: 'regaut01', verdict: 'accept', why: '3.3.7 unknown authorization scheme: authentication decides' },
  { file: 'multi01', verdict: 400, why: '3.3.8 headers repeated that may stand once' },
  { file: 'mcl01', verdict: 400, why: '3.3.9 two Content-Length' },
  { file: 'bcast', verdict: 'drop', why: '3.3.10 response with a Via that is not ours' },
  { file: 'zeromf', verdict: 'accept', why: '3.3.11 Max-Forwards 0 ends here, and so it may' },
  { file: 'cparam01', verdict: 'accept', why: '3.3.12 unknown header parameter' },
  { file: 'cparam02', verdict: 'accept', why: '3.3.13 unknown URI parameter' },
  { file: 'regescrt', verdict: 'accept', why: '3.3.14 headers in a Contact URI: a registrar decides' },
  { file: 'sdp01', verdict: 406, why: '3.3.15 Accept without session descriptions' },
  {
    file: 'inv2543',
    verdict: 'accept',
    why: '3.4.1 RFC 2543: no branch, tag, Contact, Max-Forwards, Content-Length',
  },
];

const rfc5118: readonly Row[] = [
  { file: 'msg1', verdict: 'accept', why: '4.1 IPv6 references' },
  { file: 'msg2', verdict: 400, why: '4.2 IPv6 address without brackets in the Request-URI' },
  { file: 'msg3', verdict: 'accept', why: '4.3 a port within the brackets is one more group' },
  { file: 'msg4', verdict: 'accept', why: '4.4 port behind the brackets' },
  { file: 'msg5', verdict: 'accept', why: '4.5 received in brackets: against the grammar, sent by many' },
  { file: 'msg6', verdict: 'accept', why: '4.5 received without brackets' },
  { file: 'msg7', verdict: 'accept', why: '4.6 IPv6 in SDP' },
  { file: 'msg8', verdict: 'accept', why: '4.7 both families in Via' },
  { file: 'msg9', verdict: 'accept', why: '4.8 both families in SDP' },
  { file: 'msg10', verdict: 'accept', why: '4.9 IPv4-mapped addresses' },
];

const capabilities = {
  methodsAllowed: ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'REGISTER', 'MESSAGE'],
  extensions: [],
  contentTypes: ['application/sdp', 'multipart/mixed', 'text/plain'],
};

function read(path: string): Uint8Array {
  return readFileSync(new URL(path, vectors));
}

function verdictOn(bytes: Uint8Array): Verdict {
  let message: SipMessage;
  try {
    message = parseMessage(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.status ?? 'drop';
  }
  if (message.kind === 'response') return isSoundResponse(message) ? 'accept' : 'drop';
  return checkRequest(message, capabilities)?.status ?? 'accept';
}

describe.skipIf(!present)('the messages of RFC 4475', () => {
  it('are all in the table', () => {
    const files = readdirSync(new URL('rfc4475/', vectors)).map((name) => name.replace('.dat', ''));
    expect(rfc4475.map(({ file }) => file).sort()).toEqual(files.sort());
  });

  it.each(rfc4475)('$file: $verdict ($why)', ({ file, verdict }) => {
    expect(verdictOn(read(`rfc4475/${file}.dat`))).toBe(verdict);
  });

  it.each(rfc4475.filter(({ verdict }) => verdict === 'accept'))(
    '$file survives a round trip',
    ({ file }) => {
      const message = parseMessage(read(`rfc4475/${file}.dat`));
      expect(withoutContentLength(parseMessage(serializeMessage(message)))).toEqual(
        withoutContentLength(message),
      );
    },
  );

  it.each(['clerr', 'ncl', 'ltgtruri', 'lwsruri', 'lwsstart', 'trws', 'badvers', 'mcl01', 'baddn'])(
    '%s can be answered from what was readable of it',
    (file) => {
      const error = thrownBy(() => parseMessage(read(`rfc4475/${file}.dat`)));
      const response = createResponse(error.partial!, error.status!, { toTag: 'x' });
      for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq']) {
        expect(headerValue(response, name), name).not.toBeUndefined();
      }
    },
  );

  it('wsinv: every value is read as meant', () => {
    const message = parseMessage(read('rfc4475/wsinv.dat'));
    expect(headerValues(message, 'Via').map(parseVia)).toMatchObject([
      { transport: 'UDP', host: '192.0.2.2', branch: '390skdjuw' },
      { transport: 'TCP', host: 'spindle.example.com', branch: 'z9hG4bK9ikj8' },
      { transport: 'UDP', host: '192.168.255.111', branch: 'z9hG4bK30239' },
    ]);
    expect(parseNameAddr(headerValue(message, 'From')!).displayName).toBe('J Rosenberg \\"');
    expect(parseNameAddr(headerValue(message, 'To')!).parameters.get('tag')).toBe('1918181833n');
    expect(parseNameAddr(headerValue(message, 'Contact')!).parameters.get('newparam')).toBe('newvalue');
    expect(headerValue(message, 'Max-Forwards')).toBe('0068');
    expect(headerValue(message, 'Subject')).toBe('');
    expect(headerValue(message, 'NewFangledHeader')).toBe('newfangled value continued newfangled value');
  });

  it('intmeth: quoted control characters and UTF-8', () => {
    const message = parseMessage(read('rfc4475/intmeth.dat'));
    expect(parseNameAddr(headerValue(message, 'To')!).displayName).toBe('BEL:\x07 NUL:\0 DEL:\x7f');
    expect(parseNameAddr(headerValue(message, 'From')!).parameters.get("fromparam''~+*_!.-%")).toBe(
      'работающий',
    );
    expect(parseUri((message as { uri: string }).uri)).toMatchObject({
      user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
      password: "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
      host: 'example.com',
    });
  });

  it('esc01, escnull, semiuri: the user part is unescaped once', () => {
    const userOf = (file: string): string | undefined => {
      const message = parseMessage(read(`rfc4475/${file}.dat`));
      return message.kind === 'request' ? parseUri(message.uri).user : undefined;
    };
    expect(userOf('esc01')).toBe('sips:user@example.com');
    expect(userOf('semiuri')).toBe('user;par=u@example.net');
    const escnull = parseMessage(read('rfc4475/escnull.dat'));
    expect(parseUri(parseNameAddr(headerValue(escnull, 'To')!).uri).user).toBe('null-\0-null');
  });

  it('mpart01, longreq, unreason: bodies, counts and phrases', () => {
    expect(parseMessage(read('rfc4475/mpart01.dat')).body.length).toBe(553);
    expect(headerValues(parseMessage(read('rfc4475/longreq.dat')), 'Via').length).toBe(34);
    expect(parseMessage(read('rfc4475/unreason.dat'))).toMatchObject({
      reasonPhrase: '= 2**3 * 5**2 но сто девяносто девять - простое',
    });
    expect(parseMessage(read('rfc4475/noreason.dat'))).toMatchObject({ status: 100, reasonPhrase: '' });
  });
});

describe.skipIf(!present)('the messages of RFC 5118', () => {
  it.each(rfc5118)('$file: $verdict ($why)', ({ file, verdict }) => {
    expect(verdictOn(read(`rfc5118/${file}.dat`))).toBe(verdict);
  });
});

function thrownBy(run: () => unknown): SipParseError {
  try {
    run();
  } catch (error) {
    if (error instanceof SipParseError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
