import { Buffer } from 'node:buffer';
import { rejectValue } from './header-scanner.ts';

/** The part of a URI a text stands in; each lets other characters stand unescaped. */
export type UriPart = 'user' | 'password' | 'parameter' | 'header';

// RFC 3261 §25.1: unreserved, and what each part allows beyond it.
const unreserved = "A-Za-z0-9\\-_.!~*'()";
const allowed: Readonly<Record<UriPart, RegExp>> = {
  user: new RegExp(`^[${unreserved}&=+$,;?/]*$`),
  password: new RegExp(`^[${unreserved}&=+$,]*$`),
  parameter: new RegExp(`^[${unreserved}[\\]/:&+$]*$`),
  header: new RegExp(`^[${unreserved}[\\]/?:+$]*$`),
};
const escaped: Readonly<Record<UriPart, RegExp>> = {
  user: new RegExp(`[^${unreserved}&=+$,;?/]`, 'gu'),
  password: new RegExp(`[^${unreserved}&=+$,]`, 'gu'),
  parameter: new RegExp(`[^${unreserved}[\\]/:&+$]`, 'gu'),
  header: new RegExp(`[^${unreserved}[\\]/?:+$]`, 'gu'),
};
// What no part may hold: it would end the URI, or the header it stands in.
const forbidden = /[\s"<>\p{Cc}]/u;

/** `text` without its percent escapes. A byte that is no UTF-8 becomes a lone surrogate U+DC80–U+DCFF, from which
 *  `escapeText` makes the same byte again. Throws 400 on a broken escape; `uri` is for the message. */
export function decodeEscapes(text: string, part: UriPart, uri: string): string {
  if (allowed[part].test(text)) return text;
  if (forbidden.test(text))
    rejectValue('bad-uri', `expected no space, quote or bracket in the ${part} part`, uri);
  if (!text.includes('%')) return text;
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) rejectValue('bad-uri', 'expected two hex digits after "%"', uri);
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, decodeRun);
}

/** `text` with escapes for what may not stand in that part of a URI. */
export function escapeText(text: string, part: UriPart): string {
  return allowed[part].test(text) ? text : text.replace(escaped[part], escapeChar);
}

function decodeRun(run: string): string {
  const bytes = Buffer.from(run.replaceAll('%', ''), 'hex');
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  let decoded = '';
  for (let index = 0; index < bytes.length; ) {
    const size = characterSize(bytes, index);
    if (size === 0) decoded += String.fromCharCode(0xdc00 + bytes[index]!);
    else decoded += bytes.toString('utf8', index, index + size);
    index += Math.max(1, size);
  }
  return decoded;
}

/** Bytes of the character that begins there, 0 where none does: a stray, overlong or surrogate one. RFC 3629 §4. */
function characterSize(bytes: Buffer, start: number): number {
  const lead = bytes[start]!;
  if (lead < 0x80) return 1;
  const size =
    lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  let codePoint = lead & (0x7f >> size);
  for (let index = start + 1; index < start + size; index++) {
    const byte = bytes[index] ?? 0;
    if ((byte & 0xc0) !== 0x80) return 0;
    codePoint = (codePoint << 6) | (byte & 0x3f);
  }
  const isOverlong = (size === 3 && codePoint < 0x800) || (size === 4 && codePoint < 0x10000);
  const isSurrogate = codePoint >= 0xd800 && codePoint < 0xe000;
  return isOverlong || isSurrogate || codePoint > 0x10ffff ? 0 : size;
}

function escapeChar(char: string): string {
  const code = char.charCodeAt(0);
  const bytes = char.length === 1 && code >= 0xdc80 && code <= 0xdcff ? [code & 0xff] : Buffer.from(char);
  let text = '';
  for (const byte of bytes) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}
