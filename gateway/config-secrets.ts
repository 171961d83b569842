import { stat } from 'node:fs/promises';
import type { SchemaNode } from '../protocol/schema-check.ts';

/** Whether something in it is nobody else's to read: what the schema calls a secret, and URLs with credentials or a
 *  query, where tokens travel. */
export function holdsSecrets(schema: SchemaNode, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (schema.secret === true) return true;
  if (typeof value === 'string') return /^[a-z]+:\/\/(?:[^/?#]*@|[^#]*\?)/i.test(value);
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined || Array.isArray(items)) return false;
    return value.some((item) => holdsSecrets(items as SchemaNode, item));
  }
  if (typeof value !== 'object') return false;
  return Object.entries(schema.properties ?? {}).some(([key, property]) =>
    holdsSecrets(property, (value as Record<string, unknown>)[key]),
  );
}

/** Those of the files that users other than owner and group may read. */
export async function readableByOthers(files: readonly string[]): Promise<string[]> {
  const modes = await Promise.all(files.map(async (file) => (await stat(file)).mode));
  return files.filter((_, at) => (modes[at]! & 0o004) !== 0);
}
