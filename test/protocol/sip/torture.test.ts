import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import {
  headerValue,
  headerValues,
  type SipMessage,
  type SipRequest,
} from '../../../protocol/sip/message.ts';
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
  readonly section: string;
  /** What the RFC wants of an endpoint. */
  readonly asks: string;
  /** Why more passes than the grammar allows, where the RFC would have it refused as readily. */
  readonly lenient?: string;
}

const rfc4475: readonly Row[] = [
  { file: 'wsinv', verdict: 'accept', section: '3.1.1.1', asks: 'well-formed for all its folds and spaces' },
  { file: 'intmeth', verdict: 501, section: '3.1.1.2', asks: 'well-formed; an endpoint answers 501' },
  { file: 'esc01', verdict: 'accept', section: '3.1.1.3', asks: 'well-formed; escapes are undone once' },
  { file: 'escnull', verdict: 'accept', section: '3.1.1.4', asks: 'well-formed; NUL does not end a name' },
  { file: 'esc02', verdict: 501, section: '3.1.1.5', asks: 'well-formed; no REGISTER, so 501' },
  { file: 'lwsdisp', verdict: 'accept', section: '3.1.1.6', asks: 'accepted, the grammar being at fault' },
  { file: 'longreq', verdict: 'accept', section: '3.1.1.7', asks: 'well-formed, however long' },
  { file: 'dblreq', verdict: 'accept', section: '3.1.1.8', asks: 'the REGISTER alone; the rest is noise' },
  {
    file: 'semiuri',
    verdict: 'accept',
    section: '3.1.1.9',
    asks: 'well-formed; the semicolon is the user’s',
  },
  { file: 'transports', verdict: 'accept', section: '3.1.1.10', asks: 'well-formed; any transport in Via' },
  { file: 'mpart01', verdict: 'accept', section: '3.1.1.11', asks: 'well-formed; the body is bytes' },
  { file: 'unreason', verdict: 'accept', section: '3.1.1.12', asks: 'well-formed; UTF-8 in the phrase' },
  { file: 'noreason', verdict: 'accept', section: '3.1.1.13', asks: 'well-formed; the phrase may be empty' },
  { file: 'badinv01', verdict: 400, section: '3.1.2.1', asks: '400' },
  { file: 'clerr', verdict: 400, section: '3.1.2.2', asks: '400 where it came in a datagram' },
  { file: 'ncl', verdict: 400, section: '3.1.2.3', asks: 'an error, and the connection closed' },
  { file: 'scalar02', verdict: 400, section: '3.1.2.4', asks: '400, for the CSeq' },
  { file: 'scalarlg', verdict: 'drop', section: '3.1.2.5', asks: 'a response to discard' },
  { file: 'quotbal', verdict: 400, section: '3.1.2.6', asks: '400' },
  { file: 'ltgtruri', verdict: 400, section: '3.1.2.7', asks: '400 is always reasonable' },
  { file: 'lwsruri', verdict: 400, section: '3.1.2.8', asks: '400' },
  { file: 'lwsstart', verdict: 400, section: '3.1.2.9', asks: 'may be refused as malformed' },
  { file: 'trws', verdict: 400, section: '3.1.2.10', asks: 'may be refused as malformed' },
  { file: 'escruri', verdict: 400, section: '3.1.2.11', asks: 'may be refused with 400' },
  {
    file: 'baddate',
    verdict: 'accept',
    section: '3.1.2.12',
    asks: 'may be refused, and should not by who has no use for Date',
    lenient: 'nothing here reads Date, and a call must not fail for it',
  },
  { file: 'regbadct', verdict: 400, section: '3.1.2.13', asks: '400 is reasonable' },
  { file: 'badaspec', verdict: 400, section: '3.1.2.14', asks: '400 is reasonable' },
  { file: 'baddn', verdict: 400, section: '3.1.2.15', asks: '400 is always reasonable' },
  { file: 'badvers', verdict: 505, section: '3.1.2.16', asks: '505' },
  { file: 'mismatch01', verdict: 400, section: '3.1.2.17', asks: '400' },
  { file: 'mismatch02', verdict: 501, section: '3.1.2.18', asks: '501 rather than 400' },
  { file: 'bigcode', verdict: 'drop', section: '3.1.2.19', asks: 'a response to drop' },
  { file: 'badbranch', verdict: 400, section: '3.2.1', asks: '400 without state, or the rules of RFC 2543' },
  { file: 'insuf', verdict: 400, section: '3.3.1', asks: '400, if it can be sent at all' },
  { file: 'unkscm', verdict: 416, section: '3.3.2', asks: '416' },
  { file: 'novelsc', verdict: 416, section: '3.3.3', asks: '416' },
  { file: 'unksm2', verdict: 400, section: '3.3.4', asks: '400 of a registrar, for the To' },
  { file: 'bext01', verdict: 420, section: '3.3.5', asks: '420 naming what Require has' },
  { file: 'invut', verdict: 415, section: '3.3.6', asks: '415 with Accept' },
  { file: 'regaut01', verdict: 'accept', section: '3.3.7', asks: 'a challenge in a scheme of ours' },
  { file: 'multi01', verdict: 400, section: '3.3.8', asks: '400' },
  { file: 'mcl01', verdict: 400, section: '3.3.9', asks: 'an error, and the connection closed' },
  { file: 'bcast', verdict: 'drop', section: '3.3.10', asks: 'dropped by whom no Via names' },
  { file: 'zeromf', verdict: 'accept', section: '3.3.11', asks: 'processed by an endpoint, 483 of a proxy' },
  {
    file: 'cparam01',
    verdict: 'accept',
    section: '3.3.12',
    asks: 'registered, the parameter none of the URI',
  },
  {
    file: 'cparam02',
    verdict: 'accept',
    section: '3.3.13',
    asks: 'registered with the parameter in the URI',
  },
  { file: 'regescrt', verdict: 'accept', section: '3.3.14', asks: 'registered with the header in the URI' },
  { file: 'sdp01', verdict: 406, section: '3.3.15', asks: '406' },
  { file: 'inv2543', verdict: 'accept', section: '3.4.1', asks: 'legal by RFC 2543, and to be accepted' },
];

