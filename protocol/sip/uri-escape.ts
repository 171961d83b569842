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
  const text = decodeBytes(run);
  // No exceptions and no guesses: only where replacement characters appeared is each character looked at alone.
  return text.includes('\ufffd') ? run.replace(oneCharacter, decodeCharacter) : text;
}

const oneCharacter = /%[CD].(?:%[89AB].)|%E.(?:%[89AB].){2}|%F[0-7](?:%[89AB].){3}|%../gi;

function decodeCharacter(sequence: string): string {
  const text = decodeBytes(sequence);
  if (!text.includes('\ufffd') || sequence.toUpperCase() === '%EF%BF%BD') return text;
  return sequence.replace(/%../g, (byte) => String.fromCharCode(0xdc00 + Number.parseInt(byte.slice(1), 16)));
}

function decodeBytes(sequence: string): string {
  return Buffer.from(sequence.replaceAll('%', ''), 'hex').toString('utf8');
}

function escapeChar(char: string): string {
  const code = char.charCodeAt(0);
  const bytes = char.length === 1 && code >= 0xdc80 && code <= 0xdcff ? [code & 0xff] : Buffer.from(char);
  let text = '';
  for (const byte of bytes) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}
