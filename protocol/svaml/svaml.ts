import type { TSchema } from 'typebox';
import { ProtocolError } from '../protocol-error.ts';
import { checkSchema, foundText, nearest, type SchemaProblem } from '../schema-check.ts';
import { actionProblems, actionSchemas, type ConnectSip, type SvamlAction } from './actions.ts';
import { actionError } from './connect-stream.ts';
import { sipAddress, svamlFormats } from './formats.ts';
import { instructionProblems, instructionSchemas, type SvamlInstruction } from './instructions.ts';

export type * from './actions.ts';
export type { ConnectStream } from './connect-stream.ts';
export type * from './instructions.ts';

/** How a call goes on: what is done on the way, then one action. Every default is filled in, names are in their
 *  canonical case. */
export interface Svaml {
  readonly instructions: readonly SvamlInstruction[];
  readonly action: SvamlAction | undefined;
}

export const instructionsMax = 64;

/** @param path where the value stands, for messages (`customCallout.ice`); empty for a whole body.
 *  @throws ProtocolError `bad-action`, 400, for the first problem, with the path of the field. */
export function checkSvaml(value: unknown, path = ''): Svaml {
  const at = (key: string) => (path === '' ? key : `${path}.${key}`);
  if (!isObject(value))
    throw invalid(path === '' ? 'SVAML' : path, 'a mapping with instructions and action', value);
  for (const key of Object.keys(value)) {
    if (key !== 'instructions' && key !== 'action') {
      throw actionError(
        {
          path: [key],
          kind: 'unknown',
          found: '',
          expected: 'one of instructions, action',
          advice: undefined,
        },
        path,
      );
    }
  }
  const instructions = own(value, 'instructions') ?? [];
  if (!Array.isArray(instructions) || instructions.length > instructionsMax) {
    throw invalid(at('instructions'), `a list of at most ${instructionsMax} instructions`, instructions);
  }
  const action = own(value, 'action') ?? undefined;
  return {
    instructions: instructions.map((item, index) =>
      checkInstruction(item, `${at('instructions')}[${index}]`),
    ),
    action: action === undefined ? undefined : checkAction(action, at('action')),
  };
}

/** @throws ProtocolError as `checkSvaml`. */
export function checkAction(value: unknown, path: string): SvamlAction {
  const action = checkNamed(actionSchemas, value, path, actionProblems);
  return action.name === 'connectSip' ? withWholeUri(action) : action;
}

/** @throws ProtocolError as `checkSvaml`. */
export function checkInstruction(value: unknown, path: string): SvamlInstruction {
  return checkNamed(instructionSchemas, value, path, instructionProblems);
}

function withWholeUri(action: ConnectSip): ConnectSip {
  const { destination } = action;
  const endpoint = sipAddress(destination.endpoint) ?? destination.endpoint;
  return { ...action, destination: { ...destination, endpoint } };
}

/** Published examples write names in several cases (`RunMenu`, `connectpstn`); all of them are meant. */
function checkNamed<Result extends { readonly name: string }>(
  schemas: Readonly<Record<Result['name'], TSchema>>,
  value: unknown,
  path: string,
  furtherProblems: (checked: Result) => readonly SchemaProblem[],
): Result {
  const names = Object.keys(schemas) as Result['name'][];
  if (!isObject(value)) throw invalid(path, `a mapping with name, one of ${names.join(', ')}`, value);
  const given = own(value, 'name');
  const name = names.find(
    (known) => typeof given === 'string' && known.toLowerCase() === given.toLowerCase(),
  );
  if (name === undefined) {
    const near = typeof given === 'string' ? nearest(given, names) : undefined;
    const advice = near === undefined ? '' : `; did you mean ${near}?`;
    throw new ProtocolError(
      'bad-action',
      `${path}.name must be one of ${names.join(', ')}, got ${foundText(given)}${advice}`,
      { status: 400 },
    );
  }
  const canonical = { ...value, name };
  const { value: checked, problems } = checkSchema(schemas[name], canonical, svamlFormats);
  const problem = problems[0] ?? furtherProblems(checked as Result)[0];
  if (problem !== undefined) throw actionError(problem, path);
  return checked as Result;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function invalid(path: string, expected: string, found: unknown): ProtocolError {
  return actionError(
    { path: [], kind: 'invalid', expected, found: foundText(found), advice: undefined },
    path,
  );
}
