import { ProtocolError } from '../protocol-error.ts';

/** Text messages that are JSON objects, as most dialects have them: read with errors that say what was found. */

export type Fields = Readonly<Record<string, unknown>>;

/** Throws `bad-json`, `bad-message`. */
export function parseObject(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError('bad-json', `a text message must be JSON, got ${excerpt(text)}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('bad-message', `a text message must be a JSON object, got ${excerpt(value)}`);
  }
  return value as Fields;
}

/** The value of `key` as one of the names of `rows`. Throws `bad-message`, `bad-field`, `unknown-command`. */
export function nameIn<Row>(fields: Fields, key: string, rows: Readonly<Record<string, Row>>): string {
  const name = fields[key];
  if (name === undefined) throw new ProtocolError('bad-message', `a message must have a "${key}", got none`);
  if (typeof name !== 'string') {
    throw new ProtocolError('bad-field', `"${key}" must be a string, got ${excerpt(name)}`);
  }
  if (!Object.hasOwn(rows, name)) {
    const known = Object.keys(rows).join(', ');
    throw new ProtocolError('unknown-command', `"${key}" must be one of ${known}, got ${excerpt(name)}`);
  }
  return name;
}

/** Throws `bad-field` unless it is text of 1 to `lengthMax` characters. */
export function textField(fields: Fields, key: string, lengthMax: number): string {
  const value = fields[key];
  if (typeof value !== 'string' || value === '' || value.length > lengthMax) {
    const wanted = `text of 1 to ${lengthMax} characters`;
    throw new ProtocolError('bad-field', `"${key}" must be ${wanted}, got ${excerpt(value)}`);
  }
  return value;
}

/** Throws `bad-field`. */
export function objectField(fields: Fields, key: string): Fields {
  const value = fields[key];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('bad-field', `"${key}" must be an object, got ${excerpt(value)}`);
  }
  return value as Fields;
}

/** Audio in base64. Throws `bad-field`. */
export function base64Field(fields: Fields, key: string): Uint8Array {
  const value = fields[key];
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new ProtocolError('bad-field', `"${key}" must be base64, got ${excerpt(value)}`);
  }
  return Buffer.from(value, 'base64');
}

/** Enough of a stranger's value to find it, never all of it. */
export function excerpt(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
