import { ProtocolError } from '../protocol-error.ts';
import { HeaderScanner, type Parameters, serializeParameters, trimSpace } from './header-scanner.ts';
import { isIPv6Address } from './ip-address.ts';
import type { SipRequest } from './message.ts';
import { parseHostPort, serializeHostPort } from './uri.ts';

/** One Via value. RFC 3261 §20.42, RFC 3581. */
export interface Via {
  /** In upper case: UDP, TCP, TLS, WS or another. */
  readonly transport: string;
  /** Of sent-by: lower case, an IPv6 address without its brackets. */
  readonly host: string;
  readonly port?: number | undefined;
  readonly branch?: string | undefined;
  /** An address without brackets. */
  readonly received?: string | undefined;
  /** `'requested'` where the sender asks for it (`;rport`), the port once it was filled in. */
  readonly rport?: 'requested' | number | undefined;
  readonly maddr?: string | undefined;
  readonly ttl?: number | undefined;
  /** The others, names in lower case. */
  readonly parameters: Parameters;
}

/** Branches begin with it since RFC 3261 and are then unique. */
export const branchCookie = 'z9hG4bK';

/** Throws `ProtocolError` 400. */
export function parseVia(text: string): Via {
  const scanner = new HeaderScanner(text, 'bad-via');
  const protocol = scanner.token('SIP');
  scanner.expect('/', 'after the protocol');
  const version = scanner.token('a version');
  scanner.expect('/', 'after the version');
  const transport = scanner.token('a transport').toUpperCase();
  if (protocol.toUpperCase() !== 'SIP' || version !== '2.0') scanner.reject('expected SIP/2.0');
  const { host, port } = readSentBy(scanner);
  const parameters = new Map(scanner.parameters());
  return {
    transport,
    host,
    port,
    branch: takeText(parameters, 'branch'),
    received: takeReceived(parameters, scanner),
    rport: takeRport(parameters, scanner),
    maddr: takeText(parameters, 'maddr'),
    ttl: takeNumber(parameters, 'ttl', 255, scanner),
    parameters,
  };
}

export function serializeVia(via: Via): string {
  let text = `SIP/2.0/${via.transport} ${serializeHostPort(via.host, via.port)}`;
  if (via.branch !== undefined) text += `;branch=${via.branch}`;
  if (via.received !== undefined) text += `;received=${via.received}`;
  if (via.rport !== undefined) text += via.rport === 'requested' ? ';rport' : `;rport=${via.rport}`;
  if (via.maddr !== undefined) text += `;maddr=${via.maddr}`;
  if (via.ttl !== undefined) text += `;ttl=${via.ttl}`;
  return text + serializeParameters(via.parameters);
}

/** The top Via of a request as its receiver marks it: `received` where sent-by is not the source address, and, if
 *  rport was asked for, both. `address` without brackets. RFC 3261 §18.2.1, RFC 3581 §4. */
export function stampSource(via: Via, address: string, port: number): Via {
  if (via.rport !== undefined) return { ...via, received: address, rport: port };
  return via.host === address ? via : { ...via, received: address };
}

/** The request with its top Via stamped. One that cannot be read stays as it is: what answers it goes to the source. */
export function stampRequest(request: SipRequest, address: string, port: number): SipRequest {
  const index = request.headers.findIndex(({ name }) => name === 'Via');
  const top = request.headers[index];
  if (top === undefined) return request;
  let value: string;
  try {
    const via = parseVia(top.value);
    const stamped = stampSource(via, address, port);
    if (stamped === via) return request;
    value = serializeVia(stamped);
  } catch (error) {
    if (error instanceof ProtocolError) return request;
    throw error;
  }
  return { ...request, headers: request.headers.with(index, { name: 'Via', value }) };
}

/** Where a response to a request with this stamped top Via goes over UDP, or over TCP once the connection of the request
 *  is gone (then without rport). maddr is not followed: it would let a request point its answers at anybody.
 *  RFC 3261 §18.2.2, RFC 3581 §4. */
export function responseTarget(via: Via): { readonly address: string; readonly port: number } {
  const port =
    typeof via.rport === 'number' ? via.rport : (via.port ?? (via.transport === 'TLS' ? 5_061 : 5_060));
  return { address: via.received ?? via.host, port };
}

function readSentBy(scanner: HeaderScanner): { readonly host: string; readonly port: number | undefined } {
  scanner.skipSpace();
  const start = scanner.position;
  const semicolon = scanner.text.indexOf(';', start);
  const end = semicolon < 0 ? scanner.text.length : semicolon;
  const sentBy = parseHostPort(withoutSpaceAtColon(trimSpace(scanner.text, start, end)));
  if (sentBy === undefined) return scanner.reject('expected a host and perhaps a port');
  scanner.position = end;
  return sentBy;
}

/** Space around the colon before the port is legal, space elsewhere is not. */
function withoutSpaceAtColon(text: string): string {
  if (!text.includes(' ') && !text.includes('\t')) return text;
  const colon = text.lastIndexOf(':');
  return `${trimSpace(text, 0, Math.max(0, colon))}:${trimSpace(text, colon + 1, text.length)}`;
}

function takeText(parameters: Map<string, string>, name: string): string | undefined {
  const value = parameters.get(name);
  if (value === undefined) return undefined;
  parameters.delete(name);
  return value;
}

function takeReceived(parameters: Map<string, string>, scanner: HeaderScanner): string | undefined {
  const value = takeText(parameters, 'received');
  if (value === undefined) return undefined;
  // Brackets are against the grammar and yet sent (RFC 5118 §4.5).
  const address = value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value;
  if (address.includes(':') ? !isIPv6Address(address) : !/^[A-Za-z0-9.-]+$/.test(address)) {
    scanner.reject('expected an address in received');
  }
  return address;
}

function takeRport(
  parameters: Map<string, string>,
  scanner: HeaderScanner,
): 'requested' | number | undefined {
  if (parameters.get('rport') !== '') return takeNumber(parameters, 'rport', 65_535, scanner);
  parameters.delete('rport');
  return 'requested';
}

function takeNumber(
  parameters: Map<string, string>,
  name: string,
  max: number,
  scanner: HeaderScanner,
): number | undefined {
  const value = takeText(parameters, name);
  if (value === undefined) return undefined;
  const number = /^[0-9]{1,5}$/.test(value) ? Number(value) : max + 1;
  if (number > max) scanner.reject(`expected ${name} from 0 to ${max}`);
  return number;
}
