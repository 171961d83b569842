import { InvalidArgumentError } from 'commander';
import { streamSampleRatesHz } from '../../protocol/stream/messages.ts';
import { parseHttpListener } from '../listen-address.ts';

/** Readers of option values. They throw commander's error, which names the option. */

export function readPositiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

// A timer of Node holds 2^31 ms and fires at once beyond: `--drain-limit 9999999` would have ended every call.
const secondsMax = 1_000_000;

export function readSeconds(text: string): number {
  const value = readPositiveNumber(text);
  if (value > secondsMax) throw new InvalidArgumentError(`Expected at most ${secondsMax} seconds.`);
  return value;
}

export function readSampleRate(text: string): number {
  const value = streamSampleRatesHz.find((rateHz) => rateHz === Number(text));
  if (value === undefined)
    throw new InvalidArgumentError(`Expected a rate in Hz, one of ${streamSampleRatesHz.join(', ')}.`);
  return value;
}

/** `ADDRESS:PORT`; an IPv6 address in brackets. */
export function readHostPort(text: string): string {
  if (parseHttpListener(text) === undefined)
    throw new InvalidArgumentError('Expected ADDRESS:PORT, such as 127.0.0.1:9000.');
  return text;
}

/** RFC 4733 digits and `w`, a pause of 500 ms. */
export function readDigits(text: string): string {
  if (!/^[0-9*#A-Da-dw]{1,100}$/.test(text))
    throw new InvalidArgumentError('Expected digits: 0-9 * # A-D, w for a pause of 500 ms.');
  return text.replace(/[a-d]/g, (digit) => digit.toUpperCase());
}

export interface HeaderOption {
  readonly name: string;
  readonly value: string;
}

/** What a message has once, long and compact. */
const headersOnce = /^(?:from|f|to|t|call-id|i|cseq|max-forwards|content-(?:length|type)|l|c)$/i;

/** `Name: value`, for an option that may be given again and again. */
export function collectHeader(text: string, collected: readonly HeaderOption[] = []): HeaderOption[] {
  const match = /^([A-Za-z0-9!%*_+`'~.-]+):[ \t]*([^\r\n]*)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Expected 'Name: value', such as 'X-Ticket: INC-4815'.");
  if (headersOnce.test(match[1]!)) throw new InvalidArgumentError(`The phone itself writes ${match[1]}.`);
  return [...collected, { name: match[1]!, value: match[2]! }];
}

export function collectText(text: string, collected: readonly string[] = []): string[] {
  return [...collected, text];
}
