import { Value } from 'typebox/value';
import {
  type CommandName,
  commandExtensionOf,
  commandSchemas,
} from '../../protocol/stream/message-schemas.ts';
import type { ConformanceCall, Said } from './conformance-call.ts';
import type { ClientEnd } from './conformance-client.ts';
import type { Evidence } from './scenarios.ts';

/** What rules are made of: ways to judge the calls that were placed, and the words for what was seen. */

export interface Verdict {
  /** `skip`: there was nothing to judge. */
  readonly outcome: 'pass' | 'fail' | 'skip';
  readonly seen: string;
}

export const pass = (seen: string): Verdict => ({ outcome: 'pass', seen });
export const fail = (seen: string): Verdict => ({ outcome: 'fail', seen });
export const skip = (seen: string): Verdict => ({ outcome: 'skip', seen });

export function onCall(
  call: ConformanceCall | undefined,
  judge: (call: ConformanceCall) => Verdict,
): Verdict {
  if (call === undefined) return skip('not tried');
  if (!call.upgrade.accepted) return skip('there was no connection');
  // It shows what it is worth where R11, R14 and R22 look at it.
  if (call.end?.by === 'violation') return skip('the connection broke RFC 6455 or a limit');
  return judge(call);
}

export function onAnswered(
  call: ConformanceCall | undefined,
  judge: (call: ConformanceCall) => Verdict,
): Verdict {
  return onCall(call, (known) => (known.answered ? judge(known) : skip('the call was not answered')));
}

/** The same reply as to the plain call, and no odd end. */
export function asUsual({ plain }: Evidence, call: ConformanceCall | undefined): Verdict {
  if (plain?.reply === undefined) return skip('there was no reply to a plain connect');
  if (call !== undefined && !call.upgrade.accepted) return fail(call.upgrade.why);
  return onCall(call, (known) => {
    if (known.reply === undefined) return fail(known.early === undefined ? 'no reply' : endText(known.early));
    if (known.reply !== plain.reply) return fail(`${known.reply}; to a plain connect it said ${plain.reply}`);
    if (known.early === undefined) return pass(known.reply);
    return isOdd(known.early, plain) ? fail(endText(known.early)) : skip('it hangs up by itself');
  });
}

/** An end that the plain call did not have: it may hang up when it likes, but not for our reasons. */
export function isOdd(end: ClientEnd | undefined, plain: ConformanceCall | undefined): boolean {
  if (end === undefined) return false;
  return !(isHangup(end) && plain?.early !== undefined && isHangup(plain.early));
}

export function isHangup(end: ClientEnd): boolean {
  return end.by === 'server' && (end.code === 1000 || end.code === 1005);
}

export function everyCall(evidence: Evidence): readonly ConformanceCall[] {
  const { plain, rates, unknown, fragmented, headers, extended, first, second, idle, afterLosses } = evidence;
  const calls = [
    plain,
    ...rates.values(),
    unknown,
    fragmented,
    headers,
    extended,
    first,
    second,
    idle,
    afterLosses,
  ];
  return calls.filter((call) => call !== undefined);
}

/** Fails with the first `problem` of any call. */
export function onEvery(evidence: Evidence, problem: (call: ConformanceCall) => string | undefined): Verdict {
  const calls = everyCall(evidence).filter(({ upgrade }) => upgrade.accepted);
  if (calls.length === 0) return skip('there was no connection');
  const found = firstDefined(calls.map(problem));
  return found === undefined ? pass(`in ${count(calls.length, 'call')}`) : fail(found);
}

export function onEveryEnd(
  evidence: Evidence,
  isBroken: (end: Extract<ClientEnd, { readonly by: 'violation' }>) => boolean,
): Verdict {
  return onEvery(evidence, ({ end }) => (end?.by === 'violation' && isBroken(end) ? end.message : undefined));
}

export function isKnown(command: unknown): command is CommandName {
  return typeof command === 'string' && Object.hasOwn(commandSchemas, command);
}

export function extensionOfCommand(command: unknown): string | undefined {
  if (typeof command !== 'string' || !Object.hasOwn(commandExtensionOf, command)) return undefined;
  return commandExtensionOf[command as keyof typeof commandExtensionOf];
}

export function fieldProblem(said: Said): string | undefined {
  const command = said.fields?.command;
  if (!isKnown(command)) return undefined;
  const [error] = Value.Errors(commandSchemas[command], said.fields);
  return error && `${shown(said)}: ${error.instancePath.replace(/^\//, '')} ${error.message}`;
}

export function firstDefined<T>(values: readonly (T | undefined)[]): T | undefined {
  return values.find((value) => value !== undefined);
}

// ---- Words --------------------------------------------------------------------------------------------------------

export function endText(end: ClientEnd): string {
  switch (end.by) {
    case 'server':
      return `closed with ${end.code}${end.reason === '' ? '' : ` ${end.reason}`}`;
    case 'lost':
      return 'the connection was cut';
    case 'violation':
      return end.message;
    case 'us':
      return 'we let go';
  }
}

export function shown({ text }: Said): string {
  return quoted(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** On one line, whatever is in it. */
export function quoted(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

export function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
