import { Buffer } from 'node:buffer';
import { ProtocolError } from '../protocol-error.ts';
import { parseReason, type Reason } from './header-values.ts';
import { headerValue, headerValues, type SipMessage } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { parseUri } from './uri.ts';

/** What an INVITE says about its caller and its way here, read leniently: a header that nobody can read is as good as
 *  none, and never a reason to refuse a call. */

export interface Diversion {
  readonly uri: string;
  /** `unconditional`, `user-busy`, `no-answer`, or a SIP status from History-Info (`486`). */
  readonly reason: string | undefined;
}

export interface UserToUser {
  /** As received, mostly hexadecimal. */
  readonly data: string;
  readonly encoding: string | undefined;
  readonly purpose: string | undefined;
}

export interface CallerFacts {
  /** URIs that a trusted network vouches for, `sip:` and `tel:`. RFC 3325. */
  readonly assertedIdentities: readonly string[];
  /** Who was called before us, the last one first. RFC 5806, RFC 7044. */
  readonly diversions: readonly Diversion[];
  /** RFC 7433. */
  readonly userToUser: readonly UserToUser[];
  /** The caller wants its identity kept from others. RFC 3323. */
  readonly private: boolean;
}

const valuesMax = 16;

export function callerFactsOf(invite: SipMessage): CallerFacts {
  const diverted = readAll(invite, 'Diversion', (value) => {
    const { uri, parameters } = parseNameAddr(value);
    return { uri, reason: parameters.get('reason') };
  });
  const privacy = headerValues(invite, 'Privacy').join(';').toLowerCase();
  return {
    assertedIdentities: readAll(invite, 'P-Asserted-Identity', (value) => parseNameAddr(value).uri),
    diversions: diverted.length > 0 ? diverted : historyOf(invite),
    userToUser: readAll(invite, 'User-to-User', readUserToUser),
    private: /\b(?:id|user|header)\b/.test(privacy),
  };
}

/** Every Reason of a BYE, CANCEL or response that can be read. RFC 3326. */
export function reasonsOf(message: SipMessage): readonly Reason[] {
  return readAll(message, 'Reason', parseReason);
}

/** `Q.850 16, SIP 200 "Call completed elsewhere"`, undefined without one; for logs. */
export function reasonText(message: SipMessage): string | undefined {
  const texts = reasonsOf(message).map(({ protocol, cause, text }) =>
    [protocol, cause, text === undefined || text === '' ? undefined : JSON.stringify(text.slice(0, 100))]
      .filter((part) => part !== undefined)
      .join(' '),
  );
  return texts.length === 0 ? undefined : texts.join(', ');
}

/** The entries before the last, which is ourselves. An entry tells in its own URI why it was left (§5.1). */
function historyOf(invite: SipMessage): Diversion[] {
  const entries = readAll(invite, 'History-Info', (value) => {
    const { uri } = parseNameAddr(value);
    const reason = parseUri(uri).headers.find(({ name }) => name.toLowerCase() === 'reason');
    const cause = reason === undefined ? undefined : parseReason(reason.value).cause;
    const question = uri.indexOf('?');
    return {
      uri: question < 0 ? uri : uri.slice(0, question),
      reason: cause === undefined ? undefined : String(cause),
    };
  });
  return entries.slice(0, -1).reverse();
}

function readUserToUser(value: string): UserToUser {
  const [data = '', ...parameters] = value.split(';').map((part) => part.trim());
  const parameter = (name: string): string | undefined =>
    parameters
      .find((text) => text.toLowerCase().startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replace(/^"(.*)"$/, '$1');
  if (data === '' || Buffer.byteLength(data) > 1024)
    throw new ProtocolError('bad-user-to-user', 'data of 1-1024 bytes expected', { status: 400 });
  return {
    data: data.replace(/^"(.*)"$/, '$1'),
    encoding: parameter('encoding'),
    purpose: parameter('purpose'),
  };
}

function readAll<T>(message: SipMessage, name: string, read: (value: string) => T): T[] {
  if (headerValue(message, name) === undefined) return [];
  const values: T[] = [];
  for (const value of headerValues(message, name).slice(0, valuesMax)) {
    try {
      values.push(read(value));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  return values;
}
