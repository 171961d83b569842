import { ProtocolError } from '../protocol-error.ts';
import type { Formats } from '../schema-check.ts';
import { parseUri } from '../sip/uri.ts';

/** What the texts in actions and instructions must look like. */
export const svamlFormats: Formats = {
  'stream-url': { expected: 'a ws:// or wss:// URL', accepts: (text) => streamUrl(text) !== undefined },
  'header-value': {
    expected: 'a header value of visible ASCII characters and spaces',
    accepts: (text) => /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(text),
  },
  'web-url': { expected: 'an http:// or https:// URL', accepts: (text) => webUrl(text) !== undefined },
  'sip-address': {
    expected: 'a SIP address such as sip:alice@example.com',
    accepts: (text) => sipAddress(text) !== undefined,
  },
  'phone-number': {
    expected: 'a phone number such as +46701234567',
    accepts: (text) => /^\+?[0-9*#]{1,32}$/.test(text),
  },
  digits: {
    expected: '1 to 128 of 0-9, *, #, A-D and w (a pause of 500 ms)',
    accepts: (text) => /^[0-9A-Da-d*#wW]{1,128}$/.test(text),
  },
  digit: { expected: 'one of 0-9, * and #', accepts: (text) => /^[0-9*#]$/.test(text) },
  'caller-id': {
    expected: 'a number, a name of visible characters, or `private`',
    accepts: (text) => /^[^\p{C}<>"\\]{1,128}$/u.test(text),
  },
  identifier: {
    expected: '1 to 64 visible characters',
    accepts: (text) => /^[^\p{C}]{1,64}$/u.test(text),
  },
  locale: {
    expected: 'a locale or voice such as en-US',
    accepts: (text) => /^[A-Za-z0-9][A-Za-z0-9_/-]{0,63}$/.test(text),
  },
  'header-name': {
    expected: 'a header name of letters, digits and -',
    accepts: (text) => /^[A-Za-z0-9_.-]{1,64}$/.test(text),
  },
  'header-text': {
    expected: 'text without control characters',
    accepts: (text) => /^[^\p{Cc}]{0,1024}$/u.test(text),
  },
  prompt: {
    expected: '1 to 4096 characters: #tts[text], #ssml[markup], #href[URL], or names, separated by ;',
    accepts: (text) => text.trim() !== '' && text.length <= 4_096 && !text.includes('\0'),
  },
  'menu-action': {
    expected: '`menu(ID)`, `return` or `return(VALUE)`',
    accepts: (text) => menuAction(text) !== undefined,
  },
  ringback: {
    expected: '`silence`, a country such as `se`, or the URL of an audio file',
    accepts: (text) => /^(?:silence|[a-z]{2})$/i.test(text) || webUrl(text) !== undefined,
  },
  'recording-destination': {
    expected: 's3://BUCKET/PATH, or a file name within the recording directory',
    accepts: isRecordingDestination,
  },
};

/** What a key of a menu does. */
export type MenuAction =
  | { readonly kind: 'menu'; readonly menuId: string }
  /** Told to the application in the PIE; empty for a bare `return`. */
  | { readonly kind: 'return'; readonly value: string };

/** Of `menu(ID)`, `return` and `return(VALUE)`, names in any case; undefined where the text is none of them. */
export function menuAction(text: string): MenuAction | undefined {
  const match = /^(menu|return)(?:\(([^()\p{Cc}]{0,256})\))?$/iu.exec(text.trim());
  if (match === null) return undefined;
  const value = (match[2] ?? '').trim();
  if (match[1]!.toLowerCase() === 'return') return { kind: 'return', value };
  return value === '' ? undefined : { kind: 'menu', menuId: value };
}

/** A SIP URI with its scheme, of `alice@example.com` too; undefined where the text is none. */
export function sipAddress(text: string): string | undefined {
  if (text.length > 1_024 || !/^[\x21-\x7e]+$/.test(text) || /[<>"]/.test(text)) return undefined;
  const withScheme = /^sips?:/i.test(text) ? text : `sip:${text}`;
  try {
    const uri = parseUri(withScheme);
    // Headers in a URI would write into the INVITE, and `maddr` sends it elsewhere than the host says.
    const odd = uri.headers.length > 0 || uri.password !== undefined || uri.parameters.has('maddr');
    return odd ? undefined : withScheme;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

/** Undefined for another scheme, no host, credentials, or characters that the URL parser would drop silently. */
export function webUrl(text: string): URL | undefined {
  if (text.length > 2_048 || !/^https?:\/\/[^/?#\s@]/i.test(text) || /[^\x21-\x7e]|\\/.test(text))
    return undefined;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return undefined;
  return url.hostname === '' || url.port === '0' ? undefined : url;
}

function isRecordingDestination(text: string): boolean {
  if (text.length > 1_024) return false;
  if (/^s3:\/\//i.test(text)) return /^s3:\/\/[a-z0-9.-]{1,63}(?:\/[\x21-\x7e]*)?$/i.test(text);
  // Never out of the directory, nor into a hidden file.
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/.test(text);
}

/** The URL of a stream server, undefined where it is none: another scheme, no host, a fragment (RFC 6455 §3), or
 *  characters that the URL parser would drop silently. That of `tcp://host:port` comes as `ws:`, as only for schemes
 *  that it knows does the URL standard read all ways to write an address as the same. */
export function streamUrl(text: string): URL | undefined {
  if (text.length > 2_048 || /[^\x21-\x7e]|[\\#]/.test(text)) return undefined;
  const overTcp = isTcpUrl(text);
  if (overTcp ? !/^tcp:\/\/[^/?#@]+:\d{1,5}\/?$/i.test(text) : !/^wss?:\/\/[^/?#]/i.test(text))
    return undefined;
  const known = overTcp ? `ws${text.slice('tcp'.length)}` : text;
  if (!URL.canParse(known)) return undefined;
  const url = new URL(known);
  return url.hostname === '' || url.port === '0' ? undefined : url;
}

/** Whether a stream's URL is of bare TCP. */
export function isTcpUrl(text: string): boolean {
  return /^tcp:/i.test(text);
}
