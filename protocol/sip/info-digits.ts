import { Buffer } from 'node:buffer';
import { headerValue, type SipRequest } from './message.ts';

export interface InfoDigit {
  /** One of `0`–`9 * # A`–`D`. */
  readonly digit: string;
  readonly durationMs: number;
}

const durationMsDefault = 160;
const durationMsMax = 10_000;
const digitsMax = 32;
/** Event numbers of RFC 4733 §3.2, which some phones write instead of the sign. */
const signs = '0123456789*#ABCD';

/** Digits that an INFO carries, as phones have done since before RFC 6086: `application/dtmf-relay` with
 *  `Signal=5` and `Duration=160` lines, and `application/dtmf` with the bare sign. Undefined for a body of another
 *  type, empty where there is no digit in it (a flash, say). */
export function digitsOf(info: SipRequest): readonly InfoDigit[] | undefined {
  const type = headerValue(info, 'Content-Type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/dtmf-relay' && type !== 'application/dtmf') return undefined;
  const { buffer, byteOffset, byteLength } = info.body;
  const text = Buffer.from(buffer, byteOffset, Math.min(byteLength, 1024)).toString('latin1');
  return type === 'application/dtmf' && !text.includes('=') ? bareDigits(text) : relayDigit(text);
}

function relayDigit(text: string): InfoDigit[] {
  const signal = /^[ \t]*signal[ \t]*=[ \t]*([^\s]+)/im.exec(text)?.[1]?.toUpperCase() ?? '';
  const digit = signOf(signal);
  if (digit === undefined) return [];
  const duration = /^[ \t]*duration[ \t]*=[ \t]*(\d{1,6})/im.exec(text)?.[1];
  const durationMs = Math.min(Number(duration ?? 0), durationMsMax) || durationMsDefault;
  return [{ digit, durationMs }];
}

function bareDigits(text: string): InfoDigit[] {
  const words = text.trim().toUpperCase();
  const numbered = signOf(words);
  const found = numbered === undefined ? [...words].filter((sign) => signs.includes(sign)) : [numbered];
  return found.slice(0, digitsMax).map((digit) => ({ digit, durationMs: durationMsDefault }));
}

/** `10` and `11` are star and pound, `12`–`15` A–D. */
function signOf(text: string): string | undefined {
  if (text.length === 1 && signs.includes(text)) return text;
  return /^1[0-5]$/.test(text) ? signs[Number(text)] : undefined;
}
