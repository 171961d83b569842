import type { StreamDialect, StreamDialectName } from './messages.ts';
import { sinch } from './sinch.ts';

/** Every dialect that this gateway speaks. */
const dialects: Partial<Record<StreamDialectName, StreamDialect>> = { sinch };

/** Throws `RangeError` for a name that this build does not know. */
export function dialectNamed(name: StreamDialectName): StreamDialect {
  const dialect = dialects[name];
  if (dialect === undefined) throw new RangeError(`dialect must be one that is built in, got ${name}`);
  return dialect;
}
