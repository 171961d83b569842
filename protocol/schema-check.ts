import type { Static, TSchema } from 'typebox';

/** Checks what a person or a program wrote against a typebox schema and fills in the defaults. All problems are
 *  found (of unknown keys a hundred), not just the first, and each says where, what was found and what was expected.
 *
 *  Understood: objects (closed: unknown keys are refused), arrays, tuples, strings, numbers, booleans, enums. A
 *  property with `default` may be left out and is then filled in, so that `Static` of the schema is the type after
 *  the check. Besides JSON Schema's words: `expected` replaces the derived expectation, `secret` keeps the value
 *  out of messages, `later` names what this version does not have yet (`true` for a whole property, a list for
 *  values), `caseless` is for enums, `decidedBy` names the property of an object that decides about all others. */
export function checkSchema<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  formats: Formats,
): { readonly value: Static<Schema>; readonly problems: readonly SchemaProblem[] } {
  const check = new Check(formats);
  const filled = check.visit(schema as SchemaNode, value, []);
  return { value: filled as Static<Schema>, problems: check.problems };
}

export type DeepReadonly<T> = T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T;

/** What `format` on a string means. */
export interface Format {
  readonly expected: string;
  accepts(text: string): boolean;
}

export type Formats = Readonly<Record<string, Format>>;

export type SchemaPath = readonly (string | number)[];

export interface SchemaProblem {
  readonly path: SchemaPath;
  readonly kind: 'unknown' | 'missing' | 'invalid' | 'later';
  readonly found: string;
  readonly expected: string;
  /** What to do about it. */
  readonly advice: string | undefined;
}

/** `routes[0].action.name`; the root is the empty text. */
export function pathText(path: SchemaPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? printable(step) : `${text}.${printable(step)}`;
  }, '');
}

/** A value as messages show it: short, on one line. */
export function foundText(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return JSON.stringify(shortened(value));
  return shortened(String(value));
}

/** The part of a schema that the check reads. */
export interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode | readonly SchemaNode[];
  readonly enum?: readonly (string | number)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly format?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly expected?: string;
  readonly secret?: boolean;
  readonly later?: true | readonly string[];
  readonly caseless?: boolean;
  readonly decidedBy?: string;
}

/** What a schema wants, in words. */
export function expectedText(schema: SchemaNode, formats: Formats): string {
  if (schema.expected !== undefined) return schema.expected;
  if (schema.enum !== undefined) return listed(schema.enum.map(String));
  switch (schema.type) {
    case 'object':
      return `a mapping with ${listed(Object.keys(schema.properties ?? {}), 'and')}`;
    case 'array':
      return `a list${lengthText(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number${rangeText(schema)}`;
    case 'number':
      return `a number${rangeText(schema)}`;
    default:
      if (schema.format !== undefined) return formats[schema.format]?.expected ?? schema.format;
      return schema.maxLength === undefined ? 'text' : `text of at most ${schema.maxLength} characters`;
  }
}

/** Nobody reads more, and whoever sends thousands of unknown keys shall not have each compared with every known one. */
const problemsMax = 100;

class Check {
  readonly problems: SchemaProblem[] = [];
  readonly #formats: Formats;

  constructor(formats: Formats) {
    this.#formats = formats;
  }

  /** The value with defaults filled in. After a problem it is only good for finding further problems. */
  visit(schema: SchemaNode, value: unknown, path: SchemaPath): unknown {
    if (schema.enum !== undefined) return this.#visitEnum(schema, value, path);
    if (schema.type === 'object') return this.#visitObject(schema, value, path);
    if (schema.type === 'array') return this.#visitArray(schema, value, path);
    if (!this.#scalarFits(schema, value)) this.#invalid(schema, value, path);
    return value;
  }

  #visitObject(schema: SchemaNode, value: unknown, path: SchemaPath): unknown {
    // `sip:` with nothing under it is a section whose lines were commented out.
    const held = value === null ? {} : value;
    if (typeof held !== 'object' || Array.isArray(held)) return this.#invalid(schema, value, path);
    const properties = schema.properties ?? {};
    const filled: Record<string, unknown> = {};
    const given = (key: string) =>
      Object.hasOwn(held, key) ? (held as Record<string, unknown>)[key] : undefined;

    if (schema.decidedBy !== undefined) {
      const before = this.problems.length;
      this.#visitProperty(schema, schema.decidedBy, given(schema.decidedBy), path, filled);
      if (this.problems.length > before) return filled;
    }
    const known = Object.keys(properties);
    for (const key of Object.keys(held)) {
      if (this.problems.length >= problemsMax) break;
      if (!Object.hasOwn(properties, key)) this.#unknown(key, known, path);
    }
    for (const key of known) {
      if (key !== schema.decidedBy) this.#visitProperty(schema, key, given(key), path, filled);
    }
    return filled;
  }

