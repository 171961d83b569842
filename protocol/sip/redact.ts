import type { SipHeader, SipMessage } from './message.ts';

/** What stands where something was hidden. */
export const hiddenText = '[hidden]';

const secretHeaders = new Set(['authorization', 'proxy-authorization', 'authentication-info']);
const uriPassword = /(sips?:[^\s:@<>;?]{1,256}):[^\s@<>]{1,256}@/gi;
/** SDES keys (RFC 4568), the older `k=`, and digits in INFO. */
const secretLines: readonly (readonly [RegExp, string])[] = [
  [/\b(inline:)[^\s;|]+/gi, `$1${hiddenText}`],
  [/^(k=)[^\r\n]+/gm, `$1${hiddenText}`],
  [/\b(Signal[ \t]*=)[^\r\n]+/gi, `$1${hiddenText}`],
];

/** The message without what nobody may read who may read a trace: credentials, keys of SRTP, digits, passwords in URIs.
 *  The same object where there is none of it. */
export function redactMessage(message: SipMessage): SipMessage {
  const headers = redactHeaders(message.headers);
  const body = redactBody(message);
  if (message.kind === 'response') {
    return headers === message.headers && body === message.body ? message : { ...message, headers, body };
  }
  const uri = message.uri.replace(uriPassword, `$1:${hiddenText}@`);
  const same = headers === message.headers && body === message.body && uri === message.uri;
  return same ? message : { ...message, uri, headers, body };
}

function redactHeaders(headers: readonly SipHeader[]): readonly SipHeader[] {
  if (!headers.some((header) => isCredential(header) || hasPassword(header))) return headers;
  return headers.map((header) => {
    const { name, value } = header;
    if (isCredential(header)) return { name, value: hiddenText };
    return hasPassword(header) ? { name, value: value.replace(uriPassword, `$1:${hiddenText}@`) } : header;
  });
}

function isCredential({ name }: SipHeader): boolean {
  // Two lengths between the three of them: most headers are passed by at a glance.
  return (name.length === 13 || name.length === 19) && secretHeaders.has(name.toLowerCase());
}

function hasPassword({ value }: SipHeader): boolean {
  const at = value.indexOf('@');
  const colon = value.indexOf(':');
  // A second colon before the @.
  if (at < 0 || colon < 0 || value.lastIndexOf(':', at) === colon) return false;
  uriPassword.lastIndex = 0;
  return uriPassword.test(value);
}

function redactBody({ headers, body }: SipMessage): Uint8Array {
  if (body.length === 0) return body;
  const type = headers.find(({ name }) => name === 'Content-Type')?.value ?? '';
  if (/^application\/dtmf\b(?!-)/i.test(type)) return encoder.encode(hiddenText);
  const text = decoder.decode(body);
  let shown = text;
  for (const [pattern, replacement] of secretLines) shown = shown.replace(pattern, replacement);
  return shown === text ? body : encoder.encode(shown);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