const rfc5118: readonly Row[] = [
  { file: 'msg1', verdict: 'accept', section: '4.1', asks: 'valid' },
  { file: 'msg2', verdict: 400, section: '4.2', asks: '400: no brackets around the address' },
  {
    file: 'msg3',
    verdict: 'accept',
    section: '4.3',
    asks: 'valid; the would-be port is part of the address',
  },
  { file: 'msg4', verdict: 'accept', section: '4.4', asks: 'valid; the port stands behind the brackets' },
  {
    file: 'msg5',
    verdict: 'accept',
    section: '4.5',
    asks: 'against the grammar, and to be tolerated',
    lenient: 'many send received in brackets, and it means the same',
  },
  { file: 'msg6', verdict: 'accept', section: '4.5', asks: 'valid' },
  { file: 'msg7', verdict: 'accept', section: '4.6', asks: 'valid; IPv6 in SDP' },
  { file: 'msg8', verdict: 'accept', section: '4.7', asks: 'valid; both families in Via' },
  { file: 'msg9', verdict: 'accept', section: '4.8', asks: 'valid; both families in SDP' },
  { file: 'msg10', verdict: 'accept', section: '4.9', asks: 'valid; IPv4-mapped addresses' },
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

  it.each(rfc4475)('$section $file: $verdict ($asks)', ({ file, verdict }) => {
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
  it.each(rfc5118)('$section $file: $verdict ($asks)', ({ file, verdict }) => {
    expect(verdictOn(read(`rfc5118/${file}.dat`))).toBe(verdict);
  });

  it('are all in the table', () => {
    const files = readdirSync(new URL('rfc5118/', vectors)).map((name) => name.replace('.dat', ''));
    expect(rfc5118.map(({ file }) => file).sort()).toEqual(files.sort());
  });

  it('say which address and which port they mean', () => {
    const requestOf = (file: string): SipRequest => parseMessage(read(`rfc5118/${file}.dat`)) as SipRequest;
    const viasOf = (file: string) => headerValues(requestOf(file), 'Via').map(parseVia);
    expect(parseUri(requestOf('msg3').uri)).toMatchObject({ host: '2001:db8::10:5070', port: undefined });
    expect(parseUri(requestOf('msg4').uri)).toMatchObject({ host: '2001:db8::10', port: 5070 });
    expect(['msg5', 'msg6'].map((file) => viasOf(file)[0]?.received)).toEqual([
      '2001:db8::9:255',
      '2001:db8::9:255',
    ]);
    expect(viasOf('msg8').map(({ host, port, received }) => [host, port, received])).toEqual([
      ['2001:db8::9:1', 6050, undefined],
      ['192.0.2.1', undefined, undefined],
      ['2001:db8::9:255', undefined, '192.0.2.200'],
    ]);
    expect(viasOf('msg10').map(({ host }) => host)).toEqual(['::ffff:192.0.2.10', '::ffff:192.0.2.2']);
  });
});

it('at most five of them pass that might be refused, each for a reason', () => {
  const reasons = [...rfc4475, ...rfc5118].flatMap(({ lenient }) => lenient ?? []);
  expect(reasons.length).toBeLessThanOrEqual(5);
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