  #visitProperty(
    parent: SchemaNode,
    key: string,
    value: unknown,
    path: SchemaPath,
    filled: Record<string, unknown>,
  ): void {
    const schema = parent.properties?.[key];
    if (schema === undefined) return;
    const here = [...path, key];
    if (value !== undefined) {
      if (schema.later === true) this.#later(here, value, schema);
      else filled[key] = this.visit(schema, value, here);
      return;
    }
    if (schema.default !== undefined) {
      filled[key] = this.visit(schema, structuredClone(schema.default), here);
    } else if (parent.required?.includes(key)) {
      const expected = expectedText(schema, this.#formats);
      this.problems.push({
        path: here,
        kind: 'missing',
        found: 'nothing',
        expected,
        advice: `add \`${key}\``,
      });
    }
  }

  #visitArray(schema: SchemaNode, value: unknown, path: SchemaPath): unknown {
    if (!Array.isArray(value)) return this.#invalid(schema, value, path);
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items = {} } = schema;
    if (value.length < minItems || value.length > maxItems) return this.#invalid(schema, value, path);
    return value.map((item, index) => {
      const itemSchema = Array.isArray(items) ? items[index] : items;
      return itemSchema === undefined ? item : this.visit(itemSchema, item, [...path, index]);
    });
  }

  #visitEnum(schema: SchemaNode, value: unknown, path: SchemaPath): unknown {
    const choices = schema.enum ?? [];
    const match = choices.find(
      (choice) =>
        choice === value ||
        (schema.caseless &&
          typeof value === 'string' &&
          String(choice).toLowerCase() === value.toLowerCase()),
    );
    if (match !== undefined) return match;
    if (Array.isArray(schema.later) && schema.later.includes(value)) {
      this.#later(path, value, schema);
      return value;
    }
    const near = typeof value === 'string' ? nearest(value, choices.map(String)) : undefined;
    return this.#invalid(schema, value, path, near === undefined ? undefined : `did you mean \`${near}\`?`);
  }

  #scalarFits(schema: SchemaNode, value: unknown): boolean {
    if (schema.type === 'boolean') return typeof value === 'boolean';
    if (schema.type === 'integer' || schema.type === 'number') {
      const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
      if (typeof value !== 'number' || !(value >= minimum && value <= maximum)) return false;
      return schema.type === 'number' || Number.isInteger(value);
    }
    const { minLength = 0, maxLength = 65_536, format } = schema;
    if (typeof value !== 'string' || value.length < minLength || value.length > maxLength) return false;
    return format === undefined || this.#formats[format]?.accepts(value) === true;
  }

  #invalid(schema: SchemaNode, value: unknown, path: SchemaPath, advice?: string): undefined {
    const hide = schema.secret === true && typeof value === 'string';
    const found = hide ? `a secret of ${value.length} characters` : foundText(value);
    this.problems.push({
      path,
      kind: 'invalid',
      found,
      expected: expectedText(schema, this.#formats),
      advice,
    });
    return undefined;
  }

  #later(path: SchemaPath, value: unknown, schema: SchemaNode): void {
    const expected = schema.later === true ? 'no such setting' : expectedText(schema, this.#formats);
    const advice = 'this is not available in this version yet; remove it';
    this.problems.push({ path, kind: 'later', found: foundText(value), expected, advice });
  }

  #unknown(key: string, known: readonly string[], path: SchemaPath): void {
    const near = nearest(key, known);
    this.problems.push({
      path: [...path, key],
      kind: 'unknown',
      found: `the unknown key \`${printable(key)}\``,
      expected: known.length === 0 ? 'no keys' : `one of ${known.join(', ')}`,
      advice: near === undefined ? 'remove it' : `did you mean \`${near}\`?`,
    });
  }
}

function rangeText({ minimum, maximum }: SchemaNode): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return maximum === undefined ? '' : ` of at most ${maximum}`;
}

function lengthText({ items, minItems = 0, maxItems }: SchemaNode): string {
  if (Array.isArray(items)) return ` of ${items.length}`;
  if (maxItems !== undefined) return ` of ${minItems} to ${maxItems}`;
  return minItems === 0 ? '' : ` of at least ${minItems}`;
}

function listed(words: readonly string[], joint = 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${joint} ${words[words.length - 1]}`;
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Keys come from the other side too: nothing in them may break a line or a terminal. */
function printable(key: string): string {
  return shortened(key).replace(/[^\x20-\x7e]/g, '?');
}

/** The word that was probably meant: at most two letters off, and no more than a third of the word. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.min(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let twoBack: number[] = [];
  let oneBack = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        oneBack[column]! + 1,
        current[column - 1]! + 1,
        oneBack[column - 1]! + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, twoBack[column - 2]! + 1);
      }
      current.push(cost);
    }
    twoBack = oneBack;
    oneBack = current;
  }
  return oneBack[b.length]!;
}
