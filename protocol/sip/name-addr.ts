import {
  HeaderScanner,
  noParameters,
  type Parameters,
  quote,
  rejectValue,
  serializeParameters,
  trimSpace,
} from './header-scanner.ts';

/** The value of From, To, Contact, Route, Record-Route, Refer-To, Reply-To, P-Asserted-Identity. */
export interface NameAddr {
  /** Without quotes and escapes; undefined where there is none. */
  readonly displayName?: string | undefined;
  /** As received, of any scheme; `parseUri` reads it. */
  readonly uri: string;
  /** Header parameters (`tag`, `expires`, `q`), names in lower case, empty where there is no value. */
  readonly parameters: Parameters;
}

/** `"Name" <uri>;parameters`, `Name <uri>`, `<uri>` or `uri;parameters`. The URI is looked at only for what would
 *  make its end doubtful. Throws `ProtocolError` 400. RFC 3261 §20.10, §25.1. */
export function parseNameAddr(text: string): NameAddr {
  const scanner = new HeaderScanner(text, 'bad-name-addr');
  scanner.skipSpace();
  if (text.charCodeAt(scanner.position) === 0x22) {
    const displayName = scanner.quotedString();
    scanner.expect('<', 'after the display name');
    return parseBracketed(scanner, displayName === '' ? undefined : displayName);
  }
  const bracket = text.indexOf('<', scanner.position);
  if (bracket < 0) return parseAddrSpec(text);
  const displayName = trimSpace(text, scanner.position, bracket);
  // More than the tokens of the grammar: phones send names with @ or umlauts unquoted. A comma or a semicolon stays
  // an error, because it makes the ends of the value doubtful.
  if (/[",;:>\\]/.test(displayName)) scanner.reject('expected a display name in quotes');
  scanner.position = bracket + 1;
  return parseBracketed(scanner, displayName === '' ? undefined : displayName);
}

/** With angle brackets always, so that URI and header parameters cannot be confused. */
export function serializeNameAddr({ displayName, uri, parameters }: NameAddr): string {
  const name = displayName === undefined || displayName === '' ? '' : `${quote(displayName)} `;
  return `${name}<${uri}>${serializeParameters(parameters)}`;
}

/** The `tag` of a From or To value; undefined where there is none. Throws as `parseNameAddr`. */
export function tagOf(value: string): string | undefined {
  return parseNameAddr(value).parameters.get('tag');
}

/** The same address with that tag. */
export function withTag(value: NameAddr, tag: string): NameAddr {
  return { ...value, parameters: new Map([...value.parameters, ['tag', tag]]) };
}

function parseBracketed(scanner: HeaderScanner, displayName: string | undefined): NameAddr {
  const end = scanner.text.indexOf('>', scanner.position);
  if (end < 0) scanner.reject('expected ">" after the URI');
  const uri = scanner.text.slice(scanner.position, end);
  checkUriText(uri, scanner.text);
  scanner.position = end + 1;
  return { displayName, uri, parameters: scanner.parameters() };
}

function parseAddrSpec(text: string): NameAddr {
  const semicolon = text.indexOf(';');
  const uri = trimSpace(text, 0, semicolon < 0 ? text.length : semicolon);
  checkUriText(uri, text);
  // Both would belong to the URI or to the header, nobody could say which (RFC 3261 §20.10).
  if (/[?,]/.test(uri))
    rejectValue('bad-name-addr', 'expected a URI with "?" or "," in angle brackets', text);
  if (semicolon < 0) return { displayName: undefined, uri, parameters: noParameters };
  return {
    displayName: undefined,
    uri,
    parameters: new HeaderScanner(text, 'bad-name-addr', semicolon).parameters(),
  };
}

function checkUriText(uri: string, text: string): void {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^\s"<>]+$/.test(uri)) rejectValue('bad-name-addr', 'expected a URI', text);
}
