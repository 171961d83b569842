import { ProtocolError } from '../protocol-error.ts';
import { rejectValue } from './header-scanner.ts';
import { isCallId, parseCSeq, parseMaxForwards, parseMediaType } from './header-values.ts';
import { headerValue, headerValues, type SipHeader, type SipRequest, type SipResponse } from './message.ts';
import { parseMultipart } from './multipart.ts';
import { parseNameAddr } from './name-addr.ts';
import { checkAnyUri, parseUri } from './uri.ts';
import { branchCookie, parseVia } from './via.ts';

/** What this end understands. */
export interface RequestCapabilities {
  /** Answered by us, in the order of the Allow header. */
  readonly methodsAllowed: readonly string[];
  /** Option tags of Require that we support. */
  readonly extensions: readonly string[];
  /** Body types, in lower case (`application/sdp`). */
  readonly contentTypes: readonly string[];
  /** Refuses Max-Forwards 0 with 483, as one who passes requests on. An endpoint answers them itself. */
  readonly forwards?: boolean;
}

export interface Refusal {
  readonly status: number;
  /** A stable word for logs and counters. */
  readonly code: string;
  /** What was expected and what came. */
  readonly message: string;
  /** For the response. */
  readonly headers: readonly SipHeader[];
}

// A method we know and do not allow gets 405, one nobody told us about 501 (RFC 3261 §8.2.1, §21.5.2).
const knownMethods = new Set([
  ...['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'REGISTER', 'INFO', 'PRACK', 'UPDATE'],
  ...['SUBSCRIBE', 'NOTIFY', 'PUBLISH', 'MESSAGE', 'REFER'],
]);

const singleHeaders = ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Content-Type', 'Expires'];

/** What a request must be refused for before transactions and dialogs see it, undefined if nothing. Never answer an
 *  ACK: drop it. Merged requests (482), dialogs (481) and authentication are decided elsewhere.
 *  RFC 3261 §8.1.1, §8.2, §16.3. */
export function checkRequest(request: SipRequest, capabilities: RequestCapabilities): Refusal | undefined {
  try {
    return (
      checkMandatoryHeaders(request) ??
      checkMethod(request, capabilities) ??
      checkCapabilities(request, capabilities)
    );
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return refusal(error.status ?? 400, error.code, error.message);
  }
}

/** True for a response that may be ours: the headers a transaction is found by are there and sound, and the only Via is
 *  the one we put. Anything else is to be dropped. RFC 3261 §8.1.3.3. */
export function isSoundResponse(response: SipResponse): boolean {
  try {
    const vias = headerValues(response, 'Via');
    if (vias.length !== 1) return false;
    parseVia(vias[0]!);
    for (const name of ['From', 'To', 'Call-ID', 'CSeq'])
      if (headerValues(response, name).length !== 1) return false;
    parseCSeq(headerValue(response, 'CSeq')!);
    checkAddress(headerValue(response, 'From')!);
    checkAddress(headerValue(response, 'To')!);
    return true;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}

function checkMandatoryHeaders(request: SipRequest): Refusal | undefined {
  for (const name of singleHeaders) {
    const values = headerValues(request, name);
    if (values.length > 1)
      return refusal(400, 'repeated-header', `expected one ${name}, got ${values.length}`);
  }
  const vias = headerValues(request, 'Via');
  const from = headerValue(request, 'From');
  const to = headerValue(request, 'To');
  const callId = headerValue(request, 'Call-ID');
  const cseq = headerValue(request, 'CSeq');
  if (vias.length === 0) return missing('Via');
  if (from === undefined) return missing('From');
  if (to === undefined) return missing('To');
  if (callId === undefined) return missing('Call-ID');
  if (cseq === undefined) return missing('CSeq');
  const [branch] = vias.map((via) => parseVia(via).branch);
  // The cookie promises a unique branch, and there is none behind it.
  if (branch === branchCookie) return refusal(400, 'bad-via', 'expected a branch behind the cookie');
  checkAddress(from);
  checkAddress(to);
  if (!isCallId(callId)) return refusal(400, 'bad-call-id', 'expected a Call-ID as word or word@word');
  return undefined;
}

/** A method that nobody knows is told so first, whatever its CSeq says: that answer stays right when the method is
 *  known one day (RFC 4475 §3.1.2.18). */
function checkMethod(request: SipRequest, { methodsAllowed }: RequestCapabilities): Refusal | undefined {
  const { method } = request;
  const allowed = methodsAllowed.includes(method);
  if (!allowed && !knownMethods.has(method))
    return refusal(501, 'unknown-method', `expected a known method, got ${method}`);
  const { method: inCSeq } = parseCSeq(headerValue(request, 'CSeq') ?? '');
  if (inCSeq !== method) {
    return refusal(400, 'bad-cseq', `expected the method ${method} in CSeq, got ${inCSeq}`);
  }
  if (allowed) return undefined;
  const allow = [{ name: 'Allow', value: methodsAllowed.join(', ') }];
  return refusal(405, 'method-not-allowed', `expected ${methodsAllowed.join(', ')}, got ${method}`, allow);
}

function checkCapabilities(request: SipRequest, capabilities: RequestCapabilities): Refusal | undefined {
  const { extensions, contentTypes, forwards } = capabilities;
  const { method } = request;
  const uri = parseUri(request.uri);
  // They may stand in links, not here (RFC 3261 §19.1.1).
  if (uri.headers.length > 0 || uri.parameters.has('method')) {
    return refusal(400, 'bad-request-uri', 'expected a Request-URI without headers and method');
  }
  const maxForwards = headerValue(request, 'Max-Forwards');
  // Absent in requests of RFC 2543.
  if (maxForwards !== undefined && parseMaxForwards(maxForwards) === 0 && forwards === true) {
    return refusal(483, 'too-many-hops', 'expected Max-Forwards above 0');
  }
  checkContacts(request);
  // An address-of-record is a SIP or SIPS URI (RFC 3261 §10.2, RFC 4475 §3.3.4).
  if (method === 'REGISTER') checkSipUri(headerValue(request, 'To') ?? '');
  for (const name of ['Route', 'Record-Route'])
    for (const route of headerValues(request, name)) checkSipUri(route);
  // CANCEL and ACK follow an INVITE whose Require was already answered (RFC 3261 §8.2.2.3).
  if (method !== 'CANCEL' && method !== 'ACK') {
    const unsupported = headerValues(request, 'Require').filter(
      (tag) => tag !== '' && !extensions.includes(tag.toLowerCase()),
    );
    if (unsupported.length > 0) {
      const value = unsupported.join(', ');
      return refusal(
        420,
        'bad-extension',
        `expected ${extensions.join(', ') || 'no extension'}, got ${value}`,
        [{ name: 'Unsupported', value }],
      );
    }
  }
  return checkBody(request, contentTypes) ?? checkAccept(request, contentTypes);
}

function checkBody(request: SipRequest, contentTypes: readonly string[]): Refusal | undefined {
  if (request.body.length === 0 || request.method === 'CANCEL') return undefined;
  // An optional body that we cannot read is ignored by its reader (RFC 3261 §20.11).
  if (/;\s*handling\s*=\s*optional/i.test(headerValue(request, 'Content-Disposition') ?? ''))
    return undefined;
  const encodings = headerValues(request, 'Content-Encoding').filter(
    (value) => !/^(?:identity)?$/i.test(value),
  );
  if (encodings.length > 0) {
    return refusal(415, 'unsupported-encoding', `expected no Content-Encoding, got ${encodings.join(', ')}`, [
      { name: 'Accept-Encoding', value: 'identity' },
    ]);
  }
  const contentType = headerValue(request, 'Content-Type');
  if (contentType === undefined) return missing('Content-Type');
  const { type } = parseMediaType(contentType);
  const sessionMethod = request.method === 'INVITE' || request.method === 'UPDATE';
  if (contentTypes.includes(type)) {
    const readable =
      !sessionMethod || !type.startsWith('multipart/') || hasReadableParts(request, contentTypes);
    if (readable) return undefined;
  }
  const accept = contentTypes.join(', ');
  return refusal(415, 'unsupported-media-type', `expected ${accept}, got ${type}`, [
    { name: 'Accept', value: accept },
  ]);
}

/** One that we read and none that we must and cannot. Whoever sends a session description beside something else lives
 *  without the rest, unless it says that it does not (RFC 5621 §4.1 would have it the other way round, and carriers
 *  leave the parameter out). */
function hasReadableParts(request: SipRequest, contentTypes: readonly string[]): boolean {
  const parts = parseMultipart(headerValue(request, 'Content-Type') ?? '', request.body);
  const unread = parts.filter(({ type }) => !contentTypes.includes(type));
  const needed = unread.some(({ disposition }) => /;\s*handling\s*=\s*"?required/i.test(disposition));
  return unread.length < parts.length && !needed;
}

/** A caller who does not take session descriptions cannot be answered (RFC 4475 §3.3.15). */
function checkAccept(request: SipRequest, contentTypes: readonly string[]): Refusal | undefined {
  if (request.method !== 'INVITE') return undefined;
  const accepted = headerValues(request, 'Accept');
  if (accepted.length === 0) return undefined;
  for (const value of accepted) {
    if (value === '') continue;
    const { type } = parseMediaType(value);
    const family = type.endsWith('/*') ? type.slice(0, -1) : undefined;
    if (type === '*/*' || contentTypes.includes(type)) return undefined;
    if (family !== undefined && contentTypes.some((own) => own.startsWith(family))) return undefined;
  }
  return refusal(
    406,
    'not-acceptable',
    `expected ${contentTypes.join(', ')} in Accept, got ${accepted.join(', ')}`,
  );
}

/** An INVITE without Contact passes, as of RFC 2543: what answers it finds nowhere to send but the source. */
function checkContacts(request: SipRequest): void {
  const contacts = headerValues(request, 'Contact');
  if (request.method !== 'INVITE') {
    for (const contact of contacts) if (contact !== '*') checkAddress(contact);
    return;
  }
  if (contacts.length > 1) rejectValue('bad-contact', 'expected one Contact', contacts.join(', '));
  if (contacts[0] !== undefined) checkSipUri(contacts[0]);
}

/** A URI that requests can be sent to. */
function checkSipUri(value: string): void {
  const { uri } = parseNameAddr(value);
  if (!/^sips?:/i.test(uri)) rejectValue('bad-name-addr', 'expected a sip or sips URI', value);
  parseUri(uri);
}

function checkAddress(value: string): void {
  checkAnyUri(parseNameAddr(value).uri);
}

function missing(name: string): Refusal {
  return refusal(400, 'missing-header', `expected the header ${name}`);
}

function refusal(status: number, code: string, message: string, headers: readonly SipHeader[] = []): Refusal {
  return { status, code, message, headers };
}
