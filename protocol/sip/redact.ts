import type { SipHeader, SipMessage } from './message.ts';

/** What stands where something was hidden. */
export const hiddenText = '[hidden]';

const secretHeaders = new Set(['authorization', 'proxy-authorization', 'authentication-info']);
const uriPassword = /(sips?:[^\s:@<>;?]{1,256}):[^\s@<>]{1,256}@/gi;
/** SDES keys (RFC 4568), the older `k=`, and digits in INFO. */
const secretLines: readonly (readonly [RegExp, string])[] = [
  [/^(a=crypto:[^\r\n]*?\binline:)[^\s;|]+/gim, `$1${hiddenText}`],
  [/^(k=)[^\r\n]+/gim, `$1${hiddenText}`],
  [/^([ \t]*Signal[ \t]*=)[^\r\n]+/gim, `$1${hiddenText}`],
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
  if (!headers.some(isSecret)) return headers;
  return headers.map((header) => {
    const { name, value } = header;
    if (!isSecret(header)) return header;
    if (secretHeaders.has(name.toLowerCase())) return { name, value: hiddenText };
    return { name, value: value.replace(uriPassword, `$1:${hiddenText}@`) };
  });
}

function isSecret({ name, value }: SipHeader): boolean {
  if (secretHeaders.has(name.toLowerCase())) return true;
  uriPassword.lastIndex = 0;
  return value.includes('@') && uriPassword.test(value);
}

function redactBody({ headers, body }: SipMessage): Uint8Array {
  if (body.length === 0) return body;
  const type = headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
  if (/^application\/dtmf\b(?!-)/i.test(type)) return encoder.encode(hiddenText);
  const text = decoder.decode(body);
  let shown = text;
  for (const [pattern, replacement] of secretLines) shown = shown.replace(pattern, replacement);
  return shown === text ? body : encoder.encode(shown);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
